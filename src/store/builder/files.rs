//! The files of a layer beside its content.

use super::plan::link_name;

/// A file of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StoreFile {
    /// A directory with this mode.
    Directory(&'static str, u32),
    /// A file with this mode and content.
    File(&'static str, u32, Vec<u8>),
}

/// What stands in `overlay/ID` beside `diff`, given the names in `l` of the layers below,
/// the next one first, and their ids (`create` in drivers/overlay/overlay.go).
pub(super) fn of_layer(link: &str, links_below: &[String], below: &[String]) -> Vec<StoreFile> {
    let mut files = vec![
        StoreFile::File("link", 0o644, link.as_bytes().to_vec()),
        StoreFile::Directory("merged", 0o700),
        StoreFile::Directory("work", 0o700),
    ];
    if below.is_empty() {
        files.push(StoreFile::Directory("empty", 0o700));
    } else {
        let lower: Vec<String> = links_below.iter().map(|link| format!("l/{link}")).collect();
        files.push(StoreFile::File("lower", 0o644, lower.join(":").into_bytes()));
        // Read by podman 6 and later in place of `lower`.
        files.push(StoreFile::File("lower-layers", 0o644, below.join(":").into_bytes()));
    }
    files
}

/// Where the symlink of a layer leads.
pub(super) fn link_target(id: &str) -> String {
    format!("../{id}/diff")
}

/// [`of_layer`] where all layers below are made by us, too.
pub(super) fn of_new_layer(id: &str, below: &[String]) -> Vec<StoreFile> {
    let links: Vec<String> = below.iter().map(|id| link_name(id)).collect();
    of_layer(&link_name(id), &links, below)
}

/// The name of a layer's tar-split.
pub(super) fn split_name(id: &str) -> String {
    format!("{id}.tar-split.gz")
}
