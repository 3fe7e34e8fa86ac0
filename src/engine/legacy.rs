//! The legacy generation: one file, the first that exists, nothing merged.

use std::path::{Path, PathBuf};

use super::decode::{merge, parse};
use super::environment::Environment;
use super::modern::bytes_of;
use super::options;
use super::profile::Profile;
use super::reading::{Failure, FileKind, Origin, ReadFile, Reading, Value};
use super::settings::VENDOR_FILE;
use super::view::View;
use crate::conf::Leaf;

pub(super) fn read(view: &View<'_>, environment: &Environment, reading: &mut Reading) -> Result<(), Failure> {
    let exists = |path: &Path| {
        view.exists(path).map_err(|error| Failure::new(format!("stat {}: {error}", path.display())))
    };
    let admin = view.etc().join("containers/storage.conf");
    // First the system's file, whoever runs the engine (`loadDefaultStoreOptions`).
    let named = environment.variable("CONTAINERS_STORAGE_CONF").map(PathBuf::from);
    let xdg = environment
        .variable("XDG_CONFIG_HOME")
        .map(|dir| Path::new("/").join(dir).join("containers/storage.conf"));
    let system = match (&named, xdg) {
        (Some(path), _) => {
            if path.as_os_str().is_empty() || !exists(path)? {
                return Err(Failure::new(format!("stat {}: no such file or directory", path.display())));
            }
            Some(path.clone())
        }
        (None, Some(path)) if exists(&path)? => Some(path),
        // What cannot be looked at is warned of, and the vendor's file read.
        (None, _) if exists(&admin).unwrap_or(false) => Some(admin.clone()),
        (None, _) => Some(PathBuf::from(VENDOR_FILE)).filter(|path| exists(path).unwrap_or(false)),
    };
    if named.is_none() && reading.profile == Profile::Podman4 && !environment.is_rootless() {
        hidden_vendor_file(view, environment, system.as_deref())?;
    }
    if let Some(path) = &system {
        load(view, environment, reading, path)?;
    }
    // Then the file that counts (`DefaultConfigFile`), which drops all of that.
    let counts = match named {
        Some(path) => Some(path),
        None if environment.is_rootless() => Some(user_file(view, environment)?),
        // podman 4 stays with what it found first, XDG_CONFIG_HOME's too.
        None if reading.profile == Profile::Podman4 => system.clone(),
        None if exists(&admin).unwrap_or(false) => Some(admin),
        None => Some(VENDOR_FILE.into()),
    };
    let system_values = reading.clone();
    if environment.is_rootless() {
        rootless_options(reading);
    }
    let mut from_file = false;
    if let Some(path) = counts
        && exists(&path)?
    {
        from_file = true;
        if Some(&path) != system.as_ref() || environment.is_rootless() {
            reading.clear();
            // A fault in it is only warned of: nothing of it is used.
            if load(view, environment, reading, &path).is_err() {
                let files = std::mem::take(&mut reading.files);
                reading.clear();
                reading.files = files;
            }
        }
    }
    roots(view, environment, reading, &system_values, from_file)
}

/// podman 4 reads the vendor's file as well, before it finds the one that hides
/// it, and stops if that one alone would not do.
fn hidden_vendor_file(
    view: &View<'_>,
    environment: &Environment,
    system: Option<&Path>,
) -> Result<(), Failure> {
    let vendor = Path::new(VENDOR_FILE);
    if system == Some(vendor) || !view.exists(vendor).unwrap_or(false) {
        return Ok(());
    }
    let mut reading = Reading::new(Profile::Podman4);
    let read = load(view, environment, &mut reading, vendor);
    for (key, value) in [("runroot", &reading.runroot), ("graphroot", &reading.graphroot)] {
        if read.is_err() || value.is_none() {
            return Err(Failure {
                message: format!("{key} must be set"),
                place: Some((vendor.to_owned(), 1)),
            });
        }
    }
    Ok(())
}

/// What a rootless engine keeps of the system's file: not its stores
/// (`getRootlessStorageOpts`).
fn rootless_options(reading: &mut Reading) {
    reading.stores.clear();
    reading.values.retain(|name, _| name.starts_with("storage.options.pull_options."));
    reading.graphroot = None;
    reading.runroot = None;
    reading.imagestore = None;
    reading.driver = reading
        .driver
        .take()
        .filter(|driver| matches!(driver.value.as_str(), "btrfs" | "overlay" | "overlay2" | "vfs"));
}

/// The driver that is picked if none is set (`getRootlessStorageOpts`): podman 4
/// takes vfs, later ones what the storage was made with, else overlay.
fn rootless_driver(view: &View<'_>, reading: &Reading, graphroot: &str) -> String {
    if reading.profile == Profile::Podman4 {
        return "vfs".to_owned();
    }
    let graphroot = reading.graphroot.as_ref().map_or(graphroot, |set| &set.value);
    view.driver_in_use(Path::new(graphroot)).unwrap_or_else(|| "overlay".to_owned())
}

fn user_file(view: &View<'_>, environment: &Environment) -> Result<PathBuf, Failure> {
    if let Some(dir) = environment.filled("XDG_CONFIG_HOME") {
        return Ok(Path::new(dir).join("containers/storage.conf"));
    }
    match view.home(environment) {
        Some(home) => Ok(Path::new(&home).join(".config/containers/storage.conf")),
        None => Err(Failure::new("cannot determine user's homedir")),
    }
}

fn load(
    view: &View<'_>,
    environment: &Environment,
    reading: &mut Reading,
    path: &Path,
) -> Result<(), Failure> {
    let Some(bytes) = bytes_of(view, path)? else {
        return Err(Failure::new(format!("stat {}: no such file or directory", path.display())));
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    reading.clear();
    reading.files = vec![ReadFile { path: path.to_owned(), kind: FileKind::Main, text }];
    let doc = parse(view.cache, path, bytes, reading.profile)?;
    merge(reading, path, &doc, None)?;
    options::driver_variable(environment, reading);
    options::storage_opts(environment, reading)
}

fn roots(
    view: &View<'_>,
    environment: &Environment,
    reading: &mut Reading,
    system: &Reading,
    from_file: bool,
) -> Result<(), Failure> {
    let (graphroot, runroot) = options::default_roots(view, environment, reading.profile)?;
    let strict = reading.profile == Profile::Podman4 && from_file && !environment.is_rootless();
    if strict {
        // Nothing is filled in for a file that exists.
        for (key, value) in [("runroot", &reading.runroot), ("graphroot", &reading.graphroot)] {
            if value.is_none() {
                return Err(Failure::new(format!("{key} must be set")));
            }
        }
    }
    let rootless_path = |reading: &Reading| match reading.values.get("storage.rootless_storage_path") {
        Some(Value { value: Leaf::String(path), origin }) if !path.is_empty() => {
            Some(Value { value: path.clone(), origin: origin.clone() })
        }
        _ => None,
    };
    if reading.profile == Profile::Podman4 {
        // A key that it does not know.
        reading.imagestore = None;
    } else if from_file {
        // Also for root, which only the modern generation sets right.
        reading.graphroot = reading.graphroot.take().or(rootless_path(reading));
    }
    if environment.is_rootless() {
        let path = rootless_path(reading).or_else(|| rootless_path(system));
        reading.graphroot = reading.graphroot.take().or(path);
        if !from_file {
            if reading.driver.is_none() {
                let value = rootless_driver(view, reading, &graphroot);
                reading.driver = Some(Value { value, origin: Origin::Default });
            }
            options::add_storage_opts(environment.variable("STORAGE_OPTS").unwrap_or_default(), reading)?;
        }
    } else {
        reading.graphroot = reading.graphroot.take().or_else(|| system.graphroot.clone());
        reading.runroot = reading.runroot.take().or_else(|| system.runroot.clone());
    }
    let default = |value| Some(Value { value, origin: Origin::Default });
    reading.graphroot = reading.graphroot.take().or_else(|| default(graphroot));
    reading.runroot = reading.runroot.take().or_else(|| default(runroot));
    options::finish(view, environment, reading)
}
