//! OCI artifacts: what has the manifest of an image, and a configuration that is none of an image.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Digest;
use super::manifest::{Descriptor, Manifest, ManifestFault, OCI_MANIFEST, is_image};
use crate::limits;

/// When it was made, in the annotations of a manifest.
const CREATED: &str = "org.opencontainers.image.created";

/// What a manifest says, be it that of an artifact or of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactManifest {
    /// What it is: its `artifactType`, or else the media type of its configuration, or of its first
    /// file where that is none of its own.
    pub kind: String,
    /// Whether it is an image.
    pub is_image: bool,
    /// The digest of what it refers to, such as the image that a signature is of.
    pub subject: Option<Digest>,
    /// When it was made, as it says it.
    pub created: Option<String>,
    /// Its configuration and its files, with their sizes in bytes.
    pub blobs: BTreeMap<Digest, u64>,
    /// How many bytes its files have.
    pub bytes: u64,
}

/// What an OCI manifest has beside what every manifest of an image has.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OwnFields {
    media_type: Option<String>,
    artifact_type: Option<String>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

impl ArtifactManifest {
    /// Reads a manifest that is no index, of OCI's type, which alone engines keep as an artifact.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence about it.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() as u64 > limits::IMAGE_DOCUMENT {
            return Err("is larger than 4 MiB".to_owned());
        }
        let malformed = |error: serde_json::Error| format!("is malformed: {error}");
        let (config, layers) = match Manifest::parse(bytes) {
            Ok(Manifest::Image { config, layers }) => (config, layers),
            Ok(Manifest::Index(_)) => return Err("is a list of manifests".to_owned()),
            Err(ManifestFault::Malformed(error)) => return Err(malformed(error)),
            Err(ManifestFault::FirstSchema) => return Err("is Docker schema 1".to_owned()),
            Err(ManifestFault::OtherType(kind)) => return Err(format!("has the type `{kind}`")),
        };
        let own: OwnFields = serde_json::from_slice(bytes).map_err(malformed)?;
        if let Some(kind) = own.media_type.filter(|kind| !kind.is_empty() && kind != OCI_MANIFEST) {
            return Err(format!("has the type `{}`, and not OCI's", kind.escape_debug()));
        }
        let digest = |text: &str| {
            let wrong = || format!("names `{}`, which is not a SHA-256 digest", text.escape_debug());
            Digest::parse(text).ok_or_else(wrong)
        };
        let mut blobs = BTreeMap::new();
        for part in layers.iter().chain([&config]) {
            if blobs.insert(digest(&part.digest)?, part.size).is_some_and(|size| size != part.size) {
                return Err(format!("disagrees with itself about the size of `{}`", part.digest));
            }
        }
        let is_image = is_image(&config, &layers);
        let own_type = own.artifact_type.filter(|kind| !kind.is_empty());
        // cosign's have the configuration of an image.
        let of_files = layers.first().filter(|_| config.is_of_image()).map(|file| &file.media_type);
        let kind = own_type.unwrap_or_else(|| of_files.unwrap_or(&config.media_type).clone());
        Ok(Self {
            kind,
            is_image,
            subject: own.subject.and_then(|subject| Digest::parse(&subject.digest)),
            created: own.annotations.and_then(|mut annotations| annotations.remove(CREATED)),
            blobs,
            bytes: layers.iter().fold(0, |sum, layer| sum.saturating_add(layer.size)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(edit: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
        let digest = Digest::of(b"{}");
        let mut manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.example.sbom",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest.as_str(), "size": 2},
            "layers": [{"mediaType": "text/plain", "digest": Digest::of(b"a").as_str(), "size": 1}],
        });
        edit(&mut manifest);
        serde_json::to_vec(&manifest).unwrap()
    }

    #[test]
    fn an_artifact_says_what_it_is_and_what_it_is_about() {
        let subject = Digest::of(b"image");
        let read = ArtifactManifest::parse(&manifest(|manifest| {
            manifest["subject"] =
                serde_json::json!({"mediaType": OCI_MANIFEST, "digest": subject.as_str(), "size": 5});
        }))
        .unwrap();
        assert_eq!(
            (read.kind.as_str(), read.is_image, read.bytes),
            ("application/vnd.example.sbom", false, 1)
        );
        assert_eq!((read.subject, read.blobs.len()), (Some(subject), 2));
        let untyped = manifest(|manifest| _ = manifest.as_object_mut().unwrap().remove("artifactType"));
        assert_eq!(ArtifactManifest::parse(&untyped).unwrap().kind, "application/vnd.oci.empty.v1+json");
    }

    #[test]
    fn what_engines_would_not_keep_is_told() {
        for (edit, expected) in [
            (("/mediaType", "application/vnd.docker.distribution.manifest.v2+json"), "and not OCI's"),
            (("/layers/0/digest", "sha512:00"), "is not a SHA-256 digest"),
            (("/layers/0/digest", Digest::of(b"{}").as_str()), "disagrees with itself"),
        ] {
            let bytes = manifest(|manifest| *manifest.pointer_mut(edit.0).unwrap() = edit.1.into());
            assert!(ArtifactManifest::parse(&bytes).unwrap_err().contains(expected), "{edit:?}");
        }
        assert_eq!(
            ArtifactManifest::parse(br#"{"schemaVersion": 2, "manifests": []}"#).unwrap_err(),
            "is a list of manifests"
        );
    }
}
