//! Which layers are mounted: they are not replaced under a container that runs.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::dependents::{self, Storage};
use crate::limits;
use crate::plan::Host;
use crate::problem::Problem;
use crate::store;

/// The layers, of the engines' own storages and of all stores, that are mounted or are
/// below one that is.
pub(super) fn mounted(host: &Host) -> anyhow::Result<BTreeSet<String>> {
    let layout = dependents::layout(host)?;
    let mut below: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut next: Vec<String> = Vec::new();
    for storage in &layout.storages {
        let stores = storage.parts.iter().cloned().chain(layout.stores.iter().map(Into::into));
        for path in stores {
            // What no engine can read, no engine has mounted.
            for layer in store::layers(&host.root, &path, &storage.driver).unwrap_or_default() {
                if let Some(id) = layer.id {
                    below.entry(id).or_insert(layer.parent);
                }
            }
        }
        next.extend(dependents::mounted_layers(host, storage)?.into_iter().flat_map(|(_, layers)| layers));
    }
    let mut mounted = BTreeSet::new();
    while let Some(id) = next.pop() {
        let parent = below.get(&id).cloned().flatten().filter(|parent| !parent.is_empty());
        if mounted.insert(id) {
            next.extend(parent);
        }
    }
    Ok(mounted)
}

/// A record of containers.json.
#[derive(Debug, Deserialize)]
struct Container {
    #[serde(default)]
    image: Option<String>,
}

/// The images, by id, that the containers of a storage were made from.
///
/// # Errors
/// If the records of containers cannot be read.
pub(super) fn images_of_containers(host: &Host, storage: &Storage) -> Result<BTreeSet<String>, Problem> {
    let mut images = BTreeSet::new();
    for part in &storage.parts {
        for name in ["containers.json", "volatile-containers.json"] {
            let file = part.join(format!("{}-containers", storage.driver)).join(name);
            let Some((bytes, _)) =
                host.root.read_up_to(&file, limits::RECORDS).map_err(host.cannot("read", &file))?
            else {
                continue;
            };
            if bytes.is_empty() {
                continue;
            }
            let containers: Option<Vec<Container>> = serde_json::from_slice(&bytes).map_err(|error| {
                let message = format!("`{}` is malformed: {error}", host.show(&file));
                let hint =
                    "engines cannot read it either: restore it, or empty that storage with `podman system reset`";
                Problem::new("records-malformed", message, hint)
            })?;
            images.extend(containers.into_iter().flatten().filter_map(|container| container.image));
        }
    }
    Ok(images)
}
