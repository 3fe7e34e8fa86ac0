//! What both generations do with settings, variables and defaults: where storage is, and
//! what the storage driver is told.

use std::path::Path;

use super::Profile;
use super::access::FileAt;
use super::environment::Environment;
use super::reading::{DriverOption, Reading, Sourced, ValueOrigin};
use super::reason::Reason;
use super::view::View;
use crate::conf::{Essentials, Leaf, clean_path, schema};
use crate::problem::words;
use crate::sys::Stat;

/// Takes driver, directories and options from what has been set (`ReloadConfigurationFile`
/// and `LoadStoreOptions` in types/options.go); `whole` unless the engine stops halfway, before
/// the options of the driver's own table and `STORAGE_OPTS`.
pub(super) fn settle(environment: &Environment, reading: &mut Reading, whole: bool) {
    let driver = reading.text("storage.driver");
    let [graphroot, runroot, imagestore] =
        ["storage.graphroot", "storage.runroot", "storage.imagestore"].map(|key| reading.text(key));
    reading.graphroot = graphroot;
    reading.runroot = runroot;
    // podman 4 does not know it.
    reading.imagestore = imagestore.filter(|_| reading.profile != Profile::Podman4);
    reading.driver = match environment.filled("STORAGE_DRIVER") {
        Some(driver) => {
            Some(Sourced { value: driver.to_owned(), origin: ValueOrigin::Environment("STORAGE_DRIVER") })
        }
        None => driver,
    };
    let prefix = reading.driver.as_ref().map(|driver| driver.value.clone()).unwrap_or_default();
    if let Some(driver) = &mut reading.driver
        && driver.value == "overlay2"
    {
        driver.value = "overlay".to_owned();
    }
    reading.options = if reading.profile.is_modern() {
        Options { reading, options: Vec::new() }.modern()
    } else {
        Options { reading, options: Vec::new() }.legacy(&prefix, whole)
    };
    // It replaces all options of the files, the stores too, also if it is set to nothing.
    if let Some(options) = environment.variable("STORAGE_OPTS").filter(|_| whole) {
        reading.options.clear();
        add_storage_opts(options, reading);
    }
}

/// An option by its name, its driver's and its own, and the key that sets it.
#[derive(Debug, Clone, Copy)]
struct OptionKey {
    name: &'static str,
    option: &'static str,
    set_by: &'static str,
}

macro_rules! general {
    ($($name:literal),*) => {
        [$(OptionKey { name: $name, option: $name, set_by: concat!("storage.options.", $name) }),*]
    };
}

macro_rules! of_driver {
    ($driver:literal: $($name:literal),*) => {
        &[$(OptionKey {
            name: $name,
            option: concat!($driver, ".", $name),
            set_by: concat!("storage.options.", $driver, ".", $name),
        }),*]
    };
}

/// Options of `[storage.options]` that every driver is told.
const GENERAL: [OptionKey; 6] =
    general!["size", "mount_program", "skip_mount_home", "ignore_chown_errors", "force_mask", "mountopt"];

/// Gathers options in the order in which the library does.
struct Options<'r> {
    reading: &'r Reading,
    options: Vec<DriverOption>,
}

impl Options<'_> {
    /// `LoadStoreOptions` and `GetGraphDriverOptions` of the modern generation: an option of
    /// a driver's table is for that driver only, one of `[storage.options]` for any.
    fn modern(mut self) -> Vec<DriverOption> {
        self.general("");
        for known in [BTRFS, OVERLAY, VFS, ZFS].into_iter().flatten() {
            self.push("", known.option, known);
        }
        self.options
    }

    /// The same of the legacy generation, where every option carries the name of the driver
    /// that is set, `prefix`, and the driver's table comes before `[storage.options]`.
    fn legacy(mut self, prefix: &str, whole: bool) -> Vec<DriverOption> {
        self.general(&format!("{prefix}."));
        if !whole {
            return self.options;
        }
        let table: &[OptionKey] = match prefix {
            "btrfs" => BTRFS,
            "overlay" | "overlay2" => OVERLAY,
            // It does not know `sync`.
            "vfs" => &VFS[..1],
            "zfs" => ZFS,
            _ => &[],
        };
        for known in table {
            let set = self.push("", known.option, known);
            if set && known.option == "btrfs.min_space" {
                // The library returns here.
                break;
            }
            if !set && let Some(general) = GENERAL.iter().find(|general| general.name == known.name) {
                self.push_general("", known.option, general, unix_mode);
            }
        }
        self.options
    }

    fn general(&mut self, prefix: &str) {
        for (set_by, name) in [
            ("storage.options.additionalimagestores", "imagestore"),
            ("storage.options.additionallayerstores", "additionallayerstore"),
        ] {
            for item in self.reading.list(set_by) {
                self.options.push(DriverOption {
                    key: format!("{prefix}{name}"),
                    value: Sourced { value: item.value.trim().to_owned(), origin: item.origin.clone() },
                    set_by: set_by.to_owned(),
                });
            }
        }
        for known in &GENERAL {
            self.push_general(prefix, known.name, known, |mask| format!("{mask:o}"));
        }
    }

    /// An option of `[storage.options]`, which the driver is told as `prefix` and `name`; `mask`
    /// writes the one that is a number.
    fn push_general(&mut self, prefix: &str, name: &str, known: &OptionKey, mask: impl Fn(i64) -> String) {
        let set_by = known.set_by;
        match self.reading.values.get(set_by).map(|set| (&set.value, &set.origin)) {
            Some((Leaf::Integer(number), origin)) if *number != 0 => {
                let value = Sourced { value: mask(*number), origin: origin.clone() };
                let key = format!("{prefix}{name}");
                self.options.push(DriverOption { key, value, set_by: set_by.to_owned() });
            }
            _ => {
                self.push(prefix, name, known);
            }
        }
    }

    /// A string option, if it is set and the library knows it.
    fn push(&mut self, prefix: &str, name: &str, known: &OptionKey) -> bool {
        let Some(set) = self.reading.text(known.set_by) else {
            return false;
        };
        let (table, plain) = known.set_by.rsplit_once('.').expect("it has a dot");
        let version = self.reading.profile.library();
        if !schema::known(table, plain).is_some_and(|known| known.is_known_to(version)) {
            return false;
        }
        let value = Sourced { value: set.value.trim().to_owned(), origin: set.origin };
        let key = format!("{prefix}{name}");
        self.options.push(DriverOption { key, value, set_by: known.set_by.to_owned() });
        true
    }
}

/// The keys of the drivers' own tables.
const BTRFS: &[OptionKey] = of_driver!("btrfs": "min_space", "size");
const OVERLAY: &[OptionKey] = of_driver!("overlay": "ignore_chown_errors", "mount_program", "mountopt",
    "size", "inodes", "skip_mount_home", "force_mask", "use_composefs", "sync");
const VFS: &[OptionKey] = of_driver!("vfs": "ignore_chown_errors", "sync");
const ZFS: &[OptionKey] = of_driver!("zfs": "fsname", "mountopt", "size");

/// A mode as Go's `os.FileMode` prints it, which the driver cannot read back.
fn unix_mode(mode: i64) -> String {
    let letters = "rwxrwxrwx".chars().enumerate();
    let bits: String =
        letters.map(|(at, letter)| if mode >> (8 - at) & 1 == 1 { letter } else { '-' }).collect();
    format!("-{bits}")
}

/// Adds the options of a list such as `STORAGE_OPTS` has.
pub(super) fn add_storage_opts(options: &str, reading: &mut Reading) {
    for option in options.split(',').filter(|_| !options.is_empty()) {
        add_option(option, ValueOrigin::Environment("STORAGE_OPTS"), "STORAGE_OPTS", reading);
    }
}

/// Adds an option such as `overlay.imagestore=/a` (`ParseKeyValueOpt` in
/// pkg/parsers/parsers.go).
pub(super) fn add_option(option: &str, origin: ValueOrigin, set_by: &str, reading: &mut Reading) {
    // What is no such pair the driver refuses: it has no key then.
    let (key, value) = option.split_once('=').unwrap_or(("", option));
    reading.options.push(DriverOption {
        key: key.trim().to_owned(),
        value: Sourced { value: value.trim().to_owned(), origin },
        set_by: set_by.to_owned(),
    });
}

/// Where the user's data are: `$XDG_DATA_HOME`, or `~/.local/share`.
fn data_home(view: &View<'_>, environment: &Environment) -> Option<String> {
    match environment.filled("XDG_DATA_HOME") {
        Some(dir) => Some(dir.to_owned()),
        None => Some(format!("{}/.local/share", view.home(environment)?)),
    }
}

/// Whether podman 4 takes a directory for a user's own (`isRootlessRuntimeDirOwner`
/// in types/utils.go of library 1.43).
fn is_private(stat: &Stat, environment: &Environment) -> bool {
    stat.uid == environment.uid && stat.mode & 0o766 == 0o700
}

/// graphroot and runroot of this user if nothing is set.
pub(super) fn default_roots(
    view: &View<'_>,
    environment: &Environment,
    reading: &mut Reading,
) -> (String, String) {
    if !environment.is_rootless() {
        let root = Essentials::default();
        return (root.graphroot.unwrap_or_default(), root.runroot.unwrap_or_default());
    }
    let data = data_home(view, environment).unwrap_or_else(|| {
        reading.reasons.push(Reason::other("the user has no home directory"));
        "/".to_owned()
    });
    let in_tmp = |name: &str| {
        let tmp = environment.filled("TMPDIR").unwrap_or("/tmp");
        format!("{tmp}/{name}-{}", environment.uid)
    };
    let (profile, usual) = (reading.profile, format!("/run/user/{}", environment.uid));
    // Of a host that does not run, it is what systemd makes.
    let is_refused = |found| match found {
        FileAt::Closed(_) => true,
        FileAt::Thing(stat) => profile == Profile::Podman4 && !is_private(&stat, environment),
        FileAt::Nothing => false,
    };
    let runtime = match environment.filled("XDG_RUNTIME_DIR") {
        None if is_refused(view.find(Path::new(&usual))) => {
            in_tmp(if profile == Profile::Podman4 { "containers-user" } else { "storage-run" })
        }
        None => environment.runtime_dir(),
        Some(dir) => match view.exists(Path::new(dir)) {
            Ok(true) => dir.to_owned(),
            _ if reading.profile == Profile::Podman4 => match view.find(Path::new(&usual)) {
                FileAt::Thing(stat) if is_private(&stat, environment) => usual,
                _ => {
                    let runroot = format!("{}/containers", in_tmp("containers-user"));
                    return (format!("{data}/containers/storage"), runroot);
                }
            },
            missing => {
                let why = missing
                    .err()
                    .map_or_else(|| "no such file or directory".to_owned(), |error| words(&error));
                reading.reasons.push(Reason::other(format!("lstat {dir}: {why}")));
                dir.to_owned()
            }
        },
    };
    // podman 5 makes it while it reads, whatever it is told later.
    let runroot = format!("{runtime}/containers");
    let made =
        environment.filled("XDG_RUNTIME_DIR").is_some() && view.exists(Path::new(&runtime)).unwrap_or(false);
    if made
        && !reading.profile.is_modern()
        && !matches!(view.find(Path::new(&runroot)), FileAt::Thing(_))
        && !view.may_create(Path::new(&runroot))
        && view.root().is_some()
    {
        let message = format!("unable to make rootless runtime: `{runroot}` cannot be created");
        reading.reasons.push(Reason::other(message));
    }
    (format!("{data}/containers/storage"), format!("{runtime}/containers"))
}

/// Expands variables in graphroot and runroot, if the engine does, refuses an imagestore that is the graphroot,
/// and tells which additional stores there are.
pub(super) fn finish(view: &View<'_>, expand: impl Fn(&str) -> String, reading: &mut Reading) {
    for root in [&mut reading.graphroot, &mut reading.runroot].into_iter().flatten() {
        let path = clean_path(&expand(&root.value));
        // The library resolves symlinks of what exists.
        let real = path.starts_with('/').then(|| view.real_path(Path::new(&path))).flatten();
        root.value = real.map_or(path, |real| real.display().to_string());
    }
    if let (Some(images), Some(graph)) = (&reading.imagestore, &reading.graphroot)
        && images.value == graph.value
    {
        let reason = Reason::stops(
            "imagestore-is-graphroot",
            format!("`imagestore` and `graphroot` are both `{}`", images.value),
            "remove `imagestore`: images are kept in `graphroot` anyway",
        )
        .at(images.origin.site().cloned());
        reading.reasons.push(reason);
    }
    let driver = reading.driver.as_ref().map_or("overlay", |driver| driver.value.as_str());
    let modern = reading.profile.is_modern();
    let stores = reading.options.iter().filter(|option| {
        // The modern generation passes over what is for another driver.
        let of = option.key.split_once('.').map_or("", |(of, _)| of).to_ascii_lowercase();
        let other =
            modern && !["", driver].contains(&of.as_str()) && !(of == "overlay2" && driver == "overlay");
        matches!(option.name().as_str(), "imagestore" | "additionalimagestore")
            && !option.value.value.is_empty()
            && !other
    });
    reading.stores = stores.map(|option| option.value.clone()).collect();
}

impl DriverOption {
    /// Its name without the driver's, in lower case.
    pub fn name(&self) -> String {
        let key = self.key.to_ascii_lowercase();
        key.rsplit_once('.').map_or(key.as_str(), |(_, name)| name).to_owned()
    }
}
