//! The engine's own directories and its storage driver.

use std::path::Path;

use super::{Case, path_of};
use crate::conf::schema;
use crate::engine::{Effect, FileAt, Profile, Reading, Reason, Sourced, View};
use crate::problem::{quoted_series, series};

/// What an engine does with a directory whose path is not absolute.
const BELOW_START: Effect = Effect::Loses(
    "resolves it in the directory that it is started in",
    "resolve it in the directory that they are started in",
);

/// The driver that the engine uses: the one that is set, else the one that its storage was
/// made with, else the first of its list. An empty one is none.
pub(super) fn driver(view: &View<'_>, reading: &Reading) -> String {
    let set = reading.driver.as_ref().map(|driver| driver.value.clone()).filter(|driver| !driver.is_empty());
    let set = set.unwrap_or_else(|| picked(view, reading));
    let graphroot = Path::new(graphroot(reading));
    let libpod = graphroot.join("libpod");
    let there = |name: &str| view.exists(&libpod.join(name)).unwrap_or(false);
    // podman's database remembers the driver, and it counts more than what is set or picked.
    let remembers = reading.profile != Profile::Crio && (there("bolt_state.db") || there("db.sql"));
    match view.driver_in_use(graphroot).filter(|made| *made != set && remembers) {
        Some(made) => made,
        None => set,
    }
}

/// Where its storage is; of one that stops before that is known, root's default.
pub(super) fn graphroot(reading: &Reading) -> &str {
    reading.graphroot.as_ref().map_or("/var/lib/containers/storage", |root| root.value.as_str())
}

/// The driver of an engine that is told none (`New` in drivers/driver.go): of its list the
/// first that has a directory in its storage, else the first. vfs is taken only if it is in
/// the list by name.
fn picked(view: &View<'_>, reading: &Reading) -> String {
    let named = named_drivers(reading);
    let usual = ["overlay", "btrfs", "zfs"];
    let list = if named.is_empty() { &usual[..] } else { &named[..] };
    let has = |driver: &&&str| view.exists(&Path::new(graphroot(reading)).join(driver)).unwrap_or(false);
    let first = list.iter().find(has).or(list.first());
    first.map_or_else(|| "overlay".to_owned(), |driver| (*driver).to_owned())
}

/// `driver_priority`, for those who know it; drivers that no engine has are passed over.
fn named_drivers(reading: &Reading) -> Vec<&str> {
    if reading.profile == Profile::Podman4 {
        return Vec::new();
    }
    let named = reading.list("storage.driver_priority").iter().map(|driver| driver.value.as_str());
    named.filter(|driver| schema::DRIVERS.contains(driver)).collect()
}

/// An engine that is told no driver stops where its storage has directories of several.
fn several_drivers(case: &Case<'_>) -> Option<Reason> {
    if case.reading.driver.is_some() {
        return None;
    }
    let root = Path::new(graphroot(case.reading));
    let has = |driver: &&str| case.view.exists(&root.join(driver)).unwrap_or(false);
    let vfs = if case.profile() == Profile::Podman4 { &[][..] } else { &["vfs"][..] };
    let made: Vec<&str> =
        ["overlay", "overlay2", "btrfs", "zfs"].iter().chain(vfs).copied().filter(|it| has(it)).collect();
    let list = named_drivers(case.reading);
    let counts = |driver: &&&str| list.is_empty() && **driver != "vfs" || list.contains(*driver);
    if made.len() < 2 || !made.iter().any(|driver| counts(&driver)) {
        return None;
    }
    let message = format!(
        "`{}` has been used with several storage drivers, {}, and none is set",
        root.display(),
        quoted_series(&made)
    );
    Some(Reason::stops("several-drivers", message, "set `driver` in `[storage]` to the one to go on with"))
}

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<Reason>) {
    let Reading { graphroot, runroot, imagestore, .. } = case.reading;
    let mut shut: Vec<(&str, &Sourced<String>)> = Vec::new();
    for (key, root) in [("graphroot", graphroot), ("runroot", runroot), ("imagestore", imagestore)] {
        match root {
            Some(root) if !root.value.starts_with('/') => reasons.push(relative(case, key, root)),
            Some(root) if is_shut(case, root) => shut.push((key, root)),
            _ => {}
        }
    }
    reasons.extend(closed(&shut));
    reasons.extend(several_drivers(case));
}

/// podman 4 refuses such a graphroot, the library such an imagestore; with anything else
/// engines start, wherever that is.
fn relative(case: &Case<'_>, key: &str, root: &Sourced<String>) -> Reason {
    let path = &root.value;
    let message = format!("`{key}` is `{path}`, which is not absolute");
    let hint = match path.strip_prefix('~') {
        Some(rest) => format!("write `$HOME{rest}`: engines do not expand `~`"),
        None => format!("write an absolute path, such as `/{}`", path_of(path)),
    };
    let reason = Reason::stops("relative-root", message, hint).at(root.origin.site().cloned());
    let podman4 = case.profile() == Profile::Podman4;
    match key {
        "graphroot" if podman4 => reason,
        "imagestore" => reason,
        _ => reason.with(BELOW_START),
    }
}

/// Directories that a normal user's engine cannot use.
fn closed(shut: &[(&str, &Sourced<String>)]) -> Option<Reason> {
    let (_, first) = shut.first()?;
    let sets: Vec<String> = shut.iter().map(|(key, root)| format!("`{key}` is `{}`", root.value)).collect();
    let empty: Vec<String> = shut.iter().map(|(key, _)| format!("`{key} = \"\"`")).collect();
    let message = format!("{}, where normal users may not write", series(&sets));
    let hint = format!(
        "set {} in a drop-in below /etc/containers/storage.rootless.conf.d, which gives users their own again",
        series(&empty)
    );
    Some(Reason::stops("root-closed", message, hint).at(first.origin.site().cloned()))
}

/// Whether a normal user's engine cannot use a directory. Where nothing is there, the engine
/// makes it.
fn is_shut(case: &Case<'_>, root: &Sourced<String>) -> bool {
    if !case.view.is_limited() {
        return false;
    }
    // A directory that is meant for users, on a host that is not there yet, is made for them.
    let meant = case.reading.values.get("storage.rootless_storage_path").map(|set| &set.origin);
    if case.root().is_none() && meant == Some(&root.origin) {
        return false;
    }
    let path = Path::new(&root.value);
    match case.view.find(path) {
        FileAt::Thing(stat) => !case.view.may_create_in(path, &stat),
        FileAt::Closed(_) => true,
        // What is the user's own is made by the system or by the user.
        FileAt::Nothing if case.view.is_of_user(&root.value, case.environment) => {
            case.environment.filled("XDG_RUNTIME_DIR").is_some() && !case.view.may_create(path)
        }
        FileAt::Nothing => !case.view.may_create(path),
    }
}
