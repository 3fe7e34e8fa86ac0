//! A deep check in parts: each run reads as much as it may, and goes on where the last stopped.
//!
//! A round reads every layer, and every blob of an artifact, once. What was read is remembered in
//! a file ([`DeepRecord`]); the check itself is that of `deep`, which is told what to read.
//! First come what was damaged, with half of what may be read, what has changed or is new, and
//! then what was read longest ago, in the order of the stores and their records.

mod again;
mod record;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

pub use record::{DeepRecord, StoreRecord};

use super::finding::{StoreFinding, StoreReport};
use super::progress::Progress;
use super::store_set::StoreSet;
use super::{ATTEMPTS, CheckRequest, once};
use crate::problem::{Problem, Severity, total};
use crate::store::StoreStamps;
use crate::sys::Root;
use again::NotedFinding;
use record::{DeepRecordWriter, PartRecord, now};

/// How far a round is, of the stores that were asked for.
#[derive(Debug, Clone, Default)]
pub struct RoundProgress {
    /// When it began, in seconds since 1970.
    pub started: u64,
    /// How many layers, and blobs of artifacts, there are.
    pub parts: usize,
    /// How many of them were read in this round.
    pub parts_checked: usize,
    /// How many bytes they all have.
    pub bytes: u64,
    /// How many of those were read in this round.
    pub bytes_checked: u64,
    /// How many bytes this run has read.
    pub bytes_read: u64,
    /// When the one was read that was read longest ago, in seconds since 1970; `None` while there
    /// is one that never was.
    pub oldest: Option<u64>,
    /// What was read although it has more bytes than may be read.
    pub larger: Option<(String, u64)>,
    /// Why nothing of former runs was taken.
    pub begun_anew: Option<Problem>,
}

impl RoundProgress {
    /// Whether everything was read.
    pub fn is_complete(&self) -> bool {
        self.parts_checked == self.parts
    }
}

/// Something that is read as a whole: a layer, or a blob of an artifact.
#[derive(Debug)]
pub(super) struct DeepPart {
    /// The store, as its number.
    pub(super) home: usize,
    /// The id of a layer, or `artifacts/DIGEST`.
    pub(super) name: String,
    /// What is different once it was replaced.
    pub(super) identity: String,
    /// How many bytes it has, as far as that is known.
    pub(super) bytes: u64,
}

/// Why a part is read now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Because {
    /// Something was found, and the records changed while it was: it is looked again.
    Unsure,
    Damaged,
    Changed,
    /// It has its turn.
    Due,
}

/// A part that may be read, in the order in which that is done.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    because: Because,
    /// When it was read the last time.
    read: u64,
    /// Its number.
    pub(super) index: usize,
}

/// A run of a round.
pub(super) struct Round<'a> {
    budget: u64,
    writer: DeepRecordWriter<'a>,
    /// How many bytes were read of damaged parts, and of others.
    spent: (u64, u64),
    /// Whether anything else than damaged parts was read.
    has_got_on: bool,
    /// What something was found in, in this run.
    found_in: HashSet<(String, String)>,
    unsure: HashSet<(String, String)>,
    /// What was read in this run.
    done: HashSet<(String, String)>,
    began: bool,
    failed: Option<Problem>,
    progress: RoundProgress,
}

/// Reads at most `budget` bytes of the stores, or one layer, and remembers below `state` what was
/// read. Everything else is looked at as [`super::check`] does.
///
/// # Errors
/// A [`Problem`] if another such check is running, or what is read could not be noted. If that fails
/// later, it is something that could not be looked at, and nothing more is read.
pub fn check_within(
    root: &Root,
    request: &CheckRequest,
    budget: u64,
    state: &Path,
    progress: &Progress,
) -> Result<StoreReport, Problem> {
    let stamps = || StoreStamps::of(root, request.stores.iter().map(PathBuf::as_path));
    let mut before = stamps();
    let mut round = Round::open(root, budget, state)?;
    let mut report = StoreReport::default();
    for _ in 0..ATTEMPTS {
        report = once(root, request, progress, Some(&mut round));
        let is_well = report.findings.is_empty() && report.not_looked.is_empty();
        let now = stamps();
        if is_well || now == before || round.failed.is_some() {
            break;
        }
        before = now;
        round.look_again();
    }
    let (progress, failed) = round.end(request);
    report.round = Some(progress);
    // What was found is told all the same.
    failed.into_iter().for_each(|problem| report.could_not_look(problem));
    Ok(report)
}

impl<'a> Round<'a> {
    fn open(root: &'a Root, budget: u64, state: &Path) -> Result<Self, Problem> {
        let (writer, begun_anew) = DeepRecordWriter::open(root, state)?;
        Ok(Self {
            budget,
            writer,
            spent: (0, 0),
            has_got_on: false,
            found_in: HashSet::new(),
            unsure: HashSet::new(),
            done: HashSet::new(),
            began: false,
            failed: None,
            progress: RoundProgress { begun_anew, ..RoundProgress::default() },
        })
    }

    /// The parts that may be read now, in their order. What is damaged has a turn in each run, and
    /// one in its round as everything else.
    pub(super) fn order(&mut self, set: &StoreSet<'_>, parts: &[DeepPart]) -> Vec<Turn> {
        self.keep(set, parts);
        let mut turns = self.turns(set, parts);
        if !self.began && turns.iter().all(|turn| turn.because == Because::Damaged) {
            self.next_round(set);
            turns = self.turns(set, parts);
        }
        self.began = true;
        turns.sort();
        turns
    }

    fn turns(&self, set: &StoreSet<'_>, parts: &[DeepPart]) -> Vec<Turn> {
        let mut turns = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let key = key(set, part.home, &part.name);
            let store = &self.writer.record.stores[&key.0];
            let mut turn = |because, read| turns.push(Turn { because, read, index });
            match store.parts.get(&part.name) {
                _ if self.unsure.contains(&key) => turn(Because::Unsure, 0),
                _ if self.done.contains(&key) => {}
                Some(record) if record.identity == part.identity => {
                    if !record.is_sound() {
                        turn(Because::Damaged, 0);
                    }
                    if record.round != store.round {
                        turn(Because::Due, record.read);
                    }
                }
                _ => turn(Because::Changed, 0),
            }
        }
        turns
    }

    /// What is not there any more is forgotten.
    fn keep(&mut self, set: &StoreSet<'_>, parts: &[DeepPart]) {
        let mut names: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for (home, store) in set.stores.iter().enumerate().filter(|(_, store)| store.checked) {
            let layers = store.layers.iter().map(crate::store::StoredLayer::id);
            let blobs = parts.iter().filter(|part| part.home == home).map(|part| part.name.as_str());
            names.entry(key(set, home, "").0).or_default().extend(layers.chain(blobs));
            let begun = || StoreRecord { started: now(), ..StoreRecord::default() };
            let record = self.writer.record.stores.entry(key(set, home, "").0).or_insert_with(begun);
            let of_store = parts.iter().filter(|part| part.home == home);
            record.parts_in_all = of_store.clone().count();
            record.bytes_in_all = total(of_store.map(|part| part.bytes));
        }
        for (path, names) in names {
            let record = self.writer.record.stores.entry(path).or_default();
            record.parts.retain(|name, _| names.contains(name.as_str()));
        }
    }

    fn next_round(&mut self, set: &StoreSet<'_>) {
        for (home, _) in set.stores.iter().enumerate().filter(|(_, store)| store.checked) {
            let store = self.writer.record.stores.entry(key(set, home, "").0).or_default();
            store.round = store.round.wrapping_add(1);
            store.started = now();
        }
    }

    /// How many bytes this run reads of these parts, at most.
    pub(super) fn room<'p>(&self, parts: impl Iterator<Item = &'p DeepPart>) -> u64 {
        total(parts.map(|part| part.bytes)).min(self.budget)
    }

    /// Whether a part may be read: as long as that much is left, and one in each run that is not
    /// known to be damaged.
    pub(super) fn takes(&mut self, set: &StoreSet<'_>, part: &DeepPart, turn: &Turn) -> Takes {
        let (damaged, others) = self.spent;
        let key = key(set, part.home, &part.name);
        let fits = |spent: u64, budget: u64| spent.saturating_add(part.bytes) <= budget;
        match turn.because {
            _ if self.failed.is_some() => Takes::No,
            _ if self.done.contains(&key) => Takes::NotThis,
            Because::Unsure => Takes::Yes,
            Because::Damaged if fits(damaged, self.budget / 2) => Takes::Yes,
            Because::Damaged => Takes::NotThis,
            _ if fits(damaged.saturating_add(others), self.budget) => Takes::Yes,
            _ if self.has_got_on => Takes::No,
            _ => {
                if part.bytes > self.budget {
                    let name = part.name.strip_prefix(ARTIFACTS).unwrap_or(&part.name);
                    self.progress.larger = Some((name.to_owned(), part.bytes));
                }
                Takes::Yes
            }
        }
    }

    /// A part was read, of which that took `bytes`: what came of it is remembered.
    pub(super) fn read(
        &mut self,
        set: &StoreSet<'_>,
        part: &DeepPart,
        turn: &Turn,
        bytes: u64,
        report: Option<&StoreReport>,
    ) {
        let key = key(set, part.home, &part.name);
        if turn.because == Because::Damaged {
            self.spent.0 = self.spent.0.saturating_add(bytes);
        } else {
            self.spent.1 = self.spent.1.saturating_add(bytes);
            self.has_got_on = true;
        }
        self.unsure.remove(&key);
        self.done.insert(key.clone());
        let Some(report) = report else { return };
        let store = self.writer.record.stores.entry(key.0.clone()).or_default();
        let found = report.findings.iter().filter(|finding| finding.severity != Severity::Note);
        let record = PartRecord {
            identity: part.identity.clone(),
            bytes: part.bytes,
            round: store.round,
            read: now(),
            unread: report.not_looked.first().map(|problem| problem.message.clone()),
            found: found.map(NotedFinding::from).collect(),
        };
        if !record.found.is_empty() || record.unread.is_some() {
            self.found_in.insert(key);
        }
        store.parts.insert(part.name.clone(), record);
        if let Err(problem) = self.writer.note() {
            self.failed.get_or_insert(problem);
        }
    }

    /// Tells again what was found in parts that are not read now.
    pub(super) fn add_findings_again(
        &self,
        set: &StoreSet<'_>,
        read: &HashSet<(usize, String)>,
        report: &mut StoreReport,
    ) {
        for (home, _) in set.stores.iter().enumerate().filter(|(_, store)| store.checked) {
            let Some(store) = self.writer.record.stores.get(&key(set, home, "").0) else { continue };
            for (name, part) in &store.parts {
                if read.contains(&(home, name.clone())) {
                    continue;
                }
                let layer = (!name.starts_with(ARTIFACTS)).then_some(name.as_str());
                let again = part.found.iter().filter_map(|found| found.finding(set, home, layer, part.read));
                again.for_each(|finding: StoreFinding| report.add(finding));
                if let Some(why) = &part.unread {
                    let hint = "see whether the disk reports errors: `dmesg`, `smartctl`";
                    report.could_not_look(Problem::new("io", why.clone(), hint));
                }
            }
        }
    }

    /// What was found may never have been: it is read again.
    fn look_again(&mut self) {
        for key in self.found_in.drain() {
            self.done.remove(&key);
            self.unsure.insert(key);
        }
    }

    /// How far the round is, and why that could not be noted.
    fn end(mut self, request: &CheckRequest) -> (RoundProgress, Option<Problem>) {
        let record = &mut self.writer.record;
        record.ended = Some(now());
        // What engines do not have listed any more is forgotten with its store.
        let known: HashSet<String> =
            request.listed.iter().chain(&request.stores).map(|path| text(path)).collect();
        record.stores.retain(|path, _| known.contains(path));
        let failed = self.failed.or_else(|| self.writer.write().err());
        let asked: HashSet<String> = request.stores.iter().map(|path| text(path)).collect();
        let stores = self.writer.record.stores.iter().filter(|(path, _)| asked.contains(*path));
        let mut progress = self.progress;
        progress.bytes_read = self.spent.0.saturating_add(self.spent.1);
        let mut oldest = Some(u64::MAX);
        for (_, store) in stores {
            let (parts, bytes) = store.checked();
            progress.parts += store.parts_in_all;
            progress.bytes = progress.bytes.saturating_add(store.bytes_in_all);
            progress.parts_checked += parts;
            progress.bytes_checked = progress.bytes_checked.saturating_add(bytes);
            if store.parts_in_all > 0 {
                progress.started =
                    if progress.started == 0 { store.started } else { progress.started.min(store.started) };
                oldest = oldest.zip(store.oldest()).map(|(one, other)| one.min(other));
            }
        }
        progress.oldest = oldest.filter(|oldest| *oldest != u64::MAX);
        (progress, failed)
    }
}

/// Whether a part is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Yes,
    /// Another may be.
    NotThis,
    /// Nothing more is.
    No,
}

/// What the names of blobs begin with; no id of a layer does.
pub(super) const ARTIFACTS: &str = "artifacts/";

fn key(set: &StoreSet<'_>, home: usize, name: &str) -> (String, String) {
    (text(&set.stores[home].path), name.to_owned())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
