//! The directories of a store.

use std::path::Path;

use super::directory::cannot;
use super::existing::StorePaths;
use super::incremental::AddPolicy;
use crate::problem::Problem;
use crate::store::label::label;
use crate::sys::Root;

/// Makes the directory of the store if it is missing, and opens it. Whoever may write there
/// may put a symlink in any place, so none is followed below it.
pub(super) fn make(root: &Root, store: &Path, policy: &AddPolicy<'_>) -> Result<Root, Problem> {
    if root.stat(store).map_err(cannot(root, "look at", store))?.is_none() {
        let above = store.parent().unwrap_or(Path::new("/"));
        root.create_dirs(above, 0o755).map_err(cannot(root, "create the directory", above))?;
        let mode = policy.access().directory;
        root.create_dirs(store, mode).map_err(cannot(root, "create the directory", store))?;
    }
    let opened = root.strict(store).map_err(cannot(root, "open", store))?;
    opened.ok_or_else(|| cannot(root, "open", store)(std::io::ErrorKind::NotADirectory.into()))
}

/// Makes what is missing of the directories in the store. `host` is the system that it is on.
pub(super) fn prepare(
    root: &Root,
    host: &Root,
    paths: &StorePaths,
    policy: &AddPolicy<'_>,
) -> Result<(), Problem> {
    let mode = policy.access().directory;
    let dirs = [
        (&paths.overlay, mode),
        // Engines open this one to everyone.
        (&paths.links, 0o755),
        (&paths.images, mode),
        (&paths.layers, mode),
    ];
    for (dir, mode) in dirs {
        if root.stat(dir).map_err(cannot(root, "look at", dir))?.is_none() {
            root.create_dirs(dir, mode).map_err(cannot(root, "create the directory", dir))?;
            // Before anything is made in it.
            if let Some(name) = dir.strip_prefix(&paths.store).ok().and_then(Path::to_str) {
                label(host, root, &paths.store, name);
            }
        }
    }
    if root.stat(&paths.store.join("vfs-images")).map_err(cannot(root, "look at", &paths.store))?.is_some() {
        let message = format!("`{}` is a store of the vfs driver", root.show(&paths.store).display());
        return Err(Problem::new("store-malformed", message, "give a directory of its own"));
    }
    Ok(())
}
