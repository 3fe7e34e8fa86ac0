//! Butane configurations: YAML for people, which Butane translates into Ignition.

use super::document::{Value, map, text, to_yaml};
use super::ignition::{SpecVersion, directory, unit};
use super::layout::{Directories, NodeFile, NodeLayout};

/// A variant in one version, and the Ignition specification that it becomes
/// (Butane's docs/specs.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// The variant.
    pub variant: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it is translated into.
    pub spec: SpecVersion,
}

const fn dialect(variant: &'static str, version: &'static str, minor: u8) -> Dialect {
    Dialect { variant, version, spec: SpecVersion(minor) }
}

/// All stable ones; of each variant the newest last.
pub const DIALECTS: &[Dialect] = &[
    dialect("fcos", "1.0.0", 0),
    dialect("fcos", "1.1.0", 1),
    dialect("fcos", "1.2.0", 2),
    dialect("fcos", "1.3.0", 2),
    dialect("fcos", "1.4.0", 3),
    dialect("fcos", "1.5.0", 4),
    dialect("fcos", "1.6.0", 5),
    dialect("fcos", "1.7.0", 6),
    dialect("flatcar", "1.0.0", 3),
    dialect("flatcar", "1.1.0", 4),
    dialect("r4e", "1.0.0", 3),
    dialect("r4e", "1.1.0", 4),
    dialect("fiot", "1.0.0", 4),
    dialect("openshift", "4.8.0", 2),
    dialect("openshift", "4.9.0", 2),
    dialect("openshift", "4.10.0", 2),
    dialect("openshift", "4.11.0", 2),
    dialect("openshift", "4.12.0", 2),
    dialect("openshift", "4.13.0", 2),
    dialect("openshift", "4.14.0", 4),
    dialect("openshift", "4.15.0", 4),
    dialect("openshift", "4.16.0", 4),
    dialect("openshift", "4.17.0", 4),
    dialect("openshift", "4.18.0", 4),
    dialect("openshift", "4.19.0", 5),
    dialect("openshift", "4.20.0", 5),
    dialect("openshift", "4.21.0", 5),
    dialect("openshift", "4.22.0", 5),
];

impl Dialect {
    /// The dialect of this variant and version.
    pub fn named(variant: &str, version: &str) -> Option<Self> {
        let three = |version: &str| match version.matches('.').count() {
            1 => format!("{version}.0"),
            _ => version.to_owned(),
        };
        let version = three(version);
        DIALECTS.iter().find(|it| it.variant == variant && it.version == version).copied()
    }

    /// The newest version of a variant with at most this specification; of a variant that has none,
    /// its oldest.
    pub fn newest(variant: &str, spec: SpecVersion) -> Option<Self> {
        let mut of_variant = DIALECTS.iter().filter(|it| it.variant == variant);
        let newest = of_variant.clone().rfind(|it| it.spec <= spec);
        newest.or_else(|| of_variant.next()).copied()
    }

    /// Whether it becomes a MachineConfig, which has no directories.
    pub fn is_openshift(self) -> bool {
        self.variant == "openshift"
    }

    /// How it can make directories.
    pub fn directories(self) -> Directories {
        if self.is_openshift() { Directories::ByUnit } else { Directories::Made }
    }
}

/// The name and role that a MachineConfig has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// The role of the nodes that it is for.
    pub role: String,
}

impl Machine {
    /// `metadata` of an object.
    pub fn metadata(&self) -> Value {
        map([
            ("name", text(&self.name)),
            ("labels", map([("machineconfiguration.openshift.io/role", text(&self.role))])),
        ])
    }
}

/// A layout as a configuration.
pub fn value(layout: &NodeLayout, dialect: Dialect, machine: &Machine) -> Value {
    let mut whole = map([("variant", text(dialect.variant)), ("version", text(dialect.version))]);
    if dialect.is_openshift() {
        whole = whole.with("metadata", machine.metadata());
    }
    let mut storage = map([]);
    let directories: Vec<Value> = layout.directories.iter().map(directory).collect();
    if !directories.is_empty() {
        storage = storage.with("directories", Value::List(directories));
    }
    let files: Vec<Value> = layout.files.iter().map(file).collect();
    if !files.is_empty() {
        storage = storage.with("files", Value::List(files));
    }
    whole = whole.with("storage", storage);
    let units: Vec<Value> = layout.units.iter().map(unit).collect();
    if !units.is_empty() {
        whole = whole.with("systemd", map([("units", Value::List(units))]));
    }
    whole
}

/// A layout as text. `made_by` is the comment that it starts with.
pub fn write(layout: &NodeLayout, dialect: Dialect, machine: &Machine, made_by: &str) -> String {
    format!("{made_by}{}", to_yaml(&value(layout, dialect, machine), 0))
}

/// A file. Its text stands there as it is, without a hash that would be wrong as soon
/// as somebody edits it.
pub(super) fn file(file: &NodeFile) -> Value {
    map([
        ("path", text(&file.path)),
        ("overwrite", Value::Bool(true)),
        ("mode", Value::Mode(file.mode)),
        ("contents", map([("inline", text(&file.text))])),
    ])
}
