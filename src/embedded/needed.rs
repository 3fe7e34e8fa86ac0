//! Which embedded image serves a reference.

use std::path::Path;

use super::contents::contents;
use super::list::{ImageList, ListEntry};
use crate::registry::repository;
use crate::sys::Root;

/// The entry of `list`, which is in the directory `dir`, whose image an engine would run for
/// `reference`: that of the same reference, or for a digest that of the same repository which has
/// it. Whether the image is sound is not asked.
pub fn entry_for<'a>(root: &Root, dir: &Path, list: &'a ImageList, reference: &str) -> Option<&'a ListEntry> {
    let same = list.find(reference);
    let (_, digest) = match (same, reference.split_once('@')) {
        (None, Some(parts)) => parts,
        _ => return same,
    };
    let mut others =
        list.entries.iter().filter(|entry| repository(&entry.reference) == repository(reference));
    others.find(|entry| {
        let found = contents(root, &dir.join(&entry.directory), &entry.reference);
        found.is_ok_and(|contents| contents.has_digest(digest))
    })
}
