//! A document that exists, parsed once for all that is asked of it.

use super::butane::{Dialect, Machine};
use super::container_runtime_config;
use super::document::{Node, ProvisionDocument};
use super::read::{Config, ConfigEntry, DocumentFormat, ParsedDocument, Unread};
use super::units;

/// A document that exists.
#[derive(Debug, Clone)]
pub struct ExistingDocument {
    /// Its text.
    pub text: String,
    /// What that holds, or why it cannot be read.
    pub parsed: Result<ParsedDocument, Unread>,
}

impl ExistingDocument {
    /// Parses a text.
    pub fn parse(text: impl Into<String>) -> Self {
        let text = text.into();
        let parsed = ParsedDocument::parse(&text);
        Self { text, parsed }
    }

    /// What it is, also if it cannot be read to its end: then its words tell.
    pub fn format(&self) -> Option<DocumentFormat> {
        match &self.parsed {
            Ok(read) => Some(read.format),
            Err(Unread::NoInline | Unread::NotString(_) | Unread::Inner(..)) => Some(DocumentFormat::Ocne),
            Err(Unread::Unknown) => None,
            Err(Unread::Text(_)) if ProvisionDocument::parse_toml(&self.text).is_some() => {
                Some(DocumentFormat::Blueprint)
            }
            Err(Unread::Text(_)) => {
                let words = |line: &str| line.replace(['"', '\'', ',', ' ', '\t'], "");
                let has = |start: &str| self.text.lines().any(|line| words(line).starts_with(start));
                let kinds = [
                    ("kind:MachineConfig", DocumentFormat::MachineConfig),
                    ("kind:ContainerRuntimeConfig", DocumentFormat::ContainerRuntimeConfig),
                    ("kind:PinnedImageSet", DocumentFormat::PinnedImageSet),
                    ("extraIgnitionInline:", DocumentFormat::Ocne),
                    ("variant:", DocumentFormat::Butane),
                    ("ignition:", DocumentFormat::Ignition),
                ];
                kinds.into_iter().find(|(start, _)| has(start)).map(|(_, format)| format)
            }
        }
    }

    /// The Ignition or Butane configuration in it.
    pub fn config(&self) -> Option<&Config> {
        self.parsed.as_ref().ok()?.config.as_ref()
    }

    /// Butane's variant and version, if it is one of those that are known.
    pub fn dialect(&self) -> Option<Dialect> {
        self.config()?.dialect
    }

    /// The name and role, or pool, of an object.
    pub fn machine(&self) -> Option<Machine> {
        let root = &self.parsed.as_ref().ok()?.doc.root;
        let name = root.at(&["metadata", "name"])?.raw()?.to_owned();
        let label = root.at(&["metadata", "labels", "machineconfiguration.openshift.io/role"]);
        let selected = root.at(&["spec", "machineConfigPoolSelector", "matchLabels"]);
        let mut pools = selected.map(Node::pairs).unwrap_or_default().iter();
        let pool = pools.find_map(|(key, _)| key.name.strip_prefix(container_runtime_config::POOL));
        let role = label.and_then(Node::raw).or(pool)?.to_owned();
        Some(Machine { name, role })
    }

    /// Whether an earlier run has made it, or put something into it: our units and drop-ins and the
    /// usual names of our objects are the marks.
    pub fn is_own(&self) -> bool {
        let name = self.parsed.as_ref().ok().and_then(|read| read.doc.root.at(&["metadata", "name"])?.raw());
        let is_unit = |it: &ConfigEntry| units::OWN_UNITS.contains(&it.name.as_str());
        let is_drop_in = |it: &ConfigEntry| it.name.ends_with("-storagectl.conf");
        let has_ours = |it: &Config| it.units.iter().any(is_unit) || it.files.iter().any(is_drop_in);
        name.is_some_and(|name| name.contains("storagectl-")) || self.config().is_some_and(has_ours)
    }
}
