//! What has to be known of a layer before its entries can be written to a stream one
//! after the other: directories come first, with all that later entries say of them,
//! and a file has what its last hard link says.

use std::collections::{BTreeMap, HashMap};
use std::io;

use super::layer::LayerSink;
use super::tree::{Before, EntryPlace};
use super::unpack::{kept_attributes, mtime, owner};
use crate::tar::Header;

/// All of a file that is neither its name nor its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryMetadata {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: (i64, u32),
    pub(super) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl EntryMetadata {
    /// What an entry says.
    ///
    /// # Errors
    /// If it has an attribute that is the driver's.
    pub(super) fn of(header: &Header) -> io::Result<Self> {
        let (uid, gid) = owner(header);
        let attributes = kept_attributes(header)?;
        Ok(Self { mode: header.mode, uid, gid, mtime: mtime(header), attributes })
    }

    /// The same after `later`, as on a disk: a new owner takes capabilities away, other
    /// attributes stay.
    pub(super) fn then(mut self, later: &Self) -> Self {
        let mut attributes = later.attributes.clone();
        for (name, value) in self.attributes.drain(..) {
            if name != b"security.capability" && !attributes.iter().any(|(other, _)| *other == name) {
                attributes.push((name, value));
            }
        }
        attributes.sort();
        Self { attributes, ..later.clone() }
    }
}

/// What was found.
#[derive(Debug)]
pub(super) struct LayerSurvey {
    /// Directories, with their attributes; the layer's own has an empty path.
    pub(super) directories: BTreeMap<Vec<u8>, EntryMetadata>,
    /// Whiteouts and their owners.
    pub(super) whiteouts: BTreeMap<Vec<u8>, (u32, u32)>,
    /// What hard links say of the files that they lead to.
    pub(super) later: HashMap<Vec<u8>, EntryMetadata>,
    /// The time of the newest entry, in seconds since 1970.
    pub(super) newest: i64,
    links: HashMap<Vec<u8>, Vec<u8>>,
    implied: EntryMetadata,
}

impl LayerSurvey {
    /// `time` is that of directories without an entry.
    pub(super) fn new(time: (i64, u32)) -> Self {
        let metadata = |mode| EntryMetadata { mode, uid: 0, gid: 0, mtime: time, attributes: Vec::new() };
        Self {
            directories: BTreeMap::from([(Vec::new(), metadata(0o555))]),
            whiteouts: BTreeMap::new(),
            later: HashMap::new(),
            newest: time.0,
            links: HashMap::new(),
            implied: metadata(0o755),
        }
    }
}

impl LayerSink for LayerSurvey {
    fn implied(&mut self, path: &[u8]) -> io::Result<()> {
        self.directories.insert(path.to_vec(), self.implied.clone());
        Ok(())
    }

    fn entry(&mut self, place: &EntryPlace, header: &Header) -> io::Result<()> {
        let metadata = EntryMetadata::of(header)?;
        self.newest = self.newest.max(metadata.mtime.0);
        if let EntryPlace::Directory(path, Before::Whiteout)
        | EntryPlace::Other(path, Before::Whiteout)
        | EntryPlace::HardLink(path, _, Before::Whiteout) = place
        {
            self.whiteouts.remove(path);
        }
        match place {
            EntryPlace::Directory(path, _) => {
                let metadata = match self.directories.remove(path) {
                    Some(before) => before.then(&metadata),
                    None => metadata,
                };
                self.directories.insert(path.clone(), metadata);
            }
            EntryPlace::Whiteout(path) => {
                self.whiteouts.insert(path.clone(), (metadata.uid, metadata.gid));
            }
            EntryPlace::Opaque(path) => {
                let metadata = self.directories.get_mut(path).expect("the tree has seen to its directory");
                metadata.attributes.push((super::unpack::OPAQUE.to_bytes().to_vec(), b"y".to_vec()));
                metadata.attributes.sort();
            }
            EntryPlace::HardLink(path, target, _) => {
                let file = self.links.get(target).unwrap_or(target).clone();
                let metadata = match self.later.remove(&file) {
                    Some(before) => before.then(&metadata),
                    None => metadata,
                };
                self.later.insert(file.clone(), metadata);
                self.links.insert(path.clone(), file);
            }
            EntryPlace::Root | EntryPlace::Other(..) | EntryPlace::Nothing => {}
        }
        Ok(())
    }

    fn content(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn end_of_file(&mut self, _: &Header) -> io::Result<()> {
        Ok(())
    }
}
