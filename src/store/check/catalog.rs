//! What a store says that it holds: its records, without a look at the layers.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::super::decode::{Decode, decode};
use super::super::records::{StoredImage, StoredLayer};
use crate::limits;
use crate::store::short_id;
use crate::sys::{FileKind, Root};

/// A store with its records.
#[derive(Debug)]
pub(super) struct Catalog {
    /// Where it is, inside the tree.
    pub(super) path: PathBuf,
    /// The driver whose directories it has.
    pub(super) driver: String,
    /// Whether it is what was asked about. Others only lend their records.
    pub(super) checked: bool,
    /// Whether it is an engine's own storage.
    pub(super) own: bool,
    /// Whether root's engines have it listed.
    pub(super) for_root: bool,
    /// The records of images.json.
    pub(super) images: Vec<StoredImage>,
    /// The records of layers.json and volatile-layers.json.
    pub(super) layers: Vec<StoredLayer>,
    /// How many of them are from layers.json.
    pub(super) kept_layers: usize,
    by_id: HashMap<String, usize>,
    /// The ids of layers that are the top of an image.
    pub(super) tops: HashSet<String>,
}

impl Catalog {
    /// Reads the records of the store at `path`. What is malformed counts as empty:
    /// `content_harms` tells of it.
    pub(super) fn read(root: &Root, path: &Path, driver: &str, own: bool) -> io::Result<Self> {
        let mut catalog = Self {
            path: path.to_owned(),
            driver: driver.to_owned(),
            checked: false,
            own,
            for_root: false,
            images: Vec::new(),
            layers: Vec::new(),
            kept_layers: 0,
            by_id: HashMap::new(),
            tops: HashSet::new(),
        };
        catalog.images = records(root, &catalog.images_dir().join("images.json"))?;
        catalog.layers = records(root, &catalog.layers_dir().join("layers.json"))?;
        catalog.kept_layers = catalog.layers.len();
        catalog.layers.extend(records(root, &catalog.layers_dir().join("volatile-layers.json"))?);
        for (index, layer) in catalog.layers.iter().enumerate() {
            catalog.by_id.entry(layer.id().to_owned()).or_insert(index);
        }
        for image in &catalog.images {
            catalog.tops.extend(image.tops().map(str::to_owned));
        }
        Ok(catalog)
    }

    /// Whether an engine has it, or had it, as its own storage.
    pub(super) fn is_used_as_own(&self, root: &Root) -> io::Result<bool> {
        Ok(self.own || root.stat(&self.path.join("storage.lock"))?.is_some())
    }

    pub(super) fn images_dir(&self) -> PathBuf {
        self.path.join(format!("{}-images", self.driver))
    }

    pub(super) fn layers_dir(&self) -> PathBuf {
        self.path.join(format!("{}-layers", self.driver))
    }

    /// Where the driver keeps the layer `id`.
    pub(super) fn layer_dir(&self, id: &str) -> PathBuf {
        if self.driver == "vfs" {
            self.path.join("vfs/dir").join(id)
        } else {
            self.path.join(&self.driver).join(id)
        }
    }

    /// Where the content of the layer `id` is.
    pub(super) fn content_dir(&self, id: &str) -> PathBuf {
        if self.driver == "vfs" { self.layer_dir(id) } else { self.layer_dir(id).join("diff") }
    }

    /// The record of the layer `id`; the first one counts, as for all engines but podman 4.
    pub(super) fn layer(&self, id: &str) -> Option<&StoredLayer> {
        self.by_id.get(id).map(|index| &self.layers[*index])
    }
}

fn records<T: Decode>(root: &Root, file: &Path) -> io::Result<Vec<T>> {
    match root.read_up_to(file, limits::RECORDS) {
        Ok(Some((bytes, _))) => match decode(&bytes) {
            Err(refused) if refused.too_large => Err(refused.into()),
            records => Ok(records.unwrap_or_default()),
        },
        Ok(None) => Ok(Vec::new()),
        // What is no file is told of by `content_harms`, too.
        Err(error) => match root.stat(file) {
            Ok(Some(stat)) if stat.kind == FileKind::File => Err(error),
            _ => Ok(Vec::new()),
        },
    }
}

impl StoredImage {
    /// Its id, or nothing.
    pub(in crate::store) fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    /// Its topmost layers: its own and the copies with other owners.
    pub(super) fn tops(&self) -> impl Iterator<Item = &str> {
        let mapped = self.mapped_layers.iter().flatten().map(String::as_str);
        self.layer.as_deref().into_iter().chain(mapped).filter(|layer| !layer.is_empty())
    }

    /// How a person calls it: its first name, or the start of its id.
    pub(in crate::store) fn title(&self) -> String {
        match self.names.iter().flatten().find(|name| !name.is_empty()) {
            Some(name) => name.clone(),
            None => short_id(self.id()).to_owned(),
        }
    }
}

impl StoredLayer {
    /// Its id, or nothing.
    pub(super) fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    /// The layer below.
    pub(super) fn below(&self) -> Option<&str> {
        self.parent.as_deref().filter(|parent| !parent.is_empty())
    }
}

/// Whether `id` is one name of a file and cannot lead elsewhere. Ids are 64
/// hexadecimal digits; what else the library accepts is not judged.
pub(super) fn is_one_name(id: &str) -> bool {
    !id.is_empty() && id != "." && id != ".." && !id.contains(['/', '\0']) && id.len() <= 255
}
