//! Stores that an update of an image-based system leaves as they are.
//!
//! ostree and bootc make /var from an image when a host is installed, and never again: what a
//! later image has there, no installed host gets.

use std::io;
use std::path::{Path, PathBuf};

use super::{image_names, provided_at_boot};
use crate::sys::{Root, absent};

/// The file by which a running host is known to be one of ostree's (ostree-prepare-root(1)).
const BOOTED: &str = "/run/ostree-booted";
/// What trees of ostree and bootc have, and others have not.
const IMAGE_BASED: [&str; 2] = ["/ostree", "/usr/etc"];

/// Where in /var the store at `path` is, if it is a part of an image-based system that is being
/// built, so that hosts which follow that image do not get it. One that is not there comes from
/// elsewhere, unless it `is_made` now; an empty one that something makes at each boot needs no
/// update.
pub fn left_by_updates(root: &Root, path: &Path, is_made: bool) -> io::Result<Option<PathBuf>> {
    let real = root.real(path);
    if !real.starts_with("/var") || !(is_made || root.stat(path)?.is_some()) || !is_being_built(root)? {
        return Ok(None);
    }
    let is_empty = is_made || image_names(root, path).is_ok_and(|names| names.is_empty());
    let is_made_at_boot = || {
        let names = [path, real.as_path()].map(|path| path.display().to_string());
        names.iter().any(|path| provided_at_boot(root, path).unwrap_or(false))
    };
    Ok((!(is_empty && is_made_at_boot())).then_some(real))
}

/// What is wrong with a store of which [`left_by_updates`] gives the place, and what helps.
pub fn in_var_message(listed: &str, real: &Path) -> (String, &'static str) {
    let place = match real == Path::new(listed) {
        true => String::new(),
        false => format!(" (`{}`)", real.display()),
    };
    (
        format!(
            "`{listed}`{place} is in /var, which updates of an image-based system do not change: hosts that are installed get neither the store nor its images"
        ),
        "put it below /usr; in /var, a line of tmpfiles.d makes an empty one at boot, which is filled there",
    )
}

fn is_being_built(root: &Root) -> io::Result<bool> {
    if !root.is_tree() && root.stat(Path::new(BOOTED))?.is_some() {
        return Ok(false);
    }
    for path in IMAGE_BASED.map(Path::new) {
        // /ostree is a symlink into /sysroot, which is empty in an image.
        let link = absent(root.resolve_link(path).and_then(|at| root.stat_link(&at)))?;
        if link.flatten().is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
