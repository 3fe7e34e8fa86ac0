//! SELinux labels: what a directory has, and what is made in a store.

use std::ffi::{CStr, OsStr};
use std::io;
use std::path::Path;

use super::check::has_selinux;
use crate::sys::Root;

const NAME: &CStr = c"security.selinux";

/// That of layers and their records: containers may run from them.
pub const IMAGE_LABEL: &str = "system_u:object_r:container_ro_file_t:s0";

/// Gives a new directory in the store `store` the label of such, which what is made in it
/// inherits; `host` is the system that the store is on. The policy does that by itself for
/// whoever it knows as a container engine (`container_filetrans_named_content` in
/// container-selinux's container.if).
pub(super) fn label(host: &Root, root: &Root, store: &Path, name: &str) {
    if has_selinux(host).unwrap_or(false) {
        // Where it is not allowed, such as in a build of an image, labels come later.
        let label = format!("{IMAGE_LABEL}\0");
        let store = root.directory_writer(store);
        let _ = store.and_then(|mut store| store.set_attribute(name.as_bytes(), NAME, label.as_bytes()));
    }
}

/// Whether the directory at `path` has a type of container-selinux's, as the engines' own storage
/// has; `None` if it has no label, or does not exist.
pub fn engine_type(root: &Root, path: &Path) -> io::Result<Option<bool>> {
    let label = label_of(root, path)?.filter(|label| !label.is_empty());
    let is_theirs = |label: &[u8]| {
        String::from_utf8_lossy(label).split(':').nth(2).is_some_and(|kind| kind.starts_with("container_"))
    };
    Ok(label.map(|label| is_theirs(&label)))
}

/// Gives the mount point `path` below /run the label of /run. A policy may have another for
/// what services make there, on which it lets nothing be mounted: Debian's has.
pub(super) fn label_as_run(root: &Root, path: &Path) {
    if has_selinux(root).unwrap_or(false) {
        let labelled = label_of(root, Path::new("/run")).and_then(|label| match label {
            Some(label) if !label.is_empty() => root.directory_writer(path)?.set_own_attribute(NAME, &label),
            _ => Ok(()),
        });
        // The mount says whether it was needed.
        let _ = labelled;
    }
}

/// The label of the directory at `path`, as the file system has it: empty if it has none. `None` if
/// there is no directory.
pub(super) fn label_of(root: &Root, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(tree) = root.subtree(path)? else { return Ok(None) };
    let Some(top) = tree.top()?.open(OsStr::new("."))? else { return Ok(None) };
    Ok(Some(top.attribute(NAME)?.unwrap_or_default()))
}
