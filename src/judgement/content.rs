//! What engines meet when they open a store: its lock files and records.
//!
//! Root's engines stop on records that cannot be read, and where a lock file is missing and
//! cannot be made. Those of normal users also stop where they may not enter, read or make
//! something (seen with podman 4.3, 5.8 and 6.0; reading a directory needs no more than
//! searching it).

use std::path::{Path, PathBuf};

use super::{Case, shown};
use crate::conf::clean;
use crate::engine::{Effect, FileAt, Reason, Sourced};
use crate::problem::words;
use crate::store::{DriverStore, HarmEffect, StoredImage, images};
use crate::sys::Root;

pub(super) const USE: Effect =
    Effect::StopsUse("stops as soon as it uses an image", "stop as soon as they use an image");
/// Images are listed, and containers of them cannot start.
pub const RUN: Effect = Effect::StopsUse("cannot run its images", "cannot run its images");
const NOTHING: Effect = Effect::Loses("sees no image of it", "see no image of it");

pub(super) fn check(case: &Case<'_>, entry: &Sourced<String>, reasons: &mut Vec<Reason>) {
    let path = clean(&entry.value);
    let store = Path::new(&path);
    if case.root().is_none() || case.view.is_expected(&path) {
        return;
    }
    let about = |reason: Reason| reason.at(entry.origin.site().cloned()).about(path.clone());
    let Some(opened) = case.view.once(store, case.driver, DriverStore::new) else {
        return;
    };
    let closed = || if case.view.is_limited() { closed(case, store) } else { None };
    let unreadable = |error| closed().unwrap_or_else(|| unreadable(case, store, &words(error)));
    let made_by = match &opened.made_by {
        Ok(made_by) => made_by,
        Err(error) => return reasons.push(about(unreadable(error))),
    };
    let before = reasons.len();
    for harm in opened.harms.iter().flatten() {
        let effect = match harm.hits(case.profile()) {
            HarmEffect::Everything => Effect::Stops,
            HarmEffect::Layers | HarmEffect::Listing => USE,
            HarmEffect::NoImage => NOTHING,
            HarmEffect::Nothing => continue,
        };
        let message = format!("the store `{}` cannot be opened: {}", shown(case.view, store), harm.message);
        reasons.push(about(Reason::stops(harm.id, message, harm.hint.clone()).with(effect)));
    }
    if reasons.len() == before {
        reasons.extend(closed().map(about));
    }
    if reasons.len() > before {
        return;
    }
    match &opened.harms {
        Ok(_) => {}
        // vfs makes what is missing.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return reasons.push(about(unreadable(error))),
    }
    if *made_by != case.driver {
        let message = format!(
            "the store `{}` was created by the storage driver `{made_by}`, and engines use `{}`",
            shown(case.view, store),
            case.driver
        );
        let hint = "make it again with this driver: `storagectl build-store`, or `podman --storage-driver`";
        reasons.push(about(Reason::stops("driver-mismatch", message, hint).with(NOTHING)));
    }
}

fn unreadable(case: &Case<'_>, path: &Path, why: &str) -> Reason {
    Reason::stops(
        "store-unreadable",
        format!("the store `{}` cannot be read: {why}", shown(case.view, path)),
        "fix what the system reports",
    )
}

/// What a normal user's engine needs and may not have, in the order in which it asks.
fn closed(case: &Case<'_>, path: &Path) -> Option<Reason> {
    let part = |kind: &str| path.join(format!("{}-{kind}", case.driver));
    let (dir, layers) = (part("images"), part("layers"));
    let layer_dir = if case.driver == "vfs" { path.join("vfs/dir") } else { path.join(case.driver) };
    let mut needs: Vec<(PathBuf, Need, Effect)> = vec![
        (path.to_owned(), Need::Search, Effect::Stops),
        (dir.clone(), Need::Make, Effect::Stops),
        (dir.join("images.lock"), Need::Open, Effect::Stops),
        (dir.join("images.json"), Need::Read, Effect::Stops),
        (layers.clone(), Need::Make, USE),
        (layers.join("layers.lock"), Need::Open, USE),
        (layers.join("layers.json"), Need::Read, USE),
        (layer_dir, Need::Search, RUN),
    ];
    let ids = case.view.once(path, case.driver, ids);
    let manifest = |id: &String| (dir.join(id).join("manifest"), Need::Read, USE);
    needs.extend(ids.iter().flat_map(|ids| ids.iter()).map(manifest));
    let (part, _, effect) = needs.into_iter().find(|(path, need, _)| !need.is_met(case, path))?;
    let name = part.strip_prefix(path).map(Path::display).map(|it| it.to_string()).unwrap_or_default();
    let what = if name.is_empty() { String::new() } else { format!("`{name}` of ") };
    let shown = shown(case.view, path);
    Some(
        Reason::stops(
            "store-unreadable",
            format!("normal users may not read {what}the store `{shown}`"),
            format!(
                "`storagectl init-store {}` lets everybody read it; or list it for root alone, in /etc/containers/storage.rootful.conf.d",
                path.display()
            ),
        )
        .with(effect),
    )
}

/// The images of a store; none if that cannot be told.
fn ids(root: &Root, store: &Path, driver: &str) -> Vec<String> {
    let images: Vec<StoredImage> = images(root, store, driver).unwrap_or_default();
    images.into_iter().filter_map(|image| image.id).collect()
}

/// What an engine has to be able to do with a part of a store.
enum Need {
    /// Enter it, if it is there.
    Search,
    /// Enter it, or make it.
    Make,
    /// Read it, or make it; on a read-only file system it may be missing.
    Open,
    /// Read it, if it is there.
    Read,
}

impl Need {
    fn is_met(&self, case: &Case<'_>, path: &Path) -> bool {
        let access = case.view;
        match (access.find(path), self) {
            (FileAt::Closed(_), _) => false,
            (FileAt::Thing(stat), Self::Search | Self::Make) => access.may_search(path, &stat),
            (FileAt::Thing(stat), Self::Open | Self::Read) => access.may_read(path, &stat),
            (FileAt::Nothing, Self::Search | Self::Read) => true,
            (FileAt::Nothing, Self::Make | Self::Open) => {
                let parent = path.parent().unwrap_or(Path::new("/"));
                // That it cannot be made because of the file system is not about users.
                let read_only = access.is_read_only(parent);
                match access.find(parent) {
                    FileAt::Thing(stat) => read_only || access.may_create_in(parent, &stat),
                    FileAt::Nothing => true,
                    FileAt::Closed(_) => false,
                }
            }
        }
    }
}
