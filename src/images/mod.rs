//! Container images as files, as skopeo, podman, buildah and docker write them: `dir:`
//! directories, OCI layouts, OCI archives and docker archives.
//!
//! [`read`] gives one model of them all, an [`Image`]: the bytes of its manifest and of
//! its configuration, both verified, and where the blobs of its layers are, which are
//! not read yet. Nothing here is trusted: every number and every name comes from a
//! stranger.

mod archive;
mod artifact;
mod blobs;
mod config;
mod digest;
mod docker_archive;
mod image;
mod manifest;
mod name;
mod platform;
mod read;
mod read_all;
pub(crate) mod signature;
mod source;

pub use artifact::ArtifactManifest;
pub use blobs::{Blob, BlobReader, LayerStreams};
pub(crate) use config::ImageConfig;
pub use digest::Digest;
pub use image::{Image, Layer, StreamedLayers};
pub(crate) use manifest::{Descriptor, Manifest, ManifestFault, PlatformEntry, is_image};
pub use name::Name;
pub(crate) use name::is_reference;
pub use platform::Platform;
pub use read::{Artifact, read, read_artifact};
pub use read_all::{FoundImage, read_all};
pub use source::{Source, Transport};
