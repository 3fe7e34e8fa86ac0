//! Taking images out of a store again.
//!
//! What needs something else goes before it: names and images, then the records of
//! layers, then what is on the disk. Killed anywhere, the records are valid.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::directory::{cannot, lock};
use super::existing::{Paths, Records};
use super::files::{link_target, split_name};
use crate::limits;
use crate::problem::Problem;
use crate::store::{Image, Layer};
use crate::sys::Root;

/// What shall go, if nobody needs it.
#[derive(Debug, Clone, Default)]
pub struct Removal {
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
pub struct Removed {
    /// Images, by id.
    pub images: Vec<String>,
    /// Layers, by id.
    pub layers: Vec<String>,
}

/// Takes images out of the overlay store at `store`, under the engines' locks.
///
/// # Errors
/// If the records cannot be read or replaced, or something cannot be removed.
pub fn remove(root: &Root, store: &Path, removal: &Removal) -> Result<Removed, Problem> {
    let opened = root.strict(store).map_err(cannot(root, "open", store))?;
    let root = &opened.ok_or_else(|| cannot(root, "open", store)(io::ErrorKind::NotFound.into()))?;
    let store = Path::new("/");
    let paths = Paths::new(store);
    let layers_lock = lock(root, &paths.layers_lock())?;
    let images_lock = lock(root, &paths.images_lock())?;
    let layers = Records::<Layer>::read(root, &paths)?;
    let images = Records::<Image>::read(root, &paths)?;
    let (images_json, gone_images, kept) = images.without(&removal.names, &removal.images);
    let tops = kept.iter().flat_map(|image| image.layer.iter().chain(image.mapped_layers.iter().flatten()));
    let gone_layers = unneeded(&layers, removal, tops.map(String::as_str));
    let write = |path: &Path, bytes: &[u8], lock: &crate::sys::RecordLock| -> Result<(), Problem> {
        let before = root.read_up_to(path, limits::RECORDS).map_err(cannot(root, "read", path))?;
        if before.is_some_and(|(before, _)| before != bytes) {
            root.replace_file(path, bytes).map_err(cannot(root, "replace", path))?;
            lock.mark_written().map_err(cannot(root, "write to the lock of", path))?;
        }
        Ok(())
    };
    write(&paths.images_json(), &images_json, &images_lock)?;
    if layers.by_id().keys().any(|id| gone_layers.contains(*id)) {
        write(&paths.layers_json(), &layers.without(&gone_layers), &layers_lock)?;
    }
    clear(root, &paths, &gone_images, &gone_layers).map_err(cannot(root, "clean up", store))?;
    Ok(Removed { images: gone_images, layers: gone_layers.into_iter().collect() })
}

/// The layers of `removal` on which nothing stands.
fn unneeded<'a>(
    layers: &'a Records<Layer>,
    removal: &'a Removal,
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
fn clear(root: &Root, paths: &Paths, images: &[String], layers: &BTreeSet<String>) -> io::Result<()> {
    let mut in_images = root.directory_writer(&paths.images)?;
    for id in images {
        in_images.remove(id.as_bytes())?;
    }
    let mut overlay = root.directory_writer(&paths.overlay)?;
    let mut in_layers = root.directory_writer(&paths.layers)?;
    let mut targets: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    for name in root.list(&paths.links)?.unwrap_or_default().iter().filter_map(|name| name.to_str()) {
        if let Some(target) = overlay.target(format!("l/{name}").as_bytes())? {
            targets.insert(target, name.to_owned());
        }
    }
    for id in layers {
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
