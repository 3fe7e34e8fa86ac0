//! Taking artifacts out of a storage again.

use std::collections::BTreeSet;
use std::path::Path;

use super::{ArtifactStore, INDEX, LAYOUT, StoredArtifact, leftover};
use crate::images::Digest;
use crate::problem::{Problem, total};
use crate::store::builder::{cannot, lock};
use crate::sys::Root;

/// What went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemovedArtifacts {
    /// The artifacts, each under one of its names.
    pub artifacts: Vec<StoredArtifact>,
    /// How many bytes they had by their manifests.
    pub bytes: u64,
}

/// Takes the artifacts for which `choose` holds out of the storage at `storage`, under the lock that
/// engines take: the index first, and then what no other of its entries names. A dry run takes no
/// lock and stops before the first change.
///
/// # Errors
/// `artifacts-malformed`, `artifact-damaged` if it cannot be told what another artifact needs,
/// `busy`, or the system's answer.
pub fn remove(
    root: &Root,
    storage: &Path,
    dry_run: bool,
    mut choose: impl FnMut(&StoredArtifact) -> bool,
) -> Result<RemovedArtifacts, Problem> {
    let Some(store) = ArtifactStore::open(root, storage)? else {
        return Ok(RemovedArtifacts::default());
    };
    let inside = &store.root;
    let layout = Path::new(LAYOUT);
    let _lock = match dry_run {
        true => None,
        false => Some(lock(inside, &layout.join("index.lock"))?),
    };
    let mut index = store.index()?;
    let left = leftover::read(inside).map_err(cannot(inside, "read", layout))?;
    let mut artifacts = Vec::new();
    let mut chosen = store.artifacts()?.into_iter();
    index.retain(|_| {
        let artifact = chosen.next().expect("there is one for each entry");
        let goes = choose(&artifact);
        artifacts.extend(goes.then_some(artifact));
        !goes
    });
    let bytes = total(artifacts.iter().filter_map(|it| Some(it.manifest.as_ref().ok()?.bytes)));
    let has_work = !artifacts.is_empty() || !left.is_empty();
    if has_work && !dry_run {
        let needed = store.named(&index).map_err(|why| {
            let message = format!("nothing is removed, since an artifact is damaged: {why}");
            Problem::new("artifact-damaged", message, "remove that one, too, or copy it again")
        })?;
        let mut gone: BTreeSet<Digest> = left;
        for artifact in &artifacts {
            gone.extend(Digest::parse(&artifact.digest));
            gone.extend(artifact.manifest.iter().flat_map(|manifest| manifest.blobs.keys().cloned()));
        }
        gone.retain(|digest| !needed.contains(digest));
        leftover::write(inside, &gone).map_err(cannot(inside, "write to", layout))?;
        if !artifacts.is_empty() {
            let path = Path::new(INDEX);
            inside.replace_file(path, &index.text()).map_err(cannot(inside, "replace", path))?;
        }
        leftover::clear(inside, &gone).map_err(cannot(inside, "clean up", layout))?;
    }
    Ok(RemovedArtifacts { artifacts, bytes })
}
