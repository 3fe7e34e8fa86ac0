//! Removing images of former lists.
//!
//! Only what was copied here is removed, and of that only names that the list has no more:
//! what an administrator has pulled or named stays. It is done while no engine runs, and no
//! layer goes that a container, or an image anywhere, builds on.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::copy_record::CopyRecord;
use super::presence::CopyTarget;
use crate::dependents;
use crate::plan::{Host, Mode};
use crate::problem::Problem;
use crate::store;
use crate::store::builder::{Removal, remove};
use crate::sys::crio_runs;

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The names that went.
    pub names: Vec<String>,
    /// How many images went with them.
    pub images: usize,
    /// How many layers went with these.
    pub layers: usize,
    /// Names of former lists that stay, since a container or another image uses them.
    pub kept: Vec<String>,
}

/// Removes images of former lists: those that are remembered and not `current`, which are
/// the names and ids of the list.
///
/// # Errors
/// `engine-runs`, `containers-mounted`, or what keeps from reading or writing the records.
pub(super) fn prune(
    host: &Host,
    target: &CopyTarget,
    record: &mut CopyRecord,
    current: &BTreeSet<(String, String)>,
    mode: Mode,
) -> anyhow::Result<Pruned> {
    let is_current = |name: &str, id: &str| current.contains(&(name.to_owned(), id.to_owned()));
    let former: Vec<_> = record.images.iter().filter(|it| !is_current(&it.name, &it.id)).cloned().collect();
    if former.is_empty() {
        return Ok(Pruned::default());
    }
    if mode == Mode::Commit && !host.root.is_tree() && !host.is_rootless() && crio_runs() {
        return Err(Problem::new(
            "engine-runs",
            "CRI-O is running and would keep using the images to be removed",
            "stop it (`systemctl stop crio`) and try again; at boot this happens before it starts",
        )
        .into());
    }
    let mounted = super::in_use::mounted(host)?;
    let outside = outside(host, target)?;
    let mut pruned = Pruned::default();
    let mut removal = Removal { needed: outside.layers, ..Removal::default() };
    let (mut going, mut staying) = (Vec::new(), BTreeSet::new());
    for copied in former {
        let is_used = outside.images.contains(&copied.id)
            || copied.layers.last().is_some_and(|top| mounted.contains(top) || removal.needed.contains(top));
        if is_used {
            pruned.kept.push(copied.name.clone());
            staying.insert(copied.id.clone());
        } else {
            going.push(copied);
        }
    }
    let records = store::images(&host.root, &target.path, &target.driver)?;
    let names_of = |id: &str| {
        let record = records.iter().find(|image| image.id.as_deref() == Some(id));
        record.map(|image| image.names.clone().unwrap_or_default())
    };
    // A name that has moved to another image since then is that one's.
    let owned = |name: &str, id: &str| names_of(id).is_some_and(|names| names.iter().any(|it| it == name));
    for copied in &going {
        if owned(&copied.name, &copied.id) {
            removal.names.insert(copied.name.clone());
            pruned.names.push(copied.name.clone());
        }
        removal.images.insert(copied.id.clone());
        removal.layers.extend(copied.layers.iter().cloned());
    }
    // One that is in the list under another name keeps that, and so stays.
    removal.images.retain(|id| !staying.contains(id));
    removal.layers.retain(|id| !mounted.contains(id));
    pruned.names.sort();
    if mode == Mode::DryRun {
        return Ok(pruned);
    }
    let removed = remove(&host.root, &target.path, &removal)?;
    pruned.images = removed.images.len();
    pruned.layers = removed.layers.len();
    record.images.retain(|copied| !going.contains(copied));
    for id in &removed.layers {
        record.layers.remove(id);
    }
    Ok(pruned)
}

/// What others have, outside of the records of the store itself.
#[derive(Debug, Default)]
struct Outside {
    /// Images that containers were made from.
    images: BTreeSet<String>,
    /// Layers that other stores' layers and images, and containers, build on.
    layers: BTreeSet<String>,
}

fn outside(host: &Host, target: &CopyTarget) -> anyhow::Result<Outside> {
    let layout = dependents::layout(host)?;
    let mut outside = Outside::default();
    let same = |path: &PathBuf| {
        let id = |path: &PathBuf| host.root.stat(path).ok().flatten().map(|stat| stat.id);
        *path == target.path || (id(path).is_some() && id(path) == id(&target.path))
    };
    for storage in &layout.storages {
        outside.images.extend(super::in_use::images_of_containers(host, storage)?);
        let listed = layout.stores.iter().map(PathBuf::from);
        for path in storage.parts.iter().cloned().chain(listed) {
            let unsure = |error: anyhow::Error| {
                let message =
                    format!("cannot determine what depends on the images: `{}`: {error:#}", host.show(&path));
                let hint = "repair that store, or remove it from the list with `storagectl remove-store`";
                Problem::new("dependents-unsure", message, hint)
            };
            let is_target = same(&path);
            let layers = store::layers(&host.root, &path, &storage.driver).map_err(unsure)?;
            let images = store::images(&host.root, &path, &storage.driver).map_err(unsure)?;
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
