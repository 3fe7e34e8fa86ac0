//! Images as podman-hpc migrates them (`migrate2scratch.py`): the directories of their layers
//! are empty and have no `lower`, and `l/LINK.squash`, beside the short name of the topmost
//! layer, is a squashfs image with all of the root file system. podman-hpc's mount program
//! mounts it over that layer's `diff`; engines without it see an empty directory.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::io::Read;
use std::path::Path;

use super::catalog::{Catalog, is_one_name};
use super::finding::{Scope, StoreFinding, StoreReport};
use super::overlay::OverlayHome;
use super::store_set::StoreSet;
use crate::engine::Engines;
use crate::store::StoredLayer;
use crate::sys::Root;

/// What a squashfs image starts with.
const MAGIC: &[u8; 4] = b"hsqs";

/// The layers of such images, by their store.
#[derive(Debug, Default)]
pub(super) struct SquashfsHeader {
    /// Those that have a squash file.
    tops: HashSet<(usize, String)>,
    layers: HashSet<(usize, String)>,
}

impl SquashfsHeader {
    /// Finds them. What cannot be looked at is none of them, and told elsewhere.
    pub(super) fn find(set: &StoreSet<'_>) -> Self {
        let mut squashed = Self::default();
        let mut homes = Vec::new();
        for (home, store) in set.stores.iter().enumerate() {
            let tops = tops(set.root, store);
            if !tops.is_empty() {
                squashed.tops.extend(tops.into_iter().map(|id| (home, id)));
                homes.push(home);
            }
        }
        if homes.is_empty() {
            return squashed;
        }
        // What another image needs has to be there.
        let mut needed: HashSet<(usize, &str)> = HashSet::new();
        for (home, store) in set.stores.iter().enumerate() {
            for top in store.images.iter().flat_map(|image| image.tops()) {
                if !squashed.tops.contains(&(home, top.to_owned())) {
                    let mut chain = set.known_part(home, top);
                    let mut need = |id| needed.insert((set.recorded(home, id).unwrap_or(home), id));
                    while chain.next().is_some_and(&mut need) {}
                }
            }
        }
        for home in homes {
            let store = &set.stores[home];
            let ids = store.layers.iter().map(StoredLayer::id).filter(|id| !needed.contains(&(home, id)));
            let bare = ids.filter(|id| is_one_name(id) && is_bare(set.root, store, id));
            squashed.layers.extend(bare.map(|id| (home, id.to_owned())));
        }
        squashed
    }

    /// Whether the content of a layer of the store `home` is in a squash file.
    pub(super) fn has(&self, home: usize, id: &str) -> bool {
        !self.layers.is_empty() && self.layers.contains(&(home, id.to_owned()))
    }

    /// Tells of the images of the store `home` that are in them.
    pub(super) fn add_findings(&self, set: &StoreSet<'_>, home: usize, report: &mut StoreReport) {
        let tops = self.tops.intersection(&self.layers).filter(|(at, _)| *at == home);
        let tops: BTreeSet<&str> = tops.map(|(_, id)| id.as_str()).collect();
        if tops.is_empty() {
            return;
        }
        let store = &set.stores[home];
        let message = match tops.len() {
            1 => "an image is in a squash file, which podman-hpc mounts".to_owned(),
            count => format!("images are in {count} squash files, which podman-hpc mounts"),
        };
        let hint = "list it for podman-hpc alone; for others pull the images into another store";
        let place = store.path.join(&store.driver).join("l");
        let mut finding = StoreFinding::new("squash-files", &store.path, message, hint).at(place);
        for top in tops {
            finding.join(set.ends_at(top));
        }
        let others = "give its containers an empty root file system without podman-hpc's mount program";
        report.add(finding.fails(Engines::ALL, Scope::Saving).silently(Engines::ALL, others));
    }
}

/// The layers of a store that have a squashfs image.
fn tops(root: &Root, store: &Catalog) -> Vec<String> {
    if store.driver == "vfs" {
        return Vec::new();
    }
    let l = store.path.join(&store.driver).join("l");
    let names = root.list(&l).ok().flatten().unwrap_or_default();
    let top = |name: &OsString| {
        let link = name.to_str()?.strip_suffix(".squash")?;
        let mut magic = [0; MAGIC.len()];
        root.open_part(&l.join(name)).ok()??.read_exact(&mut magic).ok()?;
        let target = root.read_link(&l.join(link)).ok()??;
        let id = OverlayHome::layer_of(&target).filter(|id| magic == *MAGIC && is_one_name(id))?;
        is_bare(root, store, id).then(|| id.to_owned())
    };
    names.iter().filter_map(top).collect()
}

/// Whether a layer has nothing but its name: no `lower`, and nothing in `diff`, or what is
/// mounted there now.
fn is_bare(root: &Root, store: &Catalog, id: &str) -> bool {
    let dir = store.layer_dir(id);
    let device = |path: &Path| Some(root.stat(path).ok()??.id.0);
    let is_bare = || {
        let diff = dir.join("diff");
        let is_mounted = device(&diff)? != device(&dir)?;
        Some(is_mounted || root.list(&diff).ok()??.is_empty())
    };
    root.stat(&dir.join("lower")).is_ok_and(|stat| stat.is_none()) && is_bare().unwrap_or_default()
}
