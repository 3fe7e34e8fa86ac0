//! The table of rules.

use super::finding::LintFindings;
use super::input::LintInput;
use super::{drivers, essentials, judged, keys, places, stores, values};
use crate::problem::Severity;

/// A rule: one row of the table.
#[derive(Debug, Clone, Copy)]
pub struct LintRule {
    /// Its stable name.
    pub id: &'static str,
    /// How bad what it finds is.
    pub severity: Severity,
    /// What it looks for, in one line.
    pub description: &'static str,
    pub(super) check: RuleSource,
}

/// Where a rule's findings come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum RuleSource {
    /// A function looks itself.
    Function(fn(&LintInput<'_>, &mut LintFindings<'_, '_>)),
    /// The judgement: its reasons that have the rule's name.
    Judgement,
}

impl LintRule {
    pub(super) fn apply(&self, input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
        match self.check {
            RuleSource::Function(check) => check(input, findings),
            RuleSource::Judgement => judged::check(input, self.id, findings),
        }
    }
}

const fn error(
    id: &'static str,
    description: &'static str,
    check: fn(&LintInput<'_>, &mut LintFindings<'_, '_>),
) -> LintRule {
    LintRule { id, severity: Severity::Error, description, check: RuleSource::Function(check) }
}

const fn warning(
    id: &'static str,
    description: &'static str,
    check: fn(&LintInput<'_>, &mut LintFindings<'_, '_>),
) -> LintRule {
    LintRule { id, severity: Severity::Warning, description, check: RuleSource::Function(check) }
}

const fn judged(id: &'static str, description: &'static str) -> LintRule {
    LintRule { id, severity: Severity::Error, description, check: RuleSource::Judgement }
}

/// All rules, sorted by name but for the last, which looks for what the others do not know.
pub const RULES: &[LintRule] = &[
    warning("alias-entry", "two entries lead to one directory", stores::alias_entry),
    judged("append-in-main", "`{append=…}` where legacy engines stop on it"),
    judged("artifact-store", "an artifact store that is not absolute"),
    judged("bad-attribute", "an attribute that no engine knows"),
    error("bad-value", "a value that engines cannot make sense of", values::bad_value),
    judged("byte-order-mark", "a byte order mark, on which podman 4 stops"),
    judged("composefs", "composefs where it cannot be used"),
    warning("deprecated-key", "a deprecated key", keys::deprecated_key),
    judged("driver-mismatch", "a store was created by another storage driver"),
    error("drop-in-hides-main", "a drop-in replaces the main file's stores", places::drop_in_hides_main),
    error("drop-in-suffix", "a drop-in whose name does not end in .conf", places::drop_in_suffix),
    error("drop-in-unread", "a list in a drop-in that no engine reads", places::drop_in_unread),
    warning("duplicate-entry", "a store is listed twice", stores::duplicate_entry),
    judged("duplicate-key", "a key is set twice in a file"),
    error("duplicate-spelling", "a key is spelled in two ways in a file", keys::duplicate_spelling),
    warning("file-writable", "other users can change a file", places::file_writable),
    judged("force-mask-alone", "`force_mask` without `mount_program`"),
    judged("force-mask-integer", "`force_mask` where podman 4 and 5 garble it"),
    error("ignored-key", "a key that has no effect where it is", keys::ignored_key),
    judged("image-digest-invalid", "a store's images.json has an invalid digest"),
    judged("image-name-twice", "a store's images.json has a name twice"),
    judged("image-record-invalid", "a store's images.json has an invalid name"),
    judged("images-json-malformed", "a store's images.json cannot be read"),
    judged("imagestore-is-graphroot", "`imagestore` is the same as `graphroot`"),
    judged("layer-name-twice", "a store's layers.json has a name twice"),
    judged("layer-store", "an additional layer store does not exist"),
    judged("layers-json-malformed", "a store's layers.json cannot be read"),
    judged("lock-missing", "a store lacks a lock file, and is read-only"),
    error("misplaced-key", "a key that belongs in another table", keys::misplaced_key),
    warning("missing-driver", "no `driver`, which older engines ask for", essentials::missing_driver),
    judged("missing-graphroot", "no `graphroot`, which podman 4 needs"),
    judged("missing-runroot", "no `runroot`, which podman 4 needs"),
    error("misspelt-key", "a key that is nearly one that engines know", keys::misspelt_key),
    judged("mount-option", "a mount option that overlay does not have"),
    judged("mount-program-missing", "`mount_program` does not exist"),
    judged("native-boolean", "a bare boolean where one in quotes is needed"),
    warning("new-key", "a key that older engines do not know", keys::new_key),
    judged("not-utf8", "a file is not UTF-8"),
    warning("old-driver-name", "the driver's old name, `overlay2`", drivers::old_driver_name),
    judged("quota", "a limit that the file system cannot keep"),
    judged("quoted-boolean", "a boolean in quotes where it must be bare"),
    judged("rejected-option", "an option that the storage driver rejects"),
    judged("relative-root", "`graphroot` or another root is not absolute"),
    warning("removed-key", "a key that engines no longer know", keys::removed_key),
    judged("root-closed", "storage where normal users may not write"),
    judged("several-drivers", "storage of several drivers, and none is set"),
    warning("stale-copy", "a copy has fallen behind the vendor's file", places::stale_copy),
    judged("store-comma", "a store's path has a comma"),
    warning(
        "store-contains-graphroot",
        "a store is above the engine's own storage",
        stores::store_contains_graphroot,
    ),
    error("store-in-graphroot", "a store is inside the engine's own storage", stores::store_in_graphroot),
    warning("store-in-var", "a store in /var of an image that is built", stores::store_in_var),
    judged("store-is-graphroot", "a store is the engine's own storage"),
    judged("store-malformed", "a file where a store should be"),
    judged("store-missing", "a store does not exist"),
    judged("store-not-directory", "a store is not a directory"),
    judged("store-relative", "a store's path is not absolute"),
    judged("store-unreadable", "a store that an engine may not read"),
    warning("store-writable", "other users can write to a store", stores::store_writable),
    judged("subid-missing", "a user without subordinate ids"),
    judged("syntax", "a file is not TOML"),
    judged("toml-1-1", "TOML 1.1, on which older engines stop"),
    judged("unknown-driver", "a storage driver that no engine has"),
    warning("unknown-key", "a key that no engine knows", keys::unknown_key),
    judged("wrong-type", "a value of the wrong type"),
    judged("engine-stops", "an engine stops, for any other reason"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_document_that_is_run() {
        let documents = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd");
        // These need a file system that a document cannot make: tests/real has them.
        let elsewhere = ["lock-missing", "quota"];
        for rule in RULES.iter().filter(|rule| !elsewhere.contains(&rule.id)) {
            let text = fs_err::read_to_string(documents.join(format!("lint-{}.md", rule.id))).unwrap();
            let shown = format!("[{}]: ", rule.id);
            assert!(text.contains(&shown), "{}", rule.id);
        }
    }

    #[test]
    fn names_are_sorted_and_lines_are_short() {
        let ids: Vec<&str> = RULES[..RULES.len() - 1].iter().map(|rule| rule.id).collect();
        assert!(ids.is_sorted());
        for rule in RULES {
            // `check-config --list` fits 80 columns with this.
            let width = rule.description.chars().count();
            assert!(width <= 45, "{}: {width}", rule.id);
        }
    }
}
