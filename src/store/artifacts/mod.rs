//! OCI artifacts of a storage, where engines find them.
//!
//! They are an OCI layout in the directory `artifacts` of the storage (libartifact, which was a part
//! of podman before it became one of the library common): podman from 5.5 on and CRI-O read and
//! write that of their graph root, and CRI-O 1.36 also reads those of `additional_artifact_stores`.
//! Each artifact is an entry of index.json, with its full name as the annotation that OCI has for
//! names. Whoever changes something locks index.lock, which podman 5.5 does not have yet.
//!
//! One bad entry costs all of them: engines read every manifest before they look at one. Such an
//! entry is one without a name, one that is a list of manifests, and one whose manifest is missing
//! or says a time that is none. So nothing here makes one.
//!
//! Blobs come before the index that names them, and go after it. What a killed run has not removed
//! is in a list (`leftover`), which the next run works off.

mod add;
mod index;
mod leftover;
mod remove;
mod stored;

pub use add::{NewArtifact, add};
pub use remove::{RemovedArtifacts, remove};
pub use stored::{ArtifactStore, StoredArtifact};

use std::path::{Path, PathBuf};

use crate::images::Digest;

/// The directory with the layout, in a storage.
const LAYOUT: &str = "/artifacts";

/// The index, in the layout.
const INDEX: &str = "/artifacts/index.json";

/// Where a blob is, in a storage.
fn blob(digest: &Digest) -> PathBuf {
    Path::new(LAYOUT).join("blobs/sha256").join(digest.hex())
}
