//! What each engine makes of one reference.

use std::collections::BTreeMap;

use super::host_stores::HostStores;
use super::layers::HostLayers;
use super::lookup::{ImageAt, Visibility};
use super::reference::Reference;
use crate::engine::Reason;
use crate::judgement::Reader;

/// All that there is of a reference.
#[derive(Debug)]
pub struct ShownReference<'a> {
    /// What each engine uses.
    pub answers: Vec<EngineAnswer<'a>>,
    /// The images that the reference means in some store, in the order in which engines search
    /// these.
    pub images: Vec<ShownImage<'a>>,
}

/// What an engine uses for it.
#[derive(Debug)]
pub struct EngineAnswer<'a> {
    /// The engine.
    pub reader: Reader,
    /// The image; `None` if it finds none.
    pub image: Option<ImageAt<'a>>,
    /// Why it finds none, if it stops.
    pub stop: Option<&'a Reason>,
}

/// An image of a store.
#[derive(Debug)]
pub struct ShownImage<'a> {
    /// The image.
    pub at: ImageAt<'a>,
    /// Whom it serves.
    pub visibility: Visibility<'a>,
    /// Its layers, the lowest first.
    pub layers: Vec<ImageLayer<'a>>,
    /// How many bytes it has; `None` if that is not recorded.
    pub size: Option<u64>,
    /// How many of them are in layers that other images have, too.
    pub shared: u64,
    /// The images that have layers of it.
    pub sharing: Vec<SharedLayers<'a>>,
}

/// A layer of an image.
#[derive(Debug)]
pub struct ImageLayer<'a> {
    /// Its id.
    pub id: &'a str,
    /// The digest of its tar stream.
    pub digest: Option<&'a str>,
    /// How many bytes that has, if that is recorded.
    pub size: Option<u64>,
    /// The place of the first store that has it.
    pub place: usize,
}

/// An image that has layers of another; the same image in another store is none.
#[derive(Debug)]
pub struct SharedLayers<'a> {
    /// That image.
    pub at: ImageAt<'a>,
    /// How many layers both have.
    pub layers: usize,
    /// How many bytes these have.
    pub bytes: u64,
}

/// What the engines of a host make of a reference.
pub fn show<'a>(stores: &'a HostStores, layers: &'a HostLayers, reference: &Reference) -> ShownReference<'a> {
    let mut answers = Vec::new();
    let mut found: Vec<ImageAt<'a>> = Vec::new();
    for order in &stores.orders {
        let images = stores.search(order, reference);
        let stop = order.stop.as_ref();
        let image = images.first().copied().filter(|_| stop.is_none());
        answers.push(EngineAnswer { reader: order.reader.clone(), image, stop });
        for image in images {
            if !found.iter().any(|other| other.is_same(&image)) {
                found.push(image);
            }
        }
    }
    found.sort_by_key(|at| at.place);
    let images = found.into_iter().map(|at| shown(stores, layers, reference, at)).collect();
    ShownReference { answers, images }
}

fn shown<'a>(
    stores: &'a HostStores,
    layers: &'a HostLayers,
    reference: &Reference,
    at: ImageAt<'a>,
) -> ShownImage<'a> {
    let of_image = layers.of(at.image).into_iter().filter_map(|(place, layer)| {
        let (id, digest) = (layer.id.as_deref()?, layer.diff_digest.as_deref());
        Some(ImageLayer { id, digest, size: layer.size(), place })
    });
    let of_image: Vec<ImageLayer<'_>> = of_image.collect();
    let chain: BTreeMap<&str, usize> =
        of_image.iter().enumerate().map(|(index, layer)| (layer.id, index)).collect();
    let mut known = BTreeMap::new();
    let mut sharing = Vec::new();
    for (place, store) in stores.stores.iter().enumerate() {
        for image in store.images.iter().filter(|image| image.id != at.image.id) {
            let common = layers.common(image, &chain, &mut known);
            if common > 0 {
                let at = ImageAt { place, store, image };
                sharing.push(SharedLayers { at, layers: common, bytes: bytes(&of_image[..common]) });
            }
        }
    }
    // The lowest ones, of each.
    let shared = sharing.iter().map(|sharing| sharing.bytes).max().unwrap_or_default();
    let size = layers.size(at.image);
    let visibility = stores.visibility(&at, reference);
    ShownImage { at, visibility, size, shared, sharing, layers: of_image }
}

fn bytes(layers: &[ImageLayer<'_>]) -> u64 {
    layers.iter().filter_map(|layer| layer.size).fold(0, u64::saturating_add)
}
