//! What engines say about storage, and what it means: one row a message.
//!
//! The words are those of the engines' sources, in lower case and without quotes, which versions
//! set differently; `by` is the function that says them. What a row's `causes` name is found by
//! `check-config`, `check-store` or `doctor`, and by nothing of its own here.

mod configuration;
mod images;
mod layers;
mod stores;
mod system;

/// A message of an engine.
#[derive(Debug, PartialEq, Eq)]
pub struct EngineMessage {
    /// Its stable name.
    pub id: &'static str,
    /// How it reads, as patterns: `{name}` is whatever stands there.
    pub says: &'static [&'static str],
    /// The function that says it, and where that is.
    pub by: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Whether engines say it after another message, as what comes of that.
    pub follows: bool,
    /// The findings that have engines say it, the likeliest first.
    pub causes: &'static [&'static str],
    /// What helps, if one does not look at the host.
    pub cure: &'static str,
    /// The command that finds the cause while it is there.
    pub check: &'static str,
}

const CONFIG: &str = "storagectl check-config";
const STORE: &str = "storagectl check-store";
const DEEP: &str = "storagectl check-store --deep";
const DOCTOR: &str = "storagectl doctor";

/// All messages, by what they are about.
pub fn messages() -> impl Iterator<Item = &'static EngineMessage> {
    SECTIONS.iter().flat_map(|(_, messages)| messages.iter())
}

/// The messages under headings.
pub const SECTIONS: &[(&str, &[EngineMessage])] = &[
    ("Configuration", configuration::MESSAGES),
    ("Stores", stores::MESSAGES),
    ("Images", images::MESSAGES),
    ("Layers", layers::MESSAGES),
    ("Disks, rights and units", system::MESSAGES),
];
