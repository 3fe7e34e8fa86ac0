//! The legacy generation: one file, the first that exists, nothing merged.

use std::path::{Path, PathBuf};

use super::Profile;
use super::decode::{merge, parse};
use super::environment::Environment;
use super::modern::bytes_of;
use super::options;
use super::reading::{FileRole, ReadFile, Reading, Sourced, ValueOrigin};
use super::reason::{Effect, Reason, Site};
use super::remapped::{self, RemapFault};
use super::settings::VENDOR_FILE;
use super::view::View;
use crate::problem::words;

pub(super) fn read(view: &View<'_>, environment: &Environment, reading: &mut Reading) {
    let exists = |path: &Path| view.exists(path).unwrap_or(false);
    let admin = view.etc().join("containers/storage.conf");
    // First the system's file, whoever runs the engine (`loadDefaultStoreOptions`).
    let named = environment.variable("CONTAINERS_STORAGE_CONF").map(PathBuf::from);
    let xdg = environment
        .variable("XDG_CONFIG_HOME")
        .map(|dir| Path::new("/").join(dir).join("containers/storage.conf"));
    let system = match (&named, xdg) {
        (Some(path), _) => {
            if path.as_os_str().is_empty() || !exists(path) {
                return reading.reasons.push(not_there(path));
            }
            Some(path.clone())
        }
        (None, xdg) => match system_file(view, xdg, &admin) {
            Ok(found) => found,
            Err(reason) => return reading.reasons.push(reason),
        },
    };
    if named.is_none() && reading.profile == Profile::Podman4 && !environment.is_rootless() {
        hidden_vendor_file(view, environment, system.as_deref(), reading);
    }
    if let Some(path) = &system {
        let before = reading.reasons.len();
        let loaded = load(view, environment, reading, path);
        // `ErrNotExist` of whatever file is taken for this one's.
        if loaded == Loaded::LacksIds && path == Path::new(VENDOR_FILE) {
            soften(&mut reading.reasons[before..], HALF_USED);
        }
    }
    // Then the file that counts (`DefaultConfigFile`), which drops all of that.
    let counts = match named {
        Some(path) => Some(path),
        None if environment.is_rootless() => match user_file(view, environment) {
            Some(path) => Some(path),
            None => return reading.reasons.push(Reason::other("cannot determine user's homedir")),
        },
        // podman 4 stays with what it found first, XDG_CONFIG_HOME's too.
        None if reading.profile == Profile::Podman4 => system.clone(),
        None if exists(&admin) => Some(admin),
        None => Some(VENDOR_FILE.into()),
    };
    let system_roots = SystemRoots {
        graphroot: reading.graphroot.clone(),
        runroot: reading.runroot.clone(),
        of_users: reading.text(OF_USERS),
    };
    if environment.is_rootless() {
        rootless_options(environment, reading);
    }
    let mut from_file = false;
    if let Some(path) = counts {
        match view.exists(&path) {
            Ok(true) => from_file = true,
            Ok(false) => {}
            Err(error) => {
                reading.reasons.push(Reason::other(format!("stat {}: {error}", path.display())));
            }
        }
        if from_file && (Some(&path) != system.as_ref() || environment.is_rootless()) {
            let before = reading.reasons.len();
            reading.clear();
            // A fault in it is only warned of.
            match load(view, environment, reading, &path) {
                Loaded::Whole => {}
                Loaded::Half | Loaded::LacksIds => soften(&mut reading.reasons[before..], HALF_USED),
                Loaded::Nothing => {
                    reading.clear();
                    soften(&mut reading.reasons[before..], NOTHING_USED);
                }
            }
        }
    }
    roots(view, environment, reading, system_roots, from_file);
}

fn stat(view: &View<'_>, path: &Path) -> Result<bool, Reason> {
    view.exists(path).map_err(|error| Reason::other(format!("stat {}: {}", path.display(), words(&error))))
}

fn not_there(path: &Path) -> Reason {
    Reason::other(format!("stat {}: no such file or directory", path.display()))
}

/// How much of a file is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loaded {
    Whole,
    /// What comes before the ids that podman 4 maps containers to.
    Half,
    /// The same, as there is no list of ids.
    LacksIds,
    Nothing,
}

/// What comes of a file that counts though its ids are wrong.
const HALF_USED: Effect = Effect::Loses(
    "uses neither these ids nor the options of the driver's own table",
    "use neither these ids nor the options of the driver's own table",
);

/// What comes of a file that is only warned of.
const NOTHING_USED: Effect =
    Effect::Loses("warns and uses nothing of this file", "warn and use nothing of this file");

/// What would stop the engine has this effect instead.
fn soften(reasons: &mut [Reason], effect: Effect) {
    for reason in reasons.iter_mut().filter(|reason| reason.effect == Effect::Stops) {
        reason.effect = effect;
    }
}

/// The user's own file if `XDG_CONFIG_HOME` is set, the administrator's, or the vendor's.
fn system_file(view: &View<'_>, xdg: Option<PathBuf>, admin: &Path) -> Result<Option<PathBuf>, Reason> {
    if let Some(path) = xdg
        && stat(view, &path)?
    {
        return Ok(Some(path));
    }
    // One that cannot be looked at is warned of, and the vendor's file read.
    if stat(view, admin).unwrap_or(false) {
        return Ok(Some(admin.to_owned()));
    }
    let vendor = Path::new(VENDOR_FILE);
    Ok(stat(view, vendor)?.then(|| vendor.to_owned()))
}

/// podman 4 reads the vendor's file as well, before it finds the one that hides
/// it, and stops if that one alone would not do.
fn hidden_vendor_file(
    view: &View<'_>,
    environment: &Environment,
    system: Option<&Path>,
    reading: &mut Reading,
) {
    let vendor = Path::new(VENDOR_FILE);
    if system == Some(vendor) {
        return;
    }
    match stat(view, vendor) {
        Ok(true) => {}
        Ok(false) => return,
        Err(reason) => return reading.reasons.push(reason),
    }
    let mut hidden = Reading::new(Profile::Podman4);
    // An error is dropped there (`reloadConfigurationFileIfNeeded`), so that of a file with
    // wrong ids the directories count, which come before them.
    if matches!(load(view, environment, &mut hidden, vendor), Loaded::Whole | Loaded::Nothing) {
        reading.reasons.append(&mut hidden.reasons);
    }
    let read = reading.failure().is_none();
    let missing = [("runroot", &hidden.runroot), ("graphroot", &hidden.graphroot)];
    for (key, _) in missing.into_iter().filter(|(_, value)| read && value.is_none()) {
        let reason = unset(key).at(Some(Site::of(vendor, "", 0..0)));
        reading.reasons.push(reason);
    }
}

/// podman 4 stops on a file that leaves one of these out (`defaultStoreOptionsIsolated` in
/// types/options.go of library 1.43).
fn unset(key: &'static str) -> Reason {
    let (id, default) = match key {
        "runroot" => ("missing-runroot", "/run/containers/storage"),
        _ => ("missing-graphroot", "/var/lib/containers/storage"),
    };
    Reason::stops(
        id,
        format!("`storage.{key}` is not set"),
        format!("set it, most likely `{key} = \"{default}\"`"),
    )
}

/// What a rootless engine keeps of the system's file: not its stores
/// (`getRootlessStorageOpts`).
fn rootless_options(environment: &Environment, reading: &mut Reading) {
    reading.values.retain(|name, _| name.starts_with("storage.options.pull_options."));
    reading.lists.retain(|name, _| name == "storage.driver_priority");
    reading.graphroot = None;
    reading.runroot = None;
    reading.imagestore = None;
    // The variable counts after the filter of drivers that are for users.
    let variable = environment.filled("STORAGE_DRIVER");
    let named = |name: &str| Sourced {
        value: if name == "overlay2" { "overlay" } else { name }.to_owned(),
        origin: ValueOrigin::Environment("STORAGE_DRIVER"),
    };
    let for_users = |driver: &Sourced<String>| matches!(driver.value.as_str(), "btrfs" | "overlay" | "vfs");
    reading.driver = variable.map(named).or_else(|| reading.driver.take().filter(for_users));
    let is_overlay = reading.driver.as_ref().is_some_and(|driver| driver.value == "overlay");
    let kept = std::mem::take(&mut reading.options);
    let chown = |option: &super::DriverOption| format!("{}={}", option.key, option.value.value);
    let kept = kept.into_iter().filter(|option| is_overlay && chown(option).contains("ignore_chown_errors"));
    reading.options = kept.take(1).collect();
}

/// The driver that is picked if none is set (`getRootlessStorageOpts`): podman 4
/// takes vfs, later ones what the storage was made with, else overlay.
fn rootless_driver(view: &View<'_>, reading: &Reading, graphroot: &str) -> Option<String> {
    if reading.profile == Profile::Podman4 {
        return Some("vfs".to_owned());
    }
    if !reading.list("storage.driver_priority").is_empty() {
        return None;
    }
    let graphroot = reading.graphroot.as_ref().map_or(graphroot, |set| &set.value);
    let made = view.entries(Path::new(graphroot)).into_iter();
    let made = made.filter_map(|name| Some(name.strip_suffix("-images")?.to_owned())).min();
    Some(made.unwrap_or_else(|| "overlay".to_owned()))
}

fn user_file(view: &View<'_>, environment: &Environment) -> Option<PathBuf> {
    if let Some(dir) = environment.filled("XDG_CONFIG_HOME") {
        return Some(Path::new(dir).join("containers/storage.conf"));
    }
    let home = view.home(environment)?;
    Some(Path::new(&home).join(".config/containers/storage.conf"))
}

fn load(view: &View<'_>, environment: &Environment, reading: &mut Reading, path: &Path) -> Loaded {
    let bytes = match bytes_of(view, path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            reading.reasons.push(not_there(path));
            return Loaded::Nothing;
        }
        Err(reason) => {
            reading.reasons.push(reason);
            return Loaded::Nothing;
        }
    };
    let text = view.cache.lossy(&bytes);
    reading.clear();
    reading.files = vec![ReadFile { path: path.to_owned(), kind: FileRole::Main, text }];
    let before = reading.reasons.len();
    if let Some(parsed) = parse(view.cache, path, &bytes, reading.profile, &mut reading.reasons) {
        merge(reading, path, parsed, None);
    }
    let stops = reading.reasons[before..].iter().any(|reason| reason.effect == Effect::Stops);
    let mut loaded = if stops { Loaded::Nothing } else { Loaded::Whole };
    if reading.profile == Profile::Podman4 && loaded == Loaded::Whole {
        match remapped::check(view, reading) {
            Ok(()) => {}
            Err(RemapFault { reason, lacks_ids }) => {
                reading.reasons.push(reason);
                loaded = if lacks_ids { Loaded::LacksIds } else { Loaded::Half };
            }
        }
    }
    options::settle(environment, reading, !matches!(loaded, Loaded::Half | Loaded::LacksIds));
    loaded
}

/// The key that says where storage of normal users is.
const OF_USERS: &str = "storage.rootless_storage_path";

/// Where the system's file says that storage is.
struct SystemRoots {
    graphroot: Option<Sourced<String>>,
    runroot: Option<Sourced<String>>,
    of_users: Option<Sourced<String>>,
}

fn roots(
    view: &View<'_>,
    environment: &Environment,
    reading: &mut Reading,
    system: SystemRoots,
    from_file: bool,
) {
    let (graphroot, runroot) = options::default_roots(view, environment, reading);
    let strict = reading.profile == Profile::Podman4 && from_file && !environment.is_rootless();
    if strict && reading.failure().is_none_or(|failure| failure.id.starts_with("missing-")) {
        // Nothing is filled in for a file that exists.
        let missing = [("runroot", &reading.runroot), ("graphroot", &reading.graphroot)];
        let site = || {
            let file = reading.files.last()?;
            Some(Site::of(&file.path, &file.text, storage_header(view, &file.text)))
        };
        let missing: Vec<Reason> = missing
            .into_iter()
            .filter(|(_, value)| value.is_none())
            .map(|(key, _)| unset(key).at(site()))
            .collect();
        reading.reasons.extend(missing);
    }
    if from_file && reading.profile != Profile::Podman4 {
        // Also for root, which only the modern generation sets right.
        reading.graphroot = reading.graphroot.take().or(reading.text(OF_USERS));
    }
    if environment.is_rootless() {
        let path = reading.text(OF_USERS).or(system.of_users);
        reading.graphroot = reading.graphroot.take().or(path);
        if !from_file {
            if reading.driver.is_none() {
                reading.driver = rootless_driver(view, reading, &graphroot).map(Sourced::default);
            }
            options::add_storage_opts(environment.variable("STORAGE_OPTS").unwrap_or_default(), reading);
        }
    } else {
        reading.graphroot = reading.graphroot.take().or(system.graphroot);
        reading.runroot = reading.runroot.take().or(system.runroot);
    }
    reading.graphroot = reading.graphroot.take().or_else(|| Some(Sourced::default(graphroot)));
    reading.runroot = reading.runroot.take().or_else(|| Some(Sourced::default(runroot)));
    options::finish(view, |path| environment.expand(path), reading);
}

/// The header `[storage]` of a text, or its start.
fn storage_header(view: &View<'_>, text: &str) -> std::ops::Range<usize> {
    let doc = view.cache.parse(text);
    let keys = doc.map(|doc| doc.set_keys()).unwrap_or_default();
    let table = keys.into_iter().find(|key| key.is_table && key.name.eq_ignore_ascii_case("storage"));
    table.map_or(0..0, |table| table.key)
}
