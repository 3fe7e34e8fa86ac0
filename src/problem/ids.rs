//! The stable name of every problem, with what it means. The man page is made
//! from this table, so a name that is missing here is a bug.

/// Names and meanings, sorted by name.
pub const IDS: &[(&str, &str)] = &[
    ("bad-time", "SOURCE_DATE_EPOCH is no time"),
    ("blob-digest", "a blob of an image has another digest or size than the manifest says"),
    ("blob-missing", "a blob of an image is missing"),
    ("bootc-storage", "bootc's own storage, which bootc forbids to list for all engines"),
    ("busy", "another process keeps the directory locked, or keeps changing the file"),
    ("containers-mounted", "containers of a storage may be running, so none of their records is removed"),
    ("dangling-link", "storage.conf is a symlink to nothing"),
    ("declaration", "a declaration cannot be read, or is not one; what it had declared stays listed"),
    (
        "dependents-unsure",
        "a listed store cannot be read, so that it cannot be told what depends on layers that are gone",
    ),
    ("disk-full", "there is no space left; the file is as it was"),
    ("document", "a document cannot be read as what it should be"),
    ("document-conflict", "a document has something in the place of what would be written"),
    ("document-wrong", "a document would not do what it should; it was not written"),
    ("duplicate-key", "a key stands twice in the file, or in two spellings"),
    ("engine-runs", "an engine runs that has to be stopped first"),
    ("engine-stops", "an engine stops on this host's configuration"),
    ("file-mounted", "another file is mounted over storage.conf, so it cannot be replaced"),
    ("image-ambiguous", "a source holds several images, and which one is meant is not said"),
    ("image-digest-invalid", "a store's images.json holds an invalid digest: engines stop"),
    ("image-invalid", "an image is malformed"),
    ("image-missing", "there is no image where one was said to be"),
    ("image-name", "what is given is not the name of an image"),
    ("image-name-invalid", "the name of an image is malformed or not complete"),
    ("image-name-twice", "a store's images.json gives one name to two images: engines stop"),
    ("image-platform", "an image is for another platform"),
    ("image-source-invalid", "an argument does not say where an image is"),
    ("image-unsupported", "a source is no image, or of a kind that engines cannot run"),
    ("images-json-malformed", "a store's images.json cannot be read: engines stop"),
    ("internal", "an edit would not have done what it promises; nothing was written"),
    ("io", "the system refused; the message says why"),
    ("kind-lacks", "a kind of document cannot hold what was asked for"),
    ("layer-conflict", "a store holds another layer under the same id"),
    ("layer-digest", "a layer of an image has another digest than its configuration says"),
    ("layer-invalid", "a layer of an image is malformed, or holds what engines refuse"),
    ("layer-name-twice", "a store's layers.json gives one name to two layers: engines stop"),
    ("layer-too-large", "a layer of an image is larger than the limit"),
    ("layer-unsupported", "a layer of an image is foreign, encrypted, or of an unknown type"),
    (
        "layers-json-malformed",
        "a store's layers.json cannot be read: engines stop, and CRI-O wipes its own storage after an unclean stop",
    ),
    ("lock-missing", "a store on a read-only file system lacks a lock file: engines stop or do not see it"),
    ("mco-managed", "OpenShift's Machine Config Operator owns the file; a local edit degrades the node"),
    ("missing", "a file or directory on the way is missing"),
    ("no-images", "none of the stores has an image with a name"),
    ("no-store", "there is no store to write a document about"),
    ("not-a-directory", "a file stands where a directory is needed"),
    ("not-a-file", "a directory stands where a file is needed"),
    ("not-listed", "the store that another one should stand beside is not listed"),
    ("not-synced", "the file is changed, but a power cut may bring the old one back"),
    ("not-utf8", "storage.conf is not UTF-8: engines stop"),
    ("output-exists", "the file to be written is there already"),
    ("path-comma", "a path holds a comma, at which engines split it"),
    ("path-control", "a path holds a control character"),
    ("path-empty", "a path is empty"),
    ("path-not-utf8", "a path is not UTF-8, which storage.conf cannot hold"),
    ("path-relative", "a path is not absolute: engines stop"),
    ("path-tilde", "a path starts with ~, which engines do not expand"),
    ("path-variable", "a path holds a variable, which engines do not expand here"),
    ("permission", "this user may not do that"),
    ("program-failed", "a program that makes file system images failed"),
    ("program-missing", "a program that makes file system images is missing or too old"),
    ("read-only", "the file system is read-only"),
    ("records-malformed", "the records of an engine's own storage cannot be read"),
    ("root-needed", "only root can keep owners, devices and attributes of files"),
    ("sealed-mount", "a sealed store cannot be mounted or unmounted"),
    ("sealed-name", "the name, version or directory of a sealed store cannot be part of its paths"),
    ("spec", "there is no such version of a specification, or not for this kind of document"),
    ("stale-copy", "a copy of a file was edited and cannot follow the file, which has changed"),
    ("store-comma", "a listed store has a comma in its path: engines stop"),
    ("store-contains-graphroot", "a store contains the engine's own storage"),
    ("store-damaged", "a store has errors, so it is not sealed or added to"),
    ("store-declared", "a store that a declaration lists was removed, and comes back"),
    (
        "store-in-graphroot",
        "a store lies inside the engine's own storage, which CRI-O wipes after a power cut",
    ),
    ("store-incomplete", "an engine was killed while it wrote a layer to the store"),
    ("store-is-graphroot", "a store is the engine's own storage"),
    ("store-malformed", "a store holds a file where engines need a directory, or the reverse"),
    ("store-missing", "a store's directory does not exist: engines stop"),
    ("store-not-directory", "a store is not a directory: engines stop"),
    ("store-not-writable", "images cannot be loaded into any of the stores"),
    ("store-refused", "OpenShift refuses the path of a store, or that there are so many"),
    ("store-relative", "a listed store has a relative path: engines stop"),
    ("store-temporary", "a store is in a directory that is empty after a boot"),
    ("store-twice", "an engine sees a store twice and lists each of its images twice"),
    ("store-unreadable", "a listed store cannot be looked at: engines stop"),
    ("store-unseen", "an engine would not see the change, since another file hides it"),
    ("store-writable", "others than a store's owner can write to it and could plant images"),
    ("symlink-loop", "a symlink leads back to itself"),
    ("syntax", "storage.conf is not TOML: engines stop"),
    ("vendor-file", "the file belongs to the vendor and is never edited"),
    ("whole-host", "one file was named for a command that is about a whole host"),
    ("wrong-type", "a key or an item has the wrong type: engines stop"),
];

/// Whether `id` is in the table.
pub(crate) fn is_known(id: &str) -> bool {
    IDS.binary_search_by_key(&id, |(known, _)| known).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_so_that_they_are_found() {
        assert!(IDS.is_sorted());
        assert!(is_known("busy") && !is_known("bus"));
    }
}
