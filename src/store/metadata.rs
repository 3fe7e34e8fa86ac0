//! What engines note of an image beside its record, as JSON in a string
//! (`storageImageMetadata` in storage_image.go).

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::StoredImage;
use super::builder::file_name;
use crate::images::{Digest, signature};
use crate::limits;
use crate::sys::Root;

/// How many bytes each signature has.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct ImageMetadata {
    /// Of the image.
    signature_sizes: Option<Vec<Option<i64>>>,
    /// Of each of its manifests, by digest.
    signatures_sizes: Option<HashMap<String, Option<Vec<Option<i64>>>>>,
}

impl ImageMetadata {
    /// That of an image; nothing is none.
    ///
    /// # Errors
    /// Why it is malformed.
    pub(super) fn of(image: &StoredImage) -> Result<Self, serde_json::Error> {
        match image.metadata.as_deref() {
            None | Some("") => Ok(Self::default()),
            Some(text) => Ok(serde_json::from_str::<Option<Self>>(text)?.unwrap_or_default()),
        }
    }

    /// The files with signatures that an engine reads when it copies the image, by their
    /// keys, and how many bytes each signature in them has.
    pub(super) fn signatures(&self) -> Vec<(String, Vec<i64>)> {
        let numbers = |sizes: &[Option<i64>]| sizes.iter().map(|size| size.unwrap_or_default()).collect();
        let of_image = self.signature_sizes.iter().map(|sizes| ("signatures".to_owned(), sizes));
        let of_manifests = self.signatures_sizes.iter().flatten().filter_map(|(digest, sizes)| {
            let hex = digest.split_once(':')?.1;
            Some((format!("signature-{hex}"), sizes.as_ref()?))
        });
        let sizes = of_image.chain(of_manifests).filter(|(_, sizes)| !sizes.is_empty());
        sizes.map(|(key, sizes)| (key, numbers(sizes))).collect()
    }
}

/// The key of the signatures of the manifest that is used. Engines read these, unless they are
/// asked for a manifest by its digest.
pub(super) const SIGNATURES: &str = "signatures";

/// The key of the signatures of the manifest with this digest.
pub(super) fn signatures_key(manifest: &Digest) -> String {
    format!("signature-{}", manifest.hex())
}

/// Whether signatures are under this key.
pub(crate) fn is_of_signatures(key: &str) -> bool {
    key == SIGNATURES || key.starts_with("signature-")
}

/// The metadata `text` with the sizes of the signatures of the manifest with the digest
/// `manifest`, which is used or not.
pub(super) fn with_signatures(
    text: Option<&str>,
    manifest: &str,
    signature_sizes: &[usize],
    is_used: bool,
) -> String {
    let mut fields: BTreeMap<String, Value> =
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let sizes: Value = signature_sizes.iter().copied().collect();
    match fields.entry("signatures-sizes".to_owned()).or_default() {
        Value::Object(by_digest) => {
            by_digest.insert(manifest.to_owned(), sizes.clone());
        }
        other => *other = [(manifest.to_owned(), sizes.clone())].into_iter().collect(),
    }
    if is_used && !signature_sizes.is_empty() {
        fields.insert("signature-sizes".to_owned(), sizes);
    }
    serde_json::to_string(&fields).expect("it came from JSON")
}

/// The signatures that a store has of the image `record`, whose files are in `dir`, for its
/// manifest with this digest. Nothing where engines could not read them.
pub(crate) fn signatures_in(
    root: &Root,
    dir: &Path,
    record: &StoredImage,
    manifest: &Digest,
) -> Vec<Vec<u8>> {
    let metadata = ImageMetadata::of(record).unwrap_or_default();
    let sizes = metadata.signatures_sizes.as_ref().and_then(|sizes| sizes.get(manifest.as_str())?.as_ref());
    let Some(sizes) = sizes else {
        return Vec::new();
    };
    let file = dir.join(file_name(&signatures_key(manifest)));
    let bytes = root.read_up_to(&file, limits::IMAGE_DOCUMENT).ok().flatten();
    let sizes: Vec<i64> = sizes.iter().map(|size| size.unwrap_or_default()).collect();
    bytes.and_then(|(bytes, _)| cut(&bytes, &sizes).ok()).unwrap_or_default()
}

/// The signatures that stand one behind the other in a file.
///
/// # Errors
/// Why engines cannot read them.
pub(super) fn cut(mut bytes: &[u8], sizes: &[i64]) -> Result<Vec<Vec<u8>>, String> {
    let mut signatures = Vec::new();
    for (index, size) in sizes.iter().enumerate() {
        let cut = usize::try_from(*size).ok().and_then(|size| bytes.split_at_checked(size));
        let (signature, rest) = cut.ok_or_else(|| format!("signature {} has {size} bytes", index + 1))?;
        signature::check(signature).map_err(|why| format!("signature {} {why}", index + 1))?;
        signatures.push(signature.to_vec());
        bytes = rest;
    }
    if bytes.is_empty() { Ok(signatures) } else { Err("there is more than its signatures".to_owned()) }
}
