//! The engine's own directories and its storage driver.

use std::path::Path;

use super::access::Found;
use super::options::BELOW_START;
use super::{Case, path_of};
use crate::engine::{Profile, Reading, Reason, Value, View};
use crate::host::Kind;

/// The driver that the engine uses: the one that is set, else the one that its storage was
/// made with, else overlay. An empty one is none.
pub(super) fn driver(view: &View<'_>, reading: &Reading) -> String {
    let set = reading.driver.as_ref().map(|driver| driver.value.clone()).filter(|driver| !driver.is_empty());
    let graphroot = reading.graphroot.as_ref().map(|root| root.value.as_str()).unwrap_or_default();
    let made = || view.driver_in_use(Path::new(graphroot));
    // podman's database remembers the driver, and it counts more than what is set.
    let remembers = || {
        let libpod = Path::new(graphroot).join("libpod");
        let there = |name: &str| view.exists(&libpod.join(name)).unwrap_or(false);
        reading.profile != Profile::Crio && (there("bolt_state.db") || there("db.sql"))
    };
    match set {
        Some(set) => match made().filter(|made| *made != set && remembers()) {
            Some(made) => made,
            None => set,
        },
        None => made().unwrap_or_else(|| "overlay".to_owned()),
    }
}

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<Reason>) {
    let Reading { graphroot, runroot, imagestore, .. } = case.reading;
    let mut shut: Vec<(&str, &Value<String>)> = Vec::new();
    for (key, root) in [("graphroot", graphroot), ("runroot", runroot), ("imagestore", imagestore)] {
        match root {
            Some(root) if !root.value.starts_with('/') => reasons.push(relative(case, key, root)),
            Some(root) if is_shut(case, root) => shut.push((key, root)),
            _ => {}
        }
    }
    reasons.extend(closed(&shut));
}

/// podman 4 refuses such a graphroot, the library such an imagestore; with anything else
/// engines start, wherever that is.
fn relative(case: &Case<'_>, key: &str, root: &Value<String>) -> Reason {
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
fn closed(shut: &[(&str, &Value<String>)]) -> Option<Reason> {
    let (_, first) = shut.first()?;
    let sets: Vec<String> = shut.iter().map(|(key, root)| format!("`{key}` is `{}`", root.value)).collect();
    let empty: Vec<String> = shut.iter().map(|(key, _)| format!("`{key} = \"\"`")).collect();
    let message = format!("{}, where normal users may not write", sets.join(" and "));
    let hint = format!(
        "set {} in a drop-in below /etc/containers/storage.rootless.conf.d, which gives users their own again",
        empty.join(" and ")
    );
    Some(Reason::stops("root-closed", message, hint).at(first.origin.site().cloned()))
}

/// Whether a normal user's engine cannot use a directory. Where nothing is there, the engine
/// makes it.
fn is_shut(case: &Case<'_>, root: &Value<String>) -> bool {
    // What is not set is the user's own.
    if !case.access.is_limited() || root.origin.site().is_none() {
        return false;
    }
    if case.view.is_of_user(&root.value, case.access.environment()) {
        return false;
    }
    let path = Path::new(&root.value);
    for here in path.ancestors() {
        match case.access.find(here) {
            Found::Thing(stat) if here == path && stat.kind != Kind::Directory => return true,
            Found::Thing(stat) => return !case.access.may_create_in(here, &stat),
            Found::Closed(_) => return true,
            Found::Nothing => {}
        }
    }
    // Of a host that is not there yet, what is above is root's.
    true
}
