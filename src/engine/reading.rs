//! What an engine has read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::profile::Profile;
use super::settings::driver_in_use;
use crate::conf::{Document, Essentials, Fault, Leaf};
use crate::host::Root;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file, counted from 1.
    File {
        /// The file, inside the tree.
        file: PathBuf,
        /// The line.
        line: usize,
    },
    /// A variable of the environment.
    Environment(&'static str),
    /// What the engine uses if nothing is set.
    Default,
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Value<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

/// Why an engine stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it stops on, as a sentence.
    pub message: String,
    /// The file and line, if it is one's fault.
    pub place: Option<(PathBuf, usize)>,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None }
    }

    pub(super) fn at(path: &Path, doc: Option<&Document>, fault: &Fault) -> Self {
        let line = doc.map_or(1, |doc| doc.line(fault.span.start));
        Self { message: fault.message.clone(), place: Some((path.to_owned(), line)) }
    }
}

/// What part a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// The one main file.
    Main,
    /// A drop-in.
    DropIn,
    /// The file that a variable names to be read last.
    Override,
    /// A file of CRI-O's own.
    Crio,
}

/// A file that was read.
#[derive(Debug, Clone)]
pub struct ReadFile {
    /// The file, inside the tree.
    pub path: PathBuf,
    /// What part it has.
    pub kind: FileKind,
    /// Its text.
    pub text: String,
}

/// A host as one engine reads it.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The engine.
    pub profile: Profile,
    /// The files, in the order in which they count.
    pub files: Vec<ReadFile>,
    /// Every key that is set, by its dotted name in lower case.
    pub values: BTreeMap<String, Value<Leaf>>,
    /// The storage driver, if one is set.
    pub driver: Option<Value<String>>,
    /// The engine's own storage.
    pub graphroot: Option<Value<String>>,
    /// Where running containers are kept track of.
    pub runroot: Option<Value<String>>,
    /// Where images are kept instead.
    pub imagestore: Option<Value<String>>,
    /// The additional image stores, in order, as written.
    pub stores: Vec<Value<String>>,
    /// Every key of CRI-O's own files but for those above, by its dotted name.
    pub own: BTreeMap<String, Value<Leaf>>,
    /// Why the engine stops, if it does. What was read until then stands above.
    pub failure: Option<Failure>,
}

impl Reading {
    pub(super) fn new(profile: Profile) -> Self {
        Self {
            profile,
            files: Vec::new(),
            values: BTreeMap::new(),
            driver: None,
            graphroot: None,
            runroot: None,
            imagestore: None,
            stores: Vec::new(),
            own: BTreeMap::new(),
            failure: None,
        }
    }

    /// Forgets what was set, but not which files were read.
    pub(super) fn clear(&mut self) {
        let files = std::mem::take(&mut self.files);
        *self = Self { files, ..Self::new(self.profile) };
    }

    /// The paths of the stores.
    pub fn paths(&self) -> Vec<&str> {
        self.stores.iter().map(|store| store.value.as_str()).collect()
    }

    /// The driver of the storage at `dir`: the one that is set, else the one that it was
    /// made with, else the default. An empty one is none.
    pub fn driver_at(&self, root: &Root, dir: &Path) -> String {
        let set = self.driver.as_ref().map(|driver| driver.value.clone());
        set.filter(|driver| !driver.is_empty())
            .or_else(|| driver_in_use(root, dir))
            .unwrap_or_else(|| Essentials::default().driver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_driver_is_none_and_what_is_there_counts() {
        let tree = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(tree.path().join("made/vfs-images")).unwrap();
        let root = Root::tree(tree.path()).unwrap();
        let driver = |set: Option<&str>, dir: &str| {
            let set = set.map(|name| Value { value: name.to_owned(), origin: Origin::Default });
            Reading { driver: set, ..Reading::new(Profile::Podman4) }.driver_at(&root, Path::new(dir))
        };
        for none in [None, Some("")] {
            assert_eq!(driver(none, "/made"), "vfs");
            assert_eq!(driver(none, "/new"), "overlay");
        }
        assert_eq!(driver(Some("btrfs"), "/made"), "btrfs");
    }
}
