//! The mount point of a sealed store while nothing is mounted there: an empty, valid store
//! that says what it waits for.

use std::io;
use std::path::{Path, PathBuf};

use super::init::{MARKER, init};
use super::label::label_as_run;
use crate::problem::Problem;
use crate::sys::Root;

/// The file in a mount point that holds the path of what is to be mounted there. It is
/// seen only while nothing is.
pub const AWAITING: &str = ".storagectl-sealed";

/// What is to be mounted at `path` and is not; `None` if `path` waits for nothing.
pub fn awaited(root: &Root, path: &Path) -> io::Result<Option<PathBuf>> {
    let read = root.read(&path.join(AWAITING))?;
    Ok(read.map(|(bytes, _)| String::from_utf8_lossy(&bytes).trim_end().into()))
}

/// Makes `path` a mount point for the squashfs file `image`: lines of tmpfiles.d(5) do the
/// same at each boot.
pub fn prepare(root: &Root, path: &Path, image: &str) -> Result<(), Problem> {
    // Other drivers find nothing, which is what there is.
    init(root, path, "overlay", false)?;
    label_as_run(root, path);
    let file = path.join(AWAITING);
    match awaited(root, path) {
        Ok(Some(file)) if file == Path::new(image) => Ok(()),
        _ => root
            .replace_file(&file, format!("{image}\n").as_bytes())
            .map_err(Problem::cannot("create", root.show(&file).display())),
    }
}

/// Removes a mount point that [`prepare`] or tmpfiles.d(5) made, with what engines put into
/// it. Anything else is left there, and the directory with it.
pub fn withdraw(root: &Root, path: &Path) -> io::Result<()> {
    for name in ["overlay-images", "overlay-layers"] {
        let dir = path.join(name);
        root.remove_file(&dir.join("images.lock"))?;
        root.remove_file(&dir.join("layers.lock"))?;
        root.remove_empty_dir(&dir)?;
    }
    for name in [MARKER, AWAITING] {
        root.remove_file(&path.join(name))?;
    }
    root.remove_empty_dir(path)
}
