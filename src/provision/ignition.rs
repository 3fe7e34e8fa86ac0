//! Ignition configurations: what stands in each version of the specification, and a
//! layout as one of them (Ignition's docs/configuration-v3_*.md).

use super::data_url;
use super::document::{Value, map, text, to_json};
use super::layout::{NodeDirectory, NodeFile, NodeLayout, NodeUnit};

/// A stable version of the specification: 3.0.0 to 3.6.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpecVersion(pub u8);

impl SpecVersion {
    /// What everything reads that is in use: Ignition 2.7 and later.
    pub const DEFAULT: Self = Self(2);
    /// The newest one.
    pub const NEWEST: Self = Self(6);

    /// The version of this name.
    pub fn named(name: &str) -> Option<Self> {
        let minor = name.strip_prefix("3.")?;
        let minor = minor.strip_suffix(".0").unwrap_or(minor);
        minor.parse().ok().map(Self).filter(|spec| *spec <= Self::NEWEST)
    }

    /// Whether a file can say the SHA-256 of what it holds.
    pub fn has_sha256(self) -> bool {
        self >= Self(1)
    }
}

impl std::fmt::Display for SpecVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "3.{}.0", self.0)
    }
}

/// A layout as a configuration.
pub fn value(layout: &NodeLayout, spec: SpecVersion, may_compress: bool) -> Value {
    let mut storage = map([]);
    let directories: Vec<Value> = layout.directories.iter().map(directory).collect();
    if !directories.is_empty() {
        storage = storage.with("directories", Value::List(directories));
    }
    let files: Vec<Value> = layout.files.iter().map(|it| file(it, spec, may_compress)).collect();
    if !files.is_empty() {
        storage = storage.with("files", Value::List(files));
    }
    let mut whole = map([("ignition", map([("version", text(spec.to_string()))])), ("storage", storage)]);
    let units: Vec<Value> = layout.units.iter().map(unit).collect();
    if !units.is_empty() {
        whole = whole.with("systemd", map([("units", Value::List(units))]));
    }
    whole
}

/// A layout as text.
pub fn write(layout: &NodeLayout, spec: SpecVersion) -> String {
    to_json(&value(layout, spec, true), "", "  ") + "\n"
}

/// A directory. That it is there already is no conflict.
pub(super) fn directory(directory: &NodeDirectory) -> Value {
    map([("path", text(&directory.path)), ("mode", Value::Mode(directory.mode))])
}

/// A file that replaces another one: most images have a storage.conf, on which a boot
/// fails without `overwrite`. The compression is always said, so that a configuration
/// that this one is merged into cannot lend its own.
pub(super) fn file(file: &NodeFile, spec: SpecVersion, may_compress: bool) -> Value {
    let url = data_url::encode(file.text.as_bytes(), may_compress);
    let mut contents = map([("source", text(url.source)), ("compression", text(url.compression))]);
    if spec.has_sha256() {
        // Of the content as it will stand in the file, not of what is compressed.
        let hash = data_url::sha256(file.text.as_bytes());
        contents = contents.with("verification", map([("hash", text(hash))]));
    }
    map([
        ("path", text(&file.path)),
        ("overwrite", Value::Bool(true)),
        ("mode", Value::Mode(file.mode)),
        ("contents", contents),
    ])
}

/// A unit.
pub(super) fn unit(unit: &NodeUnit) -> Value {
    map([("name", text(&unit.name)), ("enabled", Value::Bool(unit.enabled)), ("contents", text(&unit.text))])
}
