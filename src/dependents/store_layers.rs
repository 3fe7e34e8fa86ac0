//! A listed store as far as others build on it: its layers.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::array::elements;
use super::own::StorageRecord;
use crate::hex::hex;
use crate::limits;
use crate::problem::words;
use crate::store::{MARKER, awaited, is_gone, is_id, unit_name};
use crate::sys::{FileKind, Root, is_mount_point};

/// The layers of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StoreLayers {
    /// Each layer that there is a record of, and the layer below it.
    pub(super) layers: HashMap<String, Option<String>>,
    /// Each layer that there is a directory of.
    pub(super) directories: HashSet<String>,
    /// What tells the store's content from another: a digest of its layers that
    /// are there, and of its images.json.
    pub(super) digest: String,
}

/// Why it cannot be told what a store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnreadableStore {
    /// As the end of a sentence: "does not exist".
    pub(super) why: String,
    /// Whether it may as well be meant to be empty.
    pub(super) may_be_empty: bool,
}

impl From<String> for UnreadableStore {
    fn from(why: String) -> Self {
        Self { why, may_be_empty: false }
    }
}

/// Where systemd looks for mount units, systemd.unit(5), and where those made
/// from fstab are.
const UNITS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/run/systemd/generator", "/usr/lib/systemd/system"];

/// Reads the store at `path`.
///
/// # Errors
/// Why it cannot be told what it holds.
pub(super) fn read(root: &Root, path: &str, driver: &str) -> Result<StoreLayers, UnreadableStore> {
    if !path.starts_with('/') {
        return Err("has a path that is not absolute".to_owned().into());
    }
    let dir = Path::new(path);
    let cannot = |error: io::Error| format!("cannot be read: {}", words(&error));
    match root.stat(dir).map_err(cannot)? {
        Some(stat) if stat.kind == FileKind::Directory => {}
        Some(_) => return Err("is not a directory".to_owned().into()),
        None => return Err("does not exist".to_owned().into()),
    }
    if let Some(file) = awaited(root, dir).map_err(cannot)? {
        return Err(format!("is not available yet: `{}` is not mounted", file.display()).into());
    }
    if let Some(at) = awaited_mount(root, dir).map_err(cannot)? {
        let at = at.display();
        return Err(format!(
            "is not available yet: nothing is mounted at `{at}`, where a unit mounts something"
        )
        .into());
    }
    let mut store_layers = StoreLayers {
        directories: directories(root, dir, driver).map_err(cannot)?,
        ..StoreLayers::default()
    };
    let mut has_records = false;
    for name in ["layers.json", "volatile-layers.json"] {
        let file = dir.join(format!("{driver}-layers")).join(name);
        let Some((bytes, _)) = root.read_up_to(&file, limits::RECORDS).map_err(cannot)? else {
            continue;
        };
        has_records |= name == "layers.json";
        let malformed = |error| format!("has a malformed {name}: {error}");
        for span in elements(&bytes).map_err(malformed)? {
            let record: StorageRecord = serde_json::from_slice(&bytes[span]).map_err(malformed)?;
            store_layers.layers.entry(record.id).or_insert(record.parent);
        }
    }
    let images = root
        .read_up_to(&dir.join(format!("{driver}-images/images.json")), limits::RECORDS)
        .map_err(cannot)?;
    let images = images.map(|(bytes, _)| bytes);
    elements(images.as_deref().unwrap_or_default())
        .map_err(|error| format!("has a malformed images.json: {error}"))?;
    if !has_records && !store_layers.directories.is_empty() {
        return Err("has layers but no layers.json".to_owned().into());
    }
    let is_meant_empty = || root.stat(&dir.join(MARKER)).map(|marker| marker.is_some());
    if !has_records && is_gone(root, dir).map_err(cannot)? && !is_meant_empty().map_err(cannot)? {
        let why = "is empty, like a mount point without its mount".to_owned();
        return Err(UnreadableStore { why, may_be_empty: true });
    }
    store_layers.digest = digest(&store_layers, images.as_deref());
    Ok(store_layers)
}

/// The layers of which there is a directory in the storage at `dir`.
pub(super) fn directories(root: &Root, dir: &Path, driver: &str) -> io::Result<HashSet<String>> {
    let names = root.list(&dir.join(home(driver)))?.unwrap_or_default();
    let names = names.into_iter().filter_map(|name| name.into_string().ok());
    Ok(names.filter(|name| is_id(name)).collect())
}

/// Where a driver has the directories of layers.
pub(super) fn home(driver: &str) -> PathBuf {
    if driver == "vfs" { Path::new(driver).join("dir") } else { driver.into() }
}

fn digest(store_layers: &StoreLayers, images: Option<&[u8]>) -> String {
    let mut layers: Vec<&String> =
        store_layers.layers.keys().filter(|id| store_layers.directories.contains(*id)).collect();
    layers.sort();
    let mut hash = Sha256::new();
    for layer in layers {
        hash.update(layer);
        hash.update("\n");
    }
    hash.update(images.unwrap_or_default());
    format!("sha256:{}", hex(&hash.finalize()))
}

/// The place, `path` or above it, at which a unit or a line of fstab mounts
/// something and nothing is mounted now.
fn awaited_mount(root: &Root, path: &Path) -> io::Result<Option<PathBuf>> {
    let fstab = root.read(Path::new("/etc/fstab"))?.map(|(bytes, _)| bytes).unwrap_or_default();
    let fstab = String::from_utf8_lossy(&fstab).into_owned();
    let in_fstab = |place: &Path| {
        let fields = fstab.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut mounts = fields.filter(|fields| !fields.first().is_some_and(|first| first.starts_with('#')));
        mounts.any(|fields| fields.get(1).is_some_and(|at| Path::new(at) == place))
    };
    // systemd has a unit for /tmp everywhere, also where nobody wants it mounted.
    let may_count = |place: &&Path| place.parent().is_some() && *place != Path::new("/tmp");
    for place in path.ancestors().filter(may_count) {
        let unit = unit_name(&place.to_string_lossy(), "mount");
        let mut awaited = in_fstab(place);
        for dir in UNITS {
            awaited |=
                root.stat(&Path::new(dir).join(&unit))?.is_some_and(|stat| stat.kind == FileKind::File);
        }
        if awaited && !is_mount_point(root, place)? {
            return Ok(Some(place.to_owned()));
        }
    }
    Ok(None)
}
