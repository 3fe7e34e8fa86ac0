//! What in a store's files stops the engines that have it listed.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use super::decode::{Decode, decode};
use super::driver::driver_of;
use super::id::is_id;
use super::metadata::ImageMetadata;
use super::records::{StoredImage, StoredLayer};
use crate::engine::{Engines, Profile};
use crate::images::is_reference;
use crate::limits;
use crate::sys::{FileKind, Root};

/// A store as engines with a storage driver find it.
#[derive(Debug)]
pub struct DriverStore {
    /// The driver that it was made with, or why that cannot be told.
    pub made_by: io::Result<String>,
    /// What stops engines there, or why that cannot be told.
    pub harms: io::Result<Vec<Harm>>,
}

impl DriverStore {
    /// Looks at the store at `path`.
    pub fn new(root: &Root, path: &Path, driver: &str) -> Self {
        Self { made_by: driver_of(root, path, driver), harms: content_harms(root, path, driver) }
    }
}

/// One reason why engines stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Harm {
    /// Its stable name, such as `layers-json-malformed`.
    pub id: &'static str,
    /// What is wrong, as half a sentence: `its images.json is malformed: …`.
    pub message: String,
    /// What helps.
    pub hint: String,
    /// The file that it is about, inside the tree.
    pub place: PathBuf,
    /// The image, if it is about one: a name of it, or the start of its id.
    pub image: Option<String>,
    hits: [HarmEffect; Profile::ALL.len()],
}

/// What a harm does to an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HarmEffect {
    /// Every command stops, and CRI-O's start.
    Everything,
    /// Every command that looks at a layer stops.
    Layers,
    /// Commands that list images stop.
    Listing,
    /// It sees no image of the store.
    NoImage,
    /// It does not notice.
    Nothing,
}

impl Harm {
    fn new(
        id: &'static str,
        place: PathBuf,
        message: String,
        hint: &str,
        hits: impl Fn(Profile) -> HarmEffect,
    ) -> Self {
        Self { id, message, hint: hint.to_owned(), place, image: None, hits: Profile::ALL.map(hits) }
    }

    /// What it does to an engine of this profile.
    pub fn hits(&self, profile: Profile) -> HarmEffect {
        let at = Profile::ALL.iter().position(|other| *other == profile);
        self.hits[at.expect("all profiles are there")]
    }
}

/// One of the two parts of a store that have records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StorePart {
    Images,
    Layers,
}

impl StorePart {
    const fn lock(self) -> &'static str {
        match self {
            Self::Images => "images.lock",
            Self::Layers => "layers.lock",
        }
    }

    /// What stops if this part cannot be opened: images are read at the start, layers when
    /// one is asked for.
    const fn hit(self) -> HarmEffect {
        match self {
            Self::Images => HarmEffect::Everything,
            Self::Layers => HarmEffect::Layers,
        }
    }
}

/// Looks for what makes engines stop as soon as the store at `path` is listed:
/// records that do not parse, names given twice, lock files that are missing
/// where engines cannot create them.
///
/// The rules were observed with podman 4.3, 5.8 and 6.0: a store that cannot be
/// opened fails all stores. A malformed layers.json even makes CRI-O wipe its
/// own storage after an unclean stop.
///
/// # Errors
/// If something cannot be read: that is not the same as being fine.
pub fn content_harms(root: &Root, path: &Path, driver: &str) -> io::Result<Vec<Harm>> {
    let read_only = root.is_read_only(path)?;
    let mut harms = Vec::new();
    let images = path.join(format!("{driver}-images"));
    let layers = path.join(format!("{driver}-layers"));
    for (dir, part) in [(&images, StorePart::Images), (&layers, StorePart::Layers)] {
        harms.extend(lock_harm(root, dir, read_only, part)?);
    }
    check_images(root, &images, &mut harms)?;
    check_layers(root, &layers, &mut harms)?;
    Ok(harms)
}

/// What stands at `path`, symlinks followed; a symlink that leads nowhere as itself.
fn stands(root: &Root, path: &Path) -> io::Result<Option<FileKind>> {
    match root.stat_or_link(path)? {
        Some(stat) => Ok(Some(stat.kind)),
        None => Ok(root.read_link(path)?.map(|_| FileKind::Symlink)),
    }
}

/// Whether the user whose the store of `dir` is may make nothing in it.
fn is_closed_to_owner(root: &Root, dir: &Path) -> io::Result<bool> {
    let store = root.stat(dir.parent().unwrap_or(dir))?;
    let (Some(store), Some(dir)) = (store, root.stat(dir)?) else {
        return Ok(false);
    };
    Ok(store.uid != 0 && dir.uid != store.uid && dir.mode & 0o002 == 0)
}

fn lock_harm(root: &Root, dir: &Path, read_only: bool, part: StorePart) -> io::Result<Option<Harm>> {
    let (name, lock) = (file_name(dir), part.lock());
    let is_there = stands(root, dir)?;
    if is_there.is_some_and(|kind| kind != FileKind::Directory) {
        let message = format!("its `{name}` is not a directory");
        let hint = "build the store again; this one was not created by an engine";
        return Ok(Some(Harm::new("store-malformed", dir.to_owned(), message, hint, |_| part.hit())));
    }
    let place = dir.join(lock);
    let stands = if is_there.is_some() { stands(root, &place)? } else { None };
    let closed = stands.is_none() && is_there.is_some() && is_closed_to_owner(root, dir)?;
    Ok(match stands {
        Some(FileKind::Directory | FileKind::Other | FileKind::Symlink) => {
            let message = format!("its `{name}/{lock}` is not a file");
            let hint = "remove what is there and run `storagectl init-store` on the store";
            Some(Harm::new("store-malformed", place, message, hint, |_| part.hit()))
        }
        None if read_only || closed => {
            let why = if read_only {
                "its file system is read-only"
            } else {
                "the directory belongs to another user"
            };
            let message =
                format!("its `{name}/{lock}` is missing and {why}, so that no engine can create it");
            let hint = "run `storagectl init-store` on the store before it is sealed or mounted read-only";
            // Storage 1.52 and later log that it is read-only, and go on without the store's images.
            Some(Harm::new("lock-missing", place, message, hint, |profile| match part {
                StorePart::Images if read_only && profile != Profile::Podman4 => HarmEffect::NoImage,
                _ => part.hit(),
            }))
        }
        _ => None,
    })
}

fn check_images(root: &Root, dir: &Path, harms: &mut Vec<Harm>) -> io::Result<()> {
    let Some(images) = load::<StoredImage>(root, dir, "images.json", StorePart::Images, harms)? else {
        return Ok(());
    };
    let file = dir.join("images.json");
    let mut names = HashSet::new();
    for image in &images {
        let id = image.id.as_deref().unwrap_or("?");
        if let Some(why) = unlisted(image) {
            let message = format!("its images.json gives image `{id}` {why}");
            let hint = "remove that image from the store and pull it again";
            let harm =
                Harm::new("image-record-invalid", file.clone(), message, hint, |_| HarmEffect::Listing);
            harms.push(Harm { image: Some(image.title()), ..harm });
        }
        for name in image.names.iter().flatten() {
            if !names.insert(name.as_str()) {
                let message = format!("its images.json gives the name `{name}` to two images");
                let hint = "untag one of the two with the engine that created the store";
                harms.push(Harm::new("image-name-twice", file.clone(), message, hint, |_| {
                    HarmEffect::Everything
                }));
            }
        }
        let manifests =
            image.big_data_digests.iter().flatten().filter(|(key, _)| key.starts_with("manifest"));
        let digests = image
            .digest
            .iter()
            .filter(|digest| !digest.is_empty())
            .chain(manifests.map(|(_, digest)| digest));
        for digest in digests.filter(|digest| !is_digest(digest)) {
            let message = format!("its images.json gives image `{id}` the invalid digest `{digest}`");
            let hint = "pull that image into the store again";
            harms.push(Harm::new("image-digest-invalid", file.clone(), message, hint, |_| {
                HarmEffect::Everything
            }));
        }
    }
    Ok(())
}

/// What engines notice only when they list the image, and then they list none at all.
fn unlisted(image: &StoredImage) -> Option<String> {
    if !is_id(image.id()) && image.names.iter().flatten().next().is_some() {
        return Some("an invalid id".to_owned());
    }
    if let Some(name) = image.names.iter().flatten().find(|name| !is_reference(name)) {
        return Some(format!("the invalid name `{}`", name.escape_debug()));
    }
    if image.big_data_names.iter().flatten().any(String::is_empty) {
        return Some("a file without a name".to_owned());
    }
    let error = ImageMetadata::of(image).err()?;
    Some(format!("malformed metadata: {error}"))
}

fn check_layers(root: &Root, dir: &Path, harms: &mut Vec<Harm>) -> io::Result<()> {
    let mut names = HashSet::new();
    for file in ["layers.json", "volatile-layers.json"] {
        let Some(layers) = load::<StoredLayer>(root, dir, file, StorePart::Layers, harms)? else {
            continue;
        };
        for name in layers.into_iter().flat_map(|layer| layer.names.unwrap_or_default()) {
            if let Some(name) = names.replace(name) {
                let message = format!("its {file} gives the name `{name}` to two layers");
                let hint = "build the store again; engines refuse all layers while this is there";
                let hit = |profile| layers_hit(file, profile);
                harms.push(Harm::new("layer-name-twice", dir.join(file), message, hint, hit));
            }
        }
    }
    Ok(())
}

/// What stops if a file of layers cannot be read: storage 1.45 and later read the second.
fn layers_hit(file: &str, profile: Profile) -> HarmEffect {
    let reads = file == "layers.json" || Engines::by_version(|minor| minor >= 45).has(profile);
    if reads { HarmEffect::Layers } else { HarmEffect::Nothing }
}

/// Reads a file of records; `None` if it is not there or was reported as a harm.
fn load<T: Decode>(
    root: &Root,
    dir: &Path,
    file: &str,
    part: StorePart,
    harms: &mut Vec<Harm>,
) -> io::Result<Option<Vec<T>>> {
    let (id, hint) = match part {
        StorePart::Images => ("images-json-malformed", "build the store again, or restore this file"),
        StorePart::Layers => (
            "layers-json-malformed",
            "build the store again; with this file CRI-O wipes its own storage after a power cut",
        ),
    };
    let mut malformed = |why: &str, images: &dyn Fn(Profile) -> HarmEffect| {
        let message = format!("its `{}/{file}` is malformed: {why}", file_name(dir));
        harms.push(Harm::new(id, dir.join(file), message, hint, |profile| match part {
            StorePart::Images => images(profile),
            StorePart::Layers => layers_hit(file, profile),
        }));
        Ok(None)
    };
    let place = dir.join(file);
    let bytes = match root.stat_or_link(&place)?.map(|stat| stat.kind) {
        // Nothing is taken from a symlink to nothing.
        None => None,
        Some(FileKind::Symlink) => {
            return malformed("it is a symlink to itself", &|_| HarmEffect::Everything);
        }
        Some(FileKind::Directory | FileKind::Other) => {
            return malformed("it is not a file", &|_| HarmEffect::Everything);
        }
        Some(FileKind::File) => root.read_up_to(&place, limits::RECORDS)?,
    };
    let Some((bytes, _)) = bytes else {
        return Ok(None);
    };
    match decode(&bytes) {
        Ok(records) => Ok(Some(records)),
        Err(refused) if refused.too_large => Err(refused.into()),
        Err(refused) => malformed(&refused.to_string(), &|profile| {
            if profile != Profile::Podman4 || refused.crashes {
                return HarmEffect::Everything;
            }
            // Storage 1.43 reads what it can, and lists what of that has a name; then it
            // does not find it.
            let names = bytes.windows(7).any(|bytes| bytes.eq_ignore_ascii_case(b"\"names\""));
            if refused.begun && names { HarmEffect::Listing } else { HarmEffect::NoImage }
        }),
    }
}

fn file_name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// Whether `digest` is what the engines' digest library validates: an algorithm
/// that it knows and as many lower-case hexadecimal digits as that gives.
pub(super) fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else {
        return false;
    };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
