//! Blobs that several images have are one file with several names.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::contents::EmbeddedImage;
use super::run::EmbedRun;
use super::survey::hash;
use crate::hex::is_sha256;
use crate::images::Digest;
use crate::store::check::Progress;
use crate::sys::{DirectoryWriter, FileKind, Root};

/// A verified blob: its path in the embedded directory, and its identity.
type KnownBlob = (String, (u64, u64));

/// The blobs that are there and verified.
#[derive(Debug, Default)]
pub(super) struct KnownBlobs {
    known: Mutex<HashMap<Digest, KnownBlob>>,
    is_refused: AtomicBool,
}

impl KnownBlobs {
    /// Whether the file system has refused to link.
    pub(super) fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }

    /// Takes the blobs of the complete image in the directory `name` for others to link to.
    pub(super) fn add_image(&self, at: &EmbedRun, name: &str, contents: &EmbeddedImage) -> io::Result<()> {
        contents
            .blobs
            .keys()
            .try_for_each(|digest| self.add_blob(at, digest, format!("{name}/{}", digest.hex())))
    }

    /// Takes the verified blob at `path` for images to link to.
    pub(super) fn add_blob(&self, at: &EmbedRun, digest: &Digest, path: String) -> io::Result<()> {
        if let Some(stat) = at.root.stat(&at.path_in_tree(&path))? {
            let mut known = self.known.lock().expect("no thread panics with the lock");
            if let Entry::Vacant(place) = known.entry(digest.clone()) {
                place.insert((path, stat.id));
            }
        }
        Ok(())
    }

    fn known(&self, digest: &Digest) -> Option<KnownBlob> {
        self.known.lock().expect("no thread panics with the lock").get(digest).cloned()
    }

    /// Whether a blob is known, or one of `candidates`, directories of images, has it: what nobody
    /// has verified yet is verified now.
    pub(super) fn find(&self, at: &EmbedRun, digest: &Digest, candidates: &[String]) -> io::Result<bool> {
        if self.known(digest).is_some() {
            return Ok(true);
        }
        for directory in candidates {
            let path = format!("{directory}/{}", digest.hex());
            // What cannot be read is fetched.
            if hash(&at.root, &at.path_in_tree(&path), &Progress::default())
                .is_ok_and(|found| found == *digest)
            {
                self.add_blob(at, digest, path)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts a known blob to `path`: as another name of the file where that goes, else as a copy.
    pub(super) fn place(
        &self,
        at: &EmbedRun,
        writer: &mut DirectoryWriter,
        digest: &Digest,
        path: &str,
    ) -> io::Result<()> {
        let (target, _) = self.known(digest).ok_or(io::ErrorKind::NotFound)?;
        self.link_or_copy(at, writer, &target, path)
    }

    /// Puts the file `target` to `path`, too: as another name where that goes, else as a copy.
    pub(super) fn link_or_copy(
        &self,
        at: &EmbedRun,
        writer: &mut DirectoryWriter,
        target: &str,
        path: &str,
    ) -> io::Result<()> {
        if !self.is_refused() {
            match writer.hard_link(path.as_bytes(), target.as_bytes()) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::TooManyLinks => {}
                Err(error) if is_refusal(&error) => self.is_refused.store(true, Ordering::Relaxed),
                Err(error) => return Err(error),
            }
        }
        let copy = at.new_file(writer, path)?;
        at.root
            .copy_to(&at.path_in_tree(target), &copy)?
            .map(drop)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Makes the blobs in the directory `path` that are known other names of those.
    /// `mark` tells this image from others that are worked on.
    pub(super) fn link(
        &self,
        at: &EmbedRun,
        writer: &mut DirectoryWriter,
        path: &str,
        contents: &EmbeddedImage,
        mark: &str,
    ) -> io::Result<()> {
        let new = at.place(&format!("{mark}.link"));
        for digest in contents.blobs.keys() {
            if self.is_refused() {
                return Ok(());
            }
            let Some((target, id)) = self.known(digest) else { continue };
            let name = format!("{path}/{}", digest.hex());
            if at.root.stat(&at.path_in_tree(&name))?.is_none_or(|stat| stat.id == id) {
                continue;
            }
            // A rename between two names of one file leaves both, and overlayfs does not
            // always on_event that they are.
            writer.remove(new.as_bytes())?;
            match writer.hard_link(new.as_bytes(), target.as_bytes()) {
                Ok(()) => writer.move_over(new.as_bytes(), name.as_bytes())?,
                // A file may have too many names, and an image that was fetched anew other
                // blobs than before: that concerns this blob alone.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::TooManyLinks | io::ErrorKind::NotFound) => {}
                Err(error) if is_refusal(&error) => self.is_refused.store(true, Ordering::Relaxed),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether a file system has no hard links, or none to that file.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported | io::ErrorKind::CrossesDevices
    )
}

/// Whether there is a file of that size at `path`, which may be a blob.
pub(super) fn has_blob(root: &Root, path: &Path, size: u64) -> bool {
    let stat = root.stat_or_link(path).ok().flatten();
    stat.is_some_and(|stat| stat.kind == FileKind::File && stat.size == size)
}

/// Where blobs seem to lie in `dir`: the directories of images that have a file of that name, by
/// the digits of the digest. Whether it is that blob is not known yet.
pub(super) fn blobs_in(root: &Root, dir: &Path) -> HashMap<String, Vec<String>> {
    let list = |path: &Path| {
        let names = root.list(path).ok().flatten().unwrap_or_default();
        names.into_iter().filter_map(|name| name.into_string().ok())
    };
    let mut blobs: HashMap<String, Vec<String>> = HashMap::new();
    for directory in list(dir) {
        for name in list(&dir.join(&directory)).filter(|name| is_sha256(name)) {
            blobs.entry(name).or_default().push(directory.clone());
        }
    }
    blobs
}
