//! What every driver keeps for a layer beside its content: the tar-split, without
//! which it cannot be pushed, and big data.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::path::Path;

use super::catalog::is_one_name;
use super::finding::{Scope, StoreFinding, StoreReport};
use super::followed::FollowedName;
use super::images::file_name;
use super::store_set::StoreSet;
use crate::engine::Engines;
use crate::problem::Severity;
use crate::store::short_id;
use crate::sys::FileKind;

pub(super) fn check(set: &StoreSet<'_>, home: usize, report: &mut StoreReport) -> io::Result<()> {
    let store = &set.stores[home];
    let Some(dir) = set.root.subtree(&store.layers_dir())? else {
        return Ok(());
    };
    let (top, path) = (dir.top()?, store.layers_dir());
    let followed = FollowedName::new(set.root, &top, &path);
    let mut seen = HashSet::new();
    for layer in &store.layers {
        let id = layer.id();
        if !is_one_name(id) || !seen.insert(id) {
            continue;
        }
        if layer.is_incomplete() {
            let message = format!("the layer `{}` was never completed", short_id(id));
            let hint = "pull what it belongs to again; an engine with this as its own storage deletes it";
            let finding = StoreFinding::new("layer-incomplete", &store.path, message, hint);
            report.add(finding.of_layer(id, set.users(id)));
        }
        let has_digest = layer.diff_digest.as_deref().is_some_and(|digest| !digest.is_empty());
        let name = format!("{id}.tar-split.gz");
        // A container's layer and a partial pull have no digest to be pushed by.
        let tar_split = followed.node(OsStr::new(&name))?;
        let there = match tar_split {
            Some(node) => node.stat.kind == FileKind::File,
            None => set.part_with(home, |store| store.layers_dir().join(&name))?.is_some(),
        };
        if has_digest && !there {
            let message = format!("the layer `{}` has no tar-split", short_id(id));
            let hint = "pull the image into the store again";
            let users = set.users(id);
            let finding = StoreFinding::new("tar-split-missing", &store.path, message, hint)
                .at(store.layers_dir().join(&name))
                .of_layer(id, users.clone());
            report.add(if users.is_empty() {
                finding.severity(Severity::Warning)
            } else {
                finding.fails(Engines::ALL, Scope::Saving)
            });
        }
        for key in layer.big_data_names.iter().flatten() {
            let name = file_name(key);
            let is_there = |name: &str| set.part_with(home, |store| store.layers_dir().join(id).join(name));
            let name_in_dir = name.to_str().filter(|name| is_one_name(name));
            if name_in_dir.map(is_there).transpose()?.flatten().is_none() {
                let message = format!("the layer `{}` has no `{key}`", short_id(id));
                let hint = "pull the image into the store again";
                let finding = StoreFinding::new("big-data-missing", &store.path, message, hint)
                    .at(store.layers_dir().join(id).join(&name))
                    .of_layer(id, set.users(id))
                    .severity(Severity::Warning);
                report.add(finding.silently(Engines::ALL, "cannot use parts of it in a pull"));
            }
        }
    }
    Ok(())
}

/// Layers as the vfs driver keeps them: whole trees.
pub(super) fn vfs(set: &StoreSet<'_>, home: usize, report: &mut StoreReport) -> io::Result<()> {
    let store = &set.stores[home];
    for layer in &store.layers {
        let id = layer.id();
        if !is_one_name(id) {
            report.add(super::images::unsafe_id(store, id, "layers.json"));
            continue;
        }
        let is_dir = |path: &Path| -> io::Result<bool> {
            Ok(set.root.stat(path)?.is_some_and(|stat| stat.kind == FileKind::Directory))
        };
        let mut there = false;
        for store in set.stores.iter().filter(|store| store.driver == "vfs") {
            there |= is_dir(&store.layer_dir(id))?;
        }
        if !there {
            let message = format!("the layer `{}` has no directory", short_id(id));
            let hint = "remove the image from the store and pull it again, or build the store again";
            let users = set.users(id);
            let finding = StoreFinding::new("layer-missing", &store.path, message, hint)
                .at(store.layer_dir(id))
                .of_layer(id, users.clone());
            // Each layer is a whole tree, so only images that end here are hurt.
            let is_top = set.stores.iter().any(|store| store.tops.contains(id));
            report.add(if is_top {
                finding.fails(Engines::ALL, Scope::Image)
            } else if users.is_empty() {
                finding.severity(Severity::Warning)
            } else {
                finding.fails(Engines::ALL, Scope::Saving)
            });
        }
    }
    Ok(())
}
