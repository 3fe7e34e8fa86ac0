//! The layers of the images of a host, and how much they take.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::host_stores::HostStores;
use crate::plan::Host;
use crate::problem::Problem;
use crate::store::{self, StoredImage, StoredLayer};

/// The layers of all stores. Of two with one id that of the earlier store counts, as for
/// engines.
#[derive(Debug, Default)]
pub struct HostLayers {
    by_id: BTreeMap<String, (usize, StoredLayer)>,
    /// How many bytes each layer has with those below it, by its id; `None` if that of one is not
    /// recorded.
    sizes: BTreeMap<String, Option<u64>>,
    /// What could not be looked at.
    pub not_looked: Vec<Problem>,
}

impl HostLayers {
    /// Reads the records of layers of all stores.
    pub fn read(host: &Host, stores: &HostStores) -> Self {
        let mut found = Self::default();
        for (place, store) in stores.stores.iter().enumerate() {
            match store::layers(&host.root, &store.path, &store.driver) {
                Ok(layers) => {
                    for layer in layers {
                        if let Some(id) = layer.id.clone() {
                            found.by_id.entry(id).or_insert((place, layer));
                        }
                    }
                }
                Err(error) => found.not_looked.push(unreadable(host, &store.path, &error)),
            }
        }
        found.sizes = found.measured();
        found
    }

    /// Measures each layer once, however many images stand on it.
    fn measured(&self) -> BTreeMap<String, Option<u64>> {
        let mut sizes: BTreeMap<&str, Option<u64>> = BTreeMap::new();
        for id in self.by_id.keys() {
            let mut chain = Vec::new();
            let mut next = Some(id.as_str());
            // What leads back to itself has no size, and no engine can use it.
            while let Some(id) = next.filter(|id| !sizes.contains_key(id)) {
                sizes.insert(id, None);
                chain.push(id);
                next = self.below(id);
            }
            let mut below = next.map_or(Some(0), |id| sizes[id]);
            for id in chain.into_iter().rev() {
                let size = self.by_id.get(id).and_then(|(_, layer)| layer.size());
                below = below.zip(size).map(|(below, size)| below.saturating_add(size));
                sizes.insert(id, below);
            }
        }
        sizes.into_iter().map(|(id, size)| (id.to_owned(), size)).collect()
    }

    /// The layer below; `None` for one at the bottom, or that no store has.
    fn below(&self, id: &str) -> Option<&str> {
        self.by_id.get(id)?.1.parent.as_deref().filter(|parent| !parent.is_empty())
    }

    /// How many of the layers of `chain`, which is that of an image, the image has, too: they are
    /// the lowest ones. `known` has what was found for the layers of others.
    pub(super) fn common<'a>(
        &'a self,
        image: &'a StoredImage,
        chain: &BTreeMap<&str, usize>,
        known: &mut BTreeMap<&'a str, usize>,
    ) -> usize {
        let mut passed = Vec::new();
        let mut next = image.layer.as_deref();
        let common = loop {
            let Some(id) = next else { break 0 };
            if let Some(common) = known.get(id) {
                break *common;
            }
            if let Some(index) = chain.get(id) {
                break index + 1;
            }
            passed.push(id);
            // One that leads back to itself is known by then.
            known.insert(id, 0);
            next = self.below(id);
        };
        known.extend(passed.into_iter().map(|id| (id, common)));
        common
    }

    /// The layers of an image, the lowest first, each with the place of the store that has it.
    /// What no store has is left out.
    pub fn of(&self, image: &StoredImage) -> Vec<(usize, &StoredLayer)> {
        let mut layers = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = image.layer.as_deref();
        while let Some(id) = next.filter(|id| seen.insert(*id)) {
            let Some((place, layer)) = self.by_id.get(id) else { break };
            layers.push((*place, layer));
            next = layer.parent.as_deref();
        }
        layers.reverse();
        layers
    }

    /// How many bytes an image has, as engines count them (`ImageSize` in the library's
    /// store.go): its layers, those with other owners among them, and its documents. `None` if
    /// the size of a layer is not recorded, so that engines measure it.
    pub fn size(&self, image: &StoredImage) -> Option<u64> {
        let documents = image.documents_size();
        let top = |id: &String| if id.is_empty() { Some(0) } else { self.sizes.get(id).copied().flatten() };
        let mapped = image.mapped_layers.as_deref().unwrap_or_default();
        if mapped.is_empty() {
            let layers = image.layer.as_ref().map_or(Some(0), top)?;
            return Some(documents.saturating_add(layers));
        }
        let mut seen = BTreeSet::new();
        let mut bytes = documents;
        for id in image.layer.iter().chain(mapped) {
            let mut next = Some(id.as_str()).filter(|id| !id.is_empty());
            while let Some(id) = next.filter(|id| seen.insert(*id)) {
                bytes = bytes.saturating_add(self.by_id.get(id)?.1.size()?);
                next = self.below(id);
            }
        }
        Some(bytes)
    }
}

fn unreadable(host: &Host, store: &Path, error: &anyhow::Error) -> Problem {
    let shown = host.show(store);
    match error.downcast_ref::<std::io::Error>() {
        Some(error) => Problem::io("read the layers of", &shown, error),
        None => Problem::new(
            "layers-json-malformed",
            format!("cannot list the layers of `{shown}`: its layers.json is malformed"),
            "build the store again, or restore this file",
        ),
    }
}
