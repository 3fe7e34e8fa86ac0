//! What in a store's files stops the engines that have it listed.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::driver::driver_of;
use super::records::{Image, Layer, parse};
use crate::engine::Profile;
use crate::host::{Kind, Root};

/// A store as engines with a storage driver find it.
#[derive(Debug)]
pub struct Opened {
    /// The driver that it was made with, or why that cannot be told.
    pub made_by: io::Result<String>,
    /// What stops engines there, or why that cannot be told.
    pub harms: io::Result<Vec<Harm>>,
}

impl Opened {
    /// Looks at the store at `path`.
    pub fn new(root: &Root, path: &Path, driver: &str) -> Self {
        Self { made_by: driver_of(root, path, driver), harms: content_harms(root, path, driver) }
    }
}

/// Which commands a harm stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Every command of every engine, and CRI-O's start.
    All,
    /// Every command that looks at a layer: run, pull, images, build.
    Layer,
}

/// One reason why engines stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Harm {
    /// Its stable name, such as `layers-json-malformed`.
    pub id: &'static str,
    /// What it stops.
    pub scope: Scope,
    /// What is wrong, as half a sentence: `its images.json is malformed: …`.
    pub message: String,
    /// What helps.
    pub hint: String,
    /// The file that it is about, inside the tree.
    pub place: PathBuf,
}

/// What a harm does to an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
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
    /// What it does to an engine of this profile.
    ///
    /// # Errors
    /// If the file that it is about cannot be read.
    pub fn hits(&self, root: &Root, profile: Profile) -> io::Result<Hit> {
        let is_old = profile == Profile::Podman4;
        Ok(match (self.id, self.scope) {
            // Storage 1.52 and later log the error and go on without the store's images.
            ("lock-missing", Scope::All) if !is_old => Hit::NoImage,
            // Storage 1.43 reads as far as it can, lists that, and then does not find it.
            ("images-json-malformed", _) if is_old && !self.is_directory(root)? => {
                if has_record(root, &self.place)? { Hit::Listing } else { Hit::NoImage }
            }
            // Storage 1.45 and later read that file.
            ("layers-json-malformed", _)
                if self.place.ends_with("volatile-layers.json")
                    && !matches!(profile, Profile::Podman5 | Profile::Podman6) =>
            {
                Hit::Nothing
            }
            (_, Scope::All) => Hit::Everything,
            (_, Scope::Layer) => Hit::Layers,
        })
    }

    fn is_directory(&self, root: &Root) -> io::Result<bool> {
        Ok(root.stat(&self.place)?.is_some_and(|stat| stat.kind == Kind::Directory))
    }
}

/// Whether a malformed file starts with a whole record.
fn has_record(root: &Root, file: &Path) -> io::Result<bool> {
    let bytes = root.read(file)?.map(|(bytes, _)| bytes).unwrap_or_default();
    let Some(rest) = bytes.trim_ascii_start().strip_prefix(b"[") else {
        return Ok(false);
    };
    let mut records = serde_json::Deserializer::from_slice(rest).into_iter::<Image>();
    Ok(records.next().is_some_and(|record| record.is_ok()))
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
    for (dir, lock, scope) in [(&images, "images.lock", Scope::All), (&layers, "layers.lock", Scope::Layer)] {
        harms.extend(lock_harm(root, dir, lock, read_only, scope)?);
    }
    check_images(root, &images, &mut harms)?;
    check_layers(root, &layers, &mut harms)?;
    Ok(harms)
}

fn lock_harm(root: &Root, dir: &Path, lock: &str, read_only: bool, scope: Scope) -> io::Result<Option<Harm>> {
    let name = file_name(dir);
    if root.stat(dir)?.is_some_and(|stat| stat.kind != Kind::Directory) {
        return Ok(Some(Harm {
            id: "store-malformed",
            scope,
            message: format!("its `{name}` is not a directory"),
            hint: "make the store again; this one was not made by an engine".to_owned(),
            place: dir.to_owned(),
        }));
    }
    Ok(match root.stat(&dir.join(lock))?.map(|stat| stat.kind) {
        Some(Kind::Directory) => Some(Harm {
            id: "store-malformed",
            scope,
            message: format!("its `{name}/{lock}` is a directory"),
            hint: "remove that directory and run `storagectl init-store` on the store".to_owned(),
            place: dir.join(lock),
        }),
        None if read_only => Some(Harm {
            id: "lock-missing",
            scope,
            message: format!(
                "its `{name}/{lock}` is missing and its file system is read-only, so that no engine can create it"
            ),
            hint: "run `storagectl init-store` on the store before it is sealed or mounted read-only"
                .to_owned(),
            place: dir.join(lock),
        }),
        _ => None,
    })
}

fn check_images(root: &Root, dir: &Path, harms: &mut Vec<Harm>) -> io::Result<()> {
    let Some(images) = load::<Image>(root, dir, "images.json", Scope::All, harms)? else {
        return Ok(());
    };
    let mut names = HashSet::new();
    for image in &images {
        let id = image.id.as_deref().unwrap_or("?");
        for name in image.names.iter().flatten() {
            if !names.insert(name.as_str()) {
                harms.push(Harm {
                    id: "image-name-twice",
                    scope: Scope::All,
                    message: format!("its images.json gives the name `{name}` to two images"),
                    hint: "untag one of the two with the engine that made the store".to_owned(),
                    place: dir.join("images.json"),
                });
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
            harms.push(Harm {
                id: "image-digest-invalid",
                scope: Scope::All,
                message: format!("its images.json gives image `{id}` the invalid digest `{digest}`"),
                hint: "pull that image into the store again".to_owned(),
                place: dir.join("images.json"),
            });
        }
    }
    Ok(())
}

fn check_layers(root: &Root, dir: &Path, harms: &mut Vec<Harm>) -> io::Result<()> {
    let mut names = HashSet::new();
    for file in ["layers.json", "volatile-layers.json"] {
        let Some(layers) = load::<Layer>(root, dir, file, Scope::Layer, harms)? else {
            continue;
        };
        for name in layers.into_iter().flat_map(|layer| layer.names.unwrap_or_default()) {
            if let Some(name) = names.replace(name) {
                harms.push(Harm {
                    id: "layer-name-twice",
                    scope: Scope::Layer,
                    message: format!("its {file} gives the name `{name}` to two layers"),
                    hint: "make the store again; engines refuse all layers while this stands there"
                        .to_owned(),
                    place: dir.join(file),
                });
            }
        }
    }
    Ok(())
}

/// Reads a file of records; `None` if it is not there or was reported as a harm.
fn load<T: for<'de> Deserialize<'de>>(
    root: &Root,
    dir: &Path,
    file: &str,
    scope: Scope,
    harms: &mut Vec<Harm>,
) -> io::Result<Option<Vec<T>>> {
    let malformed = |why: String| Harm {
        id: if scope == Scope::All { "images-json-malformed" } else { "layers-json-malformed" },
        scope,
        message: format!("its `{}/{file}` is malformed: {why}", file_name(dir)),
        hint: if scope == Scope::All {
            "make the store again, or restore this file".to_owned()
        } else {
            "make the store again; with this file CRI-O wipes its own storage after a power cut".to_owned()
        },
        place: dir.join(file),
    };
    let bytes = match root.read(&dir.join(file)) {
        Ok(Some((bytes, _))) => bytes,
        Ok(None) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            harms.push(malformed("it is a directory".to_owned()));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    match parse(&bytes) {
        Ok(records) => Ok(Some(records)),
        Err(error) => {
            harms.push(malformed(error.to_string()));
            Ok(None)
        }
    }
}

fn file_name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// Whether `digest` is what the engines' digest library validates: an algorithm
/// that it knows and as many lower-case hexadecimal digits as that gives.
fn is_digest(digest: &str) -> bool {
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
