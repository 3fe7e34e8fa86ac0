//! Making a directory an image store that can be served read-only.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::label::label;
use crate::problem::Problem;
use crate::sys::Root;

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
/// If something cannot be created, or a symlink is in its place.
pub fn init(root: &Root, path: &Path, driver: &str, dry_run: bool) -> Result<Vec<PathBuf>, Problem> {
    let cannot = |doing| Problem::cannot(doing, root.show(path).display().to_string());
    let mut made = Vec::new();
    if root.stat(path).map_err(cannot("look at"))?.is_none() {
        made.push(path.to_owned());
        if !dry_run {
            root.create_dirs(path, 0o755).map_err(cannot("create the directory"))?;
        }
    }
    let parts = ["images", "layers"].map(|part| format!("{driver}-{part}"));
    let [images, layers] = &parts;
    let locks = [format!("{images}/images.lock"), format!("{layers}/layers.lock")];
    let wanted = parts.iter().chain(&locks).map(String::as_str).chain([MARKER]);
    // From here on in what is open, and not through a symlink in it.
    let Some(store) = root.strict(path).map_err(cannot("open"))? else {
        if !dry_run {
            return Err(cannot("open")(io::ErrorKind::NotADirectory.into()));
        }
        made.extend(wanted.map(|name| path.join(name)));
        return Ok(made);
    };
    for name in wanted {
        let inside = Path::new("/").join(name);
        let shown = store.show(&inside);
        if store.stat(&inside).map_err(Problem::cannot("look at", shown.display()))?.is_some() {
            continue;
        }
        if !dry_run {
            let create = match inside.extension() {
                _ if name == MARKER => store.replace_file(&inside, MARKER_TEXT),
                Some(lock) if lock == OsStr::new("lock") => store.create_empty(&inside, 0o644),
                _ => store.create_dirs(&inside, 0o755),
            };
            create.map_err(Problem::cannot("create", shown.display()))?;
            if parts.contains(&name.to_owned()) {
                label(root, &store, Path::new("/"), name);
            }
        }
        made.push(path.join(name));
    }
    Ok(made)
}
