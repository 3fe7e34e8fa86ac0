//! Blobs that no index names any more, and that are there until the run that took it out comes to
//! its end, or the next one.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::blob;
use crate::images::Digest;
use crate::limits;
use crate::sys::Root;

/// Their list, in a storage.
const FILE: &str = "/artifacts/.storagectl-removing.json";

/// What an earlier run has left. What cannot be read is forgotten.
pub(super) fn read(root: &Root) -> io::Result<BTreeSet<Digest>> {
    let read = root.read_up_to(Path::new(FILE), limits::IMAGE_DOCUMENT)?;
    let texts: Vec<String> =
        read.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    Ok(texts.iter().filter_map(|text| Digest::parse(text)).collect())
}

/// Remembers what the index is about to lose.
pub(super) fn write(root: &Root, gone: &BTreeSet<Digest>) -> io::Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let texts: Vec<&str> = gone.iter().map(Digest::as_str).collect();
    let bytes = serde_json::to_vec(&texts).expect("it is made of text");
    root.replace_file(Path::new(FILE), &bytes)
}

/// Removes it from the disk, and forgets it.
pub(super) fn clear(root: &Root, gone: &BTreeSet<Digest>) -> io::Result<()> {
    for digest in gone {
        root.remove_file(&blob(digest))?;
    }
    root.remove_file(Path::new(FILE)).map(drop)
}
