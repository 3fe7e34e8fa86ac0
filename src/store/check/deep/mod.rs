//! Every byte: layers in parallel, then the documents of images.
//!
//! Memory is bounded by buffers: a layer's stream goes by in pieces, and of its
//! entries a number each is kept.

mod compare;
mod digests;
mod findings;
mod issues;
mod layer;
mod part;
mod tally;
mod values;
mod walk;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::CheckRequest;
use super::catalog::is_one_name;
use super::composefs::{self, Composefs};
use super::finding::StoreReport;
use super::followed::FollowedName;
use super::progress::Progress;
use super::store_set::StoreSet;
use crate::engine::Engines;
use crate::store::{IdMap, StoredLayer};
use crate::sys::{FileKind, Root, on_threads};
use compare::UnpackedBy;
use issues::Times;
use layer::{ExpectedLayer, LayerOutcome};

pub(super) use findings::TAMPERED;
pub(super) use part::check_part;

/// What came out of the layers of one store.
#[derive(Default)]
struct StoreOutcome {
    times: Times,
    other_times: Times,
    outcomes: Vec<(usize, LayerOutcome)>,
}

/// How much of a file is read at a time, in bytes.
const BUFFER: usize = 256 << 10;

/// A layer to assemble, with nothing borrowed from the records, which threads do not share.
struct Task {
    home: usize,
    id: String,
    digest: String,
    size: Option<u64>,
    tar_split: (PathBuf, String),
    content: PathBuf,
    parent: Option<PathBuf>,
    overlay: bool,
    owners: bool,
    in_parts: bool,
    uidmap: Vec<IdMap>,
    gidmap: Vec<IdMap>,
    root_mode: Option<u32>,
    /// Engines that use what is read.
    readers: Engines,
}

pub(super) fn check(
    set: &StoreSet<'_>,
    request: &CheckRequest,
    progress: &Progress,
    report: &mut StoreReport,
) {
    let mut tasks = all_tasks(set, report);
    tasks.retain(|task| request.layers.as_ref().is_none_or(|layers| layers.contains(&task.id)));
    // The largest first, so that none is left over for one thread at the end.
    tasks.sort_by_key(|task| std::cmp::Reverse(task.size.unwrap_or(u64::MAX)));
    progress.begin("checking", tasks.iter().filter_map(|task| task.size).sum());
    let outcomes = run(set.root, &tasks, request.jobs, progress);
    let mut by_store: Vec<StoreOutcome> = Vec::new();
    by_store.resize_with(set.stores.len(), Default::default);
    let mut read = HashSet::new();
    for (index, outcome) in outcomes {
        let task = &tasks[index];
        match outcome {
            Ok(outcome) => {
                // Whose headers make no sense was not compared with them.
                if outcome.not_tar.is_none() {
                    read.insert((task.home, task.id.clone()));
                }
                report.assembled.0 += 1;
                report.assembled.1 += outcome.bytes;
                let of_store = &mut by_store[task.home];
                of_store.times = of_store.times.and(outcome.issues.times);
                if !task.in_parts {
                    of_store.other_times = of_store.other_times.and(outcome.issues.other_times);
                }
                of_store.outcomes.push((index, outcome));
            }
            Err(error) => report.could_not_look(set.could_not_look(&task.content, &error)),
        }
    }
    for of_store in by_store {
        let times = (of_store.times.are_kept(), of_store.other_times.agree > 0);
        for (index, outcome) in of_store.outcomes {
            findings::add(set, &tasks[index], outcome, times, report);
        }
    }
    documents(set, report);
    let chosen = request.layers.as_ref().map(|layers| move |_: usize, id: &str| layers.contains(id));
    tally::count(set, &read, chosen.as_ref().map(|chosen| chosen as tally::AskedFor<'_>), report);
}

/// The documents of all images.
fn documents(set: &StoreSet<'_>, report: &mut StoreReport) {
    for (home, store) in set.stores.iter().enumerate().filter(|(_, store)| store.checked) {
        if let Err(error) = digests::check(set, home, report) {
            report.could_not_look(set.could_not_look(&store.images_dir(), &error));
        }
    }
}

/// The layers of all stores that can be assembled.
fn all_tasks(set: &StoreSet<'_>, report: &mut StoreReport) -> Vec<Task> {
    let mut all = Vec::new();
    for (home, store) in set.stores.iter().enumerate().filter(|(_, store)| store.checked) {
        match self::tasks(set, home, report) {
            Ok(tasks) => all.extend(tasks),
            Err(error) => report.could_not_look(set.could_not_look(&store.path, &error)),
        }
    }
    all
}

fn tasks(set: &StoreSet<'_>, home: usize, report: &mut StoreReport) -> io::Result<Vec<Task>> {
    let store = &set.stores[home];
    let dir = if store.driver == "vfs" { "vfs/dir" } else { store.driver.as_str() };
    // What a normal user's engine makes belongs to that user and to ids that are
    // mapped for it in ways that only that host knows.
    let owners = set.root.stat(&store.path.join(dir))?.is_some_and(|stat| stat.uid == 0);
    let mut seen = HashSet::new();
    let mut tasks = Vec::new();
    for layer in &store.layers {
        let id = layer.id();
        if !is_one_name(id) || !seen.insert(id) {
            continue;
        }
        let Some(digest) = set.digest(layer) else { continue };
        match task(set, home, layer, digest, owners) {
            Ok(Some(task)) => tasks.push(task),
            Ok(None) => {}
            Err(error) => report.could_not_look(set.could_not_look(&store.layer_dir(id), &error)),
        }
    }
    Ok(tasks)
}

/// What there is to do for a layer; nothing if its content is not laid out as usual.
fn task(
    set: &StoreSet<'_>,
    home: usize,
    layer: &StoredLayer,
    digest: String,
    owners: bool,
) -> io::Result<Option<Task>> {
    let store = &set.stores[home];
    let id = layer.id();
    if set.squashed().has(home, id) {
        return Ok(None);
    }
    let Some(at) = set.part_with(home, |store| store.layer_dir(id))? else {
        return Ok(None);
    };
    let content = set.stores[at].content_dir(id);
    let top = set.root.stat(&content)?;
    // What is missing has been told of; what comes from an additional layer store
    // or is looked at through composefs is laid out in another way.
    let has = |name: &str| -> io::Result<bool> {
        Ok(store.driver != "vfs" && set.root.stat(&set.stores[at].layer_dir(id).join(name))?.is_some())
    };
    if has("additionallayer")? || top.is_none_or(|stat| stat.kind != FileKind::Directory) {
        return Ok(None);
    }
    let composefs = match store.driver.as_str() {
        "vfs" => None,
        _ => Composefs::of_layer(set.root, &set.stores[at].layer_dir(id))?,
    };
    let readers = match composefs {
        Some(Composefs::Image) => return Ok(None),
        Some(Composefs::Damaged(_)) => composefs::readers_of_diff(),
        None => Engines::ALL,
    };
    let name = format!("{id}.tar-split.gz");
    let Some(records) = set.part_with(home, |store| store.layers_dir().join(&name))? else {
        return Ok(None);
    };
    let parent = layer.below().filter(|parent| is_one_name(parent));
    let root_mode = match parent.and_then(|parent| set.recorded(home, parent).map(|at| (at, parent))) {
        Some((at, parent)) => {
            let below = set.root.stat(&set.stores[at].content_dir(parent))?;
            // Where it is missing, that is told of it and not of this one.
            below.map(|stat| stat.mode)
        }
        None => None,
    };
    Ok(Some(Task {
        home,
        id: id.to_owned(),
        digest,
        // Where it is not said engines take it to be nothing.
        size: u64::try_from(layer.diff_size.unwrap_or_default()).ok(),
        tar_split: (set.stores[records].layers_dir(), name),
        content,
        parent: parent.map(|parent| store.content_dir(parent)),
        overlay: store.driver != "vfs",
        owners,
        in_parts: layer.is_partial(),
        uidmap: layer.uidmap.clone().unwrap_or_default(),
        gidmap: layer.gidmap.clone().unwrap_or_default(),
        root_mode,
        readers,
    }))
}

/// Does all tasks, `jobs` at a time.
fn run(
    root: &Root,
    tasks: &[Task],
    jobs: usize,
    progress: &Progress,
) -> Vec<(usize, io::Result<LayerOutcome>)> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::with_capacity(tasks.len()));
    on_threads(jobs.min(tasks.len()), || {
        let mut buffer = vec![0; BUFFER];
        while let Some((index, task)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            tasks.get(index).map(|task| (index, task))
        } {
            let outcome = task.run(root, &mut buffer, progress);
            outcomes.lock().expect("no thread panics while it holds this").push((index, outcome));
        }
    });
    let mut outcomes = outcomes.into_inner().expect("all threads have ended");
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes
}

impl Task {
    fn run(&self, root: &Root, buffer: &mut [u8], progress: &Progress) -> io::Result<LayerOutcome> {
        let vanished = || io::Error::new(io::ErrorKind::NotFound, "it disappeared while it was checked");
        let dir = root.subtree(&self.tar_split.0)?.ok_or_else(vanished)?;
        let top = dir.top()?;
        let tar_split =
            FollowedName::new(root, &top, &self.tar_split.0).file(OsStr::new(&self.tar_split.1))?;
        let Some(tar_split) = tar_split else {
            return Ok(LayerOutcome {
                damaged: Some("it is not a file".to_owned()),
                ..LayerOutcome::default()
            });
        };
        if tar_split.stat.size == 0 {
            return Ok(LayerOutcome { damaged: Some("it is empty".to_owned()), ..LayerOutcome::default() });
        }
        let content = root.subtree(&self.content)?.ok_or_else(vanished)?;
        let parent = match &self.parent {
            Some(parent) if !self.overlay => root.subtree(parent)?,
            _ => None,
        };
        let layout = UnpackedBy {
            overlay: self.overlay,
            parent: parent.as_ref(),
            owners: self.owners,
            in_parts: self.in_parts,
            privileged: rustix::process::geteuid().is_root(),
            uidmap: &self.uidmap,
            gidmap: &self.gidmap,
            root_mode: self.root_mode,
        };
        let expected = ExpectedLayer { digest: &self.digest, size: self.size };
        layer::read(&tar_split, &content, &layout, &expected, buffer, progress)
    }
}
