//! What is remembered in a store of what was copied to it.
//!
//! It stands in the store and not elsewhere, so that it goes when the store does: CRI-O
//! wipes its storage with all that is in it. Whatever it says is compared with what is
//! there; without it everything is looked at anew.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::plan::Host;
use crate::problem::Problem;
use crate::sys::Root;

/// Its file in a store.
const FILE: &str = ".storagectl-images.json";

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CopyRecord {
    version: u32,
    /// What was copied, also from former lists.
    #[serde(default)]
    pub(super) images: Vec<CopiedImage>,
    /// Layers that are sound, by id.
    #[serde(default)]
    pub(super) layers: BTreeMap<String, FileStamp>,
}

/// An image that was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CopiedImage {
    /// The name that it was given.
    pub(super) name: String,
    /// Its id.
    pub(super) id: String,
    /// Its layers, the lowest first.
    pub(super) layers: Vec<String>,
}

/// By what a layer is known to be the one that was looked at: inode and time of change of
/// its `link`, which is written once. Whoever makes the layer anew makes another file. Of a blob
/// of artifacts they are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileStamp {
    inode: u64,
    changed: (i64, i64),
}

impl FileStamp {
    /// That of a file with this inode and time of change.
    pub(super) fn new((inode, changed): (u64, (i64, i64))) -> Self {
        Self { inode, changed }
    }

    /// The mark of the layer `id` in the store at `store`; `None` if it has none.
    pub(super) fn of(root: &Root, store: &Path, driver: &str, id: &str) -> Option<Self> {
        let path = match driver {
            "vfs" => store.join("vfs/dir").join(id),
            driver => store.join(driver).join(id).join("link"),
        };
        let inode = root.stat(&path).ok()??.id.1;
        Some(Self { inode, changed: root.changed(&path).ok()?? })
    }
}

/// Reads a record. One that cannot be read is none.
pub(super) fn read_record<T: DeserializeOwned>(host: &Host, file: &Path) -> Option<T> {
    let (bytes, _) = host.root.read_up_to(file, limits::RECORDS).ok().flatten()?;
    serde_json::from_slice(&bytes).ok()
}

/// Writes a record to `file` in the storage at `storage`, if it is not what stands there.
pub(super) fn write_record(
    host: &Host,
    storage: &Path,
    file: &Path,
    record: &impl Serialize,
) -> Result<(), Problem> {
    let mut bytes = serde_json::to_vec(record).expect("it is made of text and numbers");
    bytes.push(b'\n');
    let write = || {
        let inside = host.root.strict(storage)?.ok_or(io::ErrorKind::NotFound)?;
        let file = Path::new("/").join(file);
        match inside.read_up_to(&file, limits::RECORDS).ok().flatten() {
            Some((before, _)) if before == bytes => Ok(()),
            _ => inside.replace_file(&file, &bytes),
        }
    };
    write().map_err(host.cannot("write", &storage.join(file)))
}

impl CopyRecord {
    /// What is remembered in the store at `store`. What cannot be read is forgotten.
    pub(super) fn read(host: &Host, store: &Path) -> Self {
        let record: Option<Self> = read_record(host, &store.join(FILE));
        record.filter(|record| record.version == 1).unwrap_or(Self { version: 1, ..Self::default() })
    }

    /// Remembers this image as copied, in the place of one with the same name and id.
    pub(super) fn add(&mut self, copied: CopiedImage) {
        self.images.retain(|other| other.name != copied.name || other.id != copied.id);
        self.images.push(copied);
    }

    /// Writes it, if it is not what stands there.
    pub(super) fn write(&self, host: &Host, store: &Path) -> Result<(), Problem> {
        write_record(host, store, Path::new(FILE), self)
    }
}
