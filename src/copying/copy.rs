//! Copying what is not there.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::artifacts;
use super::copy_record::CopyRecord;
use super::listing::Listing;
use super::main_storage::{listed, main_storage};
use super::presence::{CopyTarget, Presence};
use super::prune::{Pruned, prune};
use super::run::CopyRun;
use super::wanted;
use crate::embedded::ImageList;
use crate::images::Image;
use crate::plan::{CommitMode, Host, PlanOutcome, driver_in_force};
use crate::problem::Problem;
use crate::store::builder;
use crate::store::store_path;
use crate::sys::FreeSpace;

/// How much is done at a time, and at most.
#[derive(Debug, Clone, Copy)]
pub struct CopyLimits {
    /// How many layers are worked on at a time.
    pub jobs: usize,
    /// How often images are tried again that could not be copied for a reason that may pass.
    pub retries: u32,
    /// The most bytes that a layer may have when it is decompressed.
    pub limit: u64,
}

impl Default for CopyLimits {
    fn default() -> Self {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        Self { jobs, retries: 2, limit: 16 << 30 }
    }
}

/// What to copy, and where to.
#[derive(Debug, Clone)]
pub struct CopyOptions {
    /// The directory with the list.
    pub source: PathBuf,
    /// The additional image store to copy to; the engines' own storage if not given.
    pub store: Option<PathBuf>,
    /// The storage whose directory `artifacts` gets artifacts; that of the images if not given.
    pub artifact_store: Option<PathBuf>,
    /// How much at a time.
    pub limits: CopyLimits,
    /// References without which nothing is well.
    pub required: Vec<String>,
    /// Whether images of former lists are removed.
    pub prune: bool,
}

/// What became of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyState {
    /// It was there.
    Present,
    /// It is there now, or in a dry run would be.
    Copied,
    /// It is not: an image that was imported has its name.
    Replaced,
    /// It is not, and why.
    Failed(Problem),
}

/// An image of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyLine {
    /// Its reference.
    pub reference: String,
    /// Its id, if that is known.
    pub id: Option<String>,
    /// How many bytes it takes at least, beyond what is there and what images before it bring.
    pub bytes: u64,
    /// What became of it.
    pub state: CopyState,
    /// Whether it is required.
    pub required: bool,
    /// Whether it is an artifact.
    pub artifact: bool,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct CopyReport {
    /// Where the images are.
    pub store: PathBuf,
    /// The images, in the order of the list.
    pub lines: Vec<CopyLine>,
    /// What is odd in the list, and what is there and cannot be verified.
    pub remarks: Vec<Problem>,
    /// What was removed.
    pub pruned: Pruned,
    /// Why nothing was removed, if that was asked for and could not be done.
    pub not_pruned: Option<Problem>,
    /// What became of storage.conf, if the images are in a store of their own.
    pub outcome: Option<PlanOutcome>,
    /// Why skopeo had to copy, if it had to.
    pub foreign: Option<String>,
    /// What was free before, if that could be told.
    pub free: Option<FreeSpace>,
}

/// What happens while it goes on, for who waits.
#[derive(Debug, Clone, Copy)]
pub enum CopyEvent<'a> {
    /// There are so many bytes of blobs to read.
    Total(u64),
    /// So many more were read.
    Read(u64),
    /// This became of an image.
    Image(&'a CopyLine),
    /// These images do not fit into the bytes that are free when the others are there.
    LeftOut(&'a [&'a CopyLine], u64),
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
    options: &CopyOptions,
    mode: CommitMode,
    on_event: &(dyn Fn(CopyEvent<'_>) + Sync),
) -> anyhow::Result<CopyReport> {
    let mut list = ImageList::must_read(&host.root, &options.source)?;
    let mut remarks = list.remarks.clone();
    let unknown = options.required.iter().find(|reference| list.find(reference).is_none());
    if let Some(reference) = unknown {
        let message = format!("the required image `{reference}` is not in the list");
        return Err(Problem::new("required-missing", message, "embed it, or do not require it").into());
    }
    let mut target = target(host, options.store.as_deref())?;
    if let Some(path) = &options.artifact_store {
        target.artifacts = PathBuf::from(store_path(&OsString::from(path))?);
    }
    let listing = Listing::new(host, &target, mode)?;
    let artifacts = artifacts::take_artifacts(host, &options.source, &mut list);
    let wanted = wanted::read(host, &options.source, list, &options.required);
    let mut record = CopyRecord::read(host, &target.path);
    let before = record.clone();
    let readable: Vec<&Image> = wanted.iter().filter_map(|wanted| wanted.image.as_ref().ok()).collect();
    let presence = Presence::read(host, &target, &readable, options.limits.jobs, &mut record)?;
    remarks.extend(presence.unverified.iter().cloned());
    let mut copying = CopyRun {
        host,
        limits: options.limits,
        target: &target,
        presence,
        record,
        before: &before,
        embedded: None,
        on_event,
        lines: Vec::new(),
        listing,
    };
    let to_do = copying.look(&wanted)?;
    let free = host.root.free_space(&target.path).ok();
    if mode == CommitMode::DryRun {
        for index in copying.fit(&wanted, to_do).0 {
            copying.lines[index].state = CopyState::Copied;
        }
    } else {
        if target.foreign.is_none() {
            builder::clean_up(&host.root, &target.path)?;
        }
        copying.run(&wanted, to_do);
    }
    let CopyRun { mut lines, mut record, listing, .. } = copying;
    artifacts::copy(host, options, &target, &artifacts, mode, on_event, &mut lines);
    let is_there = host.root.stat(&target.path).map_err(host.cannot("look at", &target.path))?.is_some();
    let outcome = listing.finish(host, &target)?;
    for (line, wanted) in lines.iter().zip(&wanted) {
        if let (CopyState::Present | CopyState::Copied, Some(name), Some(id)) =
            (&line.state, wanted.name(), &line.id)
        {
            record.end_imports(name, id);
        }
    }
    let mut pruned = Pruned::default();
    let mut not_pruned = None;
    if options.prune && target.foreign.is_none() && is_there {
        let current = wanted.iter().filter_map(|wanted| {
            Some((wanted.name()?.to_owned(), wanted.image.as_ref().ok()?.config_digest.hex().to_owned()))
        });
        let mut current: BTreeSet<(String, String)> = current.collect();
        // An image that cannot be read now is in the list all the same.
        for line in wanted.iter().filter(|wanted| wanted.image.is_err()) {
            let same = record.images.iter().filter(|copied| copied.name == line.reference);
            current.extend(same.map(|copied| (copied.name.clone(), copied.id.clone())));
        }
        match prune(host, &target, &mut record, &current, mode).map_err(anyhow::Error::downcast) {
            Ok(done) => pruned = done,
            Err(Ok(problem)) => not_pruned = Some(problem),
            Err(Err(error)) => return Err(error),
        }
    }
    if options.prune {
        let unread = wanted.iter().filter(|wanted| wanted.image.is_err());
        let unread = unread.map(|wanted| wanted.reference.clone()).collect();
        match artifacts::prune(host, &target, &artifacts, &unread, mode) {
            Ok(names) => {
                pruned.names.extend(names);
                pruned.names.sort();
            }
            Err(problem) => not_pruned = not_pruned.or(Some(problem)),
        }
    }
    if mode == CommitMode::Commit && is_there && record != before {
        record.write(host, &target.path, &before)?;
    }
    let CopyTarget { path: store, foreign, .. } = target;
    Ok(CopyReport { store, lines, remarks, pruned, not_pruned, outcome, foreign, free })
}

/// Where the images shall go.
pub(super) fn target(host: &Host, store: Option<&Path>) -> anyhow::Result<CopyTarget> {
    let Some(path) = store else {
        let main = main_storage(host)?;
        if let Some(why) = main.foreign.as_ref().filter(|_| host.root.is_tree()) {
            let message = format!("images cannot be copied to the engines' own storage in a tree: {why}");
            let hint = "copy to a store of its own with --store, which needs no engine";
            return Err(Problem::new("skopeo-missing", message, hint).into());
        }
        return Ok(main);
    };
    let driver = driver_in_force(host)?;
    if driver != "overlay" {
        let message = format!("the storage driver of this host is {driver}");
        let hint = "only engines with the overlay driver read a store that is created here";
        return Err(Problem::new("store-malformed", message, hint).into());
    }
    let path = PathBuf::from(store_path(&OsString::from(path))?);
    let mut listed = listed(host);
    listed.retain(|other| *other != path);
    Ok(CopyTarget { artifacts: path.clone(), path, driver, own: false, listed, foreign: None })
}
