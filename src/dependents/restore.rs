//! Putting back what was removed, when the stores have again what it was built on: an update that was
//! rolled back.
//!
//! A layer's record comes before its directory, since some engines delete directories without a
//! record; images and containers come after them, each with its files first. A run that was killed
//! leaves a list, with which the next one finishes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::array::elements;
use super::backup::Restorable;
use super::clean::{ExaminedStorage, examine};
use super::find::Dependent;
use super::layout::{EngineStorage, StorageLayout};
use super::own::{FILES, RecordKind, StorageRecord};
use super::stopped::{Locks, refuse_running};
use crate::limits;
use crate::plan::{CommitMode, Host};
use crate::problem::Problem;

/// What was put back from one backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredBackup {
    /// The backup, inside the tree.
    pub backup: PathBuf,
    /// Containers that can start again.
    pub containers: Vec<Dependent>,
    /// Images that can be used again.
    pub images: Vec<Dependent>,
}

/// Puts back what was removed from a storage and is whole again, a backup as a whole or not at all.
///
/// # Errors
/// A [`Problem`] if engines are not stopped, or something cannot be moved back.
pub(super) fn restore(
    host: &Host,
    storage: &EngineStorage,
    layout: &StorageLayout,
    mode: CommitMode,
) -> anyhow::Result<Vec<RestoredBackup>> {
    let mut all = Vec::new();
    for backup in Restorable::all(host, storage)? {
        if !backup.is_begun && !is_whole(&backup, &examine(host, storage, layout)?) {
            continue;
        }
        if mode == CommitMode::Commit {
            refuse_running(host, storage, &[])?;
            put_back(host, storage, &backup, &Locks::take(host, storage)?)?;
        }
        let Restorable { dir, list, .. } = backup;
        all.push(RestoredBackup { backup: dir, containers: list.containers, images: list.images });
    }
    Ok(all)
}

/// Whether the layers that were lost are there again, and nothing has the place of what was removed.
fn is_whole(backup: &Restorable, looked: &ExaminedStorage) -> bool {
    let list = &backup.list;
    let removed = || list.containers.iter().chain(&list.images).chain(&list.layers);
    let ids: BTreeSet<&String> = removed().map(|it| &it.id).collect();
    let names: BTreeSet<&String> = removed().flat_map(|it| &it.names).collect();
    let files = looked.parts.iter().flat_map(|part| &part.files);
    let mut records = files.flat_map(|file| &file.records);
    removed().next().is_some()
        && removed().all(|it| looked.has_layer(&it.lost_layer))
        && !records.any(|it| ids.contains(&it.id) || it.names.iter().any(|name| names.contains(name)))
}

fn put_back(host: &Host, storage: &EngineStorage, backup: &Restorable, locks: &Locks) -> anyhow::Result<()> {
    backup.begin(host)?;
    let insert = |kind| insert(host, storage, backup, locks, kind);
    insert(RecordKind::Layer)?;
    backup.move_back(host, RecordKind::Layer)?;
    for kind in [RecordKind::Image, RecordKind::Container] {
        backup.move_back(host, kind)?;
        insert(kind)?;
    }
    backup.end(host)?;
    Ok(())
}

/// Adds the records of one kind that were removed to the files that they stood in.
fn insert(
    host: &Host,
    storage: &EngineStorage,
    backup: &Restorable,
    locks: &Locks,
    kind: RecordKind,
) -> anyhow::Result<()> {
    let removed = match kind {
        RecordKind::Container => &backup.list.containers,
        RecordKind::Image => &backup.list.images,
        RecordKind::Layer => &backup.list.layers,
    };
    let ids: BTreeSet<&str> = removed.iter().map(|it| it.id.as_str()).collect();
    for (_, name) in FILES.iter().filter(|(of, _)| *of == kind) {
        let path = Path::new(&format!("{}-{}", storage.driver, kind.directory())).join(name);
        let (copy, file) = (backup.copy(&path), backup.part.join(&path));
        let read = |path: &Path| {
            let bytes = host.root.read_up_to(path, limits::RECORDS).map_err(host.cannot("read", path))?;
            Ok::<_, Problem>(bytes.map(|(bytes, _)| bytes))
        };
        let Some(before) = read(&copy)? else { continue };
        let now = read(&file)?.unwrap_or_default();
        let added = with_records(&now, &before, &ids).map_err(|error| {
            let message = format!("`{}` is malformed: {error}", host.show(&file));
            Problem::new("records-malformed", message, "restore it, or remove the backup")
        })?;
        if let Some(added) = added {
            locks.mark_written(host, &backup.part, kind)?;
            let write =
                || host.root.create_empty(&file, 0o600).and_then(|()| host.root.replace_file(&file, &added));
            write().map_err(host.cannot("write", &file))?;
        }
    }
    Ok(())
}

/// The records of `now` and, behind them, those of `before` with these ids that it does not have, byte
/// for byte; `None` if there are none.
fn with_records(
    now: &[u8],
    before: &[u8],
    ids: &BTreeSet<&str>,
) -> Result<Option<Vec<u8>>, serde_json::Error> {
    let records = |text: &[u8]| -> Result<Vec<(String, std::ops::Range<usize>)>, serde_json::Error> {
        let spans = elements(text)?.into_iter();
        spans
            .map(|span| Ok((serde_json::from_slice::<StorageRecord>(&text[span.clone()])?.id, span)))
            .collect()
    };
    let there = records(now)?;
    let is_missing = |id: &String| ids.contains(id.as_str()) && !there.iter().any(|(other, _)| other == id);
    let missing: Vec<&[u8]> = records(before)?
        .into_iter()
        .filter(|(id, _)| is_missing(id))
        .map(|(_, span)| &before[span])
        .collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let missing = missing.join(&b","[..]);
    Ok(Some(match there.last() {
        Some((_, last)) => [&now[..last.end], b",", &missing, &now[last.end..]].concat(),
        None => [b"[", &missing[..], b"]"].concat(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_records_come_behind_those_that_are_there_as_they_were() {
        let with = |now: &str, before: &str, ids: &[&str]| {
            let added = with_records(now.as_bytes(), before.as_bytes(), &ids.iter().copied().collect());
            added.unwrap().map(|bytes| String::from_utf8(bytes).unwrap())
        };
        let before = r#"[{"id":"a", "n":1.50},{"id":"b"},{"id":"c"}]"#;
        assert_eq!(
            with(r#"[ {"id":"b"} ]"#, before, &["a"]).unwrap(),
            r#"[ {"id":"b"},{"id":"a", "n":1.50} ]"#
        );
        assert_eq!(with("", before, &["a", "c"]).unwrap(), r#"[{"id":"a", "n":1.50},{"id":"c"}]"#);
        assert_eq!(with(r#"[{"id":"a"}]"#, before, &["a"]), None);
        assert_eq!(with("[]", before, &["x"]), None);
    }
}
