//! The records of a store that is added to. What is there stays byte for byte, but for
//! names of images that move.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

use super::record::{ImageRecord, LayerRecord};
use crate::images::Digest;
use crate::limits;
use crate::problem::Problem;
use crate::store::metadata::{SIGNATURES, is_of_signatures, with_signatures};
use crate::store::{Decode, StoredImage, StoredLayer, decode_one, parse_records};
use crate::sys::Root;

/// A file of records.
#[derive(Debug, Default)]
pub(super) struct Records<T> {
    records: Vec<(Box<RawValue>, T)>,
}

impl<T: Decode> Records<T> {
    /// Reads the file at `path`; nothing there is no records.
    fn read_file(root: &Root, path: &Path) -> Result<Self, Problem> {
        let shown = root.show(path);
        let bytes =
            root.read_up_to(path, limits::RECORDS).map_err(Problem::cannot("read", shown.display()))?;
        let bytes = bytes.map(|(bytes, _)| bytes).unwrap_or_default();
        let damaged = |error: &dyn std::fmt::Display| {
            let message = format!("`{}` is malformed: {error}", shown.display());
            let hint = "run `storagectl check-store` on the store; nothing is added to a damaged one";
            Problem::new("store-damaged", message, hint)
        };
        let mut records = Vec::new();
        for record in parse_records::<Box<RawValue>>(&bytes).map_err(|error| damaged(&error))? {
            let read = decode_one(record.get().as_bytes()).map_err(|error| damaged(&error))?;
            // Engines take more than can be written anew, such as half a character.
            fields(&record).map_err(|error| damaged(&error))?;
            records.push((record, read));
        }
        Ok(Self { records })
    }

    /// The file with these records appended.
    fn with(&self, more: &[impl serde::Serialize]) -> Vec<u8> {
        let mut texts: Vec<String> = self.records.iter().map(|(raw, _)| raw.get().to_owned()).collect();
        texts.extend(
            more.iter()
                .map(|record| serde_json::to_string(record).expect("records are made of text and numbers")),
        );
        format!("[{}]", texts.join(",")).into_bytes()
    }
}

impl Records<StoredLayer> {
    /// Reads layers.json, to which layers are added. Engines read volatile-layers.json with it,
    /// and stop if they cannot.
    pub(super) fn read(root: &Root, paths: &StorePaths) -> Result<Self, Problem> {
        Self::read_file(root, &paths.layers.join("volatile-layers.json"))?;
        Self::read_file(root, &paths.layers_json())
    }

    /// The layers by id.
    pub(super) fn by_id(&self) -> BTreeMap<&str, &StoredLayer> {
        self.records.iter().filter_map(|(_, layer)| Some((layer.id.as_deref()?, layer))).collect()
    }

    /// The file without these layers.
    pub(super) fn without(mut self, ids: &BTreeSet<String>) -> Vec<u8> {
        self.records.retain(|(_, layer)| layer.id.as_ref().is_none_or(|id| !ids.contains(id)));
        self.with(&[] as &[LayerRecord])
    }

    /// The file with these records: in the place of those with the same id, or behind all.
    pub(super) fn append(mut self, more: &[LayerRecord]) -> Vec<u8> {
        let mut new = Vec::new();
        for record in more {
            let same = self.records.iter_mut().find(|(_, layer)| layer.id.as_deref() == Some(&record.id));
            match same {
                Some((raw, _)) => {
                    *raw = serde_json::value::to_raw_value(record).expect("it is made of text and numbers");
                }
                None => new.push(record),
            }
        }
        self.with(&new)
    }
}

impl Records<StoredImage> {
    /// Reads images.json.
    pub(super) fn read(root: &Root, paths: &StorePaths) -> Result<Self, Problem> {
        Self::read_file(root, &paths.images_json())
    }

    /// The file with these images added. An image that is there gets their names and
    /// big-data; a name leaves the image that had it, as when an engine pulls. Returns
    /// also which names moved.
    pub(super) fn merge(mut self, more: Vec<ImageRecord>) -> Result<(Vec<u8>, Vec<String>), Problem> {
        let mut new = Vec::new();
        let mut moved = BTreeSet::new();
        for record in more {
            for (raw, image) in &mut self.records {
                let mut names = image.names.clone().unwrap_or_default();
                let before = names.clone();
                if image.id.as_deref() == Some(&record.id) {
                    if image.layer != record.layer {
                        return Err(other_layers(&record.id));
                    }
                    names.extend(record.names.iter().filter(|name| !before.contains(name)).cloned());
                    set(raw, image, &names, Some(&record));
                    continue;
                }
                names.retain(|name| !record.names.contains(name));
                if names.len() != before.len() {
                    moved.extend(before.into_iter().filter(|name| !names.contains(name)));
                    set(raw, image, &names, None);
                }
            }
            if !self.records.iter().any(|(_, image)| image.id.as_deref() == Some(&record.id)) {
                new.push(record);
            }
        }
        Ok((self.with(&new), moved.into_iter().collect()))
    }

    /// Which of these the store has with other layers, so that they cannot be added.
    pub(super) fn others(&self, more: impl Iterator<Item = ImageRecord>) -> Vec<(String, Problem)> {
        let is_other = |record: &ImageRecord| {
            let mut known = self.records.iter().map(|(_, image)| image);
            known.any(|image| image.id.as_deref() == Some(&record.id) && image.layer != record.layer)
        };
        more.filter(is_other).map(|record| (record.id.clone(), other_layers(&record.id))).collect()
    }

    /// The file without these names, and without the images in `may_go` that have no name
    /// then. Returns also which images went, and what is left of the others.
    pub(super) fn without(
        mut self,
        names: &BTreeSet<String>,
        may_go: &BTreeSet<String>,
    ) -> (Vec<u8>, Vec<String>, Vec<StoredImage>) {
        let mut gone = Vec::new();
        self.records.retain_mut(|(raw, image)| {
            let id = image.id.clone().unwrap_or_default();
            if !may_go.contains(&id) {
                return true;
            }
            let before = image.names.clone().unwrap_or_default();
            let left: Vec<String> = before.iter().filter(|name| !names.contains(*name)).cloned().collect();
            if left.is_empty() {
                gone.push(id);
                return false;
            }
            if left != before {
                set(raw, image, &left, None);
            }
            true
        });
        let bytes = self.with(&[] as &[ImageRecord]);
        (bytes, gone, self.records.into_iter().map(|(_, image)| image).collect())
    }

    /// The file with other names for images, by id.
    pub(super) fn renamed(mut self, names: &BTreeMap<String, Vec<String>>) -> Vec<u8> {
        for (raw, image) in &mut self.records {
            if let Some(names) = image.id.as_ref().and_then(|id| names.get(id)) {
                set(raw, image, names, None);
            }
        }
        self.with(&[] as &[ImageRecord])
    }

    /// All records.
    pub(super) fn all(&self) -> impl Iterator<Item = &StoredImage> {
        self.records.iter().map(|(_, image)| image)
    }

    /// The record with this id.
    pub(super) fn of(&self, id: &str) -> Option<&StoredImage> {
        self.all().find(|image| image.id.as_deref() == Some(id))
    }
}

/// The digest of the manifest that an image is used with.
pub(super) fn used_manifest(image: &StoredImage) -> Option<Digest> {
    Digest::parse(image.big_data_digests.as_ref()?.get("manifest")?)
}

fn other_layers(id: &str) -> Problem {
    let message = format!("the store has the image `{id}` with other layers");
    Problem::new("layer-conflict", message, "build a new store")
}

/// What a record says, whatever it is.
fn fields(raw: &RawValue) -> Result<serde_json::Map<String, serde_json::Value>, serde_json::Error> {
    serde_json::from_str(raw.get())
}

/// Writes a record anew if it is to have other names than it has, or more big-data by `added`.
fn set(raw: &mut Box<RawValue>, image: &mut StoredImage, names: &[String], added: Option<&ImageRecord>) {
    let before = fields(raw).expect("it was tried when it was read");
    let mut fields = before.clone();
    if let Some(added) = added {
        add_data(&mut fields, image, added);
    }
    if fields == before && image.names.as_deref().unwrap_or_default() == names {
        return;
    }
    let mut history = image.names_history.clone().unwrap_or_default();
    for name in names.iter().filter(|name| !history.contains(name)).cloned().collect::<Vec<_>>() {
        history.insert(0, name);
    }
    fields.insert("names".to_owned(), names.into());
    fields.insert("names-history".to_owned(), history.clone().into());
    image.names = Some(names.to_vec());
    image.names_history = Some(history);
    *raw = serde_json::value::to_raw_value(&fields).expect("it came from JSON");
}

/// Adds the big-data of `added` that a record does not have, and its signatures.
fn add_data(
    fields: &mut serde_json::Map<String, serde_json::Value>,
    image: &StoredImage,
    added: &ImageRecord,
) {
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let known: Vec<String> = match fields.get("big-data-names") {
        Some(serde_json::Value::Array(names)) => names.iter().filter_map(text).collect(),
        _ => Vec::new(),
    };
    // Its own manifest stays the one that is used.
    let is_used = used_manifest(image).is_none_or(|used| used.as_str() == added.digest);
    let is_signed = !added.signature_sizes.is_empty();
    for key in added.big_data_names.iter().filter(|key| is_used || *key != SIGNATURES) {
        let is_known = known.contains(key);
        if !is_known {
            push(fields, "big-data-names", key.clone());
        }
        if !is_known || (is_signed && is_of_signatures(key)) {
            insert(fields, "big-data-sizes", key, added.big_data_sizes[key].into());
            insert(fields, "big-data-digests", key, added.big_data_digests[key].clone().into());
        }
    }
    if is_signed {
        let (before, sizes) = (image.metadata.as_deref(), &added.signature_sizes);
        let metadata = with_signatures(before, &added.digest, sizes, is_used);
        fields.insert("metadata".to_owned(), metadata.into());
    }
}

fn push(fields: &mut serde_json::Map<String, serde_json::Value>, field: &str, item: String) {
    match fields.entry(field.to_owned()).or_insert_with(|| serde_json::Value::Array(Vec::new())) {
        serde_json::Value::Array(items) => items.push(item.into()),
        other => *other = vec![item].into(),
    }
}

fn insert(
    fields: &mut serde_json::Map<String, serde_json::Value>,
    field: &str,
    key: &str,
    value: serde_json::Value,
) {
    let map =
        fields.entry(field.to_owned()).or_insert_with(|| serde_json::Value::Object(serde_json::Map::new()));
    if let serde_json::Value::Object(map) = map {
        map.insert(key.to_owned(), value);
    }
}

/// Where things are in a store of the overlay driver.
#[derive(Debug, Clone)]
pub(super) struct StorePaths {
    pub(super) store: PathBuf,
    pub(super) overlay: PathBuf,
    pub(super) links: PathBuf,
    pub(super) images: PathBuf,
    pub(super) layers: PathBuf,
}

impl StorePaths {
    pub(super) fn new(store: &Path) -> Self {
        Self {
            store: store.to_owned(),
            overlay: store.join("overlay"),
            links: store.join("overlay/l"),
            images: store.join("overlay-images"),
            layers: store.join("overlay-layers"),
        }
    }

    pub(super) fn images_json(&self) -> PathBuf {
        self.images.join("images.json")
    }

    pub(super) fn layers_json(&self) -> PathBuf {
        self.layers.join("layers.json")
    }

    pub(super) fn images_lock(&self) -> PathBuf {
        self.images.join("images.lock")
    }

    pub(super) fn layers_lock(&self) -> PathBuf {
        self.layers.join("layers.lock")
    }
}
