//! Mounting what is declared, keeping what is in use, and unmounting the rest.

use std::path::Path;
use std::time::{Duration, Instant};

use super::unit::mount_unit_name;
use crate::conf::clean;
use crate::declare::{Declarations, SEALED_STORES};
use crate::dependents::{KeepOptions, keep_layers, needed};
use crate::engine::Profile;
use crate::plan::{self, ApplyOptions, CommitMode, Host, Note, PlanOutcome};
use crate::problem::{Problem, words};
use crate::store::{IMAGE_LABEL, awaited, prepare, withdraw};
use crate::sys::{
    self, SelinuxAccess, engine_processes_at, is_booted, is_forbidden_by_selinux, is_hidden_here,
    mount_by_unit, unmount,
};

/// What a mount with a context needs beside what any mount does: the kernel asks for it once the
/// file system has the context (`selinux_set_mnt_opts` in security/selinux/hooks.c). Debian's
/// policy does not give it.
const MOUNT: SelinuxAccess<'_> = SelinuxAccess {
    source: "system_u:system_r:mount_t:s0",
    target: IMAGE_LABEL,
    class: "filesystem",
    permission: "relabelfrom",
};

/// What makes a policy allow that.
const ALLOW: &str = "`echo '(allow mount_t container_ro_file_t (filesystem (relabelfrom)))' \
    > storagectl-mount.cil` and `semodule -i storagectl-mount.cil` allow it";

/// Does what [`plan::apply`] does. Before that, declared stores that are sealed are mounted
/// where systemd runs, and at boot each gets at least its mount point; former ones stay
/// listed while something builds on them. After it the others are unmounted.
///
/// Returns also what could not be mounted or unmounted, which keeps nothing else from
/// being done.
///
/// # Errors
/// Those of [`plan::apply`], and a [`Problem`] if it cannot be told what is mounted.
pub fn apply(
    host: &Host,
    declarations: &Declarations,
    options: ApplyOptions,
    mode: CommitMode,
) -> anyhow::Result<(PlanOutcome, Vec<Problem>)> {
    let mut notes = Vec::new();
    let mut problems = Vec::new();
    let is_system = host.config.is_none() && !host.is_rootless();
    if is_system {
        mount(host, declarations, options, mode, &mut notes, &mut problems)?;
    }
    let mut declarations = declarations.clone();
    if is_system && mode == CommitMode::Commit && !host.root.is_tree() {
        keep_layers_of_former(host, &declarations, &mut notes, &mut problems)?;
    }
    let kept = keep_former(host, &mut declarations)?;
    let mut outcome = plan::apply(host, &declarations, options, mode)?;
    host.forget_files();
    let mounted = !notes.is_empty();
    for (path, why) in &kept {
        outcome.plan.notes.push(Note::Stays(format!("`{path}` stays mounted: {why}")));
    }
    let retired = match is_system && !host.root.is_tree() {
        true => retire(host, &declarations, mode, &mut problems)?,
        false => Vec::new(),
    };
    outcome.committed |= mode == CommitMode::Commit && (mounted || !retired.is_empty());
    outcome.plan.notes.extend(notes);
    outcome.plan.notes.extend(retired.into_iter().map(|path| Note::Then(format!("unmounted `{path}`"))));
    Ok((outcome, problems))
}

fn is_mounted(host: &Host, path: &Path) -> anyhow::Result<bool> {
    Ok(sys::is_mounted(&host.root, path).map_err(host.cannot("look at", path))?)
}

/// The declared sealed stores of a running host that are not mounted, with their files,
/// where no mount point says so to whoever looks at the listed stores.
///
/// # Errors
/// A [`Problem`] if it cannot be told what is mounted.
pub fn unmounted(host: &Host, declarations: &Declarations) -> anyhow::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    if host.root.is_tree() || !is_booted() {
        return Ok(found);
    }
    for declared in &declarations.stores {
        let Some(image) = &declared.sealed else { continue };
        let path = Path::new(&declared.path);
        if !is_mounted(host, path)? && !is_prepared(host, path)? {
            found.push((declared.path.clone(), image.clone()));
        }
    }
    Ok(found)
}

/// Mounts the declared stores that are not mounted.
fn mount(
    host: &Host,
    declarations: &Declarations,
    options: ApplyOptions,
    mode: CommitMode,
    notes: &mut Vec<Note>,
    problems: &mut Vec<Problem>,
) -> anyhow::Result<()> {
    let runs = !host.root.is_tree() && is_booted();
    for declared in &declarations.stores {
        let Some(image) = &declared.sealed else { continue };
        let path = Path::new(&declared.path);
        if is_mounted(host, path)? || !(runs || options.boot) {
            continue;
        }
        let unit = mount_unit_name(&declared.path);
        if mode == CommitMode::Commit
            && let Err(problem) = prepare(&host.root, path, image)
            && !is_mounted(host, path)?
        {
            problems.push(problem);
        }
        // At boot systemd has tried before.
        if runs && !options.boot {
            let started =
                if mode == CommitMode::Commit { mount_by_unit(&host.root, path, &unit) } else { Ok(()) };
            match started {
                Ok(()) => {
                    notes.push(Note::First(format!("mounted `{image}` at `{}`", declared.path)));
                    continue;
                }
                Err(error) => problems.push(not_mounted(host, image, &declared.path, &words(&error), &unit)),
            }
        } else {
            problems.push(not_mounted(host, image, &declared.path, "its unit did not mount it", &unit));
        }
    }
    Ok(())
}

fn not_mounted(host: &Host, image: &str, path: &str, why: &str, unit: &str) -> Problem {
    let what = format!("`{image}` is not mounted at `{path}`");
    // The unit's mount(8) does not say so, and the denial may be kept out of the audit log.
    if is_forbidden_by_selinux(&host.root, MOUNT) {
        let message = format!("{what}: the SELinux policy does not let systemd mount with `{IMAGE_LABEL}`");
        let hint = format!("{ALLOW}, and `storagectl apply` mounts it");
        return Problem::new("sealed-mount", message, hint);
    }
    let message = format!("{what}: {why}");
    let hint = format!("`systemctl start '{unit}'`, or see `systemctl status '{unit}'` for why it fails");
    Problem::new("sealed-mount", message, hint)
}

/// Sealed stores that are mounted and not declared: those of packages that were updated or
/// removed.
fn former(host: &Host, declarations: &Declarations) -> anyhow::Result<Vec<String>> {
    let dir = Path::new(SEALED_STORES);
    let mut found = Vec::new();
    // They are listed for everybody, by root.
    if host.is_rootless() {
        return Ok(found);
    }
    let names = host.root.list(dir).map_err(host.cannot("read", dir))?;
    for name in names.unwrap_or_default() {
        let path = dir.join(name);
        let Some(text) = path.to_str().map(str::to_owned) else { continue };
        if !declarations.stores.iter().any(|declared| declared.path == text) && is_mounted(host, &path)? {
            found.push(text);
        }
    }
    Ok(found)
}

/// Copies what is built on former stores needs of them into the engines' own storage: rpm has deleted
/// their files, so the next boot does not have them.
fn keep_layers_of_former(
    host: &Host,
    declarations: &Declarations,
    notes: &mut Vec<Note>,
    problems: &mut Vec<Problem>,
) -> anyhow::Result<()> {
    let former = former(host, declarations)?;
    if former.is_empty() || !declarations.faulty.is_empty() || hidden_storage(host).is_some() {
        return Ok(());
    }
    for declared in declarations.stores.iter().filter(|store| store.sealed.is_some()) {
        let path = Path::new(&declared.path);
        if !is_mounted(host, path)? || is_prepared(host, path)? {
            // It may have the same layers, and is not mounted, or not in the mounts that newer rpms
            // give a scriptlet: the next run sees it.
            return Ok(());
        }
    }
    let declared = declarations.stores.iter().map(|store| store.path.clone()).collect();
    let leaving = former.into_iter().map(Into::into).collect();
    let options = KeepOptions { from: Vec::new(), leaving, coming: declared };
    match keep_layers(host, &options, CommitMode::Commit).map_err(anyhow::Error::downcast::<Problem>) {
        Ok(kept) => {
            for storage in kept {
                if !storage.layers.is_empty() {
                    let count = storage.layers.len();
                    let layers = if count == 1 { "1 layer".to_owned() } else { format!("{count} layers") };
                    let place = host.show(storage.place());
                    notes.push(Note::Then(format!("kept {layers} of former stores in `{place}`")));
                }
                problems.extend(storage.not_kept);
            }
        }
        // They stay mounted until it can be told, or the next boot.
        Err(Ok(problem)) => problems.push(problem),
        Err(Err(error)) => return Err(error),
    }
    Ok(())
}

/// Sees to it that former stores that are in use stay listed. Returns these, and why.
///
/// # Errors
/// A [`Problem`] if it cannot be told what is mounted.
pub fn keep_former(host: &Host, declarations: &mut Declarations) -> anyhow::Result<Vec<(String, String)>> {
    let former = former(host, declarations)?;
    let mut kept = Vec::new();
    let declared: Vec<String> = declarations.stores.iter().map(|store| store.path.clone()).collect();
    let hidden = hidden_storage(host);
    let needed = needed(host, &former, &declared);
    let mut missing = None;
    for store in declarations.stores.iter().filter(|store| store.sealed.is_some()) {
        if missing.is_none() && !is_mounted(host, Path::new(&store.path))? {
            missing = Some(&store.path);
        }
    }
    // rpm has deleted the files of the former ones: they cannot be mounted again.
    let missing = missing.map(|path| format!("`{path}` is not mounted yet"));
    for path in former {
        let why = match &needed {
            _ if !declarations.faulty.is_empty() => Some("a declaration cannot be read".to_owned()),
            _ if missing.is_some() => missing.clone(),
            _ if hidden.is_some() => hidden.clone(),
            Err(error) => Some(format!("{error:#}")),
            Ok(needed) if needed.contains(&path) => {
                Some("containers or images of this host depend on it".to_owned())
            }
            Ok(_) => process_at(host, &path),
        };
        if let Some(why) = why {
            declarations.former.push(path.clone());
            kept.push((path, why));
        }
    }
    Ok(kept)
}

/// That an engine's own storage cannot be seen from here, and so not what is built on a store.
fn hidden_storage(host: &Host) -> Option<String> {
    if host.root.is_tree() {
        return None;
    }
    let roots =
        host.readers().into_iter().filter_map(|reader| reader.judge(&host.view()).reading.graphroot.clone());
    let mut hidden = roots.map(|root| root.value).filter(|root| is_hidden_here(Path::new(root)));
    hidden.next().map(|root| format!("`{root}` cannot be seen from here"))
}

/// How long engines that do one thing are waited for: what cleans up behind a container
/// that has just ended, say.
const PATIENCE: Duration = Duration::from_secs(2);

/// An engine that was started with the store listed goes on to look there.
fn process_at(host: &Host, path: &str) -> Option<String> {
    if host.root.is_tree() {
        return None;
    }
    let start = Instant::now();
    let mut found = engine_processes_at(Path::new(path));
    while matches!(&found, Ok(Some(process)) if process.name != "crio") && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(50));
        found = engine_processes_at(Path::new(path));
    }
    match found {
        Ok(process) => process.map(|process| {
            format!("{} (process {}) may have been started with it", process.name, process.id)
        }),
        Err(error) => Some(format!("cannot tell whether an engine runs: {}", words(&error))),
    }
}

/// Unmounts former stores that nobody lists any more, and removes the mount points of all
/// that are not declared. Returns what was unmounted.
fn retire(
    host: &Host,
    declarations: &Declarations,
    mode: CommitMode,
    problems: &mut Vec<Problem>,
) -> anyhow::Result<Vec<String>> {
    let dir = Path::new(SEALED_STORES);
    let readings = Profile::ALL.map(|profile| host.reading(profile));
    let listed: Vec<String> = readings.iter().flat_map(|reading| reading.paths()).map(clean).collect();
    let is_wanted = |path: &String| {
        let is_declared = declarations.stores.iter().any(|declared| declared.path == *path);
        is_declared
            || declarations.former.contains(path)
            || (mode == CommitMode::Commit && listed.contains(path))
    };
    let mut unmounted = Vec::new();
    for path in former(host, declarations)?.into_iter().filter(|path| !is_wanted(path)) {
        if mode == CommitMode::Commit {
            // Whoever came while the list still had it.
            if process_at(host, &path).is_some()
                || !needed(host, std::slice::from_ref(&path), &[])?.is_empty()
            {
                continue;
            }
            if let Err(error) = unmount(&host.root, Path::new(&path), &mount_unit_name(&path)) {
                let message = format!("`{path}` cannot be unmounted: {}", words(&error));
                let hint = "it is unmounted at the next boot, or by the next `storagectl apply` when nothing uses it";
                problems.push(Problem::new("sealed-mount", message, hint));
                continue;
            }
        }
        unmounted.push(path);
    }
    if mode == CommitMode::Commit {
        let names = host.root.list(dir).map_err(host.cannot("read", dir))?;
        for path in names.unwrap_or_default().into_iter().map(|name| dir.join(name)) {
            let is_wanted = path.to_str().is_some_and(|path| is_wanted(&path.to_owned()));
            let was_mounted = path.to_str().is_some_and(|path| unmounted.iter().any(|other| other == path));
            if !is_wanted && (was_mounted || is_prepared(host, &path)?) {
                withdraw(&host.root, &path).map_err(host.cannot("remove", &path))?;
            }
        }
        host.root.remove_empty_dir(dir).map_err(host.cannot("remove", dir))?;
    }
    Ok(unmounted)
}

/// Whether `path` is a mount point where nothing is mounted yet, or any more.
fn is_prepared(host: &Host, path: &Path) -> anyhow::Result<bool> {
    Ok(awaited(&host.root, path).map_err(host.cannot("look at", path))?.is_some())
}
