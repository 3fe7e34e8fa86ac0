//! Whether the engines are stopped, and keeping them so.

use std::path::{Path, PathBuf};

use super::find::DependentRecord;
use super::layout::EngineStorage;
use super::mounts::mounted_layers;
use super::own::RecordKind;
use super::store_layers::home;
use crate::plan::Host;
use crate::problem::Problem;
use crate::sys::{RecordLock, crio_runs, is_mount_point};

/// Refuses if an engine runs or something of the storage is mounted.
///
/// # Errors
/// A [`Problem`] that says which.
pub(super) fn refuse_running(
    host: &Host,
    storage: &EngineStorage,
    found: &[DependentRecord],
) -> Result<(), Problem> {
    if !host.root.is_tree() && !host.is_rootless() && crio_runs() {
        return Err(Problem::new(
            "engine-runs",
            "CRI-O runs, and would keep using the records that are to be removed",
            "stop it (`systemctl stop crio`) and try again; the boot service does this before it starts",
        ));
    }
    for (file, layers) in mounted_layers(host, storage)? {
        let mounted = layers.len();
        if mounted > 0 {
            let what = if mounted == 1 { "one container" } else { "several containers" };
            return Err(mounted_problem(format!(
                "{what} of `{}` may be running: `{}` counts the mounted layers",
                host.show(&storage.parts[0]),
                host.show(&file)
            )));
        }
    }
    for (part, layer) in storage.parts.iter().flat_map(|part| found.iter().map(move |found| (part, found))) {
        let merged = part.join(home(&storage.driver)).join(&layer.dependent.id).join("merged");
        if layer.kind == RecordKind::Layer && is_mount_point(&host.root, &merged).unwrap_or(false) {
            return Err(mounted_problem(format!("`{}` is mounted", host.show(&merged))));
        }
    }
    Ok(())
}

fn mounted_problem(message: String) -> Problem {
    Problem::new(
        "containers-mounted",
        message,
        "stop them (`podman stop --all`, `podman unmount --all`) and try again",
    )
}

/// The engines' locks on a storage, held until they are dropped.
#[derive(Debug)]
pub(super) struct Locks {
    /// For each part of the storage, and each kind of records.
    records: Vec<(PathBuf, RecordKind, RecordLock)>,
    /// Held, but not written to: no driver changes.
    _graph: Option<RecordLock>,
}

impl Locks {
    /// Takes the locks that engines take for writing, in their order, without
    /// waiting: whoever holds one is at work.
    ///
    /// # Errors
    /// A [`Problem`] `busy` if one is held.
    pub(super) fn take(host: &Host, storage: &EngineStorage) -> Result<Self, Problem> {
        // Engines have this one in graphroot alone.
        let graphroot = &storage.parts[0];
        let graph = match is_dir(host, graphroot)? {
            true => Some(take(host, &graphroot.join("storage.lock"))?),
            false => None,
        };
        let mut locks = Self { records: Vec::new(), _graph: graph };
        for kind in [RecordKind::Layer, RecordKind::Image, RecordKind::Container] {
            for part in &storage.parts {
                let dir = part.join(format!("{}-{}", storage.driver, kind.directory()));
                if is_dir(host, &dir)? {
                    let lock = take(host, &dir.join(format!("{}.lock", kind.directory())))?;
                    locks.records.push((part.clone(), kind, lock));
                }
            }
        }
        Ok(locks)
    }

    /// Tells engines that the records of one kind in one part change.
    pub(super) fn mark_written(&self, host: &Host, part: &Path, kind: RecordKind) -> Result<(), Problem> {
        for (_, _, lock) in self.records.iter().filter(|(at, of, _)| at == part && *of == kind) {
            lock.mark_written().map_err(host.cannot("write to the lock files of", part))?;
        }
        Ok(())
    }
}

fn is_dir(host: &Host, path: &Path) -> Result<bool, Problem> {
    let stat = host.root.stat(path).map_err(host.cannot("look at", path))?;
    Ok(stat.is_some_and(|stat| stat.kind == crate::sys::FileKind::Directory))
}

fn take(host: &Host, path: &Path) -> Result<RecordLock, Problem> {
    let lock = RecordLock::try_lock(&host.root, path).map_err(host.cannot("lock", path))?;
    let shown = host.show(path);
    lock.ok_or_else(|| {
        Problem::new(
            "busy",
            format!("an engine is running: it has locked `{shown}`"),
            format!("wait until it is done, or see which it is with `fuser {shown}` or `lslocks`"),
        )
    })
}
