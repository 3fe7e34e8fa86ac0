//! The file that remembers what deep checks with a budget have read.
//!
//! It decides what is read first, and which findings are told again until their layer is read
//! again. Nothing else is believed of it: each round reads everything anew.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::again::NotedFinding;
use crate::limits;
use crate::problem::{Problem, Severity, words};
use crate::sys::{FileKind, Lock, LockError, NewContent, ReplaceError, Root, lock, replace};

/// The directory of the file, in that of what this program remembers. It is locked while a check
/// with a budget runs.
const DIRECTORY: &str = "deep-check";
const FILE: &str = "verified.json";

/// What was read in less time than this may have to be read again after a kill; what took longer
/// is noted as soon as it is read.
const NOTED_EVERY: Duration = Duration::from_secs(1);

/// What deep checks with a budget have read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeepRecord {
    version: u32,
    /// When the last of them ended, in seconds since 1970.
    pub ended: Option<u64>,
    /// Each store by its path inside the tree.
    pub stores: BTreeMap<String, StoreRecord>,
}

/// What was read of one store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreRecord {
    /// The number of the present round.
    pub(super) round: u64,
    /// When it began, in seconds since 1970.
    pub started: u64,
    /// How many layers, and blobs of artifacts, there were at the last run.
    pub parts_in_all: usize,
    /// How many bytes they have.
    pub bytes_in_all: u64,
    /// A layer by its id, the blob of an artifact as `artifacts/DIGEST`.
    pub(super) parts: BTreeMap<String, PartRecord>,
}

/// A layer, or a blob of an artifact, that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartRecord {
    /// What is different once it was replaced.
    pub(super) identity: String,
    pub(super) bytes: u64,
    /// The number of the round in which it was read.
    pub(super) round: u64,
    /// When it was read, in seconds since 1970.
    pub(super) read: u64,
    /// Why not all of it could be.
    pub(super) unread: Option<String>,
    /// What is wrong with it.
    pub(super) found: Vec<NotedFinding>,
}

impl PartRecord {
    pub(super) fn is_sound(&self) -> bool {
        self.unread.is_none() && self.found.iter().all(|found| found.severity != Severity::Error)
    }
}

impl StoreRecord {
    /// How many layers and blobs were read in this round, and their bytes.
    pub fn checked(&self) -> (usize, u64) {
        let read = self.parts.values().filter(|part| part.round == self.round);
        read.fold((0, 0), |(parts, bytes), part| (parts + 1, part.bytes.saturating_add(bytes)))
    }

    /// When the one that was read longest ago was, in seconds since 1970; `None` while there is one
    /// that never was.
    pub fn oldest(&self) -> Option<u64> {
        let read = self.parts.values().filter(|part| part.unread.is_none()).map(|part| part.read);
        (read.clone().count() >= self.parts_in_all).then(|| read.min())?
    }

    /// Whether nothing that was read is damaged or could not be read.
    pub fn is_sound(&self) -> bool {
        self.parts.values().all(PartRecord::is_sound)
    }
}

impl Default for DeepRecord {
    fn default() -> Self {
        Self { version: 1, ended: None, stores: BTreeMap::new() }
    }
}

impl DeepRecord {
    /// What is remembered below `state`; `None` if no check with a budget has run.
    ///
    /// # Errors
    /// `deep-check-record` if the file is not what was written, or others could have written it.
    pub fn read(root: &Root, state: &Path) -> Result<Option<Self>, Problem> {
        let file = state.join(DIRECTORY).join(FILE);
        let damaged = |why: String| {
            let message = format!("`{}` {why}", root.show(&file).display());
            let hint = "nothing has to be done: the next `check-store --deep --budget` begins anew";
            Problem::new("deep-check-record", message, hint).with(Severity::Warning)
        };
        let cannot = |error: io::Error| damaged(format!("cannot be read: {}", words(&error)));
        let there = crate::sys::absent(root.resolve_link(&file)).and_then(|at| match at {
            Some(at) => root.stat_link(&at),
            None => Ok(None),
        });
        let Some(stat) = there.map_err(cannot)? else {
            return Ok(None);
        };
        if stat.kind != FileKind::File {
            return Err(damaged("is not a file".to_owned()));
        }
        let own = rustix::process::geteuid().as_raw();
        if (stat.uid != 0 && stat.uid != own) || stat.mode & 0o022 != 0 {
            return Err(damaged("can be changed by other users".to_owned()));
        }
        let Some((bytes, _)) = root.read_up_to(&file, limits::DEEP_CHECK_RECORD).map_err(cannot)? else {
            return Ok(None);
        };
        let record: Self =
            serde_json::from_slice(&bytes).map_err(|error| damaged(format!("is malformed: {error}")))?;
        if record.version != 1 {
            return Err(damaged(format!("has the unknown version {}", record.version)));
        }
        Ok(Some(record))
    }
}

/// The file, locked, and what is in it.
pub(super) struct DeepRecordWriter<'a> {
    root: &'a Root,
    file: PathBuf,
    _lock: Lock,
    pub(super) record: DeepRecord,
    written: Instant,
}

impl<'a> DeepRecordWriter<'a> {
    /// Opens it, and makes its directory below `state`. Also returns what is wrong with the file,
    /// if nothing is taken from it for that reason.
    ///
    /// # Errors
    /// `busy` while another check has it; else the system's answer.
    pub(super) fn open(root: &'a Root, state: &Path) -> Result<(Self, Option<Problem>), Problem> {
        let dir = state.join(DIRECTORY);
        let file = dir.join(FILE);
        let shown = root.show(&dir).display().to_string();
        root.create_dirs(&dir, 0o755).map_err(Problem::cannot("create the directory", &shown))?;
        let at = root.resolve_link(&file).map_err(Problem::cannot("open", &shown))?;
        let lock = lock(root, &at.dir, Duration::ZERO).map_err(|error| match error {
            LockError::Busy => Problem::new(
                "busy",
                "another `check-store --deep --budget` is running",
                "wait until it is done; one is enough, since each goes on where the last stopped",
            ),
            LockError::Io(error) => Problem::io("lock", &shown, &error),
        })?;
        let (record, damaged) = match DeepRecord::read(root, state) {
            Ok(record) => (record.unwrap_or_default(), None),
            Err(problem) => {
                // Its owner and mode would be those of the new one.
                root.remove_file(&file).map_err(Problem::cannot("remove", root.show(&file).display()))?;
                (DeepRecord::default(), Some(problem))
            }
        };
        let writer = Self { root, file, _lock: lock, record, written: Instant::now() };
        // What could not be noted at the end need not be read.
        writer.write()?;
        Ok((writer, damaged))
    }

    /// Notes what has changed, unless that was done a moment ago.
    pub(super) fn note(&mut self) -> Result<(), Problem> {
        if self.written.elapsed() < NOTED_EVERY {
            return Ok(());
        }
        self.write()?;
        self.written = Instant::now();
        Ok(())
    }

    /// Writes the file anew.
    pub(super) fn write(&self) -> Result<(), Problem> {
        let shown = self.root.show(&self.file).display().to_string();
        let text = serde_json::to_string(&self.record).expect("all keys are strings") + "\n";
        let write = || {
            // It could not be read again.
            if text.len() as u64 > limits::DEEP_CHECK_RECORD {
                return Err(limits::too_large(limits::DEEP_CHECK_RECORD));
            }
            let at = self.root.resolve_link(&self.file)?;
            let old = self.root.stat_link(&at)?;
            match replace(&at.dir, at.name(), old.as_ref(), NewContent::File(text.as_bytes())) {
                Ok(_) => Ok(()),
                Err(ReplaceError::Io(_, error) | ReplaceError::Unsynced(error)) => Err(error),
                Err(ReplaceError::Changed | ReplaceError::Mounted) => {
                    Err(io::Error::from(io::ErrorKind::ResourceBusy))
                }
            }
        };
        write().map_err(Problem::cannot("write", &shown))
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
