//! Artifacts beside the images: what decides whether engines list any, and their blobs.

use std::path::{Path, PathBuf};

use super::catalog::Catalog;
use super::finding::{StoreFinding, StoreReport};
use super::progress::Progress;
use super::store_set::StoreSet;
use crate::engine::Engines;
use crate::images::Digest;
use crate::problem::{Problem, total};
use crate::store::artifacts::{ArtifactStore, StoredArtifact};

const NO_ARTIFACT: &str = "find no artifact of this store";
pub(super) const USE_IT: &str = "use it as it is";
const REMOVE: &str = "take it out with `storagectl remove-images`, and copy it again";

/// Looks at the artifacts of every store that is to be checked, with `deep` to the last byte.
pub(super) fn check(set: &StoreSet<'_>, deep: bool, progress: &Progress, report: &mut StoreReport) {
    let all = look(set, report);
    if !deep || all.is_empty() {
        return;
    }
    let blobs = all.iter().flat_map(StoreArtifacts::blobs);
    progress.begin("checking artifacts", total(blobs.map(|(_, _, size)| size)));
    for of_store in &all {
        for (artifact, blob, _) in of_store.blobs() {
            of_store.read(set, artifact, blob, progress, report);
        }
    }
}

/// What is wrong with the artifacts of every store that is to be checked, and is seen without
/// reading blobs.
pub(super) fn look<'a>(set: &'a StoreSet<'_>, report: &mut StoreReport) -> Vec<StoreArtifacts<'a>> {
    let mut all = Vec::new();
    for (home, store) in set.stores.iter().enumerate().filter(|(_, store)| store.checked) {
        match ArtifactStore::open(set.root, &store.path) {
            Ok(Some(artifacts)) => all.extend(of_store(set, home, artifacts, report)),
            Ok(None) => {}
            Err(problem) => report.could_not_look(problem),
        }
    }
    all
}

/// The artifacts of a store.
pub(super) struct StoreArtifacts<'a> {
    pub(super) home: usize,
    store: &'a Catalog,
    engines: Engines,
    files: ArtifactStore,
    artifacts: Vec<StoredArtifact>,
}

impl StoreArtifacts<'_> {
    /// The blobs that are there, each with its artifact and its size.
    pub(super) fn blobs(&self) -> impl Iterator<Item = (&StoredArtifact, &Digest, u64)> {
        let of_artifact = |artifact| blobs(artifact).map(move |(blob, size)| (artifact, blob, *size));
        let all = self.artifacts.iter().flat_map(of_artifact);
        all.filter(|(_, blob, size)| self.files.find(blob, *size).is_ok())
    }

    /// Where a blob is.
    pub(super) fn place(&self, blob: &Digest) -> PathBuf {
        place(self.store, blob)
    }

    /// Reads a blob of an artifact to the last byte.
    pub(super) fn read(
        &self,
        set: &StoreSet<'_>,
        artifact: &StoredArtifact,
        blob: &Digest,
        progress: &Progress,
        report: &mut StoreReport,
    ) {
        let found = match self.files.hash(blob, &mut |bytes| progress.add(bytes)) {
            Ok(found) if found == *blob => return,
            Ok(found) => found,
            Err(error) => return report.could_not_look(set.could_not_look(&self.place(blob), &error)),
        };
        let message =
            format!("the artifact `{}`: the blob `{blob}` has the digest `{found}`", title(artifact));
        let finding = StoreFinding::new("artifact-digest", &self.store.path, message, REMOVE);
        report.add(finding.at(self.place(blob)).silently(self.engines, USE_IT));
    }
}

/// The artifacts of a store, and what is wrong with them that is seen without reading blobs.
fn of_store<'a>(
    set: &'a StoreSet<'_>,
    home: usize,
    files: ArtifactStore,
    report: &mut StoreReport,
) -> Option<StoreArtifacts<'a>> {
    let store = &set.stores[home];
    // podman looks at its own alone.
    let engines = match store.is_used_as_own(set.root) {
        Ok(true) => Engines::PODMAN5.or(Engines::PODMAN6),
        _ => Engines::which(|profile| profile == crate::engine::Profile::Crio),
    };
    let mut put = |id, message: String, hint: &str, at: &Path, what| {
        let finding = StoreFinding::new(id, &store.path, message, hint);
        report.add(finding.at(at).silently(engines, what));
    };
    let index = store.path.join("artifacts/index.json");
    let artifacts = match files.artifacts() {
        Ok(artifacts) => artifacts,
        Err(Problem { id: "artifacts-malformed", message, hint, .. }) => {
            put("artifacts-malformed", message, &hint, &index, NO_ARTIFACT);
            return None;
        }
        Err(problem) => {
            report.could_not_look(problem);
            return None;
        }
    };
    for artifact in &artifacts {
        let title = title(artifact);
        match &artifact.manifest {
            // Engines read every manifest before they look at one.
            Err(why) => {
                put(
                    "artifact-damaged",
                    format!("the artifact `{title}`: {why}"),
                    REMOVE,
                    &index,
                    NO_ARTIFACT,
                );
            }
            Ok(_) if artifact.name.is_none() => {
                let message = format!("the artifact `{title}` has no name");
                put("artifact-damaged", message, REMOVE, &index, NO_ARTIFACT);
            }
            Ok(manifest) => {
                for (blob, size) in &manifest.blobs {
                    if let Err(why) = files.find(blob, *size) {
                        let message = format!("the artifact `{title}`: the blob `{blob}` {why}");
                        put("artifact-blob", message, REMOVE, &place(store, blob), "cannot use it");
                    }
                }
            }
        }
    }
    report.artifacts += artifacts.len();
    Some(StoreArtifacts { home, store, engines, files, artifacts })
}

/// The blobs of an artifact, with their sizes.
fn blobs(artifact: &StoredArtifact) -> impl Iterator<Item = (&Digest, &u64)> {
    artifact.manifest.iter().flat_map(|manifest| &manifest.blobs)
}

fn title(artifact: &StoredArtifact) -> String {
    artifact.name.as_ref().unwrap_or(&artifact.digest).escape_debug().to_string()
}

fn place(store: &Catalog, blob: &Digest) -> PathBuf {
    store.path.join("artifacts/blobs/sha256").join(blob.hex())
}
