//! Where removed records, and what belonged to them, go.
//!
//! `storagectl-backup/<UTC time>/` in the part of the storage that they were in:
//! on the same file system, so that moving costs nothing. It holds `storage/`, a
//! tree like the storage's own with the record files as they were and all that
//! was moved, so that copying that back restores everything; and a list, called
//! `removing.json` until all is done and `removed.json` then. The list of a run
//! that was killed becomes `interrupted.json` once the next run has finished it.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::find::{Dependent, DependentRecord};
use super::former::link_in;
use super::layout::EngineStorage;
use super::own::{RecordKind, StoragePart};
use super::store_layers::home;
use super::timestamp;
use crate::limits;
use crate::plan::Host;
use crate::problem::Problem;
use crate::store::is_id;
use crate::sys::{STAGING, absent, rename};

const DIR: &str = "storagectl-backup";
const UNFINISHED: &str = "removing.json";
const FINISHED: &str = "removed.json";
const INTERRUPTED: &str = "interrupted.json";
const RESTORING: &str = "restoring.json";
const RESTORED: &str = "restored.json";

/// Something to be moved into the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Move {
    pub(super) kind: RecordKind,
    /// Whose it is.
    id: String,
    /// What, relative to the part of the storage.
    pub(super) path: PathBuf,
}

impl Move {
    /// Whether it stays in the storage, whoever has written the list.
    fn is_inside(&self) -> bool {
        let is_plain = |part| matches!(part, Component::Normal(_));
        is_id(&self.id) && self.path.components().all(is_plain)
    }
}

/// The list in a backup.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BackupList {
    version: u32,
    driver: String,
    pub(super) containers: Vec<Dependent>,
    pub(super) images: Vec<Dependent>,
    pub(super) layers: Vec<Dependent>,
    pub(super) moves: Vec<Move>,
}

impl BackupList {
    /// Reads the list in `file`; `None` if there is none for this storage. It is written whole or not
    /// at all; what somebody else made of it tells nothing.
    fn read(host: &Host, storage: &EngineStorage, file: &Path) -> Result<Option<Option<Self>>, Problem> {
        let read = host.root.read_up_to(file, limits::RECORDS).map_err(host.cannot("read", file))?;
        let Some((bytes, _)) = read else { return Ok(None) };
        let list = serde_json::from_slice::<Self>(&bytes).ok().filter(|list| list.driver == storage.driver);
        Ok(Some(list.map(|mut list| {
            list.moves.retain(Move::is_inside);
            list
        })))
    }
}

/// A backup of one part of a storage.
#[derive(Debug)]
pub(super) struct StorageBackup {
    part: PathBuf,
    /// Its own directory.
    pub(super) dir: PathBuf,
    moves: Vec<Move>,
}

impl StorageBackup {
    /// Makes a backup for what was found in the part with number `index`: copies
    /// the record files that are going to change, and writes the list. Everything
    /// is synced before this returns. `None` if nothing there changes or is moved.
    pub(super) fn make(
        host: &Host,
        storage: &EngineStorage,
        parts: &[StoragePart],
        index: usize,
        found: &[DependentRecord],
    ) -> Result<Option<Self>, Problem> {
        let part = &parts[index];
        let moves = moves(host, storage, parts, index, found)?;
        let here = |found: &&DependentRecord| found.at.0 == index;
        if moves.is_empty() && !found.iter().any(|found| here(&found)) {
            return Ok(None);
        }
        let all = part.dir.join(DIR);
        make_dir(host, &all)?;
        let mut writer = host.root.directory_writer(&all).map_err(host.cannot("open", &all))?;
        // It gets its name with its list, so that one without can be told from it.
        let mut staging = writer.staging().map_err(host.cannot("create a directory in", &all))?;
        let made = all.join(&staging.name);
        for (number, file) in part.files.iter().enumerate() {
            if found.iter().filter(here).any(|found| found.at.1 == number) {
                let copy = mirrored(host, &part.dir, &made, &file.path)?;
                host.root
                    .create_empty(&copy, file.found.mode)
                    .and_then(|()| host.root.replace_file(&copy, &file.bytes))
                    .map_err(host.cannot("write", &copy))?;
            }
        }
        let of = |kind| -> Vec<Dependent> {
            let found = found.iter().filter(here).filter(|found| found.kind == kind);
            found.map(|found| found.dependent.clone()).collect()
        };
        let list = BackupList {
            version: 1,
            driver: storage.driver.clone(),
            containers: of(RecordKind::Container),
            images: of(RecordKind::Image),
            layers: of(RecordKind::Layer),
            moves,
        };
        let text = serde_json::to_string_pretty(&list).expect("strings can be written") + "\n";
        // Not by its path: replacing a file locks its directory, which is locked already.
        let mut write = |text: &[u8]| {
            let file = staging.dir.create_file(UNFINISHED.as_bytes())?;
            file.write(text)?;
            file.sync()?;
            staging.dir.sync()
        };
        write(text.as_bytes()).map_err(host.cannot("write", &made.join(UNFINISHED)))?;
        let dir = new_name(host, &all)?;
        rename(&host.root, &part.dir, &made, &dir).map_err(host.cannot("rename", &made))?;
        staging.keep();
        Ok(Some(Self { part: part.dir.clone(), dir, moves: list.moves }))
    }

    /// Moves what belonged to the removed records of one kind.
    pub(super) fn take_in(&self, host: &Host, kind: RecordKind) -> Result<(), Problem> {
        for it in self.moves.iter().filter(|it| it.kind == kind) {
            let from = self.part.join(&it.path);
            if !is_there(host, &from)? {
                continue;
            }
            let to = mirrored(host, &self.part, &self.dir, &it.path)?;
            rename(&host.root, &self.part, &from, &to)
                .map_err(host.cannot("move into the backup what was at", &from))?;
        }
        Ok(())
    }

    /// Notes that all is done.
    pub(super) fn finish(&self, host: &Host) -> Result<(), Problem> {
        self.close(host, FINISHED)
    }

    fn close(&self, host: &Host, name: &str) -> Result<(), Problem> {
        let from = self.dir.join(UNFINISHED);
        rename(&host.root, &self.part, &from, &self.dir.join(name)).map_err(host.cannot("rename", &from))?;
        Ok(())
    }

    /// The backups of runs that were killed.
    pub(super) fn unfinished(host: &Host, storage: &EngineStorage) -> Result<Vec<Self>, Problem> {
        let mut backups = Vec::new();
        for (part, dir) in all(host, storage)? {
            if let Some(list) = BackupList::read(host, storage, &dir.join(UNFINISHED))? {
                backups.push(Self { part, dir, moves: list.map(|list| list.moves).unwrap_or_default() });
            }
        }
        Ok(backups)
    }

    /// Finishes the work of a run that was killed: moves what belonged to records
    /// that are gone. Those that are still there, the present run finds itself.
    pub(super) fn resume(mut self, host: &Host, parts: &[StoragePart]) -> Result<(), Problem> {
        self.moves.retain(|it| !is_recorded(parts, it.kind, &it.id, |_| false));
        for kind in [RecordKind::Layer, RecordKind::Image, RecordKind::Container] {
            self.take_in(host, kind)?;
        }
        self.close(host, INTERRUPTED)
    }
}

/// Each backup of a storage, with the part that it is of, the newest first.
fn all(host: &Host, storage: &EngineStorage) -> Result<Vec<(PathBuf, PathBuf)>, Problem> {
    let mut found = Vec::new();
    for part in &storage.parts {
        let all = part.join(DIR);
        let mut names = host.root.list(&all).map_err(host.cannot("read", &all))?.unwrap_or_default();
        names.retain(|name| !name.as_bytes().starts_with(STAGING.as_bytes()));
        names.sort();
        found.extend(names.iter().rev().map(|name| (part.clone(), all.join(name))));
    }
    Ok(found)
}

/// A backup of which nothing was put back yet, or not all.
#[derive(Debug)]
pub(super) struct Restorable {
    pub(super) part: PathBuf,
    /// Its own directory.
    pub(super) dir: PathBuf,
    pub(super) list: BackupList,
    /// Whether a run that was killed has begun to put it back.
    pub(super) is_begun: bool,
}

impl Restorable {
    /// Those of a storage, the newest first.
    pub(super) fn all(host: &Host, storage: &EngineStorage) -> Result<Vec<Self>, Problem> {
        let mut found = Vec::new();
        for (part, dir) in all(host, storage)? {
            for (name, is_begun) in [(RESTORING, true), (FINISHED, false)] {
                if let Some(Some(list)) = BackupList::read(host, storage, &dir.join(name))? {
                    found.push(Self { part: part.clone(), dir: dir.clone(), list, is_begun });
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Notes that it is being put back.
    pub(super) fn begin(&self, host: &Host) -> Result<(), Problem> {
        if self.is_begun { Ok(()) } else { self.rename_list(host, FINISHED, RESTORING) }
    }

    /// Notes that it was put back.
    pub(super) fn end(&self, host: &Host) -> Result<(), Problem> {
        self.rename_list(host, RESTORING, RESTORED)
    }

    fn rename_list(&self, host: &Host, from: &str, to: &str) -> Result<(), Problem> {
        let from = self.dir.join(from);
        rename(&host.root, &self.part, &from, &self.dir.join(to)).map_err(host.cannot("rename", &from))?;
        Ok(())
    }

    /// Where a file of the storage is in it.
    pub(super) fn copy(&self, path: &Path) -> PathBuf {
        self.dir.join("storage").join(path)
    }

    /// Moves back what belongs to records of one kind.
    pub(super) fn move_back(&self, host: &Host, kind: RecordKind) -> Result<(), Problem> {
        for it in self.list.moves.iter().filter(|it| it.kind == kind) {
            let (from, to) = (self.copy(&it.path), self.part.join(&it.path));
            if is_there(host, &from)? {
                rename(&host.root, &self.part, &from, &to).map_err(host.cannot("move back", &from))?;
            }
        }
        Ok(())
    }
}

/// Whether there is a record with this id, besides those at places that `gone` tells.
fn is_recorded(
    parts: &[StoragePart],
    kind: RecordKind,
    id: &str,
    gone: impl Fn((usize, usize, usize)) -> bool,
) -> bool {
    let files = parts.iter().enumerate().flat_map(|(part, files)| {
        files.files.iter().enumerate().map(move |(number, file)| (part, number, file))
    });
    files.filter(|(_, _, file)| file.kind == kind).any(|(part, number, file)| {
        let mut records = file.records.iter().enumerate();
        records.any(|(index, record)| record.id == id && !gone((part, number, index)))
    })
}

/// What there is in one part of the storage that belongs to what was found.
fn moves(
    host: &Host,
    storage: &EngineStorage,
    parts: &[StoragePart],
    index: usize,
    found: &[DependentRecord],
) -> Result<Vec<Move>, Problem> {
    let (part, driver) = (&parts[index], &storage.driver);
    let places: HashSet<_> = found.iter().map(|found| found.at).collect();
    let mut moves: Vec<Move> = Vec::new();
    for found in found {
        let id = &found.dependent.id;
        if !is_id(id) || is_recorded(parts, found.kind, id, |at| places.contains(&at)) {
            continue;
        }
        let beside = Path::new(&format!("{driver}-{}", found.kind.directory())).join(id);
        let mut paths = vec![beside.clone()];
        if found.kind == RecordKind::Layer {
            // Its directory may be in another part than its record.
            let own = home(driver).join(id);
            let link = link_in(&host.root, &part.dir.join(home(driver)), id);
            paths.extend(link.map(|link| home(driver).join("l").join(link)));
            paths.push(own);
            paths.push(beside.with_file_name(format!("{id}.tar-split.gz")));
        } else if found.at.0 != index {
            continue;
        }
        for path in paths {
            let is_there = is_there(host, &part.dir.join(&path))?;
            let it = Move { kind: found.kind, id: id.clone(), path };
            if is_there && !moves.contains(&it) {
                moves.push(it);
            }
        }
    }
    Ok(moves)
}

/// Whether something stands at `path`, a symlink too.
fn is_there(host: &Host, path: &Path) -> Result<bool, Problem> {
    let stat = absent(host.root.resolve_link(path)).and_then(|at| match at {
        Some(at) => host.root.stat_link(&at),
        None => Ok(None),
    });
    Ok(stat.map_err(host.cannot("look at", path))?.is_some())
}

/// A name in the directory of backups that nothing has.
fn new_name(host: &Host, all: &Path) -> Result<PathBuf, Problem> {
    let now = timestamp::now();
    for number in 1.. {
        let name = if number == 1 { now.clone() } else { format!("{now}-{number}") };
        let dir = all.join(name);
        if host.root.stat(&dir).map_err(host.cannot("look at", &dir))?.is_none() {
            return Ok(dir);
        }
    }
    unreachable!("there are enough numbers")
}

/// Where `path` of the part belongs in the backup at `dir`. The directories above
/// it are made with the modes that they have in the part, so that copying the
/// backup back changes none.
fn mirrored(host: &Host, part: &Path, dir: &Path, path: &Path) -> Result<PathBuf, Problem> {
    let storage = dir.join("storage");
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    for above in above {
        let like = part.join(above);
        let stat = host.root.stat(&like).map_err(host.cannot("look at", &like))?;
        let copy = storage.join(above);
        let mode = stat.map_or(0o700, |stat| stat.mode);
        host.root.create_dirs(&copy, mode).map_err(host.cannot("create the directory", &copy))?;
    }
    Ok(storage.join(path))
}

fn make_dir(host: &Host, dir: &Path) -> Result<(), Problem> {
    host.root.create_dirs(dir, 0o700).map_err(host.cannot("create the directory", dir))
}
