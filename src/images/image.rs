//! One model of an image, wherever it is stored.

use std::sync::Arc;

use super::blobs::{Blobs, LayerStreams};
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

/// Layers whose streams come from somewhere else than blobs.
#[derive(Debug, Clone)]
pub struct StreamedLayers(Arc<Blobs>);

impl StreamedLayers {
    /// Those that `streams` gives.
    pub fn new(streams: Box<dyn LayerStreams>) -> Self {
        Self(Arc::new(Blobs::Streams(streams)))
    }

    /// The layer `id`, whose stream has the digest `diff_id` and about `size` bytes.
    pub fn layer(&self, id: &str, diff_id: Digest, size: u64) -> Layer {
        let blob = Blob { digest: diff_id.clone(), size, is_verbatim: false, file: id.to_owned() };
        Layer { diff_id, blob, created: None, blobs: Arc::clone(&self.0) }
    }
}
