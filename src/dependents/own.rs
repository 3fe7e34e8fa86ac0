//! The records of an engine's own storage.

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};

use super::array::elements;
use super::layout::EngineStorage;
use super::store_layers;
use crate::limits;
use crate::plan::Host;
use crate::problem::Problem;
use crate::sys::Stat;

/// What a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RecordKind {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A layer.
    Layer,
}

impl RecordKind {
    /// What its directory is called behind the driver's name.
    pub(super) fn directory(self) -> &'static str {
        match self {
            Self::Container => "containers",
            Self::Image => "images",
            Self::Layer => "layers",
        }
    }
}

/// The files of records, in the order in which they are changed: whatever needs
/// something else goes before it.
pub(super) const FILES: [(RecordKind, &str); 5] = [
    (RecordKind::Container, "containers.json"),
    (RecordKind::Container, "volatile-containers.json"),
    (RecordKind::Image, "images.json"),
    (RecordKind::Layer, "layers.json"),
    (RecordKind::Layer, "volatile-layers.json"),
];

/// What matters here of a record of any kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct StorageRecord {
    #[serde(deserialize_with = "or_default")]
    pub(super) id: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) names: Vec<String>,
    /// Of a layer: the one below.
    #[serde(deserialize_with = "filled")]
    pub(super) parent: Option<String>,
    /// Of an image or a container: its topmost layer.
    #[serde(deserialize_with = "filled")]
    pub(super) layer: Option<String>,
    /// Of a container: the id of its image.
    #[serde(deserialize_with = "filled")]
    pub(super) image: Option<String>,
    /// Of a container: what its engine notes, as JSON in a string.
    #[serde(deserialize_with = "filled")]
    pub(super) metadata: Option<String>,
    /// Of an image: copies of its topmost layer with other owners.
    #[serde(deserialize_with = "or_default")]
    pub(super) mapped_layers: Vec<String>,
}

fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// An id that is empty is none.
fn filled<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::deserialize(from)?.filter(|id: &String| !id.is_empty()))
}

/// A file of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordFile {
    pub(super) kind: RecordKind,
    /// Where it is, relative to the part of the storage.
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) found: Stat,
    /// Where each record stands in the bytes.
    pub(super) spans: Vec<Range<usize>>,
    pub(super) records: Vec<StorageRecord>,
}

/// graphroot or imagestore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoragePart {
    pub(super) dir: PathBuf,
    pub(super) files: Vec<RecordFile>,
    /// The layers that there is a directory of.
    pub(super) directories: HashSet<String>,
}

/// Reads the records of a storage.
///
/// # Errors
/// A [`Problem`] if something cannot be read or is malformed.
pub(super) fn read(host: &Host, storage: &EngineStorage) -> Result<Vec<StoragePart>, Problem> {
    storage.parts.iter().map(|dir| read_part(host, storage, dir)).collect()
}

fn read_part(host: &Host, storage: &EngineStorage, dir: &Path) -> Result<StoragePart, Problem> {
    let driver = &storage.driver;
    let limit = if storage.owner.is_some() { limits::USERS_RECORDS } else { limits::RECORDS };
    let (root, inside) = storage.open(&host.root, dir).map_err(host.cannot("read", dir))?;
    let directories = store_layers::directories(&root, &inside, driver).map_err(host.cannot("read", dir))?;
    let mut files = Vec::new();
    for (kind, name) in FILES {
        let path = Path::new(&format!("{driver}-{}", kind.directory())).join(name);
        let file = dir.join(&path);
        let Some((bytes, found)) =
            root.read_up_to(&inside.join(&path), limit).map_err(host.cannot("read", &file))?
        else {
            continue;
        };
        let malformed = |error: serde_json::Error| {
            Problem::new(
                "records-malformed",
                format!("`{}` is malformed: {error}", host.show(&file)),
                "engines cannot read it either: restore it, or empty that storage with `podman system reset`",
            )
        };
        let spans = elements(&bytes).map_err(malformed)?;
        let records = spans.iter().map(|span| serde_json::from_slice(&bytes[span.clone()]));
        let records = records.collect::<Result<Vec<StorageRecord>, _>>().map_err(malformed)?;
        files.push(RecordFile { kind, path, bytes, found, spans, records });
    }
    Ok(StoragePart { dir: dir.to_owned(), files, directories })
}
