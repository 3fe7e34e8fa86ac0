//! Manifests and lists of them: OCI (image-spec) and Docker schema 2.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(super) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(super) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub(super) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// What a layer's media type says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LayerType {
    Tar,
    Foreign,
    Encrypted,
    Unknown,
}

/// Media types of layers; the compression is found out from the bytes, as engines do.
pub(super) fn layer_type(media_type: &str) -> LayerType {
    if media_type.ends_with("+encrypted") {
        return LayerType::Encrypted;
    }
    match media_type {
        "application/vnd.oci.image.layer.v1.tar"
        | "application/vnd.oci.image.layer.v1.tar+gzip"
        | "application/vnd.oci.image.layer.v1.tar+zstd"
        | "application/vnd.docker.image.rootfs.diff.tar"
        | "application/vnd.docker.image.rootfs.diff.tar.zstd"
        | DOCKER_LAYER => LayerType::Tar,
        _ if media_type.starts_with("application/vnd.oci.image.layer.nondistributable.")
            || media_type.starts_with("application/vnd.docker.image.rootfs.foreign.") =>
        {
            LayerType::Foreign
        }
        _ => LayerType::Unknown,
    }
}

/// What one document says of another.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) platform: Option<PlatformEntry>,
    #[serde(default)]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    /// Whether it is the configuration of an image.
    pub(super) fn is_of_image(&self) -> bool {
        matches!(self.media_type.as_str(), OCI_CONFIG | DOCKER_CONFIG)
    }
}

/// Whether a manifest with this configuration and these layers is that of an image that can run:
/// all else is an artifact, which is stored as images are. cosign's signatures and attestations have
/// the configuration of an image, and none of its layers.
pub(crate) fn is_image(config: &Descriptor, layers: &[Descriptor]) -> bool {
    let is_layer = |layer: &Descriptor| layer_type(&layer.media_type) != LayerType::Unknown;
    config.is_of_image() && (layers.is_empty() || layers.iter().any(is_layer))
}

/// For which machine an image in a list is.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PlatformEntry {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default)]
    pub(crate) variant: Option<String>,
}

impl PlatformEntry {
    /// It as people write it, such as `linux/arm64/v8`.
    pub(crate) fn label(&self) -> String {
        platform_label(&self.os, &self.architecture, self.variant.as_deref())
    }
}

/// A platform as people write it, such as `linux/arm64/v8`.
pub(super) fn platform_label(os: &str, architecture: &str, variant: Option<&str>) -> String {
    let variant = variant.filter(|variant| !variant.is_empty());
    let variant = variant.map(|variant| format!("/{variant}")).unwrap_or_default();
    format!("{os}/{architecture}{variant}")
}

/// A manifest of an image, or an index: a list of manifests.
#[derive(Debug, Clone)]
pub(crate) enum Manifest {
    Image { config: Descriptor, layers: Vec<Descriptor> },
    Index(Vec<Descriptor>),
}

/// Why a document is neither.
#[derive(Debug)]
pub(crate) enum ManifestFault {
    Malformed(serde_json::Error),
    /// Docker's first schema, which says nothing of a configuration.
    FirstSchema,
    /// It has this media type, escaped for terminals, or what stands in it does not fit its own.
    OtherType(String),
}

impl Manifest {
    /// Reads a manifest as engines do (`manifest.FromBlob` of the image library): which it is,
    /// its media type tells, or its fields where it has none.
    ///
    /// # Errors
    /// If it is neither.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ManifestFault> {
        let document: ManifestFields = serde_json::from_slice(bytes).map_err(ManifestFault::Malformed)?;
        let media_type = document.media_type.unwrap_or_default();
        if document.schema_version == 1 {
            return Err(ManifestFault::FirstSchema);
        }
        match (document.manifests, document.config) {
            (Some(entries), None) if matches!(media_type.as_str(), "" | OCI_INDEX | DOCKER_LIST) => {
                Ok(Self::Index(entries))
            }
            (None, Some(config)) if matches!(media_type.as_str(), "" | OCI_MANIFEST | DOCKER_MANIFEST) => {
                Ok(Self::Image { config, layers: document.layers.unwrap_or_default() })
            }
            _ => Err(ManifestFault::OtherType(media_type.escape_debug().to_string())),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ManifestFields {
    schema_version: u32,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

/// The `index.json` of an OCI layout, whose other fields nobody reads.
#[derive(Debug, Deserialize)]
pub(super) struct LayoutIndex {
    #[serde(default)]
    pub(super) manifests: Option<Vec<Descriptor>>,
}

/// The manifest.json of a docker archive.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ArchiveEntry {
    pub(super) config: String,
    #[serde(default)]
    pub(super) repo_tags: Option<Vec<String>>,
    #[serde(default)]
    pub(super) layers: Option<Vec<String>>,
}

/// A Docker schema 2 manifest, as engines make one for a docker archive, which has none
/// (docker/internal/tarfile/src.go of the image library). The order of the fields counts.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Generated<'a> {
    pub(super) schema_version: u32,
    pub(super) media_type: &'a str,
    pub(super) config: GeneratedDescriptor<'a>,
    pub(super) layers: Vec<GeneratedDescriptor<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GeneratedDescriptor<'a> {
    pub(super) media_type: &'a str,
    pub(super) size: u64,
    pub(super) digest: &'a str,
}
