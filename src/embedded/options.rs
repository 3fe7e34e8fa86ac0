//! How images are embedded.

use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::Duration;

use super::layout::EmbeddedLayout;
use crate::images::Platform;
use crate::registry::RegistryAccess;

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
pub struct EmbedOptions {
    /// The file with the credentials for registries; skopeo's own search if not given. It
    /// is a path outside the tree.
    pub authfile: Option<PathBuf>,
    /// The layout that the directory is to have; that of its list, or of its place, if not given.
    pub layout: Option<EmbeddedLayout>,
    /// Which images of a list of images.
    pub platforms: Platforms,
    /// Whether artifacts are embedded, too, and not refused.
    pub artifacts: bool,
    /// Whether the signatures that are attached to images in their registry are fetched, whatever
    /// registries.d says of them.
    pub signatures: bool,
    /// Whether what refers to the images in their registry is embedded, too, as artifacts.
    pub referrers: bool,
    /// How many images are fetched at a time.
    pub jobs: usize,
    /// How often an image is tried again after a failure that may pass.
    pub retries: u32,
    /// How long to wait before the first retry; twice as long before each further one.
    pub retry_delay: Duration,
    /// How long a registry may send nothing before it is given up.
    pub stall: Duration,
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

impl Default for EmbedOptions {
    fn default() -> Self {
        Self {
            authfile: None,
            layout: None,
            platforms: Platforms::All,
            artifacts: false,
            signatures: false,
            referrers: false,
            jobs: 1,
            retries: 3,
            retry_delay: Duration::from_secs(2),
            stall: Duration::from_secs(120),
            tls_verify: None,
            refresh: false,
            prune: false,
            dry_run: false,
            sync: true,
        }
    }
}

impl EmbedOptions {
    /// Whether artifacts are embedded. What refers to an image is one.
    pub(super) fn takes_artifacts(&self) -> bool {
        self.artifacts || self.referrers
    }

    /// How registries are asked by a child that has `lock`.
    pub(super) fn access<'a>(&'a self, lock: BorrowedFd<'a>) -> RegistryAccess<'a> {
        RegistryAccess {
            authfile: self.authfile.as_deref(),
            tls_verify: self.tls_verify,
            registries_d: None,
            stall: self.stall,
            lock,
        }
    }
}
