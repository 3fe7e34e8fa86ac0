//! The table of what check-store looks for.

use crate::problem::Severity;

/// A kind of damage: one row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct DamageRule {
    /// Its stable name.
    pub id: &'static str,
    /// How bad it mostly is.
    pub severity: Severity,
    /// Whether it is looked for with `--deep` only.
    pub deep: bool,
    /// What it is, in one line.
    pub description: &'static str,
}

const fn error(id: &'static str, description: &'static str) -> DamageRule {
    DamageRule { id, severity: Severity::Error, deep: false, description }
}

const fn warning(id: &'static str, description: &'static str) -> DamageRule {
    DamageRule { id, severity: Severity::Warning, deep: false, description }
}

const fn note(id: &'static str, description: &'static str) -> DamageRule {
    DamageRule { id, severity: Severity::Note, deep: false, description }
}

const fn deep(id: &'static str, description: &'static str) -> DamageRule {
    DamageRule { id, severity: Severity::Error, deep: true, description }
}

const fn deep_warning(id: &'static str, description: &'static str) -> DamageRule {
    DamageRule { id, severity: Severity::Warning, deep: true, description }
}

/// All rules, sorted by name.
pub const RULES: &[DamageRule] = &[
    error("artifact-blob", "a blob of an artifact is missing"),
    error("artifact-damaged", "an artifact keeps engines from listing any"),
    deep("artifact-digest", "a blob of an artifact has different content"),
    error("artifacts-malformed", "the index of artifacts cannot be read"),
    deep("big-data-digest", "another file of an image has different content"),
    error("big-data-malformed", "a manifest, config or signature is malformed"),
    error("big-data-missing", "a manifest or other file of an image is missing"),
    error("big-data-size", "a manifest or another file has the wrong size"),
    error("composefs-damaged", "a composefs layer that cannot be mounted"),
    warning("composefs-layer", "a composefs layer: some engines cannot read it"),
    error("config-digest", "a configuration does not match its digest"),
    warning("depends-on-store", "images need layers of another store"),
    error("diff-ids-mismatch", "a configuration names other layers"),
    error("diff-missing", "a layer has no content"),
    error("driver-mismatch", "the store was created by another storage driver"),
    deep("file-added", "a file that is not in the layer"),
    deep("file-content", "a file has different content"),
    deep("file-missing", "a file of the layer is missing"),
    deep("file-mode", "a file has another mode"),
    deep("file-owner", "a file has another owner"),
    deep_warning("file-time", "a file has another time"),
    deep("file-type", "there is something else in a file's place"),
    deep("file-xattr", "a file has other extended attributes"),
    error("image-digest-invalid", "images.json gives an invalid digest"),
    error("image-digest-wrong", "images.json gives an image another's digest"),
    warning("image-id-twice", "images.json has an id twice"),
    error("image-layer-unknown", "an image's layer is in no layers.json"),
    error("image-name-twice", "images.json gives a name to two images"),
    error("image-record-invalid", "images.json gives an invalid name"),
    error("images-json-malformed", "images.json cannot be read"),
    error("images-json-missing", "there are images, but no images.json"),
    note("images-shared", "an image is in several stores"),
    error("l-link-missing", "a symlink in `l` is missing or dangles"),
    error("l-link-wrong", "a symlink in `l` leads to another layer"),
    error("layer-chain-long", "more layers than can be mounted"),
    deep("layer-digest", "a layer does not match its digest"),
    error("layer-elsewhere", "a layer of a layer store that does not exist"),
    error("layer-id-twice", "layers.json has an id twice"),
    warning("layer-incomplete", "a layer that was never completed"),
    error("layer-loop", "a layer is its own ancestor"),
    warning("layer-mapped", "a layer of an image has mapped owners"),
    error("layer-missing", "a layer's directory is missing"),
    error("layer-name-twice", "layers.json gives a name to two layers"),
    error("layer-parent-unknown", "a layer's parent is in no layers.json"),
    deep("layer-size", "a layer does not match its size"),
    error("layer-size-unknown", "a layer of an image has no digest"),
    error("layers-json-malformed", "layers.json cannot be read"),
    error("layers-json-missing", "images have layers, but there is no layers.json"),
    note("layers-shared", "a layer is in several stores"),
    error("link-missing", "a layer has no `link`"),
    error("link-wrong", "a layer's `link` is not its own"),
    error("lock-missing", "a lock file is missing, and cannot be created"),
    error("lower-layers-wrong", "`lower-layers` is not the parent chain"),
    error("lower-missing", "a layer has no `lower`"),
    error("lower-wrong", "`lower` is not the parent chain"),
    deep("manifest-digest", "a manifest does not match its digest"),
    warning("name-shadowed", "a name means another image in an earlier store"),
    warning("not-for-users", "the engines of normal users cannot read it"),
    error("not-mounted", "the mount that holds the store is missing"),
    warning("not-sealable", "no lock files yet: cannot be read-only"),
    deep_warning("not-verified", "a layer that cannot be verified"),
    warning("orphan", "something without a record"),
    warning("selinux-label", "SELinux keeps containers or engines from it"),
    warning("squash-files", "images in squash files, which podman-hpc mounts"),
    error("store-malformed", "a file in place of a directory, or the reverse"),
    error("store-missing", "the store does not exist"),
    error("store-not-directory", "the store is not a directory"),
    warning("store-of-user", "root lists the store of a user"),
    error("store-unreadable", "engines of this user may not read the store"),
    warning("store-writable", "users other than its owner can write to it"),
    warning("symlink", "a symlink that no engine creates"),
    deep("tar-split-damaged", "a layer's tar-split cannot be read"),
    error("tar-split-missing", "a layer has no tar-split"),
    error("unsafe-id", "an id that leads out of its directory"),
    deep("whiteout-added", "hides files of lower layers, but should not"),
    deep("whiteout-missing", "should hide files of lower layers"),
];

/// The rule with this name.
pub(super) fn rule(id: &'static str) -> &'static DamageRule {
    RULES.iter().find(|rule| rule.id == id).expect("every finding has a row in the table")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_lines_are_short() {
        let ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        assert!(ids.is_sorted(), "{ids:?}");
        for rule in RULES {
            // `check-store --list` fits 80 columns with this.
            let width = rule.description.chars().count();
            assert!(width <= 47, "{}: {width}", rule.id);
        }
    }
}
