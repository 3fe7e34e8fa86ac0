//! The main configuration file and what it says about where things are.

use std::io;
use std::path::{Path, PathBuf};

use crate::conf::{Document, Essentials, Fault, StoreList};
use crate::host::Root;

/// The vendor's file, which engines read where the administrator has none
/// (containers-storage.conf(5)).
pub const VENDOR_FILE: &str = "/usr/share/containers/storage.conf";

/// The administrator's main file in `root`: `/etc/containers/storage.conf`, or
/// the same below `/usr/etc` in an ostree tree that has no `/etc`.
///
/// # Errors
/// If the tree cannot be looked at.
pub fn main_file(root: &Root) -> io::Result<PathBuf> {
    Ok(etc(root)?.join("containers/storage.conf"))
}

/// The administrator's directory: /etc, or /usr/etc in an ostree tree without it.
pub(super) fn etc(root: &Root) -> io::Result<PathBuf> {
    let has = |dir: &str| root.stat(Path::new(dir)).map(|stat| stat.is_some());
    let etc = if root.is_tree() && !has("/etc")? && has("/usr/etc")? { "/usr/etc" } else { "/etc" };
    Ok(PathBuf::from(etc))
}

/// What engines take from a main file, with the defaults of root's engines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The storage driver.
    pub driver: String,
    /// The engine's own storage.
    pub graphroot: String,
    /// Where images are kept instead, if that is set.
    pub imagestore: Option<String>,
    /// The additional image stores, as written.
    pub stores: Vec<String>,
}

impl Settings {
    /// Reads the settings of a document.
    ///
    /// # Errors
    /// A [`Fault`] for a key of the wrong type.
    pub fn of(doc: &Document) -> Result<Self, Fault> {
        let defaults = Essentials::default();
        let set = |key: &str| Ok(doc.string(&["storage", key])?.filter(|value| !value.is_empty()));
        Ok(Self {
            driver: match set("driver")? {
                // The library maps the old name itself.
                Some(driver) if driver == "overlay2" => "overlay".to_owned(),
                Some(driver) => driver,
                None => defaults.driver,
            },
            graphroot: set("graphroot")?.or(defaults.graphroot).unwrap_or_default(),
            imagestore: set("imagestore")?,
            stores: StoreList::paths(doc)?,
        })
    }
}

/// The driver that the storage at `graphroot` was made with, if there is one.
/// An engine without a configured driver goes on with it, so a new
/// configuration file must name it (`GetDriver` in the library's
/// drivers/driver.go scans for prior drivers likewise).
pub fn driver_in_use(root: &Root, graphroot: &Path) -> Option<String> {
    made_with(graphroot, |path| matches!(root.stat(path), Ok(Some(_))))
}

/// The same by what is there.
pub(super) fn made_with(graphroot: &Path, is_there: impl Fn(&Path) -> bool) -> Option<String> {
    let used = |driver: &&str| is_there(&graphroot.join(format!("{driver}-images")));
    // In the library's order of preference.
    ["overlay", "btrfs", "zfs", "vfs"].into_iter().find(used).map(str::to_owned)
}
