//! What is in use: layers that are mounted are not replaced under a container that runs, and no
//! image goes that something else builds on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::dependents::{self, EngineStorage};
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

/// What others have of a store, outside of its own records.
#[derive(Debug, Default)]
pub(super) struct InUse {
    /// Images that containers were made from.
    images: BTreeSet<String>,
    /// Layers that other stores' layers and images, and containers, build on.
    layers: BTreeSet<String>,
    /// Layers that are mounted, or below one that is.
    mounted: BTreeSet<String>,
}

impl InUse {
    /// What is in use of the store at `store`, by what the engines of this host have of their own
    /// and by the other stores.
    ///
    /// # Errors
    /// `dependents-unsure` and others, if that cannot be told.
    pub(super) fn read(host: &Host, store: &Path) -> anyhow::Result<Self> {
        Ok(Self { mounted: mounted(host)?, ..outside(host, store)? })
    }

    /// All layers that are.
    pub(super) fn layers(self) -> BTreeSet<String> {
        self.layers.into_iter().chain(self.mounted).collect()
    }

    /// Whether the image with this id and this topmost layer is.
    pub(super) fn has(&self, id: &str, top: Option<&str>) -> bool {
        self.images.contains(id)
            || top.is_some_and(|top| self.mounted.contains(top) || self.layers.contains(top))
    }
}

fn outside(host: &Host, store: &Path) -> anyhow::Result<InUse> {
    let layout = dependents::layout(host)?;
    let mut outside = InUse::default();
    // One that an engine has used as its own has containers, too.
    let itself = EngineStorage {
        driver: "overlay".to_owned(),
        parts: vec![store.to_owned()],
        runroots: Vec::new(),
        owner: None,
    };
    outside.images.extend(images_of_containers(host, &itself)?);
    let same = |path: &Path| {
        let id = |path: &Path| host.root.stat(path).ok().flatten().map(|stat| stat.id);
        path == store || (id(path).is_some() && id(path) == id(store))
    };
    for storage in &layout.storages {
        outside.images.extend(images_of_containers(host, storage)?);
        let listed = layout.stores.iter().map(PathBuf::from);
        for path in storage.parts.iter().cloned().chain(listed) {
            let unsure = |error: anyhow::Error| {
                let message =
                    format!("cannot on_event what builds on the images: `{}`: {error:#}", host.show(&path));
                let hint = "repair that store, or remove it from the list with `storagectl remove-store`";
                Problem::new("dependents-unsure", message, hint)
            };
            let is_target = same(&path);
            let layers = crate::store::layers(&host.root, &path, &storage.driver).map_err(unsure)?;
            let images = crate::store::images(&host.root, &path, &storage.driver).map_err(unsure)?;
            let ids: BTreeSet<String> = layers.iter().filter_map(|layer| layer.id.clone()).collect();
            // In the store itself only containers count, which have layers without a digest.
            let of_others = layers.into_iter().filter(|layer| !is_target || layer.diff_digest.is_none());
            let parents = of_others.filter_map(|layer| layer.parent).filter(|parent| !parent.is_empty());
            outside.layers.extend(parents.filter(|parent| is_target || !ids.contains(parent)));
            let tops = images.into_iter().filter(|_| !is_target).flat_map(|image| image.layer);
            outside.layers.extend(tops.filter(|top| !ids.contains(top)));
        }
    }
    Ok(outside)
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
fn images_of_containers(host: &Host, storage: &EngineStorage) -> Result<BTreeSet<String>, Problem> {
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
