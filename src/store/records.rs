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
use crate::problem::Problem;

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
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// Flags, such as `incomplete`.
    pub flags: Option<HashMap<String, IgnoredAny>>,
}

/// A record of layers.json.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Layer {
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
    /// When it was made, RFC 3339.
    pub created: Option<String>,
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
    /// Flags, such as `incomplete`.
    pub flags: Option<HashMap<String, IgnoredAny>>,
    /// How user ids are mapped in it.
    pub uidmap: Option<Vec<IdMap>>,
    /// How group ids are mapped in it.
    pub gidmap: Option<Vec<IdMap>>,
    /// The keys of its big-data files.
    pub big_data_names: Option<Vec<String>>,
}

/// A range of mapped ids.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct IdMap {
    /// The first id inside.
    pub container_id: Option<i64>,
    /// The first id outside.
    pub host_id: Option<i64>,
    /// How many ids.
    pub size: Option<i64>,
}

/// Parses a file of records. An empty file and `null` are an empty list; nothing but
/// white space is none, as for engines.
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
pub fn images(root: &Root, path: &Path, driver: &str) -> anyhow::Result<Vec<Image>> {
    read(root, &path.join(format!("{driver}-images/images.json")))
}

/// The layers of the store at `path`, for engines that use `driver`.
///
/// # Errors
/// If layers.json cannot be read or is malformed.
pub fn layers(root: &Root, path: &Path, driver: &str) -> anyhow::Result<Vec<Layer>> {
    let mut layers = Vec::new();
    for file in ["layers.json", "volatile-layers.json"] {
        layers.append(&mut read(root, &path.join(format!("{driver}-layers")).join(file))?);
    }
    Ok(layers)
}

fn read<T: for<'de> Deserialize<'de>>(root: &Root, file: &Path) -> anyhow::Result<Vec<T>> {
    match root.read(file)? {
        Some((bytes, _)) => Ok(parse(&bytes)?),
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
    let shown = root.show(path);
    let Some(entries) = root.list(path).map_err(Problem::cannot("read", shown.display()))? else {
        return Err(Problem::new(
            "store-missing",
            format!("the store `{}` does not exist", shown.display()),
            "give one that has images, below `--root` if it is in a tree",
        ));
    };
    let mut names = Vec::new();
    for entry in entries.iter().filter_map(|entry| entry.to_str()).filter(|entry| entry.ends_with("-images"))
    {
        let file = path.join(entry).join("images.json");
        let shown = root.show(&file);
        let Some((bytes, _)) = root.read(&file).map_err(Problem::cannot("read", shown.display()))? else {
            continue;
        };
        let images = parse::<Image>(&bytes).map_err(|error| {
            Problem::new(
                "images-json-malformed",
                format!("`{}` is malformed: {error}", shown.display()),
                "make the store again",
            )
        })?;
        names.extend(images.into_iter().flat_map(|image| image.names.unwrap_or_default()));
    }
    Ok(names)
}
