//! What an entry of the list does to every engine, by its path alone.

use std::path::Path;

use super::settings::Settings;
use crate::conf::clean;
use crate::host::{Kind, Root};
use crate::problem::words;

/// A reason why every engine stops because of one entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryHarm {
    /// Its stable name.
    pub id: &'static str,
    /// The entry, as written.
    pub path: String,
    /// What the entry is, as the end of a sentence: "which does not exist".
    pub what: String,
}

/// What engines say to `entry` when they start (the library's overlay driver
/// looks at each path before anything else; `parseOptions` in
/// drivers/overlay/overlay.go).
///
/// What cannot be looked at, an engine cannot open either.
pub fn entry_harm(root: &Root, settings: &Settings, entry: &str) -> Option<EntryHarm> {
    let harm = |id, what: &str| Some(EntryHarm { id, path: entry.to_owned(), what: String::from(what) });
    if entry.is_empty() {
        // Skipped by every engine.
        return None;
    }
    if entry.contains(',') {
        return harm("store-comma", "which engines split at its comma");
    }
    if !entry.starts_with('/') {
        return harm("store-relative", "which is not absolute");
    }
    if settings.driver == "vfs" {
        // Not looked at; a missing one is created.
        return None;
    }
    if clean(entry) == clean(&settings.graphroot) {
        return harm("store-is-graphroot", "which is the engine's own storage");
    }
    match root.stat(Path::new(&clean(entry))) {
        Err(error) => harm("store-unreadable", &format!("which cannot be looked at ({})", words(&error))),
        Ok(None) => harm("store-missing", "which does not exist"),
        Ok(Some(stat)) if stat.kind != Kind::Directory => {
            harm("store-not-directory", "which is not a directory")
        }
        Ok(Some(_)) => None,
    }
}
