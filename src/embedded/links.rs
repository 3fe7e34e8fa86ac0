//! Blobs that several images have are one file with several names.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::contents::EmbeddedImage;
use super::run::EmbedRun;
use crate::images::Digest;
use crate::sys::DirectoryWriter;

/// A verified blob: its path in the embedded directory, and its identity.
type Known = (String, (u64, u64));

/// The blobs of complete images.
#[derive(Debug, Default)]
pub(super) struct Links {
    known: Mutex<HashMap<Digest, Known>>,
    is_refused: AtomicBool,
}

impl Links {
    /// Whether the file system has refused to link.
    pub(super) fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }

    /// Takes the blobs of the complete image in the directory `name` for others to link to.
    pub(super) fn know(&self, at: &EmbedRun, name: &str, contents: &EmbeddedImage) -> io::Result<()> {
        for digest in contents.blobs.keys() {
            let path = format!("{name}/{}", digest.hex());
            if let Some(stat) = at.root.stat(&at.inside(&path))? {
                let mut known = self.known.lock().expect("no thread panics with the lock");
                if let Entry::Vacant(place) = known.entry(digest.clone()) {
                    place.insert((path, stat.id));
                }
            }
        }
        Ok(())
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
            let known = self.known.lock().expect("no thread panics with the lock").get(digest).cloned();
            let Some((target, id)) = known else { continue };
            let name = format!("{path}/{}", digest.hex());
            if at.root.stat(&at.inside(&name))?.is_none_or(|stat| stat.id == id) {
                continue;
            }
            // A rename between two names of one file leaves both, and overlayfs does not
            // always tell that they are.
            writer.remove(new.as_bytes())?;
            match writer.hard_link(new.as_bytes(), target.as_bytes()) {
                Ok(()) => writer.move_over(new.as_bytes(), name.as_bytes())?,
                // A file may have too many names, and an image that was fetched anew other
                // blobs than before: that concerns this blob alone.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::TooManyLinks | io::ErrorKind::NotFound) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::PermissionDenied
                            | io::ErrorKind::Unsupported
                            | io::ErrorKind::CrossesDevices
                    ) =>
                {
                    self.is_refused.store(true, Ordering::Relaxed);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
