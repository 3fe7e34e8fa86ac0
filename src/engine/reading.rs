//! What an engine has read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use super::Profile;
use super::reason::{Effect, Reason, Site};
use crate::conf::{Leaf, clean};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueOrigin {
    /// A place in a file.
    File(Site),
    /// A variable of the environment.
    Environment(&'static str),
    /// What the engine uses if nothing is set.
    Default,
}

impl ValueOrigin {
    /// The place, if it is one in a file.
    pub fn site(&self) -> Option<&Site> {
        match self {
            Self::File(site) => Some(site),
            Self::Environment(_) | Self::Default => None,
        }
    }

    /// It for people, such as `/etc/containers/storage.conf:3` or `$STORAGE_DRIVER`; `None` if
    /// nothing sets the value.
    pub fn label(&self) -> Option<String> {
        match self {
            Self::File(site) => Some(format!("{}:{}", site.file.display(), site.line)),
            Self::Environment(name) => Some(format!("${name}")),
            Self::Default => None,
        }
    }
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: ValueOrigin,
}

impl<T> Sourced<T> {
    /// What the engine uses if nothing is set.
    pub(super) fn default(value: T) -> Self {
        Self { value, origin: ValueOrigin::Default }
    }
}

/// An option that the engine hands to its storage driver.
#[derive(Debug, Clone, PartialEq)]
pub struct DriverOption {
    /// Its name as the driver gets it, such as `overlay.size`; the driver before the dot
    /// may be nothing or missing.
    pub key: String,
    /// Its value, without blanks around it, and where that comes from.
    pub value: Sourced<String>,
    /// The key of storage.conf that sets it, or the variable.
    pub set_by: String,
}

/// What part a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileRole {
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
    pub kind: FileRole,
    /// Its text.
    pub text: Rc<str>,
}

/// A host as one engine reads it.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The engine.
    pub profile: Profile,
    /// The files, in the order in which they count.
    pub files: Vec<ReadFile>,
    /// Every key that is set, by its dotted name in lower case.
    pub values: BTreeMap<String, Sourced<Leaf>>,
    /// The strings of every array that is set, by its dotted name, as they come together.
    pub(super) lists: BTreeMap<String, Vec<Sourced<String>>>,
    /// The storage driver, if one is set.
    pub driver: Option<Sourced<String>>,
    /// The engine's own storage.
    pub graphroot: Option<Sourced<String>>,
    /// Where running containers are kept track of.
    pub runroot: Option<Sourced<String>>,
    /// Where images are kept instead.
    pub imagestore: Option<Sourced<String>>,
    /// What the storage driver is told.
    pub options: Vec<DriverOption>,
    /// The additional image stores, in order, as written but for blanks around them, which
    /// engines cut off.
    pub stores: Vec<Sourced<String>>,
    /// Every key of CRI-O's own files but for those above, by its dotted name.
    pub crio: BTreeMap<String, Sourced<Leaf>>,
    /// What is wrong with what was read. A file, or a value, on which the engine stops
    /// counts for nothing above.
    pub reasons: Vec<Reason>,
}

impl Reading {
    pub(super) fn new(profile: Profile) -> Self {
        Self {
            profile,
            files: Vec::new(),
            values: BTreeMap::new(),
            lists: BTreeMap::new(),
            driver: None,
            graphroot: None,
            runroot: None,
            imagestore: None,
            options: Vec::new(),
            stores: Vec::new(),
            crio: BTreeMap::new(),
            reasons: Vec::new(),
        }
    }

    /// Forgets what was set, but not which files were read and what is wrong with them.
    pub(super) fn clear(&mut self) {
        let (files, reasons) = (std::mem::take(&mut self.files), std::mem::take(&mut self.reasons));
        *self = Self { files, reasons, ..Self::new(self.profile) };
    }

    /// Why the engine stops when it reads its configuration, if it does. What it does with
    /// what it has read, the judgement tells.
    pub fn failure(&self) -> Option<&Reason> {
        self.reasons.iter().find(|reason| reason.effect == Effect::Stops)
    }

    /// The strings of an array, by its dotted name.
    pub fn list(&self, name: &str) -> &[Sourced<String>] {
        self.lists.get(name).map_or(&[], Vec::as_slice)
    }

    /// A string that is set to something, by the dotted name of its key.
    pub(super) fn text(&self, name: &str) -> Option<Sourced<String>> {
        let set = self.values.get(name)?;
        match &set.value {
            Leaf::String(text) if !text.is_empty() => {
                Some(Sourced { value: text.clone(), origin: set.origin.clone() })
            }
            _ => None,
        }
    }

    /// The paths of the stores.
    pub fn paths(&self) -> Vec<&str> {
        self.stores.iter().map(|store| store.value.as_str()).collect()
    }

    /// The directories that the storage driver makes of them, cleaned, each once and in the
    /// order in which they are searched (`parseOptions` in drivers/overlay/overlay.go).
    pub fn searched_stores(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let paths = self.stores.iter().flat_map(|store| store.value.split(',')).map(str::trim);
        for path in paths.filter(|path| !path.is_empty()).map(clean) {
            if !found.contains(&path) {
                found.push(path);
            }
        }
        found
    }
}
