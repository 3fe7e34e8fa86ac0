//! The SELinux label of what is made in a store.

use std::ffi::{CStr, OsStr};
use std::io;
use std::path::Path;

use super::check::has_selinux;
use crate::host::Root;

const NAME: &CStr = c"security.selinux";

/// That of layers and their records: containers may read them.
const LABEL: &[u8] = b"system_u:object_r:container_ro_file_t:s0\0";

/// Gives a new directory in the store `store` the label of such, which what is made in it
/// inherits; `host` is the system that the store is on. The policy does that by itself for
/// whoever it knows as a container engine (`container_filetrans_named_content` in
/// container-selinux's container.if).
pub(super) fn label(host: &Root, root: &Root, store: &Path, name: &str) {
    if has_selinux(host).unwrap_or(false) {
        // Where it is not allowed, such as in a build of an image, labels come later.
        let store = root.filling(store);
        let _ = store.and_then(|mut store| store.attribute(name.as_bytes(), NAME, LABEL));
    }
}

/// Gives the mount point `path` below /run the label of /run. A policy may have another for
/// what services make there, on which it lets nothing be mounted: Debian's has.
pub(super) fn label_as_run(root: &Root, path: &Path) {
    if has_selinux(root).unwrap_or(false) {
        let labelled = of(root, Path::new("/run")).and_then(|label| match label {
            Some(label) => root.filling(path)?.attribute_of_itself(NAME, &label),
            None => Ok(()),
        });
        // The mount says whether it was needed.
        let _ = labelled;
    }
}

fn of(root: &Root, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(tree) = root.subtree(path)? else { return Ok(None) };
    match tree.top()?.open(OsStr::new("."))? {
        Some(top) => top.attribute(NAME),
        None => Ok(None),
    }
}
