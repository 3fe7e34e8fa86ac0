//! Copying what is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::batch::batches;
use super::main_storage::{listed, main_storage};
use super::memory::{Copied, Mark, Memory};
use super::present::{Standing, Target};
use super::prune::{Pruned, prune};
use super::wanted::{self, Wanted};
use super::{in_use, skopeo};
use crate::images::{Image, Platform};
use crate::plan::{AddOptions, Host, Mode, Outcome, add_stores, effective_settings};
use crate::problem::Problem;
use crate::store::build::{self, Upkeep, ids};
use crate::store::store_path;

/// How long to wait before images are tried again; twice as long before each further time.
const DELAY: Duration = Duration::from_millis(500);

/// What to copy, and where to.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory with the list.
    pub source: PathBuf,
    /// The additional image store to copy to; the engines' own storage if not given.
    pub store: Option<PathBuf>,
    /// How many layers are worked on at a time.
    pub jobs: usize,
    /// How often images are tried again that could not be copied for a reason that may pass.
    pub retries: u32,
    /// The most bytes that a layer may have when it is decompressed.
    pub limit: u64,
    /// References without which nothing is well.
    pub required: Vec<String>,
    /// Whether images of former lists are removed.
    pub prune: bool,
}

/// What became of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It was there.
    Present,
    /// It is there now, or in a dry run would be.
    Copied,
    /// It is not, and why.
    Failed(Problem),
}

/// An image of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its reference.
    pub reference: String,
    /// Its id, if that is known.
    pub id: Option<String>,
    /// What became of it.
    pub state: State,
    /// Whether it is required.
    pub required: bool,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Report {
    /// Where the images are.
    pub store: PathBuf,
    /// The images, in the order of the list.
    pub lines: Vec<Line>,
    /// What is odd in the list.
    pub remarks: Vec<Problem>,
    /// What was removed.
    pub pruned: Pruned,
    /// Why nothing was removed, if that was asked for and could not be done.
    pub not_pruned: Option<Problem>,
    /// What became of storage.conf, if the images are in a store of their own.
    pub outcome: Option<Outcome>,
    /// Why skopeo had to copy, if it had to.
    pub foreign: Option<String>,
}

/// What happens while it goes on, for who waits.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// There are so many bytes of blobs to read.
    Total(u64),
    /// So many more were read.
    Read(u64),
    /// This became of an image.
    Image(&'a Line),
    /// Some images are tried again.
    Again(usize),
}

/// Copies the images of a list that are not there.
///
/// # Errors
/// What keeps all of them out: the list, the store, the engines' configuration. What is wrong
/// with one image stands in its line.
pub fn copy(
    host: &Host,
    options: &Options,
    mode: Mode,
    tell: &(dyn Fn(Event<'_>) + Sync),
) -> anyhow::Result<Report> {
    let list = wanted::list(host, &options.source)?;
    let remarks = list.remarks.clone();
    let unknown = options.required.iter().find(|reference| list.find(reference).is_none());
    if let Some(reference) = unknown {
        let message = format!("the required image `{reference}` is not in the list");
        return Err(Problem::new("required-missing", message, "embed it, or do not require it").into());
    }
    let (target, foreign) = target(host, options)?;
    let planned = match &options.store {
        Some(_) => Some(list_store(host, &target.path, Mode::DryRun)?),
        None => None,
    };
    let wanted = wanted::read(host, &options.source, list);
    let mut memory = Memory::read(host, &target.path);
    let before = memory.clone();
    let readable: Vec<&Image> = wanted.iter().filter_map(|wanted| wanted.image.as_ref().ok()).collect();
    let standing = Standing::read(host, &target, &readable, options.jobs, &mut memory)?;
    let mut copying = Copying {
        host,
        options,
        target: &target,
        standing,
        memory,
        tell,
        lines: Vec::new(),
        foreign: foreign.is_some(),
    };
    let to_do = copying.look(&wanted)?;
    if mode == Mode::DryRun {
        for index in to_do {
            copying.lines[index].state = State::Copied;
        }
    } else {
        if !copying.foreign {
            build::clean_up(&host.root, &target.path)?;
        }
        copying.run(&wanted, to_do);
    }
    let Copying { lines, mut memory, .. } = copying;
    let is_there = host.root.stat(&target.path).map_err(host.cannot("look at", &target.path))?.is_some();
    let outcome = match planned {
        Some(planned) if mode == Mode::Commit && is_there && !planned.plan.is_empty() => {
            Some(list_store(host, &target.path, mode)?)
        }
        planned => planned,
    };
    let mut pruned = Pruned::default();
    let mut not_pruned = None;
    if options.prune && foreign.is_none() && is_there {
        let current = wanted.iter().filter_map(|wanted| {
            Some((wanted.name()?.to_owned(), wanted.image.as_ref().ok()?.config_digest.hex().to_owned()))
        });
        let mut current: BTreeSet<(String, String)> = current.collect();
        // An image that cannot be read now is in the list all the same.
        for line in wanted.iter().filter(|wanted| wanted.image.is_err()) {
            let same = memory.images.iter().filter(|copied| copied.name == line.entry.reference);
            current.extend(same.map(|copied| (copied.name.clone(), copied.id.clone())));
        }
        match prune(host, &target, &mut memory, &current, mode).map_err(anyhow::Error::downcast) {
            Ok(done) => pruned = done,
            Err(Ok(problem)) => not_pruned = Some(problem),
            Err(Err(error)) => return Err(error),
        }
    }
    if mode == Mode::Commit && is_there && memory != before {
        memory.write(host, &target.path)?;
    }
    Ok(Report { store: target.path, lines, remarks, pruned, not_pruned, outcome, foreign })
}

/// Where the images shall go, and why skopeo has to copy them, if it has to.
fn target(host: &Host, options: &Options) -> anyhow::Result<(Target, Option<String>)> {
    let Some(path) = &options.store else {
        let main = main_storage(host)?;
        if let Some(why) = main.foreign.as_ref().filter(|_| host.root.is_tree()) {
            let message = format!("images cannot be copied to the engines' own storage in a tree: {why}");
            let hint = "copy to a store of its own with --store, which needs no engine";
            return Err(Problem::new("skopeo-missing", message, hint).into());
        }
        return Ok((main.target, main.foreign));
    };
    let settings = effective_settings(host)?;
    if settings.driver != "overlay" {
        let message = format!("the storage driver of this host is {}", settings.driver);
        let hint = "only engines with the driver overlay read a store that is made here";
        return Err(Problem::new("store-malformed", message, hint).into());
    }
    let path = PathBuf::from(store_path(&OsString::from(path))?);
    let mut listed = listed(host);
    listed.retain(|other| *other != path);
    Ok((Target { path, driver: settings.driver, own: false, listed }, None))
}

/// Lists the store as `add-store --init` does.
fn list_store(host: &Host, path: &Path, mode: Mode) -> anyhow::Result<Outcome> {
    let paths = vec![path.to_str().expect("a store's path is text").to_owned()];
    add_stores(host, &AddOptions { paths, init: true, ..AddOptions::default() }, mode)
}

struct Copying<'a> {
    host: &'a Host,
    options: &'a Options,
    target: &'a Target,
    standing: Standing,
    memory: Memory,
    tell: &'a (dyn Fn(Event<'_>) + Sync),
    lines: Vec<Line>,
    foreign: bool,
}

impl Copying<'_> {
    /// Makes a line of each image, and returns which are to be copied.
    fn look(&mut self, wanted: &[Wanted]) -> anyhow::Result<Vec<usize>> {
        let mut to_do = Vec::new();
        for (index, wanted) in wanted.iter().enumerate() {
            let reference = wanted.entry.reference.clone();
            let required = self.options.required.contains(&reference);
            let (id, state) = match &wanted.image {
                Err(problem) => (None, State::Failed(problem.clone())),
                Ok(image) => {
                    if !self.standing.has(self.host, self.target, image) {
                        to_do.push(index);
                    }
                    (Some(image.config_digest.hex().to_owned()), State::Present)
                }
            };
            self.lines.push(Line { reference, id, state, required });
        }
        self.refuse_mounted(wanted, &mut to_do)?;
        for line in self.lines.iter().filter(|line| matches!(line.state, State::Failed(_))) {
            (self.tell)(Event::Image(line));
        }
        Ok(to_do)
    }

    /// Leaves out images with damaged layers under a container that runs.
    fn refuse_mounted(&mut self, wanted: &[Wanted], to_do: &mut Vec<usize>) -> anyhow::Result<()> {
        if self.standing.damaged.is_empty() {
            return Ok(());
        }
        let mounted = in_use::mounted(self.host)?;
        to_do.retain(|&index| {
            let Ok(image) = &wanted[index].image else { return true };
            let is_stuck = |id: &String| self.standing.damaged.contains(id) && mounted.contains(id);
            let Some(layer) = ids(image).into_iter().find(is_stuck) else {
                return true;
            };
            let message =
                format!("the image {}: its layer `{layer}` is damaged, and a container uses it", image.title);
            let hint = "stop that container and run this again";
            let problem = Problem::new("containers-mounted", message, hint);
            self.lines[index].state = State::Failed(problem);
            false
        });
        // What others share with it is left alone as well.
        self.standing.damaged.retain(|id| !mounted.contains(id));
        Ok(())
    }

    fn run(&mut self, wanted: &[Wanted], mut to_do: Vec<usize>) {
        (self.tell)(Event::Total(self.bytes(wanted, &to_do)));
        for attempt in 0..=self.options.retries {
            if to_do.is_empty() {
                break;
            }
            if attempt > 0 {
                std::thread::sleep(DELAY * 2_u32.saturating_pow(attempt - 1));
                (self.tell)(Event::Again(to_do.len()));
            }
            let is_last = attempt == self.options.retries;
            let mut again = Vec::new();
            let all: Vec<&Image> =
                to_do.iter().map(|&index| wanted[index].image.as_ref().expect("it was read")).collect();
            for batch in batches(&all) {
                let batch: Vec<usize> = batch.into_iter().map(|place| to_do[place]).collect();
                let failed =
                    if self.foreign { self.by_skopeo(wanted, &batch) } else { self.natively(wanted, &batch) };
                for index in batch {
                    match failed.get(&index) {
                        Some(problem) if may_pass(problem) && !is_last => again.push(index),
                        Some(problem) => self.done(index, State::Failed(problem.clone())),
                        None => self.done(index, State::Copied),
                    }
                }
            }
            to_do = again;
        }
    }

    fn done(&mut self, index: usize, state: State) {
        self.lines[index].state = state;
        (self.tell)(Event::Image(&self.lines[index]));
    }

    /// How many bytes of blobs will be read, at least.
    fn bytes(&self, wanted: &[Wanted], to_do: &[usize]) -> u64 {
        let mut layers: BTreeMap<String, u64> = BTreeMap::new();
        for image in to_do.iter().filter_map(|&index| wanted[index].image.as_ref().ok()) {
            for (id, layer) in ids(image).into_iter().zip(&image.layers) {
                if !self.standing.has_layer(&id) || self.standing.damaged.contains(&id) {
                    layers.insert(id, layer.blob.size);
                }
            }
        }
        layers.values().sum()
    }

    /// Copies some images, and returns those that were not.
    fn natively(&mut self, wanted: &[Wanted], batch: &[usize]) -> BTreeMap<usize, Problem> {
        let of = |index: usize| wanted[index].image.as_ref().expect("it was read");
        let tell = self.tell;
        let options = build::Options {
            platform: Platform::host(),
            jobs: self.options.jobs,
            limit: self.options.limit,
            latest: None,
            sync: true,
        };
        let upkeep = Upkeep {
            own: self.target.own,
            keep_going: true,
            damaged: &self.standing.damaged,
            progress: &|bytes| tell(Event::Read(bytes)),
        };
        let images = batch.iter().map(|&index| of(index).clone()).collect();
        let added = match build::add(&self.host.root, images, &self.target.path, &options, &upkeep) {
            Ok(added) => added,
            Err(problem) => return batch.iter().map(|&index| (index, problem.clone())).collect(),
        };
        let failed: BTreeMap<&str, &Problem> =
            added.failed.iter().map(|(id, problem)| (id.as_str(), problem)).collect();
        let mut problems = BTreeMap::new();
        for &index in batch {
            let image = of(index);
            if let Some(problem) = failed.get(image.config_digest.hex()) {
                problems.insert(index, (*problem).clone());
                continue;
            }
            let layers = ids(image);
            for id in &layers {
                self.standing.damaged.remove(id);
                let mark = Mark::of(&self.host.root, &self.target.path, &self.target.driver, id);
                self.memory.layers.extend(mark.map(|mark| (id.clone(), mark)));
            }
            let name = image.names.first().expect("it was given one").to_string();
            self.memory.add(Copied { name, id: image.config_digest.hex().to_owned(), layers });
        }
        // Without it the next run looks closer, and that is all.
        if problems.len() < batch.len() {
            let _ = self.memory.write(self.host, &self.target.path);
        }
        problems
    }

    fn by_skopeo(&mut self, wanted: &[Wanted], batch: &[usize]) -> BTreeMap<usize, Problem> {
        let mut problems = BTreeMap::new();
        for &index in batch {
            let image = wanted[index].image.as_ref().expect("it was read");
            let directory = self.options.source.join(&wanted[index].entry.directory);
            if let Err(problem) = skopeo::copy(self.host, image, &directory) {
                problems.insert(index, problem);
            }
            let size = image.layers.iter().map(|layer| layer.blob.size).sum();
            (self.tell)(Event::Read(size));
        }
        problems
    }
}

/// Whether it may go well the next time: the system or an engine was in the way.
fn may_pass(problem: &Problem) -> bool {
    matches!(problem.id, "io" | "busy" | "skopeo-failed")
}
