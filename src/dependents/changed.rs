//! Whether a listed store has changed since the last boot.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::clean::{CleanReport, clean_dependents};
use super::keep::{KeepOptions, KeptStorage, keep_layers};
use super::layout::layout;
use super::restore::{RestoredBackup, restore};
use super::store_layers;
use crate::plan::{CommitMode, Host};
use crate::store::awaits_mount;

/// Where the stores of the last boot are noted. In /var, since the stores of the
/// present /usr are to be compared with those that the storage in /var was used with.
const FILE: &str = "/var/lib/storagectl/stores.json";

/// The stores, as they were when it was last looked.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stores {
    version: u32,
    stores: Vec<NotedStore>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct NotedStore {
    path: String,
    driver: String,
    /// `None` if it could not be read.
    digest: Option<String>,
}

/// What became of what builds on layers that no store has any more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BootOutcome {
    /// What was put back, since the stores have again what it was built on.
    pub restored: Vec<RestoredBackup>,
    /// What goes on working, since its layers were kept.
    pub kept: Vec<KeptStorage>,
    /// What was removed, since they could not be.
    pub cleaned: CleanReport,
}

/// What the boot service does: if the listed stores are others than at the last
/// boot, or hold something else, keeps layers that are gone and needed, removes what builds
/// on those that cannot be kept, and notes the stores as they are. `None` if they are the same.
///
/// If it fails, nothing is noted, so that the next boot tries again. So it is while the
/// engines' own storage, or what was noted, is on a file system that is not mounted.
///
/// # Errors
/// Those of [`clean_dependents`], and a [`crate::problem::Problem`] if the stores
/// cannot be noted.
pub fn at_boot(host: &Host, mode: CommitMode) -> anyhow::Result<Option<BootOutcome>> {
    if !host.root.is_tree() && is_elsewhere(host)? {
        return Ok(None);
    }
    let file = Path::new(FILE);
    let now = fingerprint(host)?;
    // What cannot be read tells nothing, and is written anew.
    let before = host.root.read(file).ok().flatten();
    if before.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok()).as_ref() == Some(&now) {
        return Ok(None);
    }
    if mode == CommitMode::Commit {
        // Where nothing can be noted, nothing is removed either.
        let dir = file.parent().expect("the file is in a directory");
        host.root.create_dirs(dir, 0o755).map_err(host.cannot("create the directory", dir))?;
    }
    let layout = layout(host)?;
    let mut restored = Vec::new();
    for storage in layout.storages.iter().filter(|it| matches!(it.driver.as_str(), "overlay" | "vfs")) {
        restored.extend(restore(host, storage, &layout, mode)?);
    }
    let kept = keep_layers(host, &KeepOptions::default(), mode)?;
    let mut cleaned = clean_dependents(host, mode)?;
    if mode == CommitMode::DryRun {
        cleaned.leave_out(|it| kept.iter().any(|storage| storage.has(&it.lost_layer)));
    }
    if mode == CommitMode::Commit {
        let text = serde_json::to_string_pretty(&now).expect("strings can be written") + "\n";
        host.root.replace_file(file, text.as_bytes()).map_err(host.cannot("write", file))?;
    }
    Ok(Some(BootOutcome { restored, kept, cleaned }))
}

/// The stores that were listed at the last boot; what cannot be read tells nothing.
pub(super) fn noted_stores(host: &Host) -> Vec<String> {
    let noted = host.root.read(Path::new(FILE)).ok().flatten();
    let noted: Option<Stores> = noted.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok());
    noted.into_iter().flat_map(|noted| noted.stores).map(|store| store.path).collect()
}

/// The listed stores that held layers when it was last noted, and hold none now.
pub fn emptied(host: &Host) -> Vec<String> {
    let noted = host.root.read(Path::new(FILE)).ok().flatten();
    let noted: Option<Stores> = noted.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok());
    let Some(noted) = noted else { return Vec::new() };
    let mut emptied = Vec::new();
    for store in noted.stores.into_iter().filter(|store| store.digest.is_some()) {
        let is_emptied = match store_layers::read(&host.root, &store.path, &store.driver) {
            Ok(now) => now.layers.is_empty() && Some(now.digest) != store.digest,
            Err(unreadable) => unreadable.may_be_empty,
        };
        if is_emptied && !emptied.contains(&store.path) {
            emptied.push(store.path);
        }
    }
    emptied
}

fn is_elsewhere(host: &Host) -> anyhow::Result<bool> {
    let layout = layout(host)?;
    let parts = layout.storages.iter().flat_map(|storage| &storage.parts);
    for path in parts.map(PathBuf::as_path).chain([Path::new(FILE)]) {
        if awaits_mount(&host.root, path).map_err(host.cannot("look for the mounts of", path))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn fingerprint(host: &Host) -> anyhow::Result<Stores> {
    let layout = layout(host)?;
    let mut drivers: Vec<&String> = layout.storages.iter().map(|storage| &storage.driver).collect();
    drivers.sort();
    drivers.dedup();
    let mut stores = Vec::new();
    for path in &layout.stores {
        for driver in &drivers {
            let digest =
                store_layers::read(&host.root, path, driver).ok().map(|store_layers| store_layers.digest);
            stores.push(NotedStore { path: path.clone(), driver: (*driver).clone(), digest });
        }
    }
    Ok(Stores { version: 1, stores })
}
