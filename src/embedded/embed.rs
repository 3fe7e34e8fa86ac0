//! Fetching what is missing, mending what is damaged, and the list.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::host::Root;
use crate::images::{Digest, Platform};
use crate::problem::Problem;

/// Which images of a list of images are embedded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Platforms {
    /// All, as MicroShift's builds do.
    #[default]
    All,
    /// Those for these processors; every image has to have each of them.
    These(Vec<Platform>),
}

/// How to embed.
#[derive(Debug, Clone)]
pub struct Options {
    /// The file with the credentials for registries; skopeo's own search if not given. It
    /// is a path outside the tree.
    pub authfile: Option<PathBuf>,
    /// Which images of a list of images.
    pub platforms: Platforms,
    /// How many images are fetched at a time.
    pub jobs: usize,
    /// How often an image is tried again after a failure that may pass.
    pub retries: u32,
    /// How long to wait before the first retry; twice as long before each further one.
    pub retry_delay: Duration,
    /// Whether registries have to have a trusted certificate; as registries.conf says if
    /// not given.
    pub tls_verify: Option<bool>,
    /// Whether tags are looked up again, and images that have moved are fetched anew.
    pub refresh: bool,
    /// Whether what is not asked for leaves the list and the directory.
    pub prune: bool,
    /// Whether to change nothing.
    pub dry_run: bool,
    /// Whether to wait until everything is on the disk.
    pub sync: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            authfile: None,
            platforms: Platforms::All,
            jobs: 1,
            retries: 3,
            retry_delay: Duration::from_secs(2),
            tls_verify: None,
            refresh: false,
            prune: false,
            dry_run: false,
            sync: true,
        }
    }
}

/// What became of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there and is now.
    Fetched,
    /// It was there, complete, and every byte is what it should be.
    WasThere,
    /// It was there with this fault, and was fetched again.
    Repaired(Problem),
    /// Its tag means another image than before, which was fetched.
    Refreshed,
    /// It is not there, or is as it was.
    Failed(Problem),
}

/// An image that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportLine {
    /// Its reference.
    pub reference: String,
    /// Its directory, beside the list.
    pub directory: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The digest of its manifest, or of its list of images, if it is known.
    pub digest: Option<Digest>,
    /// How many bytes its blobs have.
    pub bytes: u64,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Every image that was asked for, in that order.
    pub images: Vec<ReportLine>,
    /// Directories that `prune` removed.
    pub removed: Vec<String>,
    /// References that `prune` took from the list.
    pub unlisted: Vec<String>,
    /// Whether the list was written anew.
    pub list_changed: bool,
    /// How many bytes are not stored again, since images share blobs.
    pub saved: u64,
    /// What is odd: about the list as it was, or a file system without hard links.
    pub remarks: Vec<Problem>,
}

impl Report {
    /// Whether an image failed.
    pub fn has_failed(&self) -> bool {
        self.images.iter().any(|line| matches!(line.outcome, Outcome::Failed(_)))
    }
}

/// Puts the images of `references` into the directory `dir` of the tree, which is made if
/// it is missing: fetches what is not there, verifies what is, fetches again what is
/// damaged, and writes the list. Without references, those of the present list are meant.
/// A failing image does not stop the others. `tell` hears of every image when it is done,
/// from several threads.
///
/// # Errors
/// What keeps it from beginning at all: `list-invalid`, `reference-invalid`, `authfile`,
/// `skopeo-missing`, `busy`, or the system's answer.
pub fn embed(
    root: &Root,
    dir: &Path,
    references: &[String],
    options: &Options,
    tell: &(dyn Fn(&ReportLine) + Sync),
) -> Result<Report, Problem> {
    let _ = (root, dir, references, options, tell);
    Err(Problem::new("internal", "it is not built yet", "wait"))
}
