//! Finding the dependents of a host, and removing their records.

use std::path::PathBuf;

use super::array::{elements, without};
use super::backup::StorageBackup;
use super::find::{Dependent, DependentRecord, find};
use super::layout::{EngineStorage, StorageLayout, layout};
use super::own::{RecordFile, RecordKind, StoragePart, StorageRecord, read};
use super::stopped::{Locks, refuse_running};
use super::store_layers::{self, StoreLayers, UnreadableStore};
use crate::plan::{CommitMode, Host};
use crate::problem::Problem;
use crate::sys::{self, LockError, NewContent, ReplaceError};

/// What was found, and removed unless it was a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CleanReport {
    /// Each storage that held a dependent.
    pub storages: Vec<CleanedStorage>,
}

/// What was found in one storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanedStorage {
    /// The storage, inside the tree.
    pub graphroot: PathBuf,
    /// Its driver.
    pub driver: String,
    /// Containers that can never start again.
    pub containers: Vec<Dependent>,
    /// Images that no engine can use.
    pub images: Vec<Dependent>,
    /// Layers of those.
    pub layers: Vec<Dependent>,
    /// Where the records and all that belonged to them are now; none after a dry run.
    pub backups: Vec<PathBuf>,
}

/// Finds what builds on layers that no store has any more in the own storages of
/// this host's engines and, unless `mode` is a dry run, removes their records.
///
/// # Errors
/// A [`Problem`]: `dependents-unsure` if there are any and a listed store cannot
/// be read, `engine-runs`, `containers-mounted` or `busy` if the engines are not
/// stopped. Nothing is removed then.
pub fn clean_dependents(host: &Host, mode: CommitMode) -> anyhow::Result<CleanReport> {
    let layout = layout(host)?;
    let mut work = Vec::new();
    for storage in &layout.storages {
        // The other drivers know no additional stores.
        if !matches!(storage.driver.as_str(), "overlay" | "vfs") {
            continue;
        }
        let ExaminedStorage { found, .. } = examine(host, storage, &layout)?;
        let unfinished = mode == CommitMode::Commit && !StorageBackup::unfinished(host, storage)?.is_empty();
        if found.is_empty() && !unfinished {
            continue;
        }
        if mode == CommitMode::Commit {
            refuse_running(host, storage, &found)?;
        }
        work.push((storage, found));
    }
    let mut cleaned = CleanReport::default();
    for (storage, found) in work {
        let (found, backups) = match mode {
            CommitMode::DryRun => (found, Vec::new()),
            CommitMode::Commit => remove(host, storage, &layout)?,
        };
        if !found.is_empty() {
            cleaned.storages.push(CleanedStorage::new(storage, &found, backups));
        }
    }
    Ok(cleaned)
}

impl CleanReport {
    /// Leaves out dependents of which `is_out` holds.
    pub(super) fn leave_out(&mut self, is_out: impl Fn(&Dependent) -> bool) {
        self.storages.retain_mut(|storage| {
            let mut all = [&mut storage.containers, &mut storage.images, &mut storage.layers];
            all.iter_mut().for_each(|dependents| dependents.retain(|it| !is_out(it)));
            all.iter().any(|dependents| !dependents.is_empty())
        });
    }
}

impl CleanedStorage {
    fn new(storage: &EngineStorage, found: &[DependentRecord], backups: Vec<PathBuf>) -> Self {
        let of = |kind| {
            let found = found.iter().filter(|found| found.kind == kind);
            found.map(|found| found.dependent.clone()).collect()
        };
        Self {
            graphroot: storage.parts[0].clone(),
            driver: storage.driver.clone(),
            containers: of(RecordKind::Container),
            images: of(RecordKind::Image),
            layers: of(RecordKind::Layer),
            backups,
        }
    }
}

/// A storage, all listed stores, and what depends on layers that are in none of them.
pub(super) struct ExaminedStorage {
    pub(super) parts: Vec<StoragePart>,
    pub(super) layers_by_store: Vec<StoreLayers>,
    pub(super) found: Vec<DependentRecord>,
}

impl ExaminedStorage {
    /// The records of the storage.
    pub(super) fn records(&self) -> impl Iterator<Item = (RecordKind, &StorageRecord)> {
        let files = self.parts.iter().flat_map(|part| &part.files);
        files.flat_map(|file| file.records.iter().map(|record| (file.kind, record)))
    }

    /// Whether the storage has a record of the layer, or listed stores have one and its directory.
    pub(super) fn has_layer(&self, id: &str) -> bool {
        let stores = &self.layers_by_store;
        self.records().any(|(kind, record)| kind == RecordKind::Layer && record.id == id)
            || (stores.iter().any(|store| store.layers.contains_key(id))
                && stores.iter().any(|store| store.directories.contains(id)))
    }
}

/// Reads a storage and all listed stores, and finds the dependents.
///
/// A store that cannot be read can only make more look lost than is. So if
/// nothing is found without it, nothing would be found with it.
pub(super) fn examine(
    host: &Host,
    storage: &EngineStorage,
    layout: &StorageLayout,
) -> anyhow::Result<ExaminedStorage> {
    let parts = read(host, storage)?;
    let mut layers_by_store: Vec<StoreLayers> = Vec::new();
    let mut unreadable = None;
    for store in &layout.stores {
        match store_layers::read(&host.root, store, &storage.driver) {
            Ok(store_layers) => layers_by_store.push(store_layers),
            Err(why) => unreadable = unreadable.or(Some((store, why))),
        }
    }
    let found = find(&parts, &layers_by_store, &storage.driver);
    match unreadable {
        Some((store, unreadable)) if !found.is_empty() => Err(unsure(host, store, &unreadable).into()),
        _ => Ok(ExaminedStorage { parts, layers_by_store, found }),
    }
}

fn unsure(host: &Host, store: &str, unreadable: &UnreadableStore) -> Problem {
    let message = format!(
        "what depends on old stores is unknown: the listed store `{}` {}",
        host.show(store.as_ref()),
        unreadable.why
    );
    let hint = if unreadable.may_be_empty {
        format!("mount it, or mark it as intentionally empty with `storagectl init-store {store}`")
    } else {
        format!("mount or repair it; `storagectl remove-store {store}` removes it from the list for good")
    };
    Problem::new("dependents-unsure", message, hint)
}

/// Removes the dependents of one storage under the engines' locks. Returns what
/// was removed, and where to.
fn remove(
    host: &Host,
    storage: &EngineStorage,
    layout: &StorageLayout,
) -> anyhow::Result<(Vec<DependentRecord>, Vec<PathBuf>)> {
    let locks = Locks::take(host, storage)?;
    let parts = read(host, storage)?;
    for backup in StorageBackup::unfinished(host, storage)? {
        backup.resume(host, &parts)?;
    }
    // Now nothing changes any more.
    let ExaminedStorage { parts, found, .. } = examine(host, storage, layout)?;
    refuse_running(host, storage, &found)?;
    let mut backups = Vec::new();
    for index in 0..parts.len() {
        backups.extend(StorageBackup::make(host, storage, &parts, index, &found)?);
    }
    for kind in [RecordKind::Container, RecordKind::Image] {
        cut(host, &locks, &parts, &found, kind)?;
    }
    // A layer without a directory is no worse than one without its parent, and
    // one without a record is what some engines delete.
    for backup in &backups {
        backup.take_in(host, RecordKind::Layer)?;
    }
    cut(host, &locks, &parts, &found, RecordKind::Layer)?;
    for backup in &backups {
        backup.take_in(host, RecordKind::Image)?;
        backup.take_in(host, RecordKind::Container)?;
        backup.finish(host)?;
    }
    Ok((found, backups.into_iter().map(|backup| backup.dir).collect()))
}

/// Cuts the records of one kind out of their files.
fn cut(
    host: &Host,
    locks: &Locks,
    parts: &[StoragePart],
    found: &[DependentRecord],
    kind: RecordKind,
) -> anyhow::Result<()> {
    for (index, part) in parts.iter().enumerate() {
        for (number, file) in part.files.iter().enumerate() {
            let gone: Vec<usize> = found
                .iter()
                .filter(|found| found.kind == kind && found.at.0 == index && found.at.1 == number)
                .map(|found| found.at.2)
                .collect();
            if gone.is_empty() {
                continue;
            }
            let rest = rest(file, &gone)?;
            locks.mark_written(host, &part.dir, kind)?;
            write(host, part, file, &rest)?;
        }
    }
    Ok(())
}

/// The bytes of a record file without some records.
///
/// # Errors
/// A [`Problem`] `internal` if the other records would not be what they were.
fn rest(file: &RecordFile, gone: &[usize]) -> Result<Vec<u8>, Problem> {
    let rest = without(&file.bytes, &file.spans, gone);
    let kept = file.spans.iter().enumerate().filter(|(index, _)| !gone.contains(index));
    let kept = kept.map(|(_, span)| &file.bytes[span.clone()]);
    let is_same = elements(&rest).is_ok_and(|spans| spans.iter().map(|span| &rest[span.clone()]).eq(kept));
    if is_same {
        return Ok(rest);
    }
    Err(Problem::new(
        "internal",
        format!("removing records from `{}` would change other records", file.path.display()),
        "please report this, with that file; nothing was written to it",
    ))
}

fn write(host: &Host, part: &StoragePart, file: &RecordFile, bytes: &[u8]) -> Result<(), Problem> {
    let path = part.dir.join(&file.path);
    let at = host.root.resolve(&path).map_err(host.cannot("look at", &path))?;
    let busy =
        |message: String| Problem::new("busy", message, "stop what writes to that storage and try again");
    let _lock = sys::lock(&host.root, &at.dir, std::time::Duration::ZERO).map_err(|error| match error {
        LockError::Busy => busy(format!("another process keeps `{}` locked", host.show(at.parent()))),
        LockError::Io(error) => host.cannot("lock", at.parent())(error),
    })?;
    match sys::replace(&at.dir, at.name(), Some(&file.found), NewContent::File(bytes)) {
        Ok(_) => Ok(()),
        Err(ReplaceError::Io(doing, error)) => Err(host.cannot(doing, &path)(error)),
        Err(ReplaceError::Unsynced(error)) => Err(host.cannot("sync the directory of", &path)(error)),
        Err(ReplaceError::Changed | ReplaceError::Mounted) => {
            Err(busy(format!("`{}` was changed by another process", host.show(&path))))
        }
    }
}
