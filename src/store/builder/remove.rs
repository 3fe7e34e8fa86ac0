//! Taking images out of a store again.
//!
//! What needs something else goes before it: names and images, then the records of
//! layers, then what is on the disk. Killed anywhere, the records are valid, and what is
//! left on the disk is in a list (`leftover`), which the next run works off.
//!
//! What may go is chosen under the engines' locks. An engine that makes a container holds a
//! store's lock for reading until the container is recorded, so one that is being made is
//! either seen then, or finds the records without the layer.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::directory::{cannot, lock};
use super::existing::{Records, StorePaths};
use super::files::{link_target, split_name};
use super::leftover::{self, Leftover};
use crate::limits;
use crate::problem::{Problem, total};
use crate::store::{StoredImage, StoredLayer, is_id};
use crate::sys::{RecordLock, Root};

/// What shall go, if nobody needs it.
#[derive(Debug, Clone, Default)]
pub struct RemovalRequest {
    /// Names of images.
    pub names: BTreeSet<String>,
    /// The images that had them, by id: those without a name go.
    pub images: BTreeSet<String>,
    /// Layers, by id: those that no image and no other layer needs go.
    pub layers: BTreeSet<String>,
    /// Layers that somebody outside of the store needs.
    pub needed: BTreeSet<String>,
}

/// What went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemovedFromStore {
    /// Images, by id.
    pub images: Vec<String>,
    /// Layers, by id.
    pub layers: Vec<String>,
    /// How many bytes both have by their records.
    pub bytes: u64,
    /// Whether an earlier run was cut off before it had removed what it took out.
    pub was_cut_off: bool,
}

/// The records of a store, of which something is chosen.
#[derive(Debug)]
pub struct StoreRecords<'a> {
    /// Its images.
    pub images: Vec<&'a StoredImage>,
    /// Its layers, by id.
    pub layers: BTreeMap<&'a str, &'a StoredLayer>,
}

impl StoreRecords<'_> {
    /// The layers of an image that the store has, by id, those with other owners among them.
    pub fn layers_of(&self, image: &StoredImage) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for top in image.layer.iter().chain(image.mapped_layers.iter().flatten()) {
            let mut next = Some(top.as_str());
            while let Some(layer) = next.and_then(|id| self.layers.get(id)) {
                let Some(id) = layer.id.clone().filter(|id| found.insert(id.clone())) else { break };
                debug_assert_eq!(next, Some(id.as_str()));
                next = layer.parent.as_deref();
            }
        }
        found
    }
}

/// Takes what `choose` says out of the overlay store at `store`, under the engines' locks. A dry
/// run takes no lock and stops before the first change.
///
/// # Errors
/// If the records cannot be read or replaced, or something cannot be removed; or those of
/// `choose`.
pub fn remove(
    root: &Root,
    store: &Path,
    dry_run: bool,
    choose: impl FnOnce(&StoreRecords<'_>) -> anyhow::Result<RemovalRequest>,
) -> anyhow::Result<RemovedFromStore> {
    let opened = root.strict(store).map_err(cannot(root, "open", store))?;
    let root = &opened.ok_or_else(|| cannot(root, "open", store)(io::ErrorKind::NotFound.into()))?;
    let store = Path::new("/");
    let paths = StorePaths::new(store);
    let locks = match dry_run {
        true => None,
        false => Some((lock(root, &paths.layers_lock())?, lock(root, &paths.images_lock())?)),
    };
    let layers = Records::<StoredLayer>::read(root, &paths)?;
    let images = Records::<StoredImage>::read(root, &paths)?;
    let of_store = StoreRecords { images: images.all().collect(), layers: layers.by_id() };
    let left = leftover::read(root)?;
    let mut removal = choose(&of_store)?;
    // What a run that was killed has taken out of one file of records and not of the other. What
    // is needed by now stays.
    removal.layers.extend(left.layers.iter().cloned());
    let was_cut_off = !left.is_empty();
    if !dry_run {
        let known = |id: &str| of_store.layers.contains_key(id) || images.of(id).is_some();
        clear(root, &paths, &left.without(known)).map_err(cannot(root, "clean up", store))?;
    }
    let sizes: BTreeMap<String, u64> = of_store
        .images
        .iter()
        .filter_map(|image| Some((image.id.clone()?, image.documents_size())))
        .collect();
    let (images_json, gone_images, kept) = images.without(&removal.names, &removal.images);
    let tops = kept.iter().flat_map(|image| image.layer.iter().chain(image.mapped_layers.iter().flatten()));
    let mut gone_layers = unneeded(&layers, &removal, tops.map(String::as_str));
    let by_id = layers.by_id();
    gone_layers.retain(|id| by_id.contains_key(id.as_str()));
    let of_layers = gone_layers.iter().filter_map(|id| by_id[id.as_str()].size());
    let of_images = gone_images.iter().filter_map(|id| sizes.get(id).copied());
    let bytes = total(of_layers.chain(of_images));
    if let Some((layers_lock, images_lock)) = locks {
        let write = |path: &Path, bytes: &[u8], lock: &RecordLock| -> Result<(), Problem> {
            let before = root.read_up_to(path, limits::RECORDS).map_err(cannot(root, "read", path))?;
            if before.is_some_and(|(before, _)| before != bytes) {
                root.replace_file(path, bytes).map_err(cannot(root, "replace", path))?;
                lock.mark_written().map_err(cannot(root, "write to the lock of", path))?;
            }
            Ok(())
        };
        let gone = Leftover { images: gone_images.clone(), layers: gone_layers.iter().cloned().collect() };
        if gone.is_empty() {
            leftover::forget(root)?;
        } else {
            leftover::write(root, &gone)?;
        }
        write(&paths.images_json(), &images_json, &images_lock)?;
        if !gone_layers.is_empty() {
            write(&paths.layers_json(), &layers.without(&gone_layers), &layers_lock)?;
        }
        clear(root, &paths, &gone).map_err(cannot(root, "clean up", store))?;
        leftover::forget(root)?;
    }
    let layers = gone_layers.into_iter().collect();
    Ok(RemovedFromStore { images: gone_images, layers, bytes, was_cut_off })
}

/// The layers of `removal` on which nothing stands.
fn unneeded<'a>(
    layers: &'a Records<StoredLayer>,
    removal: &'a RemovalRequest,
    tops: impl Iterator<Item = &'a str>,
) -> BTreeSet<String> {
    let by_id = layers.by_id();
    let parents: BTreeMap<&str, &str> =
        by_id.iter().filter_map(|(id, layer)| Some((*id, layer.parent.as_deref()?))).collect();
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    let strangers = by_id.keys().copied().filter(|id| !removal.layers.contains(*id));
    let outside = removal.needed.iter().map(String::as_str);
    for start in tops.chain(outside).chain(strangers) {
        let mut next = Some(start);
        while let Some(id) = next.filter(|id| needed.insert(id)) {
            next = parents.get(id).copied();
        }
    }
    removal.layers.iter().filter(|id| !needed.contains(id.as_str())).cloned().collect()
}

/// Removes what no record names any more.
fn clear(root: &Root, paths: &StorePaths, gone: &Leftover) -> io::Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let mut in_images = root.directory_writer(&paths.images)?;
    // What a record has for an id may be any path.
    for id in gone.images.iter().filter(|id| is_id(id)) {
        in_images.remove(id.as_bytes())?;
    }
    let mut overlay = root.directory_writer(&paths.overlay)?;
    let mut in_layers = root.directory_writer(&paths.layers)?;
    let mut targets: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    for name in root.list(&paths.links)?.unwrap_or_default().iter().filter_map(|name| name.to_str()) {
        if let Some(target) = overlay.read_link(format!("l/{name}").as_bytes())? {
            targets.insert(target, name.to_owned());
        }
    }
    for id in gone.layers.iter().filter(|id| is_id(id)) {
        if let Some(link) = targets.get(link_target(id).as_bytes()) {
            overlay.remove(format!("l/{link}").as_bytes())?;
        }
        overlay.remove(id.as_bytes())?;
        in_layers.remove(split_name(id).as_bytes())?;
        // Big data.
        in_layers.remove(id.as_bytes())?;
    }
    Ok(())
}
