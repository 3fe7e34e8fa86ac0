//! What engines note of an image beside its record, as JSON in a string
//! (`storageImageMetadata` in storage_image.go).

use std::collections::HashMap;

use serde::Deserialize;

use super::Image;

/// How many bytes each signature has.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Metadata {
    /// Of the image.
    signature_sizes: Option<Vec<Option<i64>>>,
    /// Of each of its manifests, by digest.
    signatures_sizes: Option<HashMap<String, Option<Vec<Option<i64>>>>>,
}

impl Metadata {
    /// That of an image; nothing is none.
    ///
    /// # Errors
    /// Why it is malformed.
    pub(super) fn of(image: &Image) -> Result<Self, serde_json::Error> {
        match image.metadata.as_deref() {
            None | Some("") => Ok(Self::default()),
            Some(text) => Ok(serde_json::from_str::<Option<Self>>(text)?.unwrap_or_default()),
        }
    }

    /// The files with signatures that an engine reads when it copies the image, by their
    /// keys, and how many bytes each must have.
    pub(super) fn signatures(&self) -> Vec<(String, u64)> {
        let sum = |sizes: &[Option<i64>]| -> u64 {
            sizes.iter().flatten().filter_map(|size| u64::try_from(*size).ok()).sum()
        };
        let of_image = self.signature_sizes.iter().map(|sizes| ("signatures".to_owned(), sizes));
        let of_manifests = self.signatures_sizes.iter().flatten().filter_map(|(digest, sizes)| {
            let hex = digest.split_once(':')?.1;
            Some((format!("signature-{hex}"), sizes.as_ref()?))
        });
        let sizes = of_image.chain(of_manifests).filter(|(_, sizes)| !sizes.is_empty());
        sizes.map(|(key, sizes)| (key, sum(sizes))).collect()
    }
}
