//! Artifacts beside the images: what decides whether engines list any, and their blobs.

use std::path::Path;

use super::catalog::Catalog;
use super::finding::{StoreFinding, StoreReport};
use super::progress::Progress;
use super::store_set::StoreSet;
use crate::engine::Engines;
use crate::images::Digest;
use crate::problem::{Problem, total};
use crate::store::artifacts::{ArtifactStore, StoredArtifact};

const NO_ARTIFACT: &str = "find no artifact of this store";
const USE_IT: &str = "use it as it is";
const REMOVE: &str = "take it out with `storagectl remove-images`, and copy it again";

/// Looks at the artifacts of every store that is to be checked, with `deep` to the last byte.
pub(super) fn check(set: &StoreSet<'_>, deep: bool, progress: &Progress, report: &mut StoreReport) {
    let mut all = Vec::new();
    for store in set.stores.iter().filter(|store| store.checked) {
        match ArtifactStore::open(set.root, &store.path) {
            Ok(Some(artifacts)) => all.extend(of_store(set, store, artifacts, report)),
            Ok(None) => {}
            Err(problem) => report.could_not_look(problem),
        }
    }
    if !deep || all.is_empty() {
        return;
    }
    let artifacts = all.iter().flat_map(|(.., artifacts)| artifacts);
    progress.begin("checking artifacts", total(artifacts.flat_map(blobs).map(|(_, size)| *size)));
    for (store, engines, files, artifacts) in &all {
        for artifact in artifacts {
            for (blob, size) in blobs(artifact) {
                if files.find(blob, *size).is_err() {
                    continue;
                }
                let what = match files.hash(blob, &mut |bytes| progress.add(bytes)) {
                    Ok(found) if found == *blob => continue,
                    Ok(found) => format!("has the digest `{found}`"),
                    Err(error) => {
                        report.could_not_look(set.could_not_look(&place(store, blob), &error));
                        continue;
                    }
                };
                let message = format!("the artifact `{}`: the blob `{blob}` {what}", title(artifact));
                let finding = StoreFinding::new("artifact-digest", &store.path, message, REMOVE);
                report.put(finding.at(place(store, blob)).silently(*engines, USE_IT));
            }
        }
    }
}

type OfStore<'a> = (&'a Catalog, Engines, ArtifactStore, Vec<StoredArtifact>);

/// The artifacts of a store, and what is wrong with them that is seen without reading blobs.
fn of_store<'a>(
    set: &StoreSet<'_>,
    store: &'a Catalog,
    files: ArtifactStore,
    report: &mut StoreReport,
) -> Option<OfStore<'a>> {
    // podman looks at its own alone.
    let engines = match store.is_used_as_own(set.root) {
        Ok(true) => Engines::PODMAN5.or(Engines::PODMAN6),
        _ => Engines::which(|profile| profile == crate::engine::Profile::Crio),
    };
    let mut put = |id, message: String, hint: &str, at: &Path, what| {
        let finding = StoreFinding::new(id, &store.path, message, hint);
        report.put(finding.at(at).silently(engines, what));
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
    Some((store, engines, files, artifacts))
}

/// The blobs of an artifact, with their sizes.
fn blobs(artifact: &StoredArtifact) -> impl Iterator<Item = (&Digest, &u64)> {
    artifact.manifest.iter().flat_map(|manifest| &manifest.blobs)
}

fn title(artifact: &StoredArtifact) -> String {
    artifact.name.as_ref().unwrap_or(&artifact.digest).escape_debug().to_string()
}

fn place(store: &Catalog, blob: &Digest) -> std::path::PathBuf {
    store.path.join("artifacts/blobs/sha256").join(blob.hex())
}
