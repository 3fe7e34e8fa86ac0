//! Records of images.json and layers.json, with the fields and in the order in which
//! engines write them (images.go and layers.go of the storage library).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::layer::LayerFacts;
use super::plan::{PlannedImage, PlannedLayer};
use crate::images::{Digest, Image};
use crate::store::metadata::{SIGNATURES, signatures_key, with_signatures};

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ImageRecord {
    pub(super) id: String,
    pub(super) digest: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) names: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) names_history: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) layer: Option<String>,
    pub(super) metadata: String,
    /// Of the manifest with the digest above.
    #[serde(skip)]
    pub(super) signature_sizes: Vec<usize>,
    pub(super) big_data_names: Vec<String>,
    pub(super) big_data_sizes: BTreeMap<String, u64>,
    pub(super) big_data_digests: BTreeMap<String, String>,
    pub(super) created: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct LayerRecord {
    pub(super) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<String>,
    pub(super) created: String,
    pub(super) compressed_diff_digest: String,
    pub(super) compressed_size: u64,
    pub(super) diff_digest: String,
    pub(super) diff_size: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) compression: u8,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) uidset: BTreeSet<u32>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) gidset: BTreeSet<u32>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// The big-data files of an image, by key, in the order in which engines write them:
/// configuration, list, manifest twice, and signatures, also twice.
pub fn big_data(image: &Image) -> Vec<(String, Vec<u8>)> {
    let manifest = Digest::of(&image.manifest);
    let mut data = vec![(image.config_digest.to_string(), image.config.clone())];
    if let Some(list) = &image.list {
        data.push((format!("manifest-{}", Digest::of(list)), list.clone()));
    }
    data.push((format!("manifest-{manifest}"), image.manifest.clone()));
    data.push(("manifest".to_owned(), image.manifest.clone()));
    let signatures = image.signatures.concat();
    if !signatures.is_empty() {
        data.push((SIGNATURES.to_owned(), signatures.clone()));
    }
    data.push((signatures_key(&manifest), signatures));
    data
}

/// The record of an image whose topmost layer has the id `layer`.
pub(super) fn image(image: &Image, layer: Option<String>, created: String) -> ImageRecord {
    let manifest = Digest::of(&image.manifest);
    let data = big_data(image);
    let signature_sizes: Vec<usize> = image.signatures.iter().map(Vec::len).collect();
    let names: Vec<String> = image.names.iter().map(ToString::to_string).collect();
    ImageRecord {
        id: image.config_digest.hex().to_owned(),
        digest: manifest.to_string(),
        names_history: names.clone(),
        names,
        layer,
        metadata: with_signatures(None, manifest.as_str(), &signature_sizes, true),
        signature_sizes,
        big_data_names: data.iter().map(|(key, _)| key.clone()).collect(),
        big_data_sizes: data.iter().map(|(key, bytes)| (key.clone(), bytes.len() as u64)).collect(),
        big_data_digests: data
            .iter()
            .map(|(key, bytes)| (key.clone(), Digest::of(bytes).to_string()))
            .collect(),
        created,
    }
}

/// The name of a big-data file (`makeBigDataBaseName` in the library's store.go).
pub fn file_name(key: &str) -> String {
    if key.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'.')) {
        key.to_owned()
    } else {
        format!("={}", STANDARD.encode(key))
    }
}

/// The record of a layer.
pub(super) fn of_layer(layer: &PlannedLayer, facts: &LayerFacts) -> LayerRecord {
    let blob = &layer.source.blob;
    // What an engine gets from a docker archive is always uncompressed.
    let compression = if blob.is_verbatim { facts.blob.compression as u8 } else { 0 };
    LayerRecord {
        id: layer.id.clone(),
        parent: layer.below.first().cloned(),
        created: layer.created.text(),
        compressed_diff_digest: blob.digest.to_string(),
        compressed_size: if blob.is_verbatim { facts.blob.size } else { facts.size },
        diff_digest: layer.source.diff_id.to_string(),
        diff_size: facts.size,
        compression,
        uidset: facts.uids.clone(),
        gidset: facts.gids.clone(),
    }
}

/// The record of an image.
pub(super) fn of_image(planned: &PlannedImage) -> ImageRecord {
    image(&planned.image, planned.layers.last().cloned(), planned.created.text())
}
