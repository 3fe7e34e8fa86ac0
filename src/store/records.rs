//! images.json and layers.json, as the engines declare them.
//!
//! Every field is optional and may be null, as for Go's decoder; a field of the
//! wrong type makes the file malformed, as there. Source: the `Image` and
//! `Layer` structures of the storage library's images.go and layers.go.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::host::Root;

/// A record of images.json.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Image {
    /// Its id: 64 hexadecimal digits.
    pub id: Option<String>,
    /// The digest of its manifest.
    pub digest: Option<String>,
    /// Its names, with tag or digest.
    pub names: Option<Vec<String>>,
    /// Digests of its big-data files, by key.
    pub big_data_digests: Option<HashMap<String, String>>,
    names_history: Option<Vec<String>>,
    layer: Option<String>,
    mapped_layers: Option<Vec<String>>,
    metadata: Option<String>,
    big_data_names: Option<Vec<String>>,
    big_data_sizes: Option<HashMap<String, i64>>,
    created: Option<String>,
    flags: Option<HashMap<String, IgnoredAny>>,
}

/// A record of layers.json.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Layer {
    /// Its id: 64 hexadecimal digits.
    pub id: Option<String>,
    /// Its names; layers of images have none as a rule.
    pub names: Option<Vec<String>>,
    parent: Option<String>,
    metadata: Option<String>,
    mountlabel: Option<String>,
    created: Option<String>,
    compressed_diff_digest: Option<String>,
    compressed_size: Option<i64>,
    diff_digest: Option<String>,
    diff_size: Option<i64>,
    toc_digest: Option<String>,
    compression: Option<i64>,
    uidset: Option<Vec<u32>>,
    gidset: Option<Vec<u32>>,
    flags: Option<HashMap<String, IgnoredAny>>,
    uidmap: Option<Vec<IdMap>>,
    gidmap: Option<Vec<IdMap>>,
    big_data_names: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct IdMap {
    container_id: Option<i64>,
    host_id: Option<i64>,
    size: Option<i64>,
}

/// Parses a file of records. An empty file and `null` are an empty list.
///
/// # Errors
/// What is malformed, with line and column.
pub(super) fn parse<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<Vec<T>, serde_json::Error> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    Ok(serde_json::from_slice::<Option<Vec<T>>>(bytes)?.unwrap_or_default())
}

/// How many images the store at `path` holds for engines that use `driver`.
///
/// # Errors
/// If images.json cannot be read or is malformed.
pub fn count_images(root: &Root, path: &Path, driver: &str) -> anyhow::Result<usize> {
    let file = path.join(format!("{driver}-images/images.json"));
    match root.read(&file)? {
        Some((bytes, _)) => Ok(parse::<Image>(&bytes)?.len()),
        None => Ok(0),
    }
}
