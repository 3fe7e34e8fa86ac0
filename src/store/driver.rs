//! Which storage driver made a store.

use std::io;
use std::path::Path;

use crate::host::{Kind, Root};

/// The driver whose directories the store at `path` has: `wanted` if it has those,
/// or none.
///
/// # Errors
/// If it cannot be looked at.
pub fn driver_of(root: &Root, path: &Path, wanted: &str) -> io::Result<String> {
    let has = |driver: &str| -> io::Result<bool> {
        for part in ["images", "layers"] {
            let dir = root.stat(&path.join(format!("{driver}-{part}")))?;
            if dir.is_some_and(|stat| stat.kind == Kind::Directory) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    if !has(wanted)? {
        for other in ["overlay", "vfs"] {
            if has(other)? {
                return Ok(other.to_owned());
            }
        }
    }
    Ok(wanted.to_owned())
}
