//! Which storage driver made a store.

use std::io;
use std::path::Path;

use crate::sys::{FileKind, Root};

/// The driver that made what the store at `path` holds: `wanted`, unless only another one's
/// records are there. An engine leaves empty directories of its own driver behind.
pub fn driver_of(root: &Root, path: &Path, wanted: &str) -> io::Result<String> {
    let has = |driver: &str| -> io::Result<bool> {
        for part in ["images", "layers"] {
            let records = path.join(format!("{driver}-{part}/{part}.json"));
            // An empty list is two characters long.
            if root.stat(&records)?.is_some_and(|stat| stat.kind == FileKind::File && stat.size > 3) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    if !has(wanted)? {
        for other in ["overlay", "vfs", "btrfs", "zfs"] {
            if other != wanted && has(other)? {
                return Ok(other.to_owned());
            }
        }
    }
    Ok(wanted.to_owned())
}
