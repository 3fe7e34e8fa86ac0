//! Keeping what is lost: layers that the main storage needs and no listed store has any more are
//! copied into it, from where they still are.
//!
//! It is what a pull would have put there: layers with the ids and the names in `l` that they had, by
//! which containers find them, and for containers the image, without a name. So engines remove it as
//! any other image, when nothing uses it any more: `podman image prune`, or the kubelet. A name
//! that a listed store has now stays with the image of that store.
//!
//! What the storages of normal users need goes into a store of its own (`kept_store`).
//!
//! Adding under the engines' locks disturbs no engine, so they may run.
//!
//! Nothing is copied for what nobody starts again: containers of pods, which the kubelet makes anew
//! after a boot, and those of `podman run --rm`.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::clean::{ExaminedStorage, examine};
use super::find::{Dependent, DependentRecord, find};
use super::former::{DRIVER, FormerStore, formers};
use super::kept_store::{self, KEPT_STORE};
use super::layout::{EngineStorage, StorageLayout, layout};
use super::names::KeptNames;
use super::own::RecordKind;
use super::surroundings::{LayerSurroundings, ListedImages};
use super::users::{UserLayout, user_layouts};
use crate::images::Platform;
use crate::plan::{CommitMode, Host, User};
use crate::problem::{Problem, total};
use crate::space::require_space;
use crate::store::builder::{AddPolicy, BuildOptions, LayerChain, add_chain, clean_up};

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

impl KeepOptions {
    /// The stores to look into first.
    fn given(&self) -> Vec<PathBuf> {
        [self.from.as_slice(), &self.leaving].concat()
    }
}

/// What was kept in one storage, or in a dry run would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptStorage {
    /// The storage, inside the tree.
    pub graphroot: PathBuf,
    /// The normal user whose it is, if root has looked into it.
    pub user: Option<User>,
    /// The store that has the layers, if it is not the storage itself.
    pub store: Option<PathBuf>,
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
    /// A storage for which nothing was kept yet.
    pub(super) fn of(storage: &EngineStorage) -> Self {
        Self::at(storage.parts[0].clone())
    }

    fn at(graphroot: PathBuf) -> Self {
        Self {
            graphroot,
            user: None,
            store: None,
            layers: Vec::new(),
            containers: Vec::new(),
            images: Vec::new(),
            not_kept: Vec::new(),
        }
    }

    /// Adds those of `dependents` of which `is_lost` does not hold: they go on working.
    pub(super) fn add_working(
        &mut self,
        dependents: Vec<(RecordKind, Dependent)>,
        is_lost: impl Fn(&Dependent) -> bool,
    ) {
        for (kind, dependent) in dependents.into_iter().filter(|(_, it)| !is_lost(it)) {
            match kind {
                RecordKind::Container => self.containers.push(dependent),
                RecordKind::Image => self.images.push(dependent),
                RecordKind::Layer => {}
            }
        }
    }

    /// Where the layers are now.
    pub fn place(&self) -> &Path {
        self.store.as_ref().unwrap_or(&self.graphroot)
    }

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
/// former stores and embedded images into those storages; and for normal users into a store that is
/// listed for everybody. Run by a normal user, lists that store for this one.
///
/// # Errors
/// A [`Problem`]: `dependents-unsure` if there are any and a listed store cannot be read.
pub fn keep_layers(host: &Host, options: &KeepOptions, mode: CommitMode) -> anyhow::Result<Vec<KeptStorage>> {
    let layout = with(layout(host)?, options);
    if host.is_rootless() {
        return kept_store::list_for_user(host, &layout, mode);
    }
    let sources = OnceCell::new();
    let formers = || sources.get_or_init(|| formers(host, &layout.stores, &options.given())).as_slice();
    let mut all = Vec::new();
    for storage in layout.storages.iter().filter(|storage| storage.driver == DRIVER) {
        all.extend(keep_in(host, &layout, storage, formers, mode)?);
        if mode == CommitMode::Commit {
            let part = storage.images_part();
            KeptNames::read(host, part).follow(host, part, &layout.stores)?;
        }
    }
    all.extend(keep_for_users(host, &layout, options, mode)?);
    all.retain(|storage| !storage.layers.is_empty() || !storage.not_kept.is_empty());
    Ok(all)
}

/// The layout with what leaves and what comes.
fn with(mut layout: StorageLayout, options: &KeepOptions) -> StorageLayout {
    layout.stores.retain(|store| !options.leaving.iter().any(|leaving| leaving == Path::new(store)));
    let coming = options.coming.iter().filter(|store| !layout.stores.contains(store));
    layout.stores.extend(coming.cloned().collect::<Vec<_>>());
    layout
}

/// The layout in which what was kept for a storage is found.
fn with_kept<'a>(host: &Host, storage: &EngineStorage, layout: &'a StorageLayout) -> Cow<'a, StorageLayout> {
    match storage.owner {
        Some(_) => Cow::Owned(kept_store::listed(host, layout)),
        None => Cow::Borrowed(layout),
    }
}

/// Keeps what one storage needs, from what `formers` finds; `None` if nothing was to be kept.
fn keep_in<'a>(
    host: &Host,
    layout: &StorageLayout,
    storage: &EngineStorage,
    formers: impl FnOnce() -> &'a [FormerStore],
    mode: CommitMode,
) -> anyhow::Result<Option<KeptStorage>> {
    let layout_with_kept = with_kept(host, storage, layout);
    let looked = examine_closely(host, storage, &layout_with_kept)?;
    let served = ListedImages::read(host, &layout_with_kept);
    let unfinished = unfinished(host, storage, &looked, &served);
    if looked.found.is_empty() && unfinished.is_empty() {
        if mode == CommitMode::Commit && storage.owner.is_none() {
            // What is kept already may have left something on the way.
            storage.parts.iter().try_for_each(|part| clean_up(&host.root, part))?;
        }
        return Ok(None);
    }
    let keeping = KeepRun { host, layout, storage, formers: formers(), served, mode };
    if mode == CommitMode::Commit {
        keeping.finish(&looked, &unfinished)?;
    }
    keeping.run(looked).map(Some)
}

/// Keeps what storages of normal users need, and lists the store that has it.
fn keep_for_users(
    host: &Host,
    own: &StorageLayout,
    options: &KeepOptions,
    mode: CommitMode,
) -> anyhow::Result<Vec<KeptStorage>> {
    let mut all = Vec::new();
    let mut needing = BTreeSet::new();
    let users = user_layouts(host);
    for UserLayout { user, layout } in &users {
        let layout = with(kept_store::unlisted(layout), options);
        // What a user has written is no source.
        let is_roots = |store: &&String| {
            let stat = host.root.stat(Path::new(store)).ok().flatten();
            stat.is_some_and(|stat| stat.uid == 0)
        };
        let stores = own.stores.iter().chain(layout.stores.iter().filter(is_roots));
        let stores: Vec<String> = stores.cloned().collect();
        let sources = OnceCell::new();
        // Nor does a user get to see what was closed.
        let open = || {
            let mut formers = formers(host, &stores, &options.given());
            formers.retain(|former| former.is_open);
            formers
        };
        let formers = || sources.get_or_init(open).as_slice();
        for storage in &layout.storages {
            let kept = match keep_in(host, &layout, storage, formers, mode) {
                Ok(kept) => kept,
                // It is this user's alone.
                Err(error) => {
                    Some(KeptStorage { not_kept: vec![error.downcast()?], ..KeptStorage::of(storage) })
                }
            };
            let store = Some(KEPT_STORE.into());
            all.extend(kept.map(|kept| KeptStorage { user: Some(user.clone()), store, ..kept }));
            if examine_closely(host, storage, &layout).is_ok_and(|looked| !looked.found.is_empty()) {
                needing.insert(user.uid);
            }
        }
    }
    if mode == CommitMode::Commit
        && kept_store::exists(host)
        && let Err(error) = kept_store::update_for_users(host, own, &users, needing)
    {
        // What root's own storage needs does not wait for that.
        all.push(KeptStorage { not_kept: vec![error.downcast()?], ..KeptStorage::at(KEPT_STORE.into()) });
    }
    Ok(all)
}

/// Finds what leads to a layer without a record, also where the storage has a directory of it: a run
/// that was killed has left that.
pub(super) fn examine_closely(
    host: &Host,
    storage: &EngineStorage,
    layout: &StorageLayout,
) -> anyhow::Result<ExaminedStorage> {
    let looked = examine(host, storage, layout)?;
    let mut parts = looked.parts.clone();
    parts.iter_mut().for_each(|part| part.directories.clear());
    let found = find(&parts, &looked.layers_by_store, DRIVER);
    Ok(ExaminedStorage { found, ..looked })
}

/// Images that are needed, and that a run which was killed has not recorded: those that it has noted, or
/// in a user's storage those of containers.
fn unfinished(
    host: &Host,
    storage: &EngineStorage,
    looked: &ExaminedStorage,
    served: &ListedImages,
) -> Vec<String> {
    let of_containers = || {
        let containers = looked.records().filter(|(kind, _)| *kind == RecordKind::Container);
        containers.filter_map(|(_, container)| container.image.as_deref())
    };
    let is_own = |id: &str| looked.records().any(|(kind, it)| kind == RecordKind::Image && it.id == id);
    if storage.owner.is_some() {
        let missing = of_containers().filter(|id| !is_own(id) && !served.ids.contains(*id));
        return missing.map(str::to_owned).collect();
    }
    let part = storage.images_part();
    let needs = |id: &str| is_own(id) || of_containers().any(|image| image == id);
    let is_there = |id: &str| {
        let manifest = part.join(format!("{DRIVER}-images/{id}/manifest"));
        host.root.stat(&manifest).is_ok_and(|stat| stat.is_some()) && is_own(id)
    };
    let noted = KeptNames::read(host, part);
    noted.ids().filter(|id| needs(id) && !is_there(id)).map(str::to_owned).collect()
}

/// Keeping in one storage.
pub(super) struct KeepRun<'a> {
    pub(super) host: &'a Host,
    pub(super) layout: &'a StorageLayout,
    pub(super) storage: &'a EngineStorage,
    pub(super) formers: &'a [FormerStore],
    pub(super) served: ListedImages,
    mode: CommitMode,
}

impl KeepRun<'_> {
    fn run(&self, mut looked: ExaminedStorage) -> anyhow::Result<KeptStorage> {
        let before = dependents(&looked.found);
        let mut kept = KeptStorage::of(self.storage);
        let mut tried = BTreeSet::new();
        // What else a record needs shows when the first is there.
        while let Some(lost) =
            looked.found.iter().map(|it| &it.dependent.lost_layer).find(|it| !tried.contains(*it))
        {
            let lost = lost.clone();
            tried.insert(lost.clone());
            let around = LayerSurroundings::new(self, &looked);
            let chain = around.chain(&lost);
            match chain.and_then(|chain| chain.map(|chain| self.add(chain)).transpose()) {
                Ok(layers) => kept.layers.extend(layers.into_iter().flatten()),
                // Where there is a directory of it, no store is to blame.
                Err(_) if around.has_directory(&lost) => {}
                Err(problem) => kept.not_kept.push(problem),
            }
            if self.mode == CommitMode::Commit {
                let layout = with_kept(self.host, self.storage, self.layout);
                looked = examine_closely(self.host, self.storage, &layout)?;
            }
        }
        let still: BTreeSet<String> = match self.mode {
            CommitMode::Commit => looked.found.iter().map(|it| it.dependent.id.clone()).collect(),
            CommitMode::DryRun => {
                let lost = before.iter().filter(|(_, it)| !kept.has(&it.lost_layer));
                lost.map(|(_, it)| it.id.clone()).collect()
            }
        };
        kept.add_working(before, |it| still.contains(&it.id));
        Ok(kept)
    }

    /// Records images whose layers are there.
    fn finish(&self, looked: &ExaminedStorage, images: &[String]) -> Result<(), Problem> {
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
                self.add((
                    LayerChain { title, ids, layers, links, images: vec![image] },
                    former.shown.clone(),
                ))?;
            }
        }
        Ok(())
    }

    /// Adds what a chain has, if there is space for it.
    fn add(&self, (mut chain, from): (LayerChain, String)) -> Result<Vec<KeptLayer>, Problem> {
        let root = &self.host.root;
        let of_user = self.storage.owner.is_some();
        let store = if of_user { Path::new(KEPT_STORE) } else { self.storage.images_part() };
        let layers: Vec<KeptLayer> = chain
            .layers
            .iter()
            .map(|(id, layer)| KeptLayer { id: id.clone(), from: from.clone(), bytes: layer.blob.size })
            .collect();
        let bytes = total(layers.iter().map(|layer| layer.bytes));
        let there = store.ancestors().find(|dir| root.stat(dir).is_ok_and(|stat| stat.is_some()));
        require_space(&root.show(store), bytes, 0, there.and_then(|dir| root.free_space(dir).ok()))?;
        if self.mode == CommitMode::DryRun {
            return Ok(layers);
        }
        if of_user {
            chain.images.iter_mut().for_each(|image| image.names.clear());
        } else {
            let mut names = KeptNames::read(self.host, store);
            for image in &mut chain.images {
                names.add(image.config_digest.hex(), image.names.drain(..).map(|name| name.to_string()));
            }
            // First, since a name that is not given up hides the store's image.
            names.write(self.host, store)?;
        }
        clean_up(root, store)?;
        let options = BuildOptions {
            platform: Platform::host(),
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            limit: u64::MAX,
            latest: None,
            sync: true,
        };
        add_chain(root, chain, store, &options, &AddPolicy { own: !of_user, ..AddPolicy::ALL_OR_NOTHING })?;
        Ok(layers)
    }
}

pub(super) fn dependents(found: &[DependentRecord]) -> Vec<(RecordKind, Dependent)> {
    found.iter().map(|it| (it.kind, it.dependent.clone())).collect()
}
