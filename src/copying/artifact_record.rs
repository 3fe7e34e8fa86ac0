//! What is remembered beside the artifacts of a storage of what was copied there: as
//! [`CopyRecord`](super::copy_record::CopyRecord), and with them, whichever storage the images are in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::copy_record::{FileStamp, read_record, write_record};
use crate::images::Digest;
use crate::plan::Host;
use crate::problem::Problem;
use crate::store::artifacts::ArtifactStore;

/// Its file in a storage.
const FILE: &str = "artifacts/.storagectl-artifacts.json";

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ArtifactRecord {
    version: u32,
    /// The artifacts that were copied, also from former lists.
    #[serde(default)]
    pub(super) artifacts: Vec<CopiedArtifact>,
    /// Blobs that are sound, by the digits of their digests.
    #[serde(default)]
    pub(super) blobs: BTreeMap<String, FileStamp>,
}

/// An artifact that was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CopiedArtifact {
    /// The name that it was given.
    pub(super) name: String,
    /// The digest of its manifest.
    pub(super) digest: String,
}

fn file(storage: &Path) -> PathBuf {
    storage.join(FILE)
}

impl ArtifactRecord {
    /// What is remembered in the storage at `storage`. What cannot be read is forgotten.
    pub(super) fn read(host: &Host, storage: &Path) -> Self {
        let record: Option<Self> = read_record(host, &file(storage));
        record.filter(|record| record.version == 1).unwrap_or(Self { version: 1, ..Self::default() })
    }

    /// Remembers an artifact as copied, in the place of one with its name.
    pub(super) fn add(&mut self, copied: CopiedArtifact) {
        self.artifacts.retain(|other| other.name != copied.name);
        self.artifacts.push(copied);
    }

    /// Writes it, without the blobs that are not there any more, if it is not what stands there.
    pub(super) fn write(&mut self, host: &Host, storage: &Path) -> Result<(), Problem> {
        let Some(store) = ArtifactStore::open(&host.root, storage)? else { return Ok(()) };
        let is_there = |hex: &String| {
            Digest::parse(&format!("sha256:{hex}")).is_some_and(|digest| store.stamp(&digest).is_some())
        };
        self.blobs.retain(|hex, _| is_there(hex));
        write_record(host, storage, Path::new(FILE), self)
    }
}
