//! What is to be packed: the YAML of MicroShift's `paack`, with keys of our own.
//!
//! The text is read as a document in which everything has its place, so that all that is
//! wrong with it is told at once, each with its line. What can be told from the text
//! alone is told before anything is fetched: keys, types, names that RPM does not allow,
//! paths that engines would not read.

mod named;
mod package;
mod read;
mod reader;
mod rules;

use std::path::PathBuf;

use crate::images::Platform;

pub use named::add_named;
pub use read::read;
pub(super) use rules::architectures;

/// What a file says.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The packages, in the order of the text. There is at least one.
    pub packages: Vec<Package>,
}

/// How a package carries images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// A store in a squashfs image, mounted at boot.
    Sealed,
    /// Directories of images, copied at boot.
    Embedded,
    /// A store as a directory.
    Store,
}

impl Payload {
    /// All, with the names that they have in the text.
    pub const ALL: [(&'static str, Self); 3] =
        [("sealed", Self::Sealed), ("embedded", Self::Embedded), ("store", Self::Store)];
}

/// A package.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its release, without the distribution's tag.
    pub release: String,
    /// The license of what is in it.
    pub license: String,
    /// What it is, on one line.
    pub summary: String,
    /// What it is.
    pub description: String,
    /// Where more is said about it.
    pub url: Option<String>,
    /// The directory of its images, cleaned.
    pub path: String,
    /// The directory of its manifests, cleaned.
    pub manifest_path: String,
    /// How it carries images.
    pub payload: Payload,
    /// Whether each image has a squashfs image of its own.
    pub split: bool,
    /// Whether an ostree repository has to take what is in it.
    pub ostree: bool,
    /// What else it requires, as RPM writes it.
    pub requires: Vec<String>,
    /// What is in it, for each architecture. There is at least one.
    pub architectures: Vec<Architecture>,
}

/// What a package holds for one architecture.
#[derive(Debug, Clone)]
pub struct Architecture {
    /// RPM's name of it.
    pub name: String,
    /// Which images are taken.
    pub platform: Platform,
    /// The images, by the references that were written.
    pub images: Vec<String>,
    /// Files and directories that name more of them.
    pub images_from: Vec<PathBuf>,
    /// The directory of the manifests.
    pub manifests: Option<PathBuf>,
}

impl Architecture {
    /// Whether there are images for it.
    pub fn has_images(&self) -> bool {
        !self.images.is_empty() || !self.images_from.is_empty()
    }
}

impl Package {
    /// Whether it holds images, for any architecture.
    pub fn has_images(&self) -> bool {
        self.architectures.iter().any(Architecture::has_images)
    }

    /// Name, version and release, as files are named after them.
    pub fn label(&self) -> String {
        format!("{}-{}-{}", self.name, self.version, self.release)
    }
}
