//! As much as a run of a round may read, one layer after the other.

use std::collections::{HashMap, HashSet};

use sha2::{Digest as _, Sha256};

use super::issues::Times;
use super::{BUFFER, Task, all_tasks, documents, findings, tally};
use crate::hex::hex;
use crate::images::Digest;
use crate::store::artifacts::StoredArtifact;
use crate::store::check::artifacts::{self, StoreArtifacts};
use crate::store::check::budget::{ARTIFACTS, DeepPart, Round, Takes};
use crate::store::check::finding::StoreReport;
use crate::store::check::progress::Progress;
use crate::store::check::store_set::StoreSet;
use crate::sys::Root;

/// What is read for a part.
enum PartWork<'a> {
    Layer(Task),
    Blob { of_store: &'a StoreArtifacts<'a>, artifact: &'a StoredArtifact, blob: &'a Digest, size: u64 },
}

/// Reads what `round` takes, and tells again what former runs found in the rest.
pub(in crate::store::check) fn check_part(
    set: &StoreSet<'_>,
    round: &mut Round<'_>,
    progress: &Progress,
    report: &mut StoreReport,
) {
    let tasks = all_tasks(set, report);
    let artifacts = artifacts::look(set, report);
    let (works, parts): (Vec<PartWork<'_>>, Vec<DeepPart>) = works(set, tasks, &artifacts).unzip();
    let order = round.order(set, &parts);
    progress.begin("checking", round.room(order.iter().map(|turn| &parts[turn.index])));
    let mut times: HashMap<usize, (Times, Times)> = HashMap::new();
    let mut buffer = vec![0; BUFFER];
    let mut read = HashSet::new();
    let mut assembled = HashSet::new();
    for turn in order {
        let index = turn.index;
        let part = &parts[index];
        match round.takes(set, part, &turn) {
            Takes::Yes => {}
            Takes::NotThis => continue,
            Takes::No => break,
        }
        let mut found = StoreReport::default();
        let bytes = match &works[index] {
            PartWork::Layer(task) => {
                layer(set, task, times.entry(part.home).or_default(), &mut buffer, progress, &mut found)
            }
            PartWork::Blob { of_store, artifact, blob, size } => {
                of_store.read(set, artifact, blob, progress, &mut found);
                *size
            }
        };
        report.assembled.0 += found.assembled.0;
        report.assembled.1 += found.assembled.1;
        if found.assembled.0 > 0 && found.not_looked.is_empty() {
            assembled.insert((part.home, part.name.clone()));
        }
        // What was replaced meanwhile is not what was read.
        let is_same = works[index].identity(set.root) == part.identity;
        round.read(set, part, &turn, bytes, is_same.then_some(&found));
        read.insert((part.home, part.name.clone()));
        found.findings.into_iter().for_each(|finding| report.add(finding));
        found.not_looked.into_iter().for_each(|problem| report.could_not_look(problem));
    }
    round.add_findings_again(set, &read, report);
    documents(set, report);
    let waiting: HashSet<(usize, &str)> = parts.iter().map(|part| (part.home, part.name.as_str())).collect();
    // What has no part is never read.
    let is_asked_for =
        |home, id: &str| assembled.contains(&(home, id.to_owned())) || !waiting.contains(&(home, id));
    tally::count(set, &assembled, Some(&is_asked_for), report);
}

fn works<'a>(
    set: &StoreSet<'_>,
    tasks: Vec<Task>,
    artifacts: &'a [StoreArtifacts<'a>],
) -> impl Iterator<Item = (PartWork<'a>, DeepPart)> {
    let layers = tasks.into_iter().map(|task| {
        let (home, name, bytes) = (task.home, task.id.clone(), task.size.unwrap_or_default());
        (PartWork::Layer(task), (home, name, bytes))
    });
    let blobs = artifacts.iter().flat_map(|of_store| {
        of_store.blobs().map(move |(artifact, blob, size)| {
            let work = PartWork::Blob { of_store, artifact, blob, size };
            (work, (of_store.home, format!("{ARTIFACTS}{blob}"), size))
        })
    });
    let mut seen = HashSet::new();
    layers.chain(blobs).filter(move |(_, (home, name, _))| seen.insert((*home, name.clone()))).map(
        |(work, (home, name, bytes))| {
            let identity = work.identity(set.root);
            (work, DeepPart { home, name, identity, bytes })
        },
    )
}

/// Assembles a layer, and tells what is wrong with it. Returns how many bytes were read.
fn layer(
    set: &StoreSet<'_>,
    task: &Task,
    times: &mut (Times, Times),
    buffer: &mut [u8],
    progress: &Progress,
    found: &mut StoreReport,
) -> u64 {
    match task.run(set.root, buffer, progress) {
        Ok(outcome) => {
            let bytes = outcome.bytes;
            found.assembled = (1, bytes);
            times.0 = times.0.and(outcome.issues.times);
            if !task.in_parts {
                times.1 = times.1.and(outcome.issues.other_times);
            }
            findings::add(set, task, outcome, (times.0.are_kept(), times.1.agree > 0), found);
            bytes
        }
        Err(error) => {
            found.could_not_look(set.could_not_look(&task.content, &error));
            task.size.unwrap_or_default()
        }
    }
}

impl PartWork<'_> {
    /// What is different once it was replaced. Engines change neither after they have made a layer.
    fn identity(&self, root: &Root) -> String {
        let changed = |path: &std::path::Path| format!("{:?}", root.changed(path).ok().flatten());
        let parts = match self {
            Self::Layer(task) => {
                let tar_split = task.tar_split.0.join(&task.tar_split.1);
                let stat = root.stat(&tar_split).ok().flatten().map(|stat| (stat.size, stat.mtime));
                format!("{} {:?} {} {stat:?}", task.digest, task.size, changed(&task.content))
            }
            Self::Blob { of_store, blob, size, .. } => {
                format!("{blob} {size} {}", changed(&of_store.place(blob)))
            }
        };
        hex(&Sha256::digest(parts))[..16].to_owned()
    }
}
