//! What stores do to each other: engines search them in order, and take each layer
//! from the first that has it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use super::catalog::{Catalog, is_one_name};
use super::finding::{StoreFinding, StoreReport};
use super::store_set::{RecordedChain, StoreSet};
use crate::engine::Engines;
use crate::problem::Severity;

pub(super) fn check(set: &StoreSet<'_>, home: usize, report: &mut StoreReport) -> io::Result<()> {
    shadowed_names(set, home, report);
    shared(set, home, report);
    depends(set, home, report)
}

fn title(set: &StoreSet<'_>, store: &Catalog) -> String {
    let path = set.root.show(&store.path).display().to_string();
    if store.own { format!("the engine's own storage `{path}`") } else { format!("the store `{path}`") }
}

/// Names that an earlier store gives to another image.
fn shadowed_names(set: &StoreSet<'_>, home: usize, report: &mut StoreReport) {
    let store = &set.stores[home];
    let mut earlier: HashMap<&str, (usize, &str)> = HashMap::new();
    for (index, other) in set.stores[..home].iter().enumerate() {
        for image in &other.images {
            for name in image.names.iter().flatten() {
                earlier.entry(name).or_insert((index, image.id()));
            }
        }
    }
    for image in &store.images {
        for name in image.names.iter().flatten() {
            if let Some((first, _)) = earlier.get(name.as_str()).filter(|(_, id)| *id != image.id()) {
                let message =
                    format!("the name `{name}` means another image in {}", title(set, &set.stores[*first]));
                let hint = "list the store that should win first, or untag one of the two";
                let finding = StoreFinding::new("name-shadowed", &store.path, message, hint);
                let finding = finding.of_image(name.clone());
                report.add(finding.silently(Engines::ALL, "use the one in the store that is searched first"));
            }
        }
    }
}

/// Layers and images that are in an earlier store, too: that one's are used.
fn shared(set: &StoreSet<'_>, home: usize, report: &mut StoreReport) {
    let store = &set.stores[home];
    for other in set.stores[..home].iter().filter(|other| other.driver == store.driver) {
        let count = store.layers.iter().filter(|layer| other.layer(layer.id()).is_some()).count();
        if count > 0 {
            let layers = if count == 1 {
                "1 of its layers is".to_owned()
            } else {
                format!("{count} of its layers are")
            };
            let message = format!("{layers} in {}, too", title(set, other));
            let hint = "nothing needs to be done; `--deep` verifies the copies that are used";
            let finding = StoreFinding::new("layers-shared", &store.path, message, hint);
            report.add(
                finding
                    .silently(Engines::ALL, "use the layers of the store that is searched first, unverified"),
            );
        }
        let ids: std::collections::HashSet<&str> =
            other.images.iter().map(super::super::records::StoredImage::id).collect();
        let count = store.images.iter().filter(|image| ids.contains(image.id())).count();
        if count > 0 {
            let images = if count == 1 {
                "1 of its images is".to_owned()
            } else {
                format!("{count} of its images are")
            };
            let message = format!("{images} in {}, too", title(set, other));
            let hint = "nothing needs to be done";
            let finding = StoreFinding::new("images-shared", &store.path, message, hint);
            report.add(finding.silently(Engines::ALL, "use those of the store that is searched first"));
        }
    }
}

/// Images whose layers, or whose layers' files, are in other stores only.
fn depends(set: &StoreSet<'_>, home: usize, report: &mut StoreReport) -> io::Result<()> {
    let store = &set.stores[home];
    let mut lenders: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut asked: HashMap<&str, Option<usize>> = HashMap::new();
    for image in &store.images {
        for top in image.tops() {
            let RecordedChain::Whole(chain) = set.chain(home, top) else {
                continue;
            };
            for id in chain.into_iter().filter(|id| is_one_name(id)) {
                let lender = match asked.get(id) {
                    Some(lender) => *lender,
                    None => {
                        let lender = lender(set, home, id)?;
                        asked.insert(id, lender);
                        lender
                    }
                };
                if let Some(lender) = lender {
                    let images = lenders.entry(lender).or_default();
                    let title = image.title();
                    if images.last() != Some(&title) {
                        images.push(title);
                    }
                }
            }
        }
    }
    for (lender, images) in lenders {
        let lender = &set.stores[lender];
        let count = images.len();
        let images_need = if count == 1 {
            "1 of its images needs".to_owned()
        } else {
            format!("{count} of its images need")
        };
        let message = format!("{images_need} layers that are in {} only", title(set, lender));
        let hint = "keep both listed, or copy those images into the store whole";
        let mut finding = StoreFinding::new("depends-on-store", &store.path, message, hint);
        finding.images = images;
        // That is what an engine's own storage does when it builds on a store.
        report.add(if store.own { finding.severity(Severity::Note) } else { finding });
    }
    Ok(())
}

/// The store that lends `home` the layer `id`, if it does not have it itself.
fn lender(set: &StoreSet<'_>, home: usize, id: &str) -> io::Result<Option<usize>> {
    let has_files =
        |store: &Catalog| -> io::Result<bool> { Ok(set.root.stat(&store.layer_dir(id))?.is_some()) };
    let store = &set.stores[home];
    let recorded = store.layer(id).is_some();
    if recorded && has_files(store)? {
        return Ok(None);
    }
    for (index, other) in set.stores.iter().enumerate() {
        if index != home && other.driver == store.driver && has_files(other)? {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// A mount unit says that the store at `path` comes from elsewhere, and nothing is there.
pub(super) fn not_mounted(
    root: &crate::sys::Root,
    path: &Path,
    report: &mut StoreReport,
) -> io::Result<bool> {
    let Some(name) = path.to_str() else {
        return Ok(false);
    };
    if let Some(file) = super::super::awaited(root, path)? {
        let unit = super::super::unit_name(name, "mount");
        let message = format!("the store is sealed in `{}`, which is not mounted", file.display());
        let hint =
            format!("`systemctl start '{unit}'`, or see `systemctl status '{unit}'` for why it is not");
        let finding = StoreFinding::new("not-mounted", path, message, hint);
        report.add(finding.silently(Engines::ALL, "see no image of this store"));
        return Ok(true);
    }
    let Some(unit) = super::super::mount_unit(root, name)? else {
        return Ok(false);
    };
    // Not by the device alone: a bind mount has its source's.
    if !is_hollow(root, path)? || is_mount_point(root, path)? {
        return Ok(false);
    }
    let unit = unit.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let message = format!("the store is empty: nothing is mounted there, although there is a unit `{unit}`");
    let hint = format!("see `systemctl status {}` for why it is not mounted", unit.replace('\\', "\\\\"));
    let finding = StoreFinding::new("not-mounted", path, message, hint);
    let finding = finding.silently(Engines::ALL, "see no image of this store");
    // In a tree that does not run, nothing is.
    report.add(if root.is_tree() { finding.severity(Severity::Note) } else { finding });
    Ok(true)
}

/// Whether there is no store, or nothing but the marker and what engines leave behind.
fn is_hollow(root: &crate::sys::Root, path: &Path) -> io::Result<bool> {
    for name in root.list(path)?.unwrap_or_default() {
        if name == super::super::MARKER {
            continue;
        }
        let inner = path.join(&name);
        let directory = root.stat(&inner)?.is_some_and(|stat| stat.kind == crate::sys::FileKind::Directory);
        if !directory || !super::super::is_gone(root, &inner)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_mount_point(root: &crate::sys::Root, path: &Path) -> io::Result<bool> {
    let above = root.resolve(path)?.parent().to_owned();
    let (Some(here), Some(above)) = (root.stat(path)?, root.stat(&above)?) else {
        return Ok(false);
    };
    Ok(here.id.0 != above.id.0)
}
