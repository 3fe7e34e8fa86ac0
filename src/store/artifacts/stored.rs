//! What is there.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::index::{ArtifactIndex, IndexEntry};
use super::{INDEX, LAYOUT, blob};
use crate::images::{ArtifactManifest, Digest, Manifest};
use crate::limits;
use crate::problem::{Problem, words};
use crate::store::Timestamp;
use crate::store::builder::cannot;
use crate::sys::{FileKind, Root};

/// How deep lists of manifests may be nested.
const MAX_NESTED: usize = 4;

/// How often it is looked at an index that is malformed, and how long it is waited in between.
const ATTEMPTS: usize = 3;
const MOMENT: Duration = Duration::from_millis(20);

/// A storage with artifacts, of which nothing is followed that is a symlink.
#[derive(Debug)]
pub struct ArtifactStore {
    pub(super) root: Root,
}

/// An artifact of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredArtifact {
    /// Its name.
    pub name: Option<String>,
    /// The digest of its manifest, as the index says it.
    pub digest: String,
    /// What its manifest says, or what is wrong with it, as a sentence about it.
    pub manifest: Result<ArtifactManifest, String>,
}

impl ArtifactStore {
    /// The artifacts of the storage at `storage`; `None` if it has none.
    ///
    /// # Errors
    /// The system's answer.
    pub fn open(root: &Root, storage: &Path) -> Result<Option<Self>, Problem> {
        let Some(inside) = root.strict(storage).map_err(cannot(root, "open", storage))? else {
            return Ok(None);
        };
        let layout = Path::new(LAYOUT);
        let there = inside.stat_or_link(layout).map_err(cannot(&inside, "look at", layout))?;
        Ok(there.is_some_and(|stat| stat.kind == FileKind::Directory).then_some(Self { root: inside }))
    }

    /// Its artifacts, in the order of the index.
    ///
    /// # Errors
    /// `artifacts-malformed`, or the system's answer.
    pub fn artifacts(&self) -> Result<Vec<StoredArtifact>, Problem> {
        let index = self.index()?;
        Ok(index.entries().iter().map(|entry| self.stored(entry)).collect())
    }

    /// The index; one without artifacts if there is none, as for engines.
    pub(super) fn index(&self) -> Result<ArtifactIndex, Problem> {
        // Engines write it in its place, which takes them a moment.
        for _ in 1..ATTEMPTS {
            match self.read_index() {
                Err(problem) if problem.id == "artifacts-malformed" => std::thread::sleep(MOMENT),
                result => return result,
            }
        }
        self.read_index()
    }

    fn read_index(&self) -> Result<ArtifactIndex, Problem> {
        let path = Path::new(INDEX);
        let read = self.root.read_up_to(path, limits::IMAGE_DOCUMENT);
        let malformed = |why: &str| {
            let shown = self.root.show(path).display().to_string();
            let message = format!("the index of artifacts, `{shown}`, is malformed: {why}");
            Problem::new(
                "artifacts-malformed",
                message,
                "restore it, or remove it and copy the artifacts again",
            )
        };
        match read {
            Ok(None) => Ok(ArtifactIndex::new()),
            Ok(Some((bytes, _))) => {
                ArtifactIndex::parse(&bytes).map_err(|error| malformed(&error.to_string()))
            }
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(malformed(&words(&error))),
            Err(error) => Err(cannot(&self.root, "read", path)(error)),
        }
    }

    fn stored(&self, entry: &IndexEntry) -> StoredArtifact {
        let manifest = Digest::parse(&entry.digest)
            .ok_or_else(|| format!("its digest `{}` is not a SHA-256 digest", entry.digest.escape_debug()))
            .and_then(|digest| self.document(&digest))
            .and_then(|bytes| ArtifactManifest::parse(&bytes).map_err(|why| format!("its manifest {why}")))
            .and_then(|manifest| check_time(&manifest).map(|()| manifest));
        StoredArtifact { name: entry.name().map(str::to_owned), digest: entry.digest.clone(), manifest }
    }

    /// A verified manifest.
    fn document(&self, digest: &Digest) -> Result<Vec<u8>, String> {
        match self.root.read_up_to(&blob(digest), limits::IMAGE_DOCUMENT) {
            Ok(None) => Err(format!("its manifest `{digest}` is missing")),
            Ok(Some((bytes, _))) if Digest::of(&bytes) == *digest => Ok(bytes),
            Ok(Some(_)) => Err(format!("its manifest does not match its digest `{digest}`")),
            Err(error) => Err(format!("its manifest cannot be read: {}", words(&error))),
        }
    }

    /// Whether a blob is there with that size.
    ///
    /// # Errors
    /// What is there instead, as the end of a sentence about it.
    pub fn find(&self, digest: &Digest, size: u64) -> Result<(), String> {
        match self.root.stat_or_link(&blob(digest)) {
            Ok(None) => Err("is missing".to_owned()),
            Ok(Some(stat)) if stat.kind != FileKind::File => Err("is no file".to_owned()),
            Ok(Some(stat)) if stat.size != size => Err(format!("has {} bytes instead of {size}", stat.size)),
            Ok(Some(_)) => Ok(()),
            Err(error) => Err(format!("cannot be looked at: {}", words(&error))),
        }
    }

    /// The digest that a blob has; `read` is told how many bytes more were read.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn hash(&self, digest: &Digest, read: &mut dyn FnMut(u64)) -> io::Result<Digest> {
        let file = self.root.open_part(&blob(digest))?.ok_or(io::ErrorKind::NotFound)?;
        Digest::of_file(file, read)
    }

    /// By what a blob is known to be the one that was looked at: its inode, and when it was changed.
    pub fn stamp(&self, digest: &Digest) -> Option<(u64, (i64, i64))> {
        let path = blob(digest);
        let inode = self.root.stat_or_link(&path).ok()??.id.1;
        Some((inode, self.root.changed(&path).ok()??))
    }

    /// Everything that an index names: manifests and blobs.
    ///
    /// # Errors
    /// What is wrong with an entry of which that cannot be told.
    pub(super) fn named(&self, index: &ArtifactIndex) -> Result<BTreeSet<Digest>, String> {
        let mut named = BTreeSet::new();
        for entry in index.entries() {
            let shown = entry.name().unwrap_or(&entry.digest).to_owned();
            self.name(&entry.digest, 0, &mut named).map_err(|why| format!("`{shown}`: {why}"))?;
        }
        Ok(named)
    }

    fn name(&self, digest: &str, depth: usize, named: &mut BTreeSet<Digest>) -> Result<(), String> {
        // No file of this layout has another.
        let Some(digest) = Digest::parse(digest) else { return Ok(()) };
        let bytes = match self.document(&digest) {
            // A list need not have all of its images.
            Err(_) if depth > 0 && self.find(&digest, 0) == Err("is missing".to_owned()) => return Ok(()),
            bytes => bytes?,
        };
        named.insert(digest);
        match Manifest::parse(&bytes) {
            Ok(Manifest::Image { config, layers }) => {
                named.extend(layers.iter().chain([&config]).filter_map(|part| Digest::parse(&part.digest)));
                Ok(())
            }
            Ok(Manifest::Index(_)) if depth == MAX_NESTED => {
                Err("its lists are nested too deeply".to_owned())
            }
            Ok(Manifest::Index(parts)) => {
                parts.iter().try_for_each(|part| self.name(&part.digest, depth + 1, named))
            }
            Err(_) => Err("its manifest is malformed".to_owned()),
        }
    }
}

/// Engines read the time to list artifacts, and stop at one that is none.
pub(super) fn check_time(manifest: &ArtifactManifest) -> Result<(), String> {
    match &manifest.created {
        Some(created) if Timestamp::parse(created).is_none() => {
            Err(format!("it says it was created at `{}`, which is not a time", created.escape_debug()))
        }
        _ => Ok(()),
    }
}
