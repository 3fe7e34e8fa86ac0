//! Whether a store is gone, although its directory may still be there.

use std::io;
use std::path::Path;

use super::init::MARKER;
use crate::sys::{FileKind, Root, is_hidden_here};

/// The lock files that engines create in every store they may write to.
const LOCKS: [&str; 5] = ["images.lock", "layers.lock", "containers.lock", "storage.lock", "userns.lock"];

/// No store is nested deeper without holding a file.
const MAX_DEPTH: usize = 4;

/// Whether nothing is left of the store at `path`: it is missing or not a
/// directory, or it holds nothing but lock files and empty directories and no
/// marker file. Erasing a package leaves that behind, since engines put lock
/// files into stores that no package owns.
pub fn is_gone(root: &Root, path: &Path) -> io::Result<bool> {
    match root.stat(path)? {
        Some(stat) if stat.kind == FileKind::Directory => is_hollow(root, path, 0),
        _ => Ok(root.is_tree() || !is_hidden_here(path)),
    }
}

fn is_hollow(root: &Root, dir: &Path, depth: usize) -> io::Result<bool> {
    for name in root.list(dir)?.unwrap_or_default() {
        let path = dir.join(&name);
        if name == MARKER {
            return Ok(false);
        }
        // A symlink is content: of the tree, or of somebody's arrangement.
        if root.read_link(&path)?.is_some() {
            return Ok(false);
        }
        let hollow = match root.stat(&path)? {
            Some(stat) if stat.kind == FileKind::Directory => {
                depth < MAX_DEPTH && is_hollow(root, &path, depth + 1)?
            }
            Some(stat) => stat.kind == FileKind::File && LOCKS.iter().any(|lock| name == *lock),
            None => true,
        };
        if !hollow {
            return Ok(false);
        }
    }
    Ok(true)
}
