//! What a lost layer needs so that it is there again, and who would miss it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::clean::ExaminedStorage;
use super::former::{DRIVER, FormerStore, is_link, link_in};
use super::keep::KeepRun;
use super::layout::StorageLayout;
use super::own::{RecordKind, StorageRecord};
use crate::images::{Digest, Image, Name};
use crate::limits;
use crate::plan::Host;
use crate::problem::Problem;
use crate::store::builder::{LayerChain, chain_ids};
use crate::store::{self, short_id};

/// What there is around a lost layer: the records of the storage and the listed stores.
pub(super) struct LayerSurroundings<'a> {
    keeping: &'a KeepRun<'a>,
    looked: &'a ExaminedStorage,
    own: BTreeMap<&'a str, Option<&'a str>>,
    images: BTreeSet<&'a str>,
}

impl<'a> LayerSurroundings<'a> {
    pub(super) fn new(keeping: &'a KeepRun<'a>, looked: &'a ExaminedStorage) -> Self {
        let of = |kind| {
            let files = looked.parts.iter().flat_map(|part| &part.files);
            files.filter(move |file| file.kind == kind).flat_map(|file| &file.records)
        };
        let mut own = BTreeMap::new();
        for record in of(RecordKind::Layer) {
            own.entry(record.id.as_str()).or_insert(record.parent.as_deref());
        }
        let images = of(RecordKind::Image).map(|record| record.id.as_str()).collect();
        Self { keeping, looked, own, images }
    }

    /// What is to be added so that the layer `lost` is there, and where it is now; `None` if nobody
    /// would miss it.
    pub(super) fn chain(&self, lost: &str) -> Result<Option<(LayerChain, String)>, Problem> {
        let gone = || {
            let message = format!(
                "the layer `{}` is lost: no former store has it, and no embedded image",
                short_id(lost)
            );
            let hint = "give a store that has it with `storagectl keep-layers --from DIR`, or remove what \
                needs it with `storagectl clean-dependents`";
            Problem::new("layer-lost", message, hint)
        };
        let served = &self.keeping.served;
        if self.is_superseded(lost, served) {
            return Ok(None);
        }
        let mut found = None;
        for former in self.keeping.formers {
            let Some(chain) = former.chain(lost) else { continue };
            let ids: Vec<String> = chain.iter().rev().map(|(id, _)| id.clone()).collect();
            let digests: Vec<Digest> = chain.iter().rev().map(|(_, layer)| layer.diff_id.clone()).collect();
            // The record of a store that one user has listed does not say for others what a layer
            // holds.
            if self.keeping.storage.owner.is_some() && ids != chain_ids(&digests) {
                continue;
            }
            let layers: BTreeMap<_, _> =
                chain.into_iter().filter(|(id, _)| !self.looked.has_layer(id)).collect();
            if layers.keys().all(|id| former.has(id)) {
                found = Some((former, ids, layers));
                break;
            }
        }
        let (former, ids, layers) = found.ok_or_else(gone)?;
        let links = self.links(lost, &ids, former);
        let title = format!("`{}`", former.shown);
        let images = self.images(lost, served);
        let chain = LayerChain { title, ids, layers, links, images };
        Ok(Some((chain, former.shown.clone())))
    }

    /// Whether the storage has a directory of the layer.
    pub(super) fn has_directory(&self, id: &str) -> bool {
        self.looked.parts.iter().any(|part| part.directories.contains(id))
    }

    /// The records of what leads to the layer `lost`.
    fn records(&self, lost: &str) -> impl Iterator<Item = (RecordKind, &'a StorageRecord)> {
        let found = self.looked.found.iter().filter(move |it| it.dependent.lost_layer == lost);
        found.map(|it| (it.kind, &self.looked.parts[it.at.0].files[it.at.1].records[it.at.2]))
    }

    /// Images to add with the layer `lost`, with the names that stores give them: those of containers, which no store has any more, and
    /// those of which `podman tag` has copied the record. podman 4 leaves all else of them in the
    /// store, and later ones copy names that another image of the new store has.
    fn images(&self, lost: &str, served: &ListedImages) -> Vec<Image> {
        let mut wanted: BTreeMap<&String, BTreeSet<Name>> = BTreeMap::new();
        for (kind, record) in self.records(lost) {
            match (kind, &record.image) {
                (RecordKind::Container, Some(id)) if !self.images.contains(id.as_str()) => {
                    wanted.entry(id).or_default();
                }
                (RecordKind::Image, _) if record.layer.as_deref() == Some(lost) => {
                    let served = record.names.iter().filter(|name| served.names.contains(*name));
                    let names = served.filter_map(|name| Name::parse(name).ok());
                    wanted.entry(&record.id).or_default().extend(names);
                }
                _ => {}
            }
        }
        let formers = self.keeping.formers;
        let of = |(id, names): (&String, BTreeSet<Name>)| {
            let mut image = formers.iter().find_map(|former| former.image(id, lost))?.clone();
            image.names.extend(names);
            Some(image)
        };
        wanted.into_iter().filter(|(id, _)| !served.ids.contains(*id)).filter_map(of).collect()
    }

    /// Whether nobody would miss the layer `lost`: what leads to it are containers that are made anew,
    /// and records that `podman tag` has copied, whose names other images have now.
    fn is_superseded(&self, lost: &str, served: &ListedImages) -> bool {
        let mut records = self.records(lost);
        records.all(|(kind, record)| match kind {
            RecordKind::Container => is_made_anew(self.keeping, record),
            RecordKind::Image => {
                // In a user's storage nothing can take its place.
                self.keeping.storage.owner.is_none()
                    && record.layer.as_deref() == Some(lost)
                    && record.names.iter().all(|name| served.names.contains(name))
            }
            RecordKind::Layer => true,
        })
    }

    /// By which names in `l` the layers `ids`, the lowest first, are known to those on top of them.
    fn links(&self, lost: &str, ids: &[String], former: &FormerStore) -> BTreeMap<String, Vec<String>> {
        let root = &self.keeping.host.root;
        let mut links: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut add = |id: &str, link: String| {
            let known = links.entry(id.to_owned()).or_default();
            if !link.is_empty() && !known.contains(&link) {
                known.push(link);
            }
        };
        for id in ids.iter().filter(|id| !self.own.contains_key(id.as_str())) {
            let stores = self.keeping.layout.stores.iter();
            let here = stores.filter_map(|store| link_in(root, &Path::new(store).join(DRIVER), id)).next();
            here.into_iter().for_each(|link| add(id, link));
        }
        // What a user has written names nothing in a store that others have, too.
        let is_roots = self.keeping.storage.owner.is_none();
        let above = self.records(lost).filter(|(kind, _)| is_roots && *kind == RecordKind::Layer);
        for (_, record) in above {
            let below = std::iter::successors(record.parent.as_deref(), |id| match self.own.get(id) {
                Some(parent) => *parent,
                None => {
                    let place = ids.iter().position(|other| other == id)?;
                    Some(ids.get(place.checked_sub(1)?)?.as_str())
                }
            });
            for (id, link) in below.take(limits::LAYERS).zip(self.lower(&record.id)) {
                if ids.iter().any(|other| other == id) && !self.own.contains_key(id) {
                    add(id, link);
                }
            }
        }
        for id in ids.iter().filter(|id| !self.looked.has_layer(id)) {
            former.link(id).into_iter().for_each(|link| add(id, link));
        }
        links
    }

    /// The names of the layers below the layer `id` of the storage, the next one first
    /// (`getLower` in overlay.go).
    fn lower(&self, id: &str) -> Vec<String> {
        let file = format!("{DRIVER}/{id}/lower");
        let text = self.keeping.storage.read_up_to(&self.keeping.host.root, &file, limits::DOCUMENT);
        let text = text.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let links = text.split(':').map(|link| link.strip_prefix("l/").unwrap_or_default());
        links.map(|link| if is_link(link) { link.to_owned() } else { String::new() }).collect()
    }
}

/// The names and ids of the images of the listed stores.
pub(super) struct ListedImages {
    pub(super) names: BTreeSet<String>,
    pub(super) ids: BTreeSet<String>,
}

impl ListedImages {
    pub(super) fn read(host: &Host, layout: &StorageLayout) -> Self {
        let mut served = Self { names: BTreeSet::new(), ids: BTreeSet::new() };
        for path in &layout.stores {
            for image in store::images(&host.root, Path::new(path), DRIVER).unwrap_or_default() {
                served.names.extend(image.names.into_iter().flatten());
                served.ids.extend(image.id);
            }
        }
        served
    }
}

/// Whether a container is not started again, but another one is made in its place: those of a pod
/// by the kubelet when the node has booted, those of `podman run --rm` by who ran them, such as a
/// quadlet.
fn is_made_anew(keeping: &KeepRun<'_>, container: &StorageRecord) -> bool {
    /// What CRI-O notes of each container (`RuntimeContainerMetadata` in pkg/storage/runtime.go)
    /// and podman does not.
    #[derive(Deserialize)]
    struct Pods {
        #[serde(rename = "pod-id")]
        _pod: String,
    }

    /// The runtime's configuration of a container that podman has started (`InspectAnnotationAutoremove`
    /// in libpod/define/annotations.go).
    #[derive(Deserialize)]
    struct RuntimeSpec {
        #[serde(default)]
        annotations: BTreeMap<String, String>,
    }

    if container.metadata.as_ref().is_some_and(|text| serde_json::from_str::<Pods>(text).is_ok()) {
        return true;
    }
    let file = format!("{DRIVER}-containers/{}/userdata/config.json", container.id);
    let spec = keeping.storage.read_up_to(&keeping.host.root, &file, limits::IMAGE_DOCUMENT);
    let spec: Option<RuntimeSpec> = spec.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    spec.is_some_and(|spec| {
        let removed = spec.annotations.get("io.podman.annotations.autoremove");
        removed.is_some_and(|removed| removed.eq_ignore_ascii_case("true"))
    })
}
