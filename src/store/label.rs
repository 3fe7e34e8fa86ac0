//! The SELinux label of what is made in a store.

use std::ffi::CStr;
use std::path::Path;

use super::check::has_selinux;
use crate::host::Root;

/// That of layers and their records: containers may read them.
const LABEL: (&CStr, &[u8]) = (c"security.selinux", b"system_u:object_r:container_ro_file_t:s0\0");

/// Gives a new directory in the store `store` the label of such, which what is made in it
/// inherits; `host` is the system that the store is on. The policy does that by itself for
/// whoever it knows as a container engine (`container_filetrans_named_content` in
/// container-selinux's container.if).
pub(super) fn label(host: &Root, root: &Root, store: &Path, name: &str) {
    if has_selinux(host).unwrap_or(false) {
        // Where it is not allowed, such as in a build of an image, labels come later.
        let store = root.filling(store);
        let _ = store.and_then(|mut store| store.attribute(name.as_bytes(), LABEL.0, LABEL.1));
    }
}
