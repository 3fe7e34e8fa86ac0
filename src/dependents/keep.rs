//! Keeping what is lost: layers that the main storage needs and no listed store has any more are
//! copied into it, from where they still are.
//!
//! It is what a pull would have put there: layers with the ids and the names in `l` that they had, by
//! which containers find them, and for containers the image, without a name. So engines remove it as
//! any other image, when nothing uses it any more: `podman image prune`, or the kubelet. A name
//! that a listed store has now stays with the image of that store.
//!
//! Adding under the engines' locks disturbs no engine, so they may run.
//!
//! Nothing is copied for what nobody starts again: containers of pods, which the kubelet makes anew
//! after a boot, and those of `podman run --rm`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::clean::{Looked, look};
use super::find::{Dependent, DependentRecord, find};
use super::former::{DRIVER, Former, formers, is_link, link_in};
use super::layout::{Layout, Storage, layout};
use super::names::KeptNames;
use super::own::{Record, RecordKind};
use crate::images::{Image, Name, Platform};
use crate::limits;
use crate::plan::{Host, Mode};
use crate::problem::{Problem, total};
use crate::space::require_space;
use crate::store::builder::{BuildOptions, Chain, add_chain, clean_up};
use crate::store::{self, short_id};

/// What to keep.
#[derive(Debug, Clone, Default)]
pub struct KeepOptions {
    /// Former stores, besides those that are found.
    pub from: Vec<PathBuf>,
    /// Listed stores that are about to go: what they alone have counts as lost.
    pub leaving: Vec<PathBuf>,
    /// Stores that are about to be listed: what they have is not lost.
    pub coming: Vec<String>,
}

/// What was kept in one storage, or in a dry run would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptStorage {
    /// The storage, inside the tree.
    pub graphroot: PathBuf,
    /// The layers, and where each comes from.
    pub layers: Vec<KeptLayer>,
    /// Containers that go on working.
    pub containers: Vec<Dependent>,
    /// Images that go on working.
    pub images: Vec<Dependent>,
    /// Why layers could not be kept; what needs them is lost.
    pub not_kept: Vec<Problem>,
}

impl KeptStorage {
    /// Whether the layer `id` was kept.
    pub fn has(&self, id: &str) -> bool {
        self.layers.iter().any(|layer| layer.id == id)
    }
}

/// A layer that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLayer {
    /// Its id.
    pub id: String,
    /// The store, or the directory of embedded images, that had it.
    pub from: String,
    /// The bytes of its stream, or 0 if they are not known.
    pub bytes: u64,
}

/// Copies layers that own storages of this host's engines need, and that no listed store has, from
/// former stores and embedded images into those storages.
///
/// # Errors
/// A [`Problem`]: `dependents-unsure` if there are any and a listed store cannot be read.
pub fn keep_layers(host: &Host, options: &KeepOptions, mode: Mode) -> anyhow::Result<Vec<KeptStorage>> {
    let mut layout = layout(host)?;
    layout.stores.retain(|store| !options.leaving.iter().any(|leaving| leaving == Path::new(store)));
    let coming = options.coming.iter().filter(|store| !layout.stores.contains(store));
    layout.stores.extend(coming.cloned().collect::<Vec<_>>());
    let mut sources = None;
    let mut all = Vec::new();
    for storage in layout.storages.iter().filter(|storage| storage.driver == DRIVER) {
        let looked = look_closer(host, storage, &layout)?;
        let unfinished = unfinished(host, storage, &looked);
        if !looked.found.is_empty() || !unfinished.is_empty() {
            let formers = sources.get_or_insert_with(|| {
                formers(host, &layout, &[options.from.as_slice(), &options.leaving].concat())
            });
            let served = Served::read(host, &layout);
            let keeping = Keeping { host, layout: &layout, storage, formers, served, mode };
            if mode == Mode::Commit {
                keeping.finish(&looked, &unfinished)?;
            }
            all.push(keeping.run(looked)?);
        } else if mode == Mode::Commit {
            // What is kept already may have left something on the way.
            storage.parts.iter().try_for_each(|part| clean_up(&host.root, part))?;
        }
        if mode == Mode::Commit {
            let part = storage.images_part();
            KeptNames::read(host, part).follow(host, part, &layout.stores)?;
        }
    }
    all.retain(|storage| !storage.layers.is_empty() || !storage.not_kept.is_empty());
    Ok(all)
}

/// Finds what leads to a layer without a record, also where the storage has a directory of it: a run
/// that was killed has left that.
fn look_closer(host: &Host, storage: &Storage, layout: &Layout) -> anyhow::Result<Looked> {
    let looked = look(host, storage, layout)?;
    let mut parts = looked.parts.clone();
    parts.iter_mut().for_each(|part| part.directories.clear());
    let found = find(&parts, &looked.layers_by_store, DRIVER);
    Ok(Looked { found, ..looked })
}

/// Images that a run has noted which was killed before it had recorded them, and that are needed.
fn unfinished(host: &Host, storage: &Storage, looked: &Looked) -> Vec<String> {
    let part = storage.images_part();
    let files = || looked.parts.iter().flat_map(|part| &part.files);
    let needs = |id: &str| {
        files().any(|file| match file.kind {
            RecordKind::Container => file.records.iter().any(|it| it.image.as_deref() == Some(id)),
            RecordKind::Image => file.records.iter().any(|it| it.id == id),
            RecordKind::Layer => false,
        })
    };
    let is_there = |id: &str| {
        let manifest = part.join(format!("{DRIVER}-images/{id}/manifest"));
        host.root.stat(&manifest).is_ok_and(|stat| stat.is_some())
            && files().any(|it| it.kind == RecordKind::Image && it.records.iter().any(|it| it.id == id))
    };
    let noted = KeptNames::read(host, part);
    noted.ids().filter(|id| needs(id) && !is_there(id)).map(str::to_owned).collect()
}

/// Keeping in one storage.
struct Keeping<'a> {
    host: &'a Host,
    layout: &'a Layout,
    storage: &'a Storage,
    formers: &'a [Former],
    served: Served,
    mode: Mode,
}

impl Keeping<'_> {
    fn run(&self, mut looked: Looked) -> anyhow::Result<KeptStorage> {
        let before = dependents(&looked.found);
        let mut kept = KeptStorage {
            graphroot: self.storage.parts[0].clone(),
            layers: Vec::new(),
            containers: Vec::new(),
            images: Vec::new(),
            not_kept: Vec::new(),
        };
        let mut tried = BTreeSet::new();
        // What else a record needs shows when the first is there.
        while let Some(lost) =
            looked.found.iter().map(|it| &it.dependent.lost_layer).find(|it| !tried.contains(*it))
        {
            let lost = lost.clone();
            tried.insert(lost.clone());
            let around = Around::new(self, &looked);
            let chain = around.chain(&lost);
            match chain.and_then(|chain| chain.map(|chain| self.add(chain)).transpose()) {
                Ok(layers) => kept.layers.extend(layers.into_iter().flatten()),
                // Where there is a directory of it, no store is to blame.
                Err(_) if around.has_directory(&lost) => {}
                Err(problem) => kept.not_kept.push(problem),
            }
            if self.mode == Mode::Commit {
                looked = look_closer(self.host, self.storage, self.layout)?;
            }
        }
        let still: BTreeSet<String> = match self.mode {
            Mode::Commit => looked.found.iter().map(|it| it.dependent.id.clone()).collect(),
            Mode::DryRun => {
                let lost = before.iter().filter(|(_, it)| !kept.has(&it.lost_layer));
                lost.map(|(_, it)| it.id.clone()).collect()
            }
        };
        for (kind, dependent) in before.into_iter().filter(|(_, it)| !still.contains(&it.id)) {
            match kind {
                RecordKind::Container => kept.containers.push(dependent),
                RecordKind::Image => kept.images.push(dependent),
                RecordKind::Layer => {}
            }
        }
        Ok(kept)
    }

    /// Records images whose layers are there.
    fn finish(&self, looked: &Looked, images: &[String]) -> Result<(), Problem> {
        let served = &self.served;
        for id in images.iter().filter(|id| !served.ids.contains(*id)) {
            let found = self.formers.iter().find_map(|former| {
                let (image, top) = former.image_and_top(id)?;
                let ids: Vec<String> = former.chain(top)?.into_iter().rev().map(|(id, _)| id).collect();
                let is_there = ids.iter().all(|id| looked.has_layer(id));
                is_there.then(|| (former, image.clone(), ids))
            });
            if let Some((former, image, ids)) = found {
                let title = format!("`{}`", former.shown);
                let (layers, links) = (BTreeMap::new(), BTreeMap::new());
                self.add((Chain { title, ids, layers, links, images: vec![image] }, former.shown.clone()))?;
            }
        }
        Ok(())
    }

    /// Adds what a chain has, if there is space for it.
    fn add(&self, (mut chain, from): (Chain, String)) -> Result<Vec<KeptLayer>, Problem> {
        let store = self.storage.images_part();
        let root = &self.host.root;
        let layers: Vec<KeptLayer> = chain
            .layers
            .iter()
            .map(|(id, layer)| KeptLayer { id: id.clone(), from: from.clone(), bytes: layer.blob.size })
            .collect();
        let bytes = total(layers.iter().map(|layer| layer.bytes));
        require_space(&root.show(store), bytes, 0, root.free_space(store).ok())?;
        if self.mode == Mode::DryRun {
            return Ok(layers);
        }
        let mut names = KeptNames::read(self.host, store);
        for image in &mut chain.images {
            names.add(image.config_digest.hex(), image.names.drain(..).map(|name| name.to_string()));
        }
        // First, since a name that is not given up hides the store's image.
        names.write(self.host, store)?;
        clean_up(root, store)?;
        let options = BuildOptions {
            platform: Platform::host(),
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            limit: u64::MAX,
            latest: None,
            sync: true,
        };
        add_chain(root, chain, store, &options)?;
        Ok(layers)
    }
}

fn dependents(found: &[DependentRecord]) -> Vec<(RecordKind, Dependent)> {
    found.iter().map(|it| (it.kind, it.dependent.clone())).collect()
}

/// What there is around a lost layer: the records of the storage and the listed stores.
struct Around<'a> {
    keeping: &'a Keeping<'a>,
    looked: &'a Looked,
    own: BTreeMap<&'a str, Option<&'a str>>,
    images: BTreeSet<&'a str>,
}

impl<'a> Around<'a> {
    fn new(keeping: &'a Keeping<'a>, looked: &'a Looked) -> Self {
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
    fn chain(&self, lost: &str) -> Result<Option<(Chain, String)>, Problem> {
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
        let chain = Chain { title, ids, layers, links, images };
        Ok(Some((chain, former.shown.clone())))
    }

    /// Whether the storage has a directory of the layer.
    fn has_directory(&self, id: &str) -> bool {
        self.looked.parts.iter().any(|part| part.directories.contains(id))
    }

    /// The records of what leads to the layer `lost`.
    fn records(&self, lost: &str) -> impl Iterator<Item = (RecordKind, &'a Record)> {
        let found = self.looked.found.iter().filter(move |it| it.dependent.lost_layer == lost);
        found.map(|it| (it.kind, &self.looked.parts[it.at.0].files[it.at.1].records[it.at.2]))
    }

    /// Images to add with the layer `lost`, with the names that stores give them: those of containers, which no store has any more, and
    /// those of which `podman tag` has copied the record. podman 4 leaves all else of them in the
    /// store, and later ones copy names that another image of the new store has.
    fn images(&self, lost: &str, served: &Served) -> Vec<Image> {
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
    fn is_superseded(&self, lost: &str, served: &Served) -> bool {
        let mut records = self.records(lost);
        records.all(|(kind, record)| match kind {
            RecordKind::Container => is_made_anew(self.keeping, record),
            RecordKind::Image => {
                record.layer.as_deref() == Some(lost)
                    && record.names.iter().all(|name| served.names.contains(name))
            }
            RecordKind::Layer => true,
        })
    }

    /// By which names in `l` the layers `ids`, the lowest first, are known to those on top of them.
    fn links(&self, lost: &str, ids: &[String], former: &Former) -> BTreeMap<String, Vec<String>> {
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
        for (_, record) in self.records(lost).filter(|(kind, _)| *kind == RecordKind::Layer) {
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
        let root = &self.keeping.host.root;
        let files = self.keeping.storage.parts.iter().map(|part| part.join(DRIVER).join(id).join("lower"));
        let text = files.filter_map(|file| root.read_up_to(&file, limits::DOCUMENT).ok().flatten()).next();
        let text = text.and_then(|(bytes, _)| String::from_utf8(bytes).ok()).unwrap_or_default();
        let links = text.split(':').map(|link| link.strip_prefix("l/").unwrap_or_default());
        links.map(|link| if is_link(link) { link.to_owned() } else { String::new() }).collect()
    }
}

/// The names and ids of the images of the listed stores.
struct Served {
    names: BTreeSet<String>,
    ids: BTreeSet<String>,
}

impl Served {
    fn read(host: &Host, layout: &Layout) -> Self {
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
fn is_made_anew(keeping: &Keeping<'_>, container: &Record) -> bool {
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
    struct Spec {
        #[serde(default)]
        annotations: BTreeMap<String, String>,
    }

    if container.metadata.as_ref().is_some_and(|text| serde_json::from_str::<Pods>(text).is_ok()) {
        return true;
    }
    let file = format!("{DRIVER}-containers/{}/userdata/config.json", container.id);
    let spec = keeping.storage.parts.iter().find_map(|part| {
        keeping.host.root.read_up_to(&part.join(&file), limits::IMAGE_DOCUMENT).ok().flatten()
    });
    let spec: Option<Spec> = spec.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok());
    spec.is_some_and(|spec| {
        let removed = spec.annotations.get("io.podman.annotations.autoremove");
        removed.is_some_and(|removed| removed.eq_ignore_ascii_case("true"))
    })
}
