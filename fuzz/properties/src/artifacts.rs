//! Artifacts of any form are listed, added and removed so that all others stay as they are.

use std::collections::BTreeSet;
use std::path::Path;

use storagectl::images::{Digest, Platform, Source, read_artifact};
use storagectl::store::artifacts::{ArtifactStore, NewArtifact, StoredArtifact, add, remove};
use storagectl::store::check::{CheckRequest, Progress, check};
use storagectl::sys::Root;

use super::shown::assert_told;
use super::tree::Tree;

/// The name of what is added.
const NEW: &str = "registry.example/new:1";

/// A tree in which each file has its own name, and that of a blob in a storage `s` and in a `dir:`
/// directory `i`.
pub fn holds(input: &[u8]) {
    let tree = Tree::new(input, |name, content| {
        let digest = Digest::of(content);
        let blob = digest.hex();
        vec![name.to_owned(), format!("s/artifacts/blobs/sha256/{blob}"), format!("i/{blob}")]
    });
    let root = tree.root();
    let storage = Path::new("/s");
    for deep in [false, true] {
        let request = CheckRequest { deep, ..CheckRequest::quick(vec![storage.to_owned()], "overlay") };
        let report = check(&root, &request, &Progress::default());
        report.findings.iter().map(|finding| &finding.problem).for_each(assert_told);
    }
    let Some(before) = others(&root, storage) else { return };
    if let Some(digest) = put(&root, storage) {
        let now = all(&root, storage).expect("it was just written");
        let new: Vec<&StoredArtifact> = now.iter().filter(|it| it.name.as_deref() == Some(NEW)).collect();
        assert_eq!(new.len(), 1);
        assert_eq!(new[0].digest, digest);
        assert!(new[0].manifest.is_ok(), "{new:?}");
    }
    assert_eq!(others(&root, storage).as_ref(), Some(&before));
    match remove(&root, storage, false, |it| it.name.as_deref() == Some(NEW)) {
        Ok(_) => assert!(
            !all(&root, storage).expect("it was read").iter().any(|it| it.name.as_deref() == Some(NEW))
        ),
        Err(problem) => assert_told(&problem),
    }
    assert_eq!(others(&root, storage).as_ref(), Some(&before));
}

/// Adds the artifact in `i`, and returns its digest if that went.
fn put(root: &Root, storage: &Path) -> Option<String> {
    let source = Source::parse("dir:/i").expect("it is a source");
    let artifact = match read_artifact(root, &source, &Platform::host()) {
        Ok(artifact) => artifact?,
        Err(problem) => {
            assert_told(&problem);
            return None;
        }
    };
    let manifest = &artifact.manifest.ok()?;
    let from = &root.strict(Path::new("/i")).ok()??;
    let new = NewArtifact { name: NEW, bytes: &artifact.bytes, manifest, from };
    match add(root, storage, &new, &|_| false, &mut |_| ()) {
        Ok(()) => Some(Digest::of(&artifact.bytes).as_str().to_owned()),
        Err(problem) => {
            assert_told(&problem);
            None
        }
    }
}

fn all(root: &Root, storage: &Path) -> Option<Vec<StoredArtifact>> {
    let store = match ArtifactStore::open(root, storage) {
        Ok(store) => store,
        Err(problem) => {
            assert_told(&problem);
            return None;
        }
    };
    match store.map_or(Ok(Vec::new()), |store| store.artifacts()) {
        Ok(artifacts) => Some(artifacts),
        Err(problem) => {
            assert_told(&problem);
            None
        }
    }
}

/// All but what is added, and the blobs of theirs that are there.
fn others(root: &Root, storage: &Path) -> Option<(Vec<StoredArtifact>, BTreeSet<Digest>)> {
    let mut artifacts = all(root, storage)?;
    artifacts.retain(|it| it.name.as_deref() != Some(NEW));
    let mut there = BTreeSet::new();
    if let Ok(Some(store)) = ArtifactStore::open(root, storage) {
        let blobs = artifacts.iter().filter_map(|it| it.manifest.as_ref().ok()).flat_map(|it| &it.blobs);
        there.extend(
            blobs.filter(|(blob, size)| store.find(blob, **size).is_ok()).map(|(blob, _)| blob.clone()),
        );
    }
    Some((artifacts, there))
}
