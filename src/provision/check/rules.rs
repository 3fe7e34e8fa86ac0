//! The table of rules.

use crate::problem::Severity;

/// A rule: one row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvisionRule {
    /// Its stable name.
    pub id: &'static str,
    /// How bad what it finds is.
    pub severity: Severity,
    /// What it looks for, in one line.
    pub description: &'static str,
}

const fn error(id: &'static str, description: &'static str) -> ProvisionRule {
    ProvisionRule { id, severity: Severity::Error, description }
}

const fn warning(id: &'static str, description: &'static str) -> ProvisionRule {
    ProvisionRule { id, severity: Severity::Warning, description }
}

const fn note(id: &'static str, description: &'static str) -> ProvisionRule {
    ProvisionRule { id, severity: Severity::Note, description }
}

/// All rules, sorted by name.
pub const RULES: &[ProvisionRule] = &[
    error("append-in-main", "`{append=…}` in storage.conf, on which older engines stop"),
    error("append-to-file", "text is appended to storage.conf"),
    note("bootc-ignores", "a part of a blueprint that bootc-image-builder does not read"),
    note("bootc-refuses", "a path that images of ostree, and so of bootc, cannot have"),
    error("compression-missing", "a file's content is compressed and the document does not say so"),
    error("compression-unknown", "a compression that is not gzip"),
    error("compression-wrong", "a file's content is not compressed as the document says"),
    error("conf-incomplete", "storage.conf lacks driver, runroot or graphroot"),
    error("conf-syntax", "storage.conf is not TOML"),
    warning("content-elsewhere", "storage.conf is fetched and cannot be checked"),
    error("contents-twice", "a blueprint says in two ways what a file holds"),
    error("directory-refused", "a directory or link in a MachineConfig"),
    error("drop-in-hides-main", "the platform's drop-in hides storage.conf from newer engines"),
    error("duplicate-key", "a key is set twice in a mapping"),
    error("engine-stops", "an engine stops, for any other reason"),
    warning("extra-ignored", "a file beside OCNE's configurations is none"),
    error("hash-function", "a hash that this specification does not have"),
    error("hash-of-compressed", "a hash of the compressed content"),
    error("hash-wrong", "a hash that is not the content's"),
    error("image-missing", "a blueprint's container has no source"),
    error("image-refused", "the API refuses an image to be pinned, or the number of images"),
    error("image-twice", "an image is pinned twice"),
    error("inline-missing", "no `extraIgnitionInline` in a configuration of OCNE"),
    error("inline-not-string", "`extraIgnitionInline` is a mapping"),
    error("key-unknown", "a key that the document's specification does not have"),
    error("local-refused", "a file beside the document that is not read"),
    note("merged-elsewhere", "another configuration is merged in and was not checked"),
    error("merged-invalid", "what is merged in is not an Ignition configuration"),
    error("metadata-missing", "an object of a pool without a name or a role"),
    error("mode-decimal", "a mode whose digits are meant as octal ones"),
    error("mode-invalid", "a mode that no file can have"),
    error("mode-string", "a mode in quotes"),
    error("no-contents", "`overwrite` without contents"),
    error("no-images", "a PinnedImageSet pins no image"),
    error("no-overwrite", "storage.conf does not replace the existing file"),
    error("no-store", "the document lists no store"),
    note("not-read", "a file, unit or directory that a document names was not read"),
    error("octal-in-json", "an octal number in JSON"),
    error("other-kind", "the document is of another kind"),
    error("path-invalid", "a path is not absolute or not in its shortest form"),
    error("path-refused", "a path that builders of images allow to no file or directory"),
    error("path-twice", "the same path is written twice"),
    warning("quadlet-image-absent", "a quadlet pulls no image, and nothing else brings it"),
    warning("quadlet-missing", "a quadlet of a container needs an `.image` that is not there"),
    error("spec-missing", "no version of the specification"),
    error("spec-unsupported", "a version that does not exist or is not taken"),
    error("store-in-graphroot", "a store is inside the engines' own storage, or is it"),
    error("store-missing", "nothing creates a listed store"),
    error("store-refused", "the API refuses a store's path or the number of stores"),
    error("store-temporary", "a store is in a directory that is empty after a boot"),
    error("store-twice", "a store is listed twice"),
    error("store-unlisted", "a store that engines should see is not listed"),
    error("store-unseen", "an engine sees other stores than it should"),
    error("syntax", "the document is not JSON, YAML or TOML"),
    warning("unit-late", "a unit that prepares a store may run after engines have started"),
    error("unit-name", "a unit's or drop-in's name has a wrong suffix"),
    warning("unit-not-enabled", "a unit that prepares a store is not enabled"),
    error("unit-without-install", "an enabled unit without [Install]"),
    error("unknown-document", "the document is of no known kind"),
    error("url-invalid", "a URL that cannot be decoded"),
    warning("users-stop", "normal users' engines stop on such a node"),
    error("vendor-store-lost", "a store of the platform is no longer listed"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(RULES.is_sorted_by_key(|rule| rule.id));
    }
}
