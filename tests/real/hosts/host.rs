//! A host as a row of a table: its files, and what the engines see there.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use crate::support::scratch_in_memory;

/// The user of rootless hosts.
pub(super) const UID: u32 = 1000;

/// The home of the user of rootless hosts.
pub(super) const HOME: &str = "/home/u";

/// Directories that every host has and that may be listed as stores.
const STORES: [&str; 7] = ["a", "b", "c", "o", "v", "x", "z"];

/// A generation of engines, named as for `--engine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Profile {
    Podman4,
    Podman5,
    Crio,
    Podman6,
}

impl Profile {
    pub(super) const ALL: [Self; 4] = [Self::Podman4, Self::Podman5, Self::Crio, Self::Podman6];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Podman4 => "podman4",
            Self::Podman5 => "podman5",
            Self::Crio => "crio",
            Self::Podman6 => "podman6",
        }
    }
}

/// What an engine said that it sees; `None` is what this one does not say.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) driver: Option<String>,
    pub(super) graphroot: Option<String>,
    pub(super) runroot: Option<String>,
    pub(super) imagestore: Option<String>,
    pub(super) stores: Option<Vec<String>>,
}

/// What an engine said, or why it failed.
pub(super) type Answer = Result<Seen, String>;

/// What a table says that an engine sees.
#[derive(Clone)]
pub(super) enum Expected {
    Sees { driver: String, graphroot: String, runroot: String, imagestore: String, stores: Vec<String> },
    Fails(&'static str),
    FailsInDebian(&'static str),
}

/// An engine that sees `stores`, separated by spaces, and otherwise what [`conf`] says.
pub(super) fn sees(stores: &str) -> Expected {
    Expected::Sees {
        driver: "overlay".to_owned(),
        graphroot: "/var/lib/containers/storage".to_owned(),
        runroot: "/run/containers/storage".to_owned(),
        imagestore: String::new(),
        stores: stores.split_whitespace().map(str::to_owned).collect(),
    }
}

/// [`sees`] with the default directories of the user of rootless hosts.
pub(super) fn user_sees(stores: &str) -> Expected {
    sees(stores).graphroot("/home/u/.local/share/containers/storage").runroot("/run/user/1000/containers")
}

/// An engine that fails and says `why`.
pub(super) fn fails(why: &'static str) -> Expected {
    Expected::Fails(why)
}

/// podman 4 that fails and says `why` if Debian has built it; others have defaults, or fail
/// with other words.
pub(super) fn fails_in_debian(why: &'static str) -> Expected {
    Expected::FailsInDebian(why)
}

impl Expected {
    fn with(mut self, key: &str, value: &str) -> Self {
        if let Self::Sees { driver, graphroot, runroot, imagestore, .. } = &mut self {
            let old = match key {
                "driver" => driver,
                "graphroot" => graphroot,
                "runroot" => runroot,
                _ => imagestore,
            };
            value.clone_into(old);
        }
        self
    }

    /// With another driver; "" is one that is picked later.
    pub(super) fn driver(self, driver: &str) -> Self {
        self.with("driver", driver)
    }

    pub(super) fn graphroot(self, graphroot: &str) -> Self {
        self.with("graphroot", graphroot)
    }

    pub(super) fn runroot(self, runroot: &str) -> Self {
        self.with("runroot", runroot)
    }

    pub(super) fn imagestore(self, imagestore: &str) -> Self {
        self.with("imagestore", imagestore)
    }

    /// Compares with what storagectl said, which has its own words for why an engine fails.
    pub(super) fn check_in_other_words(&self, answer: &Answer) -> Result<(), String> {
        match (self, answer) {
            (Self::Fails(_) | Self::FailsInDebian(_), Err(_)) => Ok(()),
            _ => self.check(answer),
        }
    }

    /// Compares with what an engine said.
    pub(super) fn check(&self, answer: &Answer) -> Result<(), String> {
        match (self, answer) {
            (Self::Fails(why) | Self::FailsInDebian(why), Err(said)) if said.contains(why) => Ok(()),
            (Self::Fails(why) | Self::FailsInDebian(why), Err(said)) => {
                Err(format!("fails, but without `{why}`: {said}"))
            }
            (Self::Fails(why) | Self::FailsInDebian(why), Ok(seen)) => {
                Err(format!("does not fail with `{why}`: {seen:?}"))
            }
            (Self::Sees { .. }, Err(said)) => Err(format!("fails: {said}")),
            (Self::Sees { driver, graphroot, runroot, imagestore, stores }, Ok(seen)) => {
                same("driver", driver, seen.driver.as_ref())?;
                same("graphroot", graphroot, seen.graphroot.as_ref())?;
                same("runroot", runroot, seen.runroot.as_ref())?;
                same("imagestore", imagestore, seen.imagestore.as_ref())?;
                same("stores", stores, seen.stores.as_ref())
            }
        }
    }
}

fn same<T: PartialEq + std::fmt::Debug>(key: &str, expected: &T, seen: Option<&T>) -> Result<(), String> {
    match seen {
        Some(seen) if seen != expected => Err(format!("{key}: expected {expected:?}, seen {seen:?}")),
        _ => Ok(()),
    }
}

/// A storage.conf with every key that an engine needs, and this list of stores; the items are TOML.
pub(super) fn conf(stores: &str) -> String {
    format!(
        "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\n\
         graphroot = \"/var/lib/containers/storage\"\n\n{}",
        list(stores)
    )
}

/// A drop-in with this list of stores; the items are TOML.
pub(super) fn list(stores: &str) -> String {
    format!("[storage.options]\nadditionalimagestores = [{stores}]\n")
}

enum Entry {
    File(Vec<u8>),
    Link(String),
    Dir,
}

/// A row of a table.
pub(super) struct Host {
    name: &'static str,
    entries: Vec<(String, Entry)>,
    variables: BTreeMap<String, String>,
    rootless: bool,
    expected: BTreeMap<Profile, Expected>,
}

impl Host {
    /// A host without configuration, on which engines run as root. The name states the rule.
    pub(super) fn new(name: &'static str) -> Self {
        let variables = BTreeMap::from([("HOME".to_owned(), "/root".to_owned())]);
        Self { name, entries: Vec::new(), variables, rootless: false, expected: BTreeMap::new() }
    }

    /// The same for engines that a normal user runs.
    pub(super) fn rootless(name: &'static str) -> Self {
        let host = Self { rootless: true, ..Self::new(name) };
        host.variable("HOME", HOME).variable("XDG_RUNTIME_DIR", "/run/user/1000")
    }

    fn entry(mut self, path: &str, entry: Entry) -> Self {
        self.entries.push((path.to_owned(), entry));
        self
    }

    pub(super) fn file(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        self.entry(path, Entry::File(text.as_ref().to_vec()))
    }

    /// The administrator's main file.
    pub(super) fn etc(self, text: impl AsRef<[u8]>) -> Self {
        self.file("/etc/containers/storage.conf", text)
    }

    /// The vendor's main file.
    pub(super) fn usr(self, text: impl AsRef<[u8]>) -> Self {
        self.file("/usr/share/containers/storage.conf", text)
    }

    /// The administrator's drop-in `name`.
    pub(super) fn drop_in(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        self.file(&format!("/etc/containers/storage.conf.d/{name}"), text)
    }

    pub(super) fn link(self, path: &str, target: &str) -> Self {
        self.entry(path, Entry::Link(target.to_owned()))
    }

    pub(super) fn dir(self, path: &str) -> Self {
        self.entry(path, Entry::Dir)
    }

    pub(super) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(super) fn without_variable(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    fn expect(mut self, profiles: &[Profile], expected: &Expected) -> Self {
        for profile in profiles.iter().filter(|profile| !self.rootless || **profile != Profile::Crio) {
            self.expected.insert(*profile, expected.clone());
        }
        self
    }

    /// What engines of all generations see.
    pub(super) fn all(self, expected: Expected) -> Self {
        self.expect(&Profile::ALL, &expected)
    }

    /// What engines see that read a main file only.
    pub(super) fn legacy(self, expected: Expected) -> Self {
        self.expect(&[Profile::Podman4, Profile::Podman5, Profile::Crio], &expected)
    }

    pub(super) fn podman4(self, expected: Expected) -> Self {
        self.expect(&[Profile::Podman4], &expected)
    }

    /// What podman 5 and CRI-O see.
    pub(super) fn podman5(self, expected: Expected) -> Self {
        self.expect(&[Profile::Podman5, Profile::Crio], &expected)
    }

    pub(super) fn crio(self, expected: Expected) -> Self {
        self.expect(&[Profile::Crio], &expected)
    }

    /// What engines see that read drop-ins.
    pub(super) fn modern(self, expected: Expected) -> Self {
        self.expect(&[Profile::Podman6], &expected)
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn is_rootless(&self) -> bool {
        self.rootless
    }

    pub(super) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    pub(super) fn expected(&self, profile: Profile) -> Option<&Expected> {
        self.expected.get(&profile)
    }

    /// Makes the host's files. Engines write to them, so that each gets its own.
    pub(super) fn tree(&self) -> tempfile::TempDir {
        let tree = scratch_in_memory();
        make_dir(tree.path(), 0o755);
        self.system(tree.path());
        for (path, entry) in &self.entries {
            let path = tree.path().join(path.trim_start_matches('/'));
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            match entry {
                Entry::File(text) => fs_err::write(path, text).unwrap(),
                Entry::Link(target) => symlink(target, path).unwrap(),
                Entry::Dir => fs_err::create_dir_all(path).unwrap(),
            }
        }
        tree
    }

    /// What any system has.
    fn system(&self, tree: &Path) {
        for dir in ["etc/containers", "usr/share/containers", "var/lib", "var/tmp", "run", "root"] {
            make_dir(&tree.join(dir), 0o755);
        }
        make_dir(&tree.join("tmp"), 0o1777);
        for store in STORES {
            make_dir(&tree.join(store), 0o755);
        }
        let users = format!("root:x:0:0::/root:/bin/sh\nu:x:{UID}:{UID}::{HOME}:/bin/sh\n");
        fs_err::write(tree.join("etc/passwd"), users).unwrap();
        if self.rootless {
            for (dir, mode) in [("home/u", 0o755), ("run/user/1000", 0o700)] {
                make_dir(&tree.join(dir), mode);
                chown(tree.join(dir), Some(UID), Some(UID)).unwrap();
            }
            // What engines make there when they start is another question.
            for dir in STORES.iter().chain(&["srv", "var/lib/containers", "run/containers"]) {
                make_dir(&tree.join(dir), 0o755);
                chown(tree.join(dir), Some(UID), Some(UID)).unwrap();
            }
        }
    }
}

/// Makes a directory with this mode, whatever the umask is.
fn make_dir(dir: &Path, mode: u32) {
    fs_err::create_dir_all(dir).unwrap();
    fs_err::set_permissions(dir, PermissionsExt::from_mode(mode)).unwrap();
}
