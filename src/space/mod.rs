//! Whether what is to be written fits.

use std::path::Path;

use crate::problem::{Problem, size};
use crate::sys::FreeSpace;

/// Refuses what cannot fit into the file system of `path`: `bytes` in `files`. What file systems
/// need for themselves is not counted, so nothing is refused that fits.
///
/// # Errors
/// `disk-full`, with how much is missing.
pub(crate) fn require_space(
    path: &Path,
    bytes: u64,
    files: u64,
    free: Option<FreeSpace>,
) -> Result<(), Problem> {
    let Some(free) = free else { return Ok(()) };
    let lacks = |what: String| {
        let message = format!("`{}` does not have enough space: {what}", path.display());
        Err(Problem::new("disk-full", message, "free some space and try again; nothing was begun"))
    };
    if bytes > free.bytes {
        let (need, has, missing) = (size(bytes), size(free.bytes), size(bytes - free.bytes));
        return lacks(format!("{need} are needed and {has} are free, so {missing} are missing"));
    }
    match free.inodes {
        Some(inodes) if files > inodes => {
            lacks(format!("{files} files are to be made and its file system has room for {inodes}"))
        }
        _ => Ok(()),
    }
}
