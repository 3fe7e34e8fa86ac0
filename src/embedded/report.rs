//! What came of embedding images.

use super::contents::EmbeddedImage;
use super::layout::EmbeddedLayout;
use crate::images::Digest;
use crate::problem::Problem;
use crate::sys::FreeSpace;

/// What became of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbedOutcome {
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
    pub outcome: EmbedOutcome,
    /// What it consists of, if it is there, or would be, and that is known.
    pub contents: Option<EmbeddedImage>,
    /// How many of them its registry has to send, if that is known. Those that an image before it
    /// needs too count for that one.
    pub download: Option<u64>,
    /// Why a dry run does not know that.
    pub unknown: Option<Problem>,
}

impl ReportLine {
    /// The digest of its manifest, or of its list of images, if it is known.
    pub fn digest(&self) -> Option<&Digest> {
        self.contents.as_ref().map(|contents| &contents.digest)
    }

    /// How many bytes its blobs have; 0 if that is not known.
    pub fn bytes(&self) -> u64 {
        self.contents.as_ref().map_or(0, EmbeddedImage::bytes)
    }

    /// Whether it is known to be an artifact.
    pub fn is_artifact(&self) -> bool {
        self.contents.as_ref().is_some_and(|contents| contents.artifact.is_some() && !contents.is_list)
    }
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmbedReport {
    /// The layout of the directory.
    pub layout: EmbeddedLayout,
    /// Whether it had another one, or would have it but for a dry run.
    pub converted: bool,
    /// Every image that was asked for, in that order.
    pub images: Vec<ReportLine>,
    /// Directories that `prune` removed.
    pub removed: Vec<String>,
    /// References that `prune` took from the list.
    pub unlisted: Vec<String>,
    /// Whether the list was written anew.
    pub list_changed: bool,
    /// How many bytes the blobs of these images have, one image after the other.
    pub bytes: u64,
    /// How many bytes of them are stored, since images share blobs.
    pub stored: u64,
    /// How many bytes registries had to send, or would have to.
    pub download: u64,
    /// What was free before, if that could be told.
    pub free: Option<FreeSpace>,
    /// Of how many images it is not known what refers to them.
    pub referrers_unknown: usize,
    /// What is odd: about the list as it was, or a file system without hard links.
    pub remarks: Vec<Problem>,
}

impl EmbedReport {
    /// How many images failed.
    pub fn failed(&self) -> usize {
        self.images.iter().filter(|line| matches!(line.outcome, EmbedOutcome::Failed(_))).count()
    }
}
