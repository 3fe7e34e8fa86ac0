//! The table of rules.

use super::finding::Sink;
use super::input::Input;
use super::{drivers, essentials, keys, lists, places, stores, texts, values};
use crate::problem::Severity;

/// A rule: one row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its stable name.
    pub id: &'static str,
    /// How bad what it finds is.
    pub severity: Severity,
    /// What it looks for, in one line.
    pub description: &'static str,
    pub(super) check: fn(&Input<'_>, &mut Sink<'_, '_>),
}

const fn error(
    id: &'static str,
    description: &'static str,
    check: fn(&Input<'_>, &mut Sink<'_, '_>),
) -> Rule {
    Rule { id, severity: Severity::Error, description, check }
}

const fn warning(
    id: &'static str,
    description: &'static str,
    check: fn(&Input<'_>, &mut Sink<'_, '_>),
) -> Rule {
    Rule { id, severity: Severity::Warning, description, check }
}

/// All rules, sorted by name but for the last, which looks for what the others do not know.
pub const RULES: &[Rule] = &[
    warning("alias-entry", "two entries lead to one directory", stores::alias_entry),
    error("append-in-main", "`{append=…}` where legacy engines stop on it", lists::append_in_main),
    error("bad-attribute", "an attribute that no engine knows", lists::bad_attribute),
    error("bad-value", "a value that engines cannot make sense of", values::bad_value),
    error("byte-order-mark", "a byte order mark, on which podman 4 stops", texts::byte_order_mark),
    warning("deprecated-key", "a key that will go", keys::deprecated_key),
    error("drop-in-hides-main", "a drop-in replaces the main file's stores", places::drop_in_hides_main),
    error("drop-in-suffix", "a drop-in whose name does not end in .conf", places::drop_in_suffix),
    warning("duplicate-entry", "a store is listed twice", stores::duplicate_entry),
    error("duplicate-key", "a key stands twice in a file", texts::duplicate_key),
    error("duplicate-spelling", "a key stands in a file in two spellings", keys::duplicate_spelling),
    warning("file-writable", "others than its owner can change a file", places::file_writable),
    error("force-mask-alone", "`force_mask` without `mount_program`", drivers::force_mask_alone),
    error("force-mask-integer", "`force_mask` where podman 4 and 5 garble it", drivers::force_mask_integer),
    error("ignored-key", "a key that has no effect where it stands", keys::ignored_key),
    error(
        "imagestore-is-graphroot",
        "`imagestore` is the same as `graphroot`",
        drivers::imagestore_is_graphroot,
    ),
    error("misplaced-key", "a key that belongs in another table", keys::misplaced_key),
    warning("missing-driver", "no `driver`, which older engines ask for", essentials::missing_driver),
    error("missing-graphroot", "no `graphroot`, which podman 4 needs", essentials::missing_graphroot),
    error("missing-runroot", "no `runroot`, which podman 4 needs", essentials::missing_runroot),
    error("misspelt-key", "a key that is nearly one that engines know", keys::misspelt_key),
    error("mount-program-missing", "`mount_program` does not exist", drivers::mount_program_missing),
    error("native-boolean", "a bare boolean where one in quotes is needed", keys::native_boolean),
    warning("new-key", "a key that older engines do not know", keys::new_key),
    error("not-utf8", "a file is not UTF-8", texts::not_utf8),
    warning("old-driver-name", "the driver's old name, `overlay2`", drivers::old_driver_name),
    error("quoted-boolean", "a boolean in quotes where it must be bare", keys::quoted_boolean),
    error("rejected-option", "an option that the storage driver rejects", drivers::rejected_option),
    error("relative-root", "`graphroot` or another root is not absolute", drivers::relative_root),
    warning("removed-key", "a key that engines no longer know", keys::removed_key),
    warning("stale-copy", "a copy has fallen behind the vendor's file", places::stale_copy),
    error("store-comma", "a store's path has a comma", stores::store_comma),
    warning(
        "store-contains-graphroot",
        "a store is above the engine's own storage",
        stores::store_contains_graphroot,
    ),
    error("store-in-graphroot", "a store is inside the engine's own storage", stores::store_in_graphroot),
    error("store-is-graphroot", "a store is the engine's own storage", stores::store_is_graphroot),
    error("store-missing", "a store does not exist", stores::store_missing),
    error("store-not-directory", "a store is not a directory", stores::store_not_directory),
    error("store-relative", "a store's path is not absolute", stores::store_relative),
    warning("store-writable", "others than its owner can write to a store", stores::store_writable),
    error("syntax", "a file is not TOML", texts::syntax),
    error("toml-1-1", "TOML 1.1, on which older engines stop", texts::toml_1_1),
    error("unknown-driver", "a storage driver that no engine has", drivers::unknown_driver),
    warning("unknown-key", "a key that no engine knows", keys::unknown_key),
    error("wrong-type", "a value of the wrong type", keys::wrong_type),
    error("engine-stops", "an engine stops, for any other reason", places::engine_stops),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_document_that_is_run() {
        let documents = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd");
        for rule in RULES {
            let text = fs_err::read_to_string(documents.join(format!("lint-{}.md", rule.id))).unwrap();
            let shown = format!("{}[{}]: ", rule.severity.name(), rule.id);
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
