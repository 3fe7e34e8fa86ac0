//! What is wrong on a host, or worth knowing, whoever found it.

use crate::problem::{Engines, Problem, Profile, Severity};

/// What doctor itself looks for: name, how bad, what it means.
pub const FINDINGS: &[(&str, Severity, &str)] = &[
    ("crio-older-config", Severity::Warning, "CRI-O runs with an older configuration than its files"),
    ("crio-options", Severity::Note, "CRI-O's units may be given arguments, which are not read"),
    ("declaration", Severity::Error, "a declaration of stores has a mistake"),
    ("disk-full", Severity::Error, "a file system on which engines write has no room left"),
    ("disk-nearly-full", Severity::Warning, "a file system on which engines write has little room left"),
    ("images-not-copied", Severity::Warning, "embedded images are in no store of the host"),
    ("file-system", Severity::Error, "engines write on a file system that cannot keep what layers have"),
    ("image-shadowed", Severity::Warning, "engines use an older image, since its store is looked into first"),
    ("images-not-pinned", Severity::Note, "kubelet may try to remove images of additional stores"),
    ("images-not-pruned", Severity::Warning, "images of former lists of embedded images are in nobody's use"),
    ("layers-gone", Severity::Error, "images or containers build on layers that no store has any more"),
    ("mco-managed", Severity::Note, "OpenShift's Machine Config Operator owns the configuration"),
    ("not-applied", Severity::Warning, "the configuration does not follow what is declared"),
    ("not-mounted", Severity::Error, "a declared sealed store is neither mounted nor listed"),
    ("pinned-pattern", Severity::Error, "`pinned_images` has a star alone, on which CRI-O stops"),
    ("repair-deletes", Severity::Warning, "images that a repair treats as damaged and deletes"),
    ("set-aside", Severity::Warning, "a store is not listed, since its directory was missing at boot"),
    ("store-emptied", Severity::Warning, "a store held images at the last boot, and holds none now"),
];

/// One of doctor's own findings.
pub(super) fn problem(id: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Problem {
    let row = FINDINGS.iter().find(|row| row.0 == id).expect("doctor's findings are in its table");
    let stops = if id == "pinned-pattern" { Engines::one(Profile::Crio) } else { Engines::NONE };
    Problem { engines: stops, stops, ..Problem::found(id, row.1, message, hint) }
}
