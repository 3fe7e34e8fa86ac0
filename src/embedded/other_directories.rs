//! Blobs that another embedded directory of the tree has.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::homes::homes;
use super::links::{blobs_in, has_blob};
use super::run::EmbedRun;
use super::survey::hash;
use crate::images::Digest;
use crate::store::check::Progress;
use crate::sys::Root;

/// Another directory, and where blobs seem to lie in it.
#[derive(Debug)]
struct OtherDirectory {
    root: Root,
    blobs: HashMap<String, Vec<String>>,
}

/// The embedded directories of a tree but one. They are looked into when something is to be fetched.
#[derive(Debug)]
pub(super) struct OtherDirectories {
    root: Root,
    dir: PathBuf,
    others: OnceLock<Vec<OtherDirectory>>,
}

impl OtherDirectories {
    /// Those beside `dir`. One that cannot be read has no blobs.
    pub(super) fn new(root: &Root, dir: &Path) -> Self {
        Self { root: root.clone(), dir: dir.to_owned(), others: OnceLock::new() }
    }

    fn others(&self) -> &[OtherDirectory] {
        self.others.get_or_init(|| {
            let root = &self.root;
            let id = |path: &Path| root.stat(path).ok().flatten().map(|stat| stat.id);
            let others = homes(root).unwrap_or_default().into_iter().filter(|home| id(home) != id(&self.dir));
            let opened = others.filter_map(|home| root.strict(home).ok().flatten());
            opened.map(|root| OtherDirectory { blobs: blobs_in(&root, Path::new("/")), root }).collect()
        })
    }

    fn places<'a>(&'a self, digest: &Digest, size: u64) -> impl Iterator<Item = (&'a Root, String)> {
        let hex = digest.hex().to_owned();
        self.others().iter().flat_map(move |other| {
            let places =
                other.blobs.get(&hex).into_iter().flatten().map(|directory| format!("/{directory}/{hex}"));
            let there: Vec<String> =
                places.filter(|path| has_blob(&other.root, Path::new(path), size)).collect();
            there.into_iter().map(|path| (&other.root, path))
        })
    }

    /// Whether one of them seems to have a blob.
    pub(super) fn has(&self, digest: &Digest, size: u64) -> bool {
        self.places(digest, size).next().is_some()
    }

    /// Copies a blob to the directory of the run, where it is verified. Whether there was one.
    pub(super) fn copy(&self, at: &EmbedRun, digest: &Digest, size: u64) -> std::io::Result<bool> {
        for (root, path) in self.places(digest, size) {
            let to = at.place(digest.hex());
            let mut writer = at.directory_writer()?;
            writer.remove(to.as_bytes())?;
            let file = at.new_file(&mut writer, &to)?;
            // What cannot be read is fetched.
            let copied = root.copy_to(Path::new(&path), &file).is_ok_and(|copied| copied.is_some());
            if copied && hash(&at.root, &at.path_in_tree(&to), &Progress::default())? == *digest {
                at.links.add_blob(at, digest, to)?;
                return Ok(true);
            }
            writer.remove(to.as_bytes())?;
        }
        Ok(false)
    }
}
