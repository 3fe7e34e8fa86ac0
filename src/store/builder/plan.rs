//! What a store shall hold: images, and their layers, each once.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::images::{Digest, Image, Layer, signature};
use crate::problem::Problem;
use crate::store::Timestamp;

/// A layer at its place in a chain.
#[derive(Debug, Clone)]
pub(super) struct PlannedLayer {
    /// Its id, as engines compute it.
    pub(super) id: String,
    /// The ids of the layers below it, the next one first.
    pub(super) below: Vec<String>,
    pub(super) source: Layer,
    pub(super) created: Timestamp,
    /// Which layer of which image it is, for messages.
    pub(super) title: String,
}

/// An image and when it was made.
#[derive(Debug, Clone)]
pub(super) struct PlannedImage {
    pub(super) image: Image,
    /// The ids of its layers, the lowest first.
    pub(super) layers: Vec<String>,
    pub(super) created: Timestamp,
}

/// The plan; the same for the same images in any order.
#[derive(Debug, Clone)]
pub(super) struct BuildPlan {
    /// By id.
    pub(super) images: Vec<PlannedImage>,
    /// A layer stands behind those below it.
    pub(super) layers: Vec<PlannedLayer>,
    /// The time that the files of the store itself have.
    pub(super) time: Timestamp,
    /// Names in `l` by which layers are known already, by the id of the layer.
    pub(super) links: BTreeMap<String, Vec<String>>,
}

/// Layers that a store shall have as another has had them, and images that they are of.
#[derive(Debug, Clone)]
pub struct LayerChain {
    /// What it is, for messages.
    pub title: String,
    /// The ids of the layers, the lowest first.
    pub ids: Vec<String>,
    /// Those of them that are to be added.
    pub layers: BTreeMap<String, Layer>,
    /// Names in `l` of all of them, by id: those that others refer to them by.
    pub links: BTreeMap<String, Vec<String>>,
    /// Images whose topmost layer is the last; theirs are not asked for.
    pub images: Vec<Image>,
}

impl BuildPlan {
    /// `latest` is the time that nothing may be made after, `SOURCE_DATE_EPOCH`.
    pub(super) fn new(images: Vec<Image>, latest: Option<i64>) -> Result<Self, Problem> {
        let latest = latest.map(|seconds| Timestamp(seconds, 0));
        let time = |text: Option<&str>| {
            let time = text.and_then(Timestamp::parse).or(latest).unwrap_or_default();
            latest.map_or(time, |latest| time.min(latest))
        };
        let mut by_id: BTreeMap<String, Image> = BTreeMap::new();
        for image in images {
            let id = image.config_digest.hex().to_owned();
            match by_id.remove(&id) {
                None => by_id.insert(id, image),
                Some(other) => by_id.insert(id, merged(other, image)),
            };
        }
        let images: Vec<PlannedImage> = by_id
            .into_values()
            .map(|image| PlannedImage { created: time(image.created.as_deref()), layers: ids(&image), image })
            .collect();
        let mut owners: BTreeMap<&str, &Image> = BTreeMap::new();
        for image in images.iter().map(|planned| &planned.image) {
            for name in &image.names {
                if let Some(other) = owners.insert(name.as_str(), image) {
                    let message =
                        format!("the images {} and {} have the same name", other.title, image.title);
                    let hint = "give each a name of its own, as `NAME=SOURCE`";
                    return Err(Problem::new("image-name-twice", message, hint));
                }
            }
        }
        let mut layers: Vec<PlannedLayer> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for image in images.iter().map(|planned| &planned.image) {
            let count = image.layers.len();
            for (index, (id, layer)) in ids(image).into_iter().zip(&image.layers).enumerate() {
                let created = time(layer.created.as_deref().or(image.created.as_deref()));
                if let Some(&place) = places.get(&id) {
                    let planned = &mut layers[place];
                    planned.created = planned.created.min(created);
                    // One layer, compressed in several ways: the choice must not depend on the order.
                    if layer.blob.digest < planned.source.blob.digest {
                        planned.source = layer.clone();
                    }
                    continue;
                }
                let title = format!(
                    "layer {} of {count} (`{}`) of the image {}",
                    index + 1,
                    layer.diff_id.short(),
                    image.title
                );
                let below = ids(image).into_iter().take(index).rev().collect();
                places.insert(id.clone(), layers.len());
                layers.push(PlannedLayer { id, below, source: layer.clone(), created, title });
            }
        }
        let newest = images.iter().map(|image| image.created).chain(layers.iter().map(|layer| layer.created));
        let time = newest.max().unwrap_or_default();
        Ok(Self { images, layers, time: Timestamp(time.0, 0), links: BTreeMap::new() })
    }

    /// The plan to add one chain.
    pub(super) fn of_chain(chain: LayerChain) -> Self {
        let time = |image: &Image| image.created.as_deref().and_then(Timestamp::parse).unwrap_or_default();
        let created = chain.images.iter().map(time).min().unwrap_or_default();
        let mut sources = chain.layers;
        let mut layers = Vec::new();
        for (index, id) in chain.ids.iter().enumerate() {
            let Some(source) = sources.remove(id) else { continue };
            let below = chain.ids[..index].iter().rev().cloned().collect();
            let title = format!("the layer `{id}` of {}", chain.title);
            layers.push(PlannedLayer { id: id.clone(), below, source, created, title });
        }
        let plan = |image: Image| PlannedImage { created: time(&image), layers: chain.ids.clone(), image };
        let images = chain.images.into_iter().map(plan).collect();
        Self { images, layers, time: created, links: chain.links }
    }
}

impl BuildPlan {
    /// Images without a name.
    pub(super) fn nameless(&self) -> Vec<String> {
        let images = self.images.iter().map(|planned| &planned.image);
        images.filter(|image| image.names.is_empty()).map(|image| image.title.clone()).collect()
    }
}

/// Two images with one configuration: one image with the names of both.
fn merged(one: Image, other: Image) -> Image {
    let mut names = [one.names.as_slice(), other.names.as_slice()].concat();
    names.sort();
    names.dedup();
    let (mut kept, dropped) =
        if Digest::of(&one.manifest) <= Digest::of(&other.manifest) { (one, other) } else { (other, one) };
    kept.names = names;
    if kept.manifest == dropped.manifest {
        kept.signatures = signature::united(kept.signatures, dropped.signatures);
    }
    kept.list = match (kept.list, dropped.list) {
        (Some(one), Some(other)) => Some(if Digest::of(&one) <= Digest::of(&other) { one } else { other }),
        (one, other) => one.or(other),
    };
    kept
}

/// The ids of an image's layers, the lowest first.
pub fn ids(image: &Image) -> Vec<String> {
    chain_ids(image.layers.iter().map(|layer| &layer.diff_id))
}

/// The ids of layers that build on each other, the lowest first: the digest of the first, then that
/// of `PARENT+DIGEST` (`layerID` in storage/storage_dest.go of the image library).
pub fn chain_ids<'a>(diff_ids: impl IntoIterator<Item = &'a Digest>) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for diff_id in diff_ids {
        let own = diff_id.hex();
        ids.push(match ids.last() {
            None => own.to_owned(),
            Some(parent) => Digest::of(format!("{parent}+{own}").as_bytes()).hex().to_owned(),
        });
    }
    ids
}

/// The name of a layer's symlink in `l`: 26 characters of base 32, which engines draw by
/// lot; here they follow from the id.
pub(super) fn link_name(id: &str) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let hash = Sha256::new().chain_update(b"storagectl link of ").chain_update(id).finalize();
    hash.iter().take(26).map(|&byte| char::from(LETTERS[usize::from(byte >> 3)])).collect()
}
