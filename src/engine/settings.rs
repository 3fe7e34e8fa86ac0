//! The main configuration file and what it says about where things are.

use std::io;
use std::path::{Path, PathBuf};

use crate::sys::Root;

/// The vendor's file, which engines read where the administrator has none
/// (containers-storage.conf(5)).
pub const VENDOR_FILE: &str = "/usr/share/containers/storage.conf";

/// Whether `path` is the vendor's and no administrator's: all below /usr, without ostree's /usr/etc
/// and /usr/local.
pub fn is_vendor_path(path: &Path) -> bool {
    path.starts_with("/usr") && !path.starts_with("/usr/etc") && !path.starts_with("/usr/local")
}

/// The administrator's main file in `root`: `/etc/containers/storage.conf`, or
/// the same below `/usr/etc` in an ostree tree that has no `/etc`.
pub fn main_file(root: &Root) -> io::Result<PathBuf> {
    Ok(etc(root)?.join("containers/storage.conf"))
}

/// The administrator's directory: /etc, or /usr/etc in an ostree tree without it.
pub(super) fn etc(root: &Root) -> io::Result<PathBuf> {
    let has = |dir: &str| root.stat(Path::new(dir)).map(|stat| stat.is_some());
    let etc = if root.is_tree() && !has("/etc")? && has("/usr/etc")? { "/usr/etc" } else { "/etc" };
    Ok(PathBuf::from(etc))
}

/// The driver that the storage at `graphroot` was made with, by the directories that are there.
pub(super) fn made_with(graphroot: &Path, is_there: impl Fn(&Path) -> bool) -> Option<String> {
    let used = |driver: &&str| is_there(&graphroot.join(format!("{driver}-images")));
    // In the library's order of preference.
    ["overlay", "btrfs", "zfs", "vfs"].into_iter().find(used).map(str::to_owned)
}
