//! What held the layers that are lost, and still does: stores that are not in use any more, and
//! embedded images.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::changed::noted_stores;
use super::installed_trees::{InstalledTree, installed_trees};
use crate::embedded::{EmbeddedLayout, ImageList};
use crate::images::{
    self, Digest, Image, ImageConfig, Layer, Manifest, Name, Platform, Source, StreamedLayers, Transport,
};
use crate::limits;
use crate::plan::Host;
use crate::store::builder::{chain_ids, file_name, ids};
use crate::store::{self, StoreStreams, is_id, layer_paths, short_id, signatures_in};
use crate::sys::Root;

/// The driver whose layers can be taken over; with vfs containers need none.
pub(super) const DRIVER: &str = "overlay";

/// A former store, or a directory of embedded images.
#[derive(Debug)]
pub(super) struct FormerStore {
    /// Where it is, for messages.
    pub(super) shown: String,
    /// Whether normal users could read it.
    pub(super) is_open: bool,
    /// The store, in which no symlink is followed; none for embedded images.
    store: Option<Root>,
    /// Each layer, and the one below it.
    layers: HashMap<String, (Layer, Option<String>)>,
    /// Each image, and its topmost layer.
    images: HashMap<String, (Image, String)>,
}

/// All there are on a host, those first that are most likely to have what is lost: `given` ones,
/// `listed` stores, whose records may be newer than what is in them while a package is updated, and
/// what other deployments of the system have at the same places (ostree and bootc keep the one
/// before the present one, and after a rollback the one that failed).
pub(super) fn formers(host: &Host, listed: &[String], given: &[PathBuf]) -> Vec<FormerStore> {
    let trees = installed_trees(&host.root);
    let noted = noted_stores(host);
    let given = given.iter().map(|path| FormerPlace { root: &host.root, home: path, path: path.clone() });
    let mut stores: Vec<FormerPlace<'_>> = given.collect();
    for tree in &trees {
        stores.extend(listed.iter().chain(&noted).map(|path| FormerPlace::in_tree(tree, path)));
    }
    let mut seen = BTreeSet::new();
    // A deployment may have the very files of another.
    stores.retain(|at| at.root.stat(&at.path).ok().flatten().is_some_and(|stat| seen.insert(stat.id)));
    let stores = stores.iter().filter_map(FormerStore::of_store);
    let embedded = trees
        .iter()
        .flat_map(|tree| EmbeddedLayout::ALL.map(|layout| FormerPlace::in_tree(tree, layout.home())));
    stores.chain(embedded.filter_map(|place| FormerStore::of_embedded(&place))).collect()
}

/// Where a former store or embedded images may be.
struct FormerPlace<'a> {
    root: &'a Root,
    /// The tree of the system that had it there; where somebody has given it, itself.
    home: &'a Path,
    path: PathBuf,
}

impl<'a> FormerPlace<'a> {
    fn in_tree(tree: &'a InstalledTree, path: &str) -> Self {
        let home = tree.home.as_path();
        Self { root: &tree.root, home, path: home.join(path.trim_start_matches('/')) }
    }

    /// Whether everybody on that system could read `below`, a directory in it.
    fn is_open(&self, below: &str) -> bool {
        const SEARCH: u32 = 0o001;
        const READ: u32 = 0o005;
        let Ok(resolved) = self.root.resolve(&self.path.join(below)) else { return false };
        let has = |dir: &Path, mode: u32| {
            self.root.stat(dir).ok().flatten().is_some_and(|stat| stat.mode & mode == mode)
        };
        let mut above = resolved.path.ancestors().skip(1).take_while(|dir| dir.starts_with(self.home));
        has(&resolved.path, READ)
            && above.all(|dir| dir == self.home || has(dir, SEARCH))
            && has(&self.path, READ)
    }
}

impl FormerStore {
    fn new(root: &Root, path: &Path, is_open: bool) -> Self {
        let shown = root.show(path).display().to_string();
        Self { shown, is_open, store: None, layers: HashMap::new(), images: HashMap::new() }
    }

    /// The store at a place; `None` if there is none that can be read.
    fn of_store(place: &FormerPlace<'_>) -> Option<Self> {
        let (root, path) = (place.root, place.path.as_path());
        let open = || root.strict(path).ok().flatten();
        let (store, streams) = (open()?, StreamedLayers::new(Box::new(StoreStreams::new(open()?))));
        let mut former = Self::new(root, path, place.is_open(DRIVER));
        let mut sizes = HashMap::new();
        for record in store::layers(&store, Path::new("/"), DRIVER).unwrap_or_default() {
            let diff_id = record.diff_digest.as_deref().and_then(Digest::parse);
            let (Some(id), Some(diff_id)) = (record.id.filter(|id| is_id(id)), diff_id) else { continue };
            let size = record.diff_size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
            sizes.insert(diff_id.clone(), size);
            former.layers.insert(id.clone(), (streams.layer(&id, diff_id, size), record.parent));
        }
        let records = store::images(&store, Path::new("/"), DRIVER).unwrap_or_default();
        // A package that is being updated has its new records, and images that only the old ones name.
        for id in store.list(Path::new("/overlay-images")).ok().flatten().unwrap_or_default() {
            let Some(id) = id.to_str().filter(|id| is_id(id)) else { continue };
            let record = records.iter().find(|image| image.id.as_deref() == Some(id));
            let Some((image, diff_ids)) = image_in(&store, id, record) else { continue };
            let mut parent: Option<String> = None;
            for (id, diff_id) in chain_ids(&diff_ids).into_iter().zip(diff_ids) {
                let size = sizes.get(&diff_id).copied().unwrap_or_default();
                let layer = (streams.layer(&id, diff_id, size), parent.replace(id.clone()));
                former.layers.entry(id).or_insert(layer);
            }
            let top = record.and_then(|record| record.layer.clone()).or(parent);
            former.images.extend(top.map(|top| (id.to_owned(), (image, top))));
        }
        former.store = Some(store);
        Some(former)
    }

    /// The embedded images at a place; `None` if there are none that can be read.
    fn of_embedded(place: &FormerPlace<'_>) -> Option<Self> {
        let (root, path) = (place.root, place.path.as_path());
        let list = ImageList::must_read(root, path).ok()?;
        let mut former = Self::new(root, path, place.is_open(""));
        for entry in list.entries {
            let path = path.join(&entry.directory);
            let text = format!("dir:{}", root.show(&path).display());
            let names = Name::parse(&entry.reference).into_iter().collect();
            let source = Source { text, names, transport: Transport::Dir, path, reference: None };
            let Ok(image) = images::read(root, &source, &Platform::host()) else { continue };
            let mut parent: Option<String> = None;
            for (id, layer) in ids(&image).into_iter().zip(&image.layers) {
                let layer = (layer.clone(), parent.replace(id.clone()));
                former.layers.entry(id).or_insert(layer);
            }
            let id = image.config_digest.hex().to_owned();
            former.images.extend(parent.map(|top| (id, (image, top))));
        }
        Some(former)
    }

    /// The layer `id` and all below it, from the top; `None` if one is not known here.
    pub(super) fn chain(&self, id: &str) -> Option<Vec<(String, Layer)>> {
        let mut chain = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next {
            let (layer, parent) = self.layers.get(id)?;
            chain.push((id.to_owned(), layer.clone()));
            // One that leads back to itself ends here.
            if chain.len() > limits::LAYERS {
                return None;
            }
            next = parent.as_deref().filter(|parent| !parent.is_empty());
        }
        Some(chain)
    }

    /// Whether the content of the layer `id` is there.
    pub(super) fn has(&self, id: &str) -> bool {
        let Some(store) = &self.store else { return true };
        let (split, content) = layer_paths(id);
        [split, content].iter().all(|path| store.stat(path).ok().flatten().is_some())
    }

    /// The name in `l` of the layer `id`.
    pub(super) fn link(&self, id: &str) -> Option<String> {
        link_in(self.store.as_ref()?, &Path::new("/").join(DRIVER), id)
    }

    /// The image `id` whose topmost layer is `top`.
    pub(super) fn image(&self, id: &str, top: &str) -> Option<&Image> {
        let (image, layer) = self.image_and_top(id)?;
        (layer == top).then_some(image)
    }

    /// The image `id`, and its topmost layer.
    pub(super) fn image_and_top(&self, id: &str) -> Option<(&Image, &str)> {
        self.images.get(id).map(|(image, top)| (image, top.as_str()))
    }
}

/// The name in `l` of the layer `id`, by which others refer to it, where `home` has the directories of
/// layers.
pub(super) fn link_in(root: &Root, home: &Path, id: &str) -> Option<String> {
    let file = home.join(id).join("link");
    let (bytes, _) = root.read_up_to(&file, limits::DOCUMENT).ok()??;
    String::from_utf8(bytes).ok().filter(|name| is_link(name))
}

/// Whether it is a name in `l`: 26 characters of base 32 (`generateID` in overlay.go).
pub(super) fn is_link(name: &str) -> bool {
    name.len() == 26 && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// The image `id` in a store, without layers, and the digests of its layers. Without its `record`
/// it has no names and no signatures.
fn image_in(store: &Root, id: &str, record: Option<&store::StoredImage>) -> Option<(Image, Vec<Digest>)> {
    let dir = Path::new("/overlay-images").join(id);
    let read = |key: &str| {
        let file = dir.join(file_name(key));
        Some(store.read_up_to(&file, limits::IMAGE_DOCUMENT).ok()??.0)
    };
    let manifest = read("manifest")?;
    let Ok(Manifest::Image { config, layers }) = Manifest::parse(&manifest) else { return None };
    let config_digest = Digest::parse(&config.digest).filter(|digest| digest.hex() == id)?;
    let config = read(config_digest.as_str()).filter(|config| Digest::of(config) == config_digest)?;
    let parsed: ImageConfig = serde_json::from_slice(&config).ok()?;
    let diff_ids = parsed.rootfs?.diff_ids.unwrap_or_default();
    let diff_ids: Vec<Digest> = diff_ids.iter().map(|text| Digest::parse(text)).collect::<Option<_>>()?;
    if diff_ids.len() != layers.len() || diff_ids.len() > limits::LAYERS {
        return None;
    }
    let names = record.iter().flat_map(|record| record.names.iter().flatten());
    let names = names.filter_map(|name| Name::parse(name).ok()).collect();
    let signatures = record.map(|record| signatures_in(store, &dir, record, &Digest::of(&manifest)));
    let image = Image {
        title: format!("`{}`", short_id(id)),
        names,
        manifest,
        list: None,
        config,
        config_digest,
        signatures: signatures.unwrap_or_default(),
        created: parsed.created,
        layers: Vec::new(),
    };
    Some((image, diff_ids))
}
