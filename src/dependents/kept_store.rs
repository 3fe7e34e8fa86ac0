//! The store of layers that were kept for normal users.
//!
//! Only root can write layers as they are, and root writes nothing into home directories. So what
//! normal users' containers need of a store that was replaced goes into one store of root's, which
//! is listed for everybody behind the others. Its images have no names, so nobody takes one of them
//! for the image of that name in another store.
//!
//! Engines before podman 6 read no list of the system's for normal users: those have their own,
//! and list the store themselves (`keep-layers`, run by that user). So it stays when nothing in it is
//! needed any more, empty: engines stop on a listed store that is gone.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::clean::ExaminedStorage;
use super::find::Dependent;
use super::former::DRIVER;
use super::keep::{KeptLayer, KeptStorage, dependents, examine_closely};
use super::layout::StorageLayout;
use super::names::write_in;
use super::own::RecordKind;
use super::users::{UserLayout, is_at_home};
use crate::conf::Position;
use crate::limits;
use crate::plan::{AddOptions, CommitMode, Host, add_stores, users};
use crate::problem::Problem;
use crate::store::builder::{RemovalRequest, StoreRecords, clean_up, remove};
use crate::store::short_id;

/// Where it is.
pub const KEPT_STORE: &str = "/var/lib/containers/kept-layers";

/// The users who needed something of it, in the store.
const FILE: &str = ".storagectl-users.json";

/// Normal users, by id.
#[derive(Debug, Default, Serialize, Deserialize)]
struct NotedUsers {
    version: u32,
    #[serde(default)]
    uids: BTreeSet<u32>,
}

/// Whether it is there, as a store: a run that was killed may have made its directories.
pub(super) fn exists(host: &Host) -> bool {
    let records = Path::new(KEPT_STORE).join(format!("{DRIVER}-layers/layers.json"));
    host.root.stat(&records).is_ok_and(|stat| stat.is_some())
}

/// The same layout with the store listed, if it is there.
pub(super) fn listed(host: &Host, layout: &StorageLayout) -> StorageLayout {
    let mut layout = unlisted(layout);
    layout.stores.extend(exists(host).then(|| KEPT_STORE.to_owned()));
    layout
}

/// The same layout without the store.
pub(super) fn unlisted(layout: &StorageLayout) -> StorageLayout {
    let mut layout = layout.clone();
    layout.stores.retain(|store| store != KEPT_STORE);
    layout
}

/// Lists the store behind all others, for this host or for the normal user whose it is.
fn list(host: &Host, mode: CommitMode) -> anyhow::Result<()> {
    let options =
        AddOptions { paths: vec![KEPT_STORE.to_owned()], position: Position::Last, ..AddOptions::default() };
    add_stores(host, &options, mode)?;
    host.forget_files();
    Ok(())
}

/// Sees to it that the users who need something of the store have it, and that it has nothing else.
pub(super) fn update_for_users(
    host: &Host,
    own: &StorageLayout,
    users: &[UserLayout],
    needing: BTreeSet<u32>,
) -> anyhow::Result<()> {
    if !needing.is_empty() {
        note(host, needing)?;
        if !own.stores.iter().any(|store| store == KEPT_STORE) {
            list(host, CommitMode::Commit)?;
        }
    }
    trim(host, own, users)
}

/// Lists the store for the normal user who runs this, if containers or images of this user need it.
pub(super) fn list_for_user(
    host: &Host,
    layout: &StorageLayout,
    mode: CommitMode,
) -> anyhow::Result<Vec<KeptStorage>> {
    let mut all = Vec::new();
    let with = listed(host, layout);
    for storage in layout.storages.iter().filter(|storage| storage.driver == DRIVER) {
        let looked = examine_closely(host, storage, layout)?;
        let found = dependents(&looked.found);
        if found.is_empty() {
            continue;
        }
        let still: Vec<Dependent> =
            examine_closely(host, storage, &with)?.found.into_iter().map(|it| it.dependent).collect();
        let is_lost = |it: &Dependent| still.iter().any(|other| other.id == it.id);
        let layers = |lost: bool| -> BTreeSet<&String> {
            found.iter().filter(|(_, it)| is_lost(it) == lost).map(|(_, it)| &it.lost_layer).collect()
        };
        let layer = |id: &&String| KeptLayer { id: (*id).clone(), from: KEPT_STORE.to_owned(), bytes: 0 };
        let not_kept = |id: &&String| {
            let message = format!("the layer `{}` is lost: no listed store has it", short_id(id));
            let hint = "`sudo storagectl keep-layers` keeps it where a former store has it; then run this again, \
                or remove what needs it with `storagectl clean-dependents`";
            Problem::new("layer-lost", message, hint)
        };
        let mut kept = KeptStorage {
            store: Some(KEPT_STORE.into()),
            layers: layers(false).iter().map(layer).collect(),
            not_kept: layers(true).iter().map(not_kept).collect(),
            ..KeptStorage::of(storage)
        };
        kept.add_working(found, is_lost);
        all.push(kept);
    }
    if all.iter().any(|storage| !storage.layers.is_empty()) {
        list(host, mode)?;
    }
    Ok(all)
}

/// Notes that these users need something of the store.
fn note(host: &Host, uids: BTreeSet<u32>) -> Result<(), Problem> {
    let mut noted = noted(host);
    let before = noted.uids.len();
    noted.uids.extend(uids);
    if noted.uids.len() == before {
        return Ok(());
    }
    let text = serde_json::to_string(&noted).expect("numbers can be written") + "\n";
    write_in(host, Path::new(KEPT_STORE), FILE, text.as_bytes())
}

/// What was noted; what cannot be read counts as nothing.
fn noted(host: &Host) -> NotedUsers {
    let file = Path::new(KEPT_STORE).join(FILE);
    let read = host.root.read_up_to(&file, limits::DOCUMENT).ok().flatten();
    let noted: Option<NotedUsers> = read.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok());
    noted.unwrap_or(NotedUsers { version: 1, uids: BTreeSet::new() })
}

/// Removes from the store what no storage needs, unless one may be out of sight.
fn trim(host: &Host, own: &StorageLayout, user_layouts: &[UserLayout]) -> anyhow::Result<()> {
    let users = users(host);
    let is_known = |uid: &u32| users.iter().any(|user| user.uid == *uid && is_at_home(host, user));
    if !noted(host).uids.iter().all(is_known) {
        return Ok(());
    }
    let of_users = user_layouts.iter().map(|it| &it.layout);
    let mut all = Vec::new();
    for layout in of_users.chain([own]) {
        let layout = listed(host, layout);
        for storage in layout.storages.iter().filter(|storage| storage.driver == DRIVER) {
            // What cannot be told may be needed.
            let Ok(looked) = examine_closely(host, storage, &layout) else { return Ok(()) };
            all.push(looked);
        }
    }
    let looked = all.as_slice();
    clean_up(&host.root, Path::new(KEPT_STORE))?;
    let choose = |records: &StoreRecords<'_>| {
        let images = needed_images(looked);
        let ids = records.images.iter().filter_map(|image| image.id.clone());
        Ok(RemovalRequest {
            names: BTreeSet::new(),
            images: ids.filter(|id| !images.contains(id.as_str())).collect(),
            layers: records.layers.keys().map(|&id| id.to_owned()).collect(),
            needed: needed_layers(looked),
        })
    };
    remove(&host.root, Path::new(KEPT_STORE), false, choose)?;
    Ok(())
}

/// The ids of the images that containers are of, or that a storage has a record of.
fn needed_images(looked: &[ExaminedStorage]) -> BTreeSet<&str> {
    let records = looked.iter().flat_map(ExaminedStorage::records);
    let images = records.filter_map(|(kind, record)| match kind {
        RecordKind::Container => record.image.as_deref(),
        RecordKind::Image => Some(record.id.as_str()),
        RecordKind::Layer => None,
    });
    images.collect()
}

/// The layers that a storage needs, also through layers of other stores.
fn needed_layers(looked: &[ExaminedStorage]) -> BTreeSet<String> {
    let stores = looked.iter().flat_map(|looked| &looked.layers_by_store);
    let parents: HashMap<&String, &Option<String>> = stores.flat_map(|store| &store.layers).collect();
    let mut needed = BTreeSet::new();
    for (_, record) in looked.iter().flat_map(ExaminedStorage::records) {
        let direct = [&record.layer, &record.parent].into_iter().flatten().chain(&record.mapped_layers);
        for id in direct {
            let mut next = Some(id);
            while let Some(id) = next.filter(|id| needed.insert((*id).clone())) {
                next = parents.get(id).and_then(|parent| parent.as_ref());
            }
        }
    }
    needed
}
