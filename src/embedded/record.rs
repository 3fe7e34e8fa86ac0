//! What an image's directory says of itself: a small file beside what skopeo wrote.
//!
//! For a tag nobody else knows which digest was fetched, and whether a list of images
//! lacks some because they were not wanted or because they were lost. skopeo reads past
//! the file, and a directory that a script wrote has none.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::images::Digest;
use crate::sys::Root;

/// The name of the file.
pub(super) const RECORD: &str = "storagectl.json";

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EmbedRecord {
    version: u32,
    digest: String,
    /// The platforms that were asked for, such as `linux/amd64`; all if it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) platforms: Option<Vec<String>>,
    /// Whether the signatures that are attached to it were asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) signatures: bool,
    /// The digest of the image that it was embedded with, to which it refers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refers_to: Option<String>,
}

impl EmbedRecord {
    pub(super) fn new(
        digest: &Digest,
        platforms: Option<Vec<String>>,
        signatures: bool,
        refers_to: Option<&Digest>,
    ) -> Self {
        let refers_to = refers_to.map(|digest| digest.as_str().to_owned());
        Self { version: 1, digest: digest.as_str().to_owned(), platforms, signatures, refers_to }
    }

    /// The record in a directory. One that cannot be read as such is none: it is made for
    /// finding damage, and is not needed.
    pub(super) fn read(root: &Root, dir: &Path) -> io::Result<Option<Self>> {
        let Some((bytes, _)) = root.read(&dir.join(RECORD))? else {
            return Ok(None);
        };
        Ok(serde_json::from_slice(&bytes).ok().filter(|record: &Self| record.version == 1))
    }

    pub(super) fn refers_to(&self) -> Option<Digest> {
        self.refers_to.as_deref().and_then(Digest::parse)
    }

    pub(super) fn digest(&self) -> Option<Digest> {
        Digest::parse(&self.digest)
    }

    pub(super) fn text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec(self).expect("it is made of text and numbers");
        text.push(b'\n');
        text
    }
}
