//! What is wrong on a host, or worth knowing, whoever found it.

use crate::engine::{Engines, Profile};
use crate::problem::Severity;

/// What doctor itself looks for: name, how bad, what it means.
pub const FINDINGS: &[(&str, Severity, &str)] = &[
    ("crio-older-config", Severity::Warning, "CRI-O runs with an older configuration than its files"),
    ("crio-options", Severity::Note, "CRI-O's units may be given arguments, which are not looked at"),
    ("declaration", Severity::Error, "a declaration of stores has a mistake"),
    ("images-not-pinned", Severity::Note, "kubelet may try to remove images of additional stores"),
    ("mco-managed", Severity::Note, "OpenShift's Machine Config Operator owns the configuration"),
    ("not-applied", Severity::Warning, "the configuration does not follow what is declared"),
    ("not-mounted", Severity::Error, "a declared sealed store is neither mounted nor listed"),
    ("pinned-pattern", Severity::Error, "`pinned_images` has a star alone, on which CRI-O stops"),
    ("repair-deletes", Severity::Warning, "images that a repair takes for damaged, and deletes"),
    ("set-aside", Severity::Warning, "a store is not listed, since its directory was missing at boot"),
];

/// Something that is wrong, or worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// How bad it is.
    pub severity: Severity,
    /// Its stable name.
    pub id: &'static str,
    /// What it is, with things in backticks, without a full stop.
    pub message: String,
    /// What helps.
    pub hint: String,
    /// Which engines stop because of it.
    pub stops: Engines,
}

impl Trouble {
    /// One of doctor's own findings.
    pub(super) fn new(id: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let row = FINDINGS.iter().find(|row| row.0 == id).expect("doctor's findings are in its table");
        let stops = if id == "pinned-pattern" { Engines::one(Profile::Crio) } else { Engines::NONE };
        Self { severity: row.1, id, message: message.into(), hint: hint.into(), stops }
    }
}
