//! images.json and layers.json, as the engines declare them. Source: the `Image` and
//! `Layer` structures of the storage library's images.go and layers.go.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::decode::{Decode, DecodeError, decode, decodes};
use super::time::Timestamp;
use crate::limits;
use crate::problem::Problem;
use crate::sys::Root;

/// A record of images.json.
#[derive(Debug, Clone, Default)]
pub struct StoredImage {
    /// Its id: 64 hexadecimal digits.
    pub id: Option<String>,
    /// The digest of its manifest.
    pub digest: Option<String>,
    /// Its names, with tag or digest.
    pub names: Option<Vec<String>>,
    /// Digests of its big-data files, by key.
    pub big_data_digests: Option<HashMap<String, String>>,
    /// Names that it had before, the newest first.
    pub names_history: Option<Vec<String>>,
    /// Its topmost layer; nothing for an image without layers, or a manifest list.
    pub layer: Option<String>,
    /// Copies of its topmost layer with other owners.
    pub mapped_layers: Option<Vec<String>>,
    /// What the engine noted, as JSON in a string.
    pub metadata: Option<String>,
    /// The keys of its big-data files.
    pub big_data_names: Option<Vec<String>>,
    /// Their sizes in bytes, by key.
    pub big_data_sizes: Option<HashMap<String, i64>>,
    /// When it was made.
    pub(crate) created: Option<Timestamp>,
    /// Flags, such as `incomplete`, and whether they are set.
    pub flags: Option<HashMap<String, bool>>,
}

/// A record of layers.json.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredLayer {
    /// Its id: 64 hexadecimal digits.
    pub id: Option<String>,
    /// Its names; layers of images have none as a rule.
    pub names: Option<Vec<String>>,
    /// The layer below; nothing for a base layer.
    pub parent: Option<String>,
    /// What the engine noted, as JSON in a string.
    pub metadata: Option<String>,
    /// The SELinux label that it is mounted with.
    pub mountlabel: Option<String>,
    /// When it was made.
    pub(crate) created: Option<Timestamp>,
    /// The digest of the blob that it was pulled as.
    pub compressed_diff_digest: Option<String>,
    /// That blob's size in bytes.
    pub compressed_size: Option<i64>,
    /// The digest of its uncompressed tar stream; nothing for the layer of a container.
    pub diff_digest: Option<String>,
    /// That stream's size in bytes; -1 if unknown.
    pub diff_size: Option<i64>,
    /// The digest of the table of contents of a partial pull.
    pub toc_digest: Option<String>,
    /// How the blob was compressed: 0 not, 1 bzip2, 2 gzip, 3 xz, 4 zstd.
    pub compression: Option<i64>,
    /// The user ids that its files have.
    pub uidset: Option<Vec<u32>>,
    /// The group ids that its files have.
    pub gidset: Option<Vec<u32>>,
    /// Flags, such as `incomplete`, and whether they are set.
    pub flags: Option<HashMap<String, bool>>,
    /// How user ids are mapped in it.
    pub uidmap: Option<Vec<IdMap>>,
    /// How group ids are mapped in it.
    pub gidmap: Option<Vec<IdMap>>,
    /// The keys of its big-data files.
    pub big_data_names: Option<Vec<String>>,
}

/// A range of mapped ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdMap {
    /// The first id inside.
    pub container_id: Option<i64>,
    /// The first id outside.
    pub host_id: Option<i64>,
    /// How many ids.
    pub size: Option<i64>,
}

decodes!(StoredImage {
    "id" => id,
    "digest" => digest,
    "names" => names,
    "big-data-digests" => big_data_digests,
    "names-history" => names_history,
    "layer" => layer,
    "mapped-layers" => mapped_layers,
    "metadata" => metadata,
    "big-data-names" => big_data_names,
    "big-data-sizes" => big_data_sizes,
    "created" => created,
    "flags" => flags,
});

decodes!(StoredLayer {
    "id" => id,
    "names" => names,
    "parent" => parent,
    "metadata" => metadata,
    "mountlabel" => mountlabel,
    "created" => created,
    "compressed-diff-digest" => compressed_diff_digest,
    "compressed-size" => compressed_size,
    "diff-digest" => diff_digest,
    "diff-size" => diff_size,
    "toc-digest" => toc_digest,
    "compression" => compression,
    "uidset" => uidset,
    "gidset" => gidset,
    "flags" => flags,
    "uidmap" => uidmap,
    "gidmap" => gidmap,
    "big-data-names" => big_data_names,
});

decodes!(IdMap {
    "container_id" => container_id,
    "host_id" => host_id,
    "size" => size,
});

impl StoredImage {
    /// When it was made, in RFC 3339.
    pub fn created(&self) -> Option<String> {
        self.created.map(Timestamp::text)
    }

    /// How many bytes its documents have.
    pub(crate) fn documents_size(&self) -> u64 {
        let keys = self.big_data_names.iter().flatten();
        let sizes = keys.filter_map(|key| self.big_data_sizes.as_ref()?.get(key));
        sizes.filter_map(|size| u64::try_from(*size).ok()).fold(0, u64::saturating_add)
    }

    /// Whether it was made before the other.
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.created.zip(other.created).is_some_and(|(this, other)| this < other)
    }
}

impl StoredLayer {
    /// How many bytes its tar stream has, if that is recorded.
    pub(crate) fn size(&self) -> Option<u64> {
        self.diff_digest.as_ref().filter(|digest| !digest.is_empty())?;
        u64::try_from(self.diff_size.unwrap_or_default()).ok()
    }

    /// Whether podman 4 can tell the size of an image with this layer, and whether others
    /// can; none lists any image of any store otherwise (`getSize` in storage_src.go).
    pub(crate) fn has_size(&self) -> (bool, bool) {
        let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let known = is_set(&self.diff_digest) && self.diff_size.unwrap_or_default() >= 0;
        (known, known || self.is_partial())
    }

    /// Whether it was pulled in parts.
    pub(crate) fn is_partial(&self) -> bool {
        self.toc_digest.as_ref().is_some_and(|digest| !digest.is_empty())
    }

    /// Whether its files have other owners than in the image.
    pub(crate) fn is_mapped(&self) -> bool {
        [&self.uidmap, &self.gidmap].iter().any(|map| map.as_ref().is_some_and(|map| !map.is_empty()))
    }

    /// Whether it was never completed, or is about to be deleted.
    pub fn is_incomplete(&self) -> bool {
        self.flags.as_ref().is_some_and(|flags| flags.get("incomplete") == Some(&true))
    }
}

/// Parses a file of records for their bytes. An empty file and `null` are an empty list;
/// nothing but white space is none, as for engines.
///
/// # Errors
/// What is malformed, with line and column.
pub(crate) fn parse<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<Vec<T>, serde_json::Error> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    Ok(serde_json::from_slice::<Option<Vec<T>>>(bytes)?.unwrap_or_default())
}

/// The images of the store at `path`, for engines that use `driver`.
///
/// # Errors
/// If images.json cannot be read or is malformed.
pub fn images(root: &Root, path: &Path, driver: &str) -> anyhow::Result<Vec<StoredImage>> {
    read(root, &path.join(format!("{driver}-images/images.json")))
}

/// The layers of the store at `path`, for engines that use `driver`.
///
/// # Errors
/// If layers.json cannot be read or is malformed.
pub fn layers(root: &Root, path: &Path, driver: &str) -> anyhow::Result<Vec<StoredLayer>> {
    let mut layers = Vec::new();
    for file in ["layers.json", "volatile-layers.json"] {
        layers.append(&mut read(root, &path.join(format!("{driver}-layers")).join(file))?);
    }
    Ok(layers)
}

fn read<T: Decode>(root: &Root, file: &Path) -> anyhow::Result<Vec<T>> {
    match root.read_up_to(file, limits::RECORDS)? {
        Some((bytes, _)) => Ok(decode(&bytes)?),
        None => Ok(Vec::new()),
    }
}

/// How many images the store at `path` holds for engines that use `driver`.
///
/// # Errors
/// If images.json cannot be read or is malformed.
pub fn count_images(root: &Root, path: &Path, driver: &str) -> anyhow::Result<usize> {
    Ok(images(root, path, driver)?.len())
}

/// The names of all images in the store at `path`, whatever their driver.
///
/// # Errors
/// A [`Problem`] if there is no store, or an images.json of it cannot be read or is
/// malformed.
pub fn image_names(root: &Root, path: &Path) -> Result<Vec<String>, Problem> {
    Ok(recorded_images(root, path)?.into_iter().flat_map(|image| image.names.unwrap_or_default()).collect())
}

/// All images in the store at `path`, whatever their driver.
///
/// # Errors
/// As [`image_names`].
pub fn recorded_images(root: &Root, path: &Path) -> Result<Vec<StoredImage>, Problem> {
    let shown = root.show(path);
    let Some(entries) = root.list(path).map_err(Problem::cannot("read", shown.display()))? else {
        return Err(Problem::new(
            "store-missing",
            format!("the store `{}` does not exist", shown.display()),
            "give one that has images, below `--root` if it is in a tree",
        ));
    };
    let mut all = Vec::new();
    for entry in entries.iter().filter_map(|entry| entry.to_str()).filter(|entry| entry.ends_with("-images"))
    {
        let file = path.join(entry).join("images.json");
        let shown = root.show(&file);
        let Some((bytes, _)) =
            root.read_up_to(&file, limits::RECORDS).map_err(Problem::cannot("read", shown.display()))?
        else {
            continue;
        };
        all.append(&mut decode::<StoredImage>(&bytes).map_err(|error: DecodeError| {
            Problem::new(
                "images-json-malformed",
                format!("`{}` is malformed: {error}", shown.display()),
                "build the store again",
            )
        })?);
    }
    Ok(all)
}
