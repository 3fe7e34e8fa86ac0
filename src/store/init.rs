//! Making a directory an image store that can be served read-only.

use std::path::{Path, PathBuf};

use crate::host::Root;
use crate::problem::Problem;

/// The marker file of a store that is meant to be one, even while it is empty.
pub const MARKER: &str = ".storagectl-store";

const MARKER_TEXT: &[u8] = b"This directory is an additional image store for container engines.\n\
    It stays listed in storage.conf even while it holds no image. See storagectl(1).\n";

/// Makes the directory at `path` an empty, valid, read-only image store for
/// engines that use `driver`: both lock files, so that it works on a read-only
/// file system, readable by everyone, and the marker file.
///
/// What is there already is not touched. Returns what was created, or in a dry
/// run would be.
///
/// # Errors
/// If something cannot be created.
pub fn init(root: &Root, path: &Path, driver: &str, dry_run: bool) -> Result<Vec<PathBuf>, Problem> {
    let mut made = Vec::new();
    let dirs =
        [path.to_owned(), path.join(format!("{driver}-images")), path.join(format!("{driver}-layers"))];
    for dir in &dirs {
        let existed = exists(root, dir)?;
        if !dry_run {
            root.create_dirs(dir, 0o755)
                .map_err(Problem::cannot("create the directory", root.show(dir).display()))?;
        }
        if !existed {
            made.push(dir.clone());
        }
    }
    let files = [dirs[1].join("images.lock"), dirs[2].join("layers.lock"), path.join(MARKER)];
    for file in files {
        if exists(root, &file)? {
            continue;
        }
        if !dry_run {
            let create = if file.ends_with(MARKER) {
                root.replace_file(&file, MARKER_TEXT)
            } else {
                root.create_empty(&file, 0o644)
            };
            create.map_err(Problem::cannot("create", root.show(&file).display()))?;
        }
        made.push(file);
    }
    Ok(made)
}

fn exists(root: &Root, path: &Path) -> Result<bool, Problem> {
    let stat = root.stat(path).map_err(Problem::cannot("look at", root.show(path).display()))?;
    Ok(stat.is_some())
}
