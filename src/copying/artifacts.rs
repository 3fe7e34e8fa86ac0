//! Embedded artifacts, copied to where engines find them: beside the images, in the directory
//! `artifacts` of the storage. Any storage takes them as they are, whatever its driver.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use super::artifact_record::{ArtifactRecord, CopiedArtifact};
use super::copy::{CopyEvent, CopyLine, CopyOptions, CopyState};
use super::copy_record::FileStamp;
use super::presence::CopyTarget;
use super::run::{DELAY, may_pass};
use super::wanted::{check_digest, source_of};
use crate::embedded::{ImageList, ListEntry};
use crate::images::{ArtifactManifest, Digest, Name, Platform, read_artifact};
use crate::plan::{CommitMode, Host};
use crate::problem::Problem;
use crate::registry::{repository, without_tag};
use crate::store::artifacts::{self, ArtifactStore, NewArtifact, RemovedArtifacts, StoredArtifact};

/// As many digits of a digest as engines show, and as it takes to mean an artifact by it.
const SHORT: usize = 12;

/// An artifact that shall be there.
#[derive(Debug)]
pub(super) struct WantedArtifact {
    /// Its place in the list.
    place: usize,
    entry: ListEntry,
    /// The artifact, or why it cannot be copied.
    artifact: Result<EmbeddedArtifact, Problem>,
}

#[derive(Debug)]
struct EmbeddedArtifact {
    /// Its name, as engines look for it: with a tag or a digest, and not with both.
    name: String,
    digest: Digest,
    bytes: Vec<u8>,
    manifest: ArtifactManifest,
}

/// Takes the artifacts out of a list, whatever the list says of them: their manifests tell.
pub(super) fn take_artifacts(host: &Host, source: &Path, list: &mut ImageList) -> Vec<WantedArtifact> {
    let mut all = Vec::new();
    let mut place = 0;
    list.entries.retain(|entry| {
        let artifact = find(host, source, entry);
        let is_artifact = artifact.is_some();
        all.extend(artifact.map(|artifact| WantedArtifact { place, entry: entry.clone(), artifact }));
        place += 1;
        !is_artifact
    });
    all
}

/// The artifact of an entry. What is wrong with what may be an image is told as such.
fn find(host: &Host, source: &Path, entry: &ListEntry) -> Option<Result<EmbeddedArtifact, Problem>> {
    let name = Name::parse(&entry.reference).ok()?;
    let read = read_artifact(&host.root, &source_of(&host.root, source, entry, &name), &Platform::host());
    let artifact = read.ok()??;
    let embedded = check_digest(&name, artifact.list.as_deref(), &artifact.bytes).and_then(|()| {
        let manifest = artifact.manifest.map_err(|why| {
            let message = format!("the artifact `{name}` has a manifest that {why}");
            Problem::new("image-unsupported", message, "take it off the list: engines do not keep it")
        })?;
        let (name, digest) = (without_tag(name.as_str()), Digest::of(&artifact.bytes));
        Ok(EmbeddedArtifact { name, digest, bytes: artifact.bytes, manifest })
    });
    Some(embedded)
}

/// What a storage has, and what is known of it.
struct Artifacts<'a> {
    host: &'a Host,
    storage: &'a Path,
    store: Option<ArtifactStore>,
    stored: Vec<StoredArtifact>,
    record: RefCell<ArtifactRecord>,
}

/// Copies the artifacts that are not there, and puts their lines to their places among `lines`.
pub(super) fn copy(
    host: &Host,
    options: &CopyOptions,
    target: &CopyTarget,
    wanted: &[WantedArtifact],
    mode: CommitMode,
    on_event: &(dyn Fn(CopyEvent<'_>) + Sync),
    lines: &mut Vec<CopyLine>,
) {
    if wanted.is_empty() {
        return;
    }
    // What is wrong with the index is told when something is added to it.
    let store = ArtifactStore::open(&host.root, &target.artifacts).ok().flatten();
    let stored = store.as_ref().and_then(|store| store.artifacts().ok()).unwrap_or_default();
    let record = RefCell::new(ArtifactRecord::read(host, &target.artifacts));
    let artifacts = Artifacts { host, storage: &target.artifacts, store, stored, record };
    let mut to_do = Vec::new();
    for wanted in wanted {
        let required = options.required.contains(&wanted.entry.reference);
        let reference = wanted.entry.reference.clone();
        let (id, bytes, state) = match &wanted.artifact {
            Err(problem) => (None, 0, CopyState::Failed(problem.clone())),
            Ok(artifact) if artifacts.has(artifact) => (Some(&artifact.digest), 0, CopyState::Present),
            Ok(artifact) => {
                let bytes = artifacts.lacks(artifact);
                to_do.push((wanted, artifact, bytes));
                (Some(&artifact.digest), bytes, CopyState::Copied)
            }
        };
        let id = id.map(|digest| digest.hex().to_owned());
        lines.insert(
            wanted.place.min(lines.len()),
            CopyLine { reference, id, bytes, state, required, artifact: true },
        );
    }
    if mode == CommitMode::Commit {
        on_event(CopyEvent::Total(
            to_do.iter().fold(0, |sum: u64, (_, _, bytes)| sum.saturating_add(*bytes)),
        ));
        for (wanted, artifact, _) in to_do {
            if let Err(problem) = artifacts.bring(options, wanted, artifact, on_event) {
                lines[wanted.place].state = CopyState::Failed(problem);
            }
        }
        // Without it the next run looks closer, and that is all.
        let _ = artifacts.record.into_inner().write(host, &target.artifacts);
    }
    for line in wanted.iter().map(|wanted| &lines[wanted.place]) {
        if mode == CommitMode::Commit || matches!(line.state, CopyState::Failed(_)) {
            on_event(CopyEvent::Image(line));
        }
    }
}

impl Artifacts<'_> {
    /// Whether the storage has the artifact under its name, with every byte.
    fn has(&self, artifact: &EmbeddedArtifact) -> bool {
        let is_it = |stored: &StoredArtifact| {
            stored.name.as_ref() == Some(&artifact.name)
                && stored.digest == artifact.digest.as_str()
                && stored.manifest.is_ok()
        };
        self.stored.iter().any(is_it) && self.lacks(artifact) == 0 && {
            artifact.manifest.blobs.iter().all(|(digest, size)| self.is_sound(digest, *size))
        }
    }

    /// How many bytes of its blobs are not there.
    fn lacks(&self, artifact: &EmbeddedArtifact) -> u64 {
        let missing = artifact.manifest.blobs.iter().filter(|(digest, size)| !self.is_sound(digest, **size));
        missing.fold(0, |sum, (_, size)| sum.saturating_add(*size))
    }

    /// Whether a blob is there as it should be. One that nobody vouches for is read once.
    fn is_sound(&self, digest: &Digest, size: u64) -> bool {
        let Some(store) = self.store.as_ref().filter(|store| store.find(digest, size).is_ok()) else {
            return false;
        };
        let Some(stamp) = store.stamp(digest).map(FileStamp::new) else { return false };
        if self.record.borrow().blobs.get(digest.hex()) == Some(&stamp) {
            return true;
        }
        // Before it is read, so that what is read and what stays are the same.
        let synced = self.host.root.directory_writer(self.storage).and_then(|dir| dir.sync_all());
        let is_sound = synced.is_ok() && store.hash(digest, &mut |_| ()).is_ok_and(|found| found == *digest);
        if is_sound {
            self.record.borrow_mut().blobs.insert(digest.hex().to_owned(), stamp);
        }
        is_sound
    }

    /// Copies an artifact, trying again what may pass.
    fn bring(
        &self,
        options: &CopyOptions,
        wanted: &WantedArtifact,
        artifact: &EmbeddedArtifact,
        on_event: &(dyn Fn(CopyEvent<'_>) + Sync),
    ) -> Result<(), Problem> {
        let root = &self.host.root;
        let path = options.source.join(&wanted.entry.directory);
        let from = root.strict(&path).map_err(self.host.cannot("open", &path))?;
        let from =
            from.ok_or_else(|| self.host.cannot("open", &path)(std::io::ErrorKind::NotFound.into()))?;
        let EmbeddedArtifact { name, digest, bytes, manifest } = artifact;
        let new = NewArtifact { name, bytes, manifest, from: &from };
        let is_sound = |digest: &Digest| self.is_sound(digest, manifest.blobs[digest]);
        let mut read = |bytes| on_event(CopyEvent::Read(bytes));
        let mut attempt = 0;
        loop {
            match artifacts::add(root, self.storage, &new, &is_sound, &mut read) {
                Ok(()) => break,
                Err(problem) if may_pass(&problem) && attempt < options.limits.retries => {
                    std::thread::sleep(DELAY * 2_u32.saturating_pow(attempt));
                    attempt += 1;
                }
                Err(problem) => return Err(problem),
            }
        }
        let mut record = self.record.borrow_mut();
        let store = ArtifactStore::open(root, self.storage)?;
        for blob in manifest.blobs.keys() {
            let stamp = store.as_ref().and_then(|store| store.stamp(blob));
            record.blobs.extend(stamp.map(|stamp| (blob.hex().to_owned(), FileStamp::new(stamp))));
        }
        record.add(CopiedArtifact { name: name.clone(), digest: digest.as_str().to_owned() });
        Ok(())
    }
}

/// Removes artifacts of former lists: those that are remembered, and that neither `wanted` nor
/// `others`, references that could not be read, name. Returns their names.
///
/// # Errors
/// As [`artifacts::remove`].
pub(super) fn prune(
    host: &Host,
    target: &CopyTarget,
    wanted: &[WantedArtifact],
    others: &BTreeSet<String>,
    mode: CommitMode,
) -> Result<Vec<String>, Problem> {
    let mut record = ArtifactRecord::read(host, &target.artifacts);
    let is_former = |copied: &CopiedArtifact| {
        let of = |wanted: &WantedArtifact| match &wanted.artifact {
            Ok(artifact) => artifact.name == copied.name && artifact.digest.as_str() == copied.digest,
            Err(_) => without_tag(&wanted.entry.reference) == copied.name,
        };
        !wanted.iter().any(of) && !others.iter().any(|other| without_tag(other) == copied.name)
    };
    let former: Vec<CopiedArtifact> = record.artifacts.iter().filter(|it| is_former(it)).cloned().collect();
    if former.is_empty() {
        return Ok(Vec::new());
    }
    // A name that is another artifact's since then is that one's.
    let is_it = |stored: &StoredArtifact| {
        former.iter().any(|it| stored.name.as_ref() == Some(&it.name) && stored.digest == it.digest)
    };
    let removed = artifacts::remove(&host.root, &target.artifacts, mode == CommitMode::DryRun, is_it)?;
    if mode == CommitMode::Commit {
        record.artifacts.retain(|copied| !former.contains(copied));
        record.write(host, &target.artifacts)?;
    }
    Ok(removed.artifacts.into_iter().filter_map(|artifact| artifact.name).collect())
}

/// Removes the artifacts of the storage at `storage` that `references` mean: names with a tag or a
/// digest, digests or their first [`SHORT`] digits.
///
/// # Errors
/// As [`artifacts::remove`].
pub(super) fn remove(
    host: &Host,
    storage: &Path,
    references: &[&str],
    mode: CommitMode,
) -> Result<RemovedArtifacts, Problem> {
    let removed = artifacts::remove(&host.root, storage, mode == CommitMode::DryRun, |stored| {
        references.iter().any(|reference| is_meant(reference, stored))
    })?;
    if mode == CommitMode::Commit && !removed.artifacts.is_empty() {
        let mut record = ArtifactRecord::read(host, storage);
        let is_gone = |copied: &CopiedArtifact| {
            removed.artifacts.iter().any(|gone| gone.name.as_ref() == Some(&copied.name))
        };
        record.artifacts.retain(|copied| !is_gone(copied));
        record.write(host, storage)?;
    }
    Ok(removed)
}

/// Whether a reference means an artifact.
pub(super) fn is_meant(reference: &str, stored: &StoredArtifact) -> bool {
    let digits = |text: &str| text.strip_prefix("sha256:").unwrap_or(text).to_owned();
    let (id, digits) = (digits(reference), digits(&stored.digest));
    let is_id = id.len() >= SHORT && digits.starts_with(&id);
    let is_named = Name::parse(reference).is_ok_and(|name| {
        let name = without_tag(name.as_str());
        let digested = |(of, digest): (&str, &str)| {
            stored.digest == digest && stored.name.as_deref().is_some_and(|name| repository(name) == of)
        };
        stored.name.as_ref() == Some(&name) || name.split_once('@').is_some_and(digested)
    });
    is_id || is_named
}
