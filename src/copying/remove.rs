//! Removing images of a store that somebody names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::artifacts::{self, is_meant};
use super::copy_record::CopyRecord;
use super::in_use::InUse;
use crate::inventory::{Reference, digests};
use crate::plan::{CommitMode, Host, refuse_own_storage};
use crate::problem::{Problem, total};
use crate::registry::repository;
use crate::store::builder::{RemovalRequest, StoreRecords, remove};
use crate::store::{StoredImage, awaited};
use crate::sys::FileKind;

/// What became of what was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemovedState {
    /// It was not there.
    Absent,
    /// The name went, and the image has others.
    Untagged,
    /// The image went with its last name.
    Removed,
    /// It stays, and why.
    Failed(Problem),
}

/// An image that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedLine {
    /// As it was named.
    pub reference: String,
    /// The id of the image that it means.
    pub id: Option<String>,
    /// The names that went.
    pub names: Vec<String>,
    /// What became of it.
    pub state: RemovedState,
    /// Whether it is an artifact.
    pub artifact: bool,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct RemoveReport {
    /// The store.
    pub store: PathBuf,
    /// What was named, in that order.
    pub lines: Vec<RemovedLine>,
    /// How many images went.
    pub images: usize,
    /// How many layers went with them.
    pub layers: usize,
    /// How many artifacts went.
    pub artifacts: usize,
    /// How many bytes both have by their records.
    pub bytes: u64,
}

/// Removes images from the additional image store at `store`.
///
/// As `podman rmi` does, a name takes the image with it only if it is the last; a digest or an
/// id takes it with all of its names. An image stays that a container was made from, or that an
/// image or a layer elsewhere builds on, and so does a layer that another needs.
///
/// # Errors
/// What makes the store one that is not written to, or what keeps from reading or writing it.
/// Why one image stays stands in its line.
pub fn remove_images(
    host: &Host,
    store: &Path,
    references: &[String],
    mode: CommitMode,
) -> anyhow::Result<RemoveReport> {
    is_ours_to_write(host, store)?;
    let mut lines = Vec::new();
    let mut names = BTreeSet::new();
    let removed = remove(&host.root, store, mode == CommitMode::DryRun, |records| {
        let in_use = InUse::read(host, store)?;
        let chosen = choose(records, references, &in_use);
        lines = chosen.lines;
        names.clone_from(&chosen.removal.names);
        Ok(RemovalRequest { needed: in_use.layers(), ..chosen.removal })
    })?;
    for line in lines.iter_mut().filter(|line| line.state == RemovedState::Untagged) {
        if line.id.as_ref().is_some_and(|id| removed.images.contains(id)) {
            line.state = RemovedState::Removed;
        }
    }
    if mode == CommitMode::Commit {
        let mut record = CopyRecord::read(host, store);
        let before = record.clone();
        let is_gone = |name: &String, id: &String| removed.images.contains(id) || names.contains(name);
        record.images.retain(|copied| !is_gone(&copied.name, &copied.id));
        record.imported.retain(|it| !is_gone(&it.image.name, &it.image.id));
        record.layers.retain(|id, _| !removed.layers.contains(id));
        if record != before {
            record.write(host, store, &before)?;
        }
    }
    let absent = lines.iter().filter(|line| line.state == RemovedState::Absent);
    let absent: Vec<&str> = absent.map(|line| line.reference.as_str()).collect();
    let gone = artifacts::remove(host, store, &absent, mode)?;
    for line in lines.iter_mut().filter(|line| line.state == RemovedState::Absent) {
        let mut meant = gone.artifacts.iter().filter(|it| is_meant(&line.reference, it)).peekable();
        if let Some(first) = meant.peek() {
            line.id = Some(first.digest.trim_start_matches("sha256:").to_owned());
            line.names = meant.filter_map(|artifact| artifact.name.clone()).collect();
            (line.state, line.artifact) = (RemovedState::Removed, true);
        }
    }
    Ok(RemoveReport {
        store: store.to_owned(),
        lines,
        images: removed.images.len(),
        layers: removed.layers.len(),
        artifacts: gone.artifacts.len(),
        bytes: total([removed.bytes, gone.bytes]),
    })
}

/// Refuses what is not a store of the overlay driver that somebody may change: an engine's own
/// storage, a store that is sealed, one on a read-only file system.
fn is_ours_to_write(host: &Host, store: &Path) -> anyhow::Result<()> {
    let shown = host.show(store);
    let refuse = |id, message: String, hint: &str| -> anyhow::Result<()> {
        Err(Problem::new(id, message, hint).into())
    };
    let sealed = "a sealed store is not changed: build it again without the image, and seal that";
    match host.root.stat(store).map_err(host.cannot("look at", store))? {
        None => {
            let hint = "`storagectl list-stores` shows the stores of this host";
            return refuse("store-missing", format!("the store `{shown}` does not exist"), hint);
        }
        Some(stat) if stat.kind != FileKind::Directory => {
            return refuse("store-not-directory", format!("`{shown}` is not a directory"), sealed);
        }
        Some(_) => {}
    }
    if let Some(path) = store.to_str() {
        refuse_own_storage(host, path).map_err(|error| match error.downcast::<Problem>() {
            Ok(problem) => {
                Problem { hint: "`podman rmi` removes images of engines' own".into(), ..problem }.into()
            }
            Err(error) => error,
        })?;
    }
    if awaited(&host.root, store).map_err(host.cannot("read", store))?.is_some() {
        return refuse(
            "store-malformed",
            format!("`{shown}` waits for a sealed store to be mounted"),
            sealed,
        );
    }
    if host.root.is_read_only(store).map_err(host.cannot("look at", store))? {
        let hint = match store.starts_with("/usr") {
            true => "remove the image where the operating system's image is built, with `--root`",
            false => sealed,
        };
        return refuse("read-only", format!("the store `{shown}` is on a read-only file system"), hint);
    }
    let images = store.join("overlay-images");
    if host.root.stat(&images).map_err(host.cannot("look at", &images))?.is_none() {
        let hint = "give the directory that holds `overlay-images`";
        return refuse("store-malformed", format!("`{shown}` is not a store of the overlay driver"), hint);
    }
    Ok(())
}

/// What shall go.
#[derive(Default)]
struct ChosenImages {
    lines: Vec<RemovedLine>,
    removal: RemovalRequest,
}

fn choose(records: &StoreRecords<'_>, references: &[String], in_use: &InUse) -> ChosenImages {
    let mut chosen = ChosenImages::default();
    let mut going: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for text in references {
        let mut line = RemovedLine {
            reference: text.clone(),
            id: None,
            names: Vec::new(),
            state: RemovedState::Absent,
            artifact: false,
        };
        match meant(records, text) {
            Ok(None) => {}
            Ok(Some((image, names))) => {
                let id = image.id.as_deref().unwrap_or_default();
                going.entry(id).or_default().extend(names.iter().cloned());
                (line.id, line.names, line.state) = (Some(id.to_owned()), names, RemovedState::Untagged);
            }
            Err(problem) => line.state = RemovedState::Failed(problem),
        }
        chosen.lines.push(line);
    }
    for (id, names) in going {
        let image = records.images.iter().rev().find(|image| image.id.as_deref() == Some(id));
        let image = image.expect("it was found there");
        let is_last = image.names.iter().flatten().all(|name| names.contains(name));
        if is_last && in_use.has(id, image.layer.as_deref()) {
            let lines = chosen.lines.iter_mut().filter(|line| line.id.as_deref() == Some(id));
            lines.for_each(|line| {
                let message = format!("the image `{}` is in use", line.reference);
                let hint =
                    "remove the containers that were made from it, and the images that are built on it";
                line.names.clear();
                line.state = RemovedState::Failed(Problem::new("image-in-use", message, hint));
            });
            continue;
        }
        chosen.removal.images.insert(id.to_owned());
        chosen.removal.names.extend(names);
        if is_last {
            chosen.removal.layers.extend(records.layers_of(image));
        }
    }
    chosen
}

/// The image of the store that `text` means, and the names that it is to lose.
fn meant<'a>(
    records: &StoreRecords<'a>,
    text: &str,
) -> Result<Option<(&'a StoredImage, Vec<String>)>, Problem> {
    let images = || records.images.iter().rev().copied();
    let reference = match Reference::among(text, images()) {
        Err(problem) if problem.id == "image-missing" => return Ok(None),
        reference => reference?,
    };
    let has = |image: &StoredImage, name: &str| image.names.iter().flatten().any(|one| one == name);
    let whole = |image: &'a StoredImage| (image, image.names.clone().unwrap_or_default());
    Ok(match &reference {
        Reference::Id(id) => images().find(|image| image.id.as_ref() == Some(id)).map(whole),
        Reference::Name(name) => match name.split_once('@') {
            None => images().find(|image| has(image, name)).map(|image| (image, vec![name.clone()])),
            Some((of, digest)) => {
                let is_of =
                    |image: &StoredImage| image.names.iter().flatten().any(|name| repository(name) == of);
                let digested = || images().find(|it| is_of(it) && digests(it).any(|one| one == digest));
                images().find(|image| has(image, name)).or_else(digested).map(whole)
            }
        },
    })
}
