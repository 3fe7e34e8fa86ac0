//! The layers of the images of a host, and how much they take.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::host_stores::HostStores;
use crate::plan::Host;
use crate::problem::Problem;
use crate::store::{self, Image, Layer};

/// The layers of all stores. Of two with one id that of the earlier store counts, as for
/// engines.
#[derive(Debug, Default)]
pub struct HostLayers {
    by_id: BTreeMap<String, (usize, Layer)>,
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
        found
    }

    /// The layers of an image, the lowest first, each with the place of the store that has it.
    /// What no store has is left out.
    pub fn of(&self, image: &Image) -> Vec<(usize, &Layer)> {
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
    pub fn size(&self, image: &Image) -> Option<u64> {
        let mut seen = BTreeSet::new();
        let mut bytes = image.documents_size();
        for top in image.layer.iter().chain(image.mapped_layers.iter().flatten()) {
            let mut next = Some(top.as_str()).filter(|id| !id.is_empty());
            while let Some(id) = next.filter(|id| seen.insert(*id)) {
                let (_, layer) = self.by_id.get(id)?;
                bytes = bytes.saturating_add(layer.size()?);
                next = layer.parent.as_deref().filter(|id| !id.is_empty());
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
