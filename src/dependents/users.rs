//! The own storages of normal users, as root reads them.
//!
//! Whatever is in a home directory is that user's to write: no symlink in a storage is followed,
//! what is read has an end, and nothing in it says what a layer holds.

use std::path::Path;

use super::former::DRIVER;
use super::layout::{StorageLayout, layout_of};
use crate::engine::{Environment, Profile, ReadCache, View};
use crate::judgement::judge;
use crate::limits;
use crate::plan::{Host, User, users};
use crate::sys::FileKind;

/// A normal user who has storages.
pub(super) struct UserLayout {
    pub(super) user: User,
    /// Storages of this user's that are there, and the stores that this user's engines list.
    pub(super) layout: StorageLayout,
}

/// The normal users who have storages whose layers can be kept.
pub(super) fn user_layouts(host: &Host) -> Vec<UserLayout> {
    if host.config.is_some() || host.is_rootless() {
        return Vec::new();
    }
    let of = |user: User| layout_for(host, &user).map(|layout| UserLayout { user, layout });
    users(host).into_iter().filter_map(of).filter(|it| !it.layout.storages.is_empty()).collect()
}

/// Whether the home directory of a user can be looked into now.
pub(super) fn is_at_home(host: &Host, user: &User) -> bool {
    let home = || host.root.stat(&user.home).ok().flatten();
    !user.is_automounted
        && home().is_some_and(|stat| stat.kind == FileKind::Directory && stat.uid == user.uid)
}

fn layout_for(host: &Host, user: &User) -> Option<StorageLayout> {
    if !is_at_home(host, user) || !is_modest(host, user) {
        return None;
    }
    let home = user.home.to_str()?.to_owned();
    let environment = Environment::new(user.uid, [("HOME".to_owned(), home)]);
    // What a view remembers is one user's.
    let cache = ReadCache::default();
    let view = View::of(&host.root, &cache);
    let mut layout = layout_of(|profile: Profile| judge(&view, &environment, profile)).ok()?;
    if layout.stores.len() > limits::USERS_STORES {
        return None;
    }
    for storage in &mut layout.storages {
        storage.owner = Some(user.uid);
    }
    layout.storages.retain(|storage| {
        let is_there = |dir: &Path| storage.open(&host.root, dir).is_ok();
        storage.driver == DRIVER && storage.parts.iter().all(|dir| is_there(dir))
    });
    Some(layout)
}

/// Whether the user's own configuration is small enough to be parsed for somebody else.
fn is_modest(host: &Host, user: &User) -> bool {
    let dir = user.home.join(".config/containers");
    let drop_ins = dir.join("storage.conf.d");
    let names = host.root.list(&drop_ins).ok().flatten().unwrap_or_default();
    let files = names.iter().map(|name| drop_ins.join(name)).chain([dir.join("storage.conf")]);
    let size = |file: &Path| host.root.stat(file).ok().flatten().map_or(0, |stat| stat.size);
    files.map(|file| size(&file)).sum::<u64>() <= limits::USERS_DOCUMENT
}
