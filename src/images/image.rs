//! One model of an image, wherever it is stored.

use std::sync::Arc;

use super::blobs::Blobs;
use super::{Blob, Digest, Name};

/// An image whose manifest and configuration were read and verified.
#[derive(Debug, Clone)]
pub struct Image {
    /// How it was given, for messages.
    pub title: String,
    /// Its names, sorted.
    pub names: Vec<Name>,
    /// Its manifest, byte for byte.
    pub manifest: Vec<u8>,
    /// The list of manifests that it was chosen from.
    pub list: Option<Vec<u8>>,
    /// Its configuration, byte for byte.
    pub config: Vec<u8>,
    /// The digest of its configuration: engines take it for the image's id.
    pub config_digest: Digest,
    /// Signatures of it that came with it, byte for byte, in their order.
    pub signatures: Vec<Vec<u8>>,
    /// When it was made, as the configuration says it.
    pub created: Option<String>,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
}

/// A layer that was not read yet.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The digest of its uncompressed tar stream, as the configuration says it.
    pub diff_id: Digest,
    /// Its blob.
    pub blob: Blob,
    /// When it was made, as the configuration says it.
    pub created: Option<String>,
    pub(super) blobs: Arc<Blobs>,
}
