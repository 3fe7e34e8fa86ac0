//! Images: their manifests, configurations and other files, and the layers that
//! they name.

use std::ffi::{OsStr, OsString};
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::super::harm::is_digest;
use super::super::metadata::{ImageMetadata, cut};
use super::super::records::{StoredImage, StoredLayer};
use super::catalog::{Catalog, is_one_name};
use super::diff_ids;
use super::finding::{Scope, StoreFinding, StoreReport};
use super::followed::{self, FollowedName};
use super::store_set::{RecordedChain, StoreSet};
use crate::engine::Engines;
use crate::hex::sha256;
use crate::limits;
use crate::problem::Severity;
use crate::store::{is_id, short_id};
use crate::sys::Directory;

const NOT_A_FILE: &str = "it is not a regular file";

const PULL_AGAIN: &str = "pull that image into the store again";

pub(super) fn check(set: &StoreSet<'_>, home: usize, report: &mut StoreReport) -> io::Result<()> {
    let store = &set.stores[home];
    let Some(images) = set.root.subtree(&store.images_dir())? else {
        return Ok(());
    };
    let tree = images;
    let images = tree.top()?;
    // That is told of the store as a whole.
    let no_layers = store.layers.is_empty();
    for image in &store.images {
        if !is_one_name(image.id()) {
            let mut finding = unsafe_id(store, image.id(), "images.json");
            // Engines validate it when they read the image.
            finding.effects.clear();
            report.add(finding.of_image(image.title()).fails(Engines::ALL, Scope::Listing));
            continue;
        }
        let dir = match followed::directory(set.root, &tree, &store.images_dir(), image.id()) {
            Ok(dir) => dir,
            Err(error) => {
                report.could_not_look(set.could_not_look(&store.images_dir().join(image.id()), &error));
                continue;
            }
        };
        if let Err(error) = data(set, home, image, dir.as_ref(), report) {
            report.could_not_look(set.could_not_look(&store.images_dir().join(image.id()), &error));
        }
        for top in image.tops() {
            layers(set, home, image, top, no_layers, report);
        }
    }
    orphans(store, &images, report)
}

/// An id that would lead out of the directory that it is a name in.
pub(super) fn unsafe_id(store: &Catalog, id: &str, file: &str) -> StoreFinding {
    let message = format!("its {file} has the id `{}`, which is not one", id.escape_debug());
    let hint = "do not use this store: it was made to reach other files";
    StoreFinding::new("unsafe-id", &store.path, message, hint).silently(Engines::ALL, "use it as a path")
}

/// The files of an image.
fn data(
    set: &StoreSet<'_>,
    home: usize,
    image: &StoredImage,
    dir: Option<&Directory>,
    report: &mut StoreReport,
) -> io::Result<()> {
    let store = &set.stores[home];
    let title = image.title();
    let place = store.images_dir().join(image.id());
    let missing = |key: &str| {
        // So is one of unknown size, since they add sizes up.
        let sized = image.big_data_sizes.as_ref().is_some_and(|sizes| sizes.contains_key(key));
        let needed = key == "manifest" || key.starts_with("sha256:") || !sized;
        let message = format!("the image `{title}` has no `{key}`");
        let finding = StoreFinding::new("big-data-missing", &store.path, message, PULL_AGAIN)
            .at(place.join(file_name(key)))
            .of_image(title.clone());
        // `podman images` reads manifest and configuration of every image; signatures
        // are read when it is copied, and other manifests when they are asked for.
        if needed {
            finding.fails(Engines::ALL, Scope::Listing)
        } else if key.starts_with("signature") {
            finding.fails(Engines::ALL, Scope::Saving)
        } else {
            finding.severity(Severity::Warning).silently(Engines::ALL, "do not find it by that digest")
        }
    };
    let Some(dir) = dir else {
        report.add(missing("manifest"));
        return Ok(());
    };
    let mut keys: Vec<&str> = image.big_data_names.iter().flatten().map(String::as_str).collect();
    if !keys.contains(&"manifest") {
        keys.push("manifest");
    }
    let followed = FollowedName::new(set.root, dir, &place);
    let mut sound = true;
    let mut sizes = Vec::new();
    for key in keys {
        let name = file_name(key);
        // What is no name of a file, such as `.`, engines cannot read.
        let node = if is_one_name(&name.to_string_lossy()) { followed.node(&name)? } else { None };
        let Some(node) = node else {
            report.add(missing(key));
            sound = false;
            continue;
        };
        let size = image.big_data_sizes.as_ref().and_then(|sizes| sizes.get(key));
        if let Some(size) = size.filter(|size| u64::try_from(**size) != Ok(node.stat.size)) {
            let message =
                format!("the image `{title}` has a `{key}` of {} bytes instead of {size}", node.stat.size);
            let finding = StoreFinding::new("big-data-size", &store.path, message, PULL_AGAIN)
                .at(place.join(&name))
                .of_image(title.clone());
            sizes.push(finding.silently(Engines::ALL, "use it"));
        }
    }
    for (key, sizes) in ImageMetadata::of(image).unwrap_or_default().signatures() {
        let name = file_name(&key);
        let size = followed.node(&name)?.map_or(0, |node| node.stat.size);
        let wanted: i128 = sizes.iter().map(|size| i128::from(*size)).sum();
        let mut put = |id, message| {
            let finding = StoreFinding::new(id, &store.path, message, PULL_AGAIN)
                .at(place.join(&name))
                .of_image(title.clone());
            report.add(finding.fails(Engines::ALL, Scope::Saving));
        };
        if i128::from(size) != wanted {
            let message = format!(
                "the image `{title}` has {size} bytes of signatures where its metadata says {wanted}"
            );
            put("big-data-size", message);
        } else if let Some(bytes) = followed.read(&name, limits::IMAGE_DOCUMENT)?
            && let Err(why) = cut(&bytes, &sizes)
        {
            put("big-data-malformed", format!("the image `{title}` has a malformed `{key}`: {why}"));
        }
    }
    let before = report.findings.len();
    if sound {
        documents(set, home, image, followed, report)?;
    }
    // What cannot be read for its content is not used with another size.
    let told = |size: &StoreFinding| report.findings[before..].iter().any(|other| other.path == size.path);
    sizes.retain(|size| !told(size));
    sizes.into_iter().for_each(|size| report.add(size));
    Ok(())
}

/// What of a manifest is looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct CheckedManifest {
    pub(super) schema_version: i64,
    pub(super) config: Option<CheckedDescriptor>,
}

/// What of a descriptor is looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CheckedDescriptor {
    pub(super) digest: String,
}

/// Manifest and configuration must be JSON, and the configuration be there and name the
/// layers that the image has.
fn documents(
    set: &StoreSet<'_>,
    home: usize,
    image: &StoredImage,
    dir: FollowedName<'_>,
    report: &mut StoreReport,
) -> io::Result<()> {
    let store = &set.stores[home];
    let (title, place) = (image.title(), store.images_dir().join(image.id()));
    let malformed = |key: &str, error: &dyn std::fmt::Display| {
        let message = format!("the image `{title}` has a malformed `{key}`: {error}");
        StoreFinding::new("big-data-malformed", &store.path, message, PULL_AGAIN)
            .at(place.join(file_name(key)))
            .of_image(title.clone())
            .fails(Engines::ALL, Scope::Listing)
    };
    let Some(bytes) = dir.read(OsStr::new("manifest"), limits::IMAGE_DOCUMENT)? else {
        report.add(malformed("manifest", &NOT_A_FILE));
        return Ok(());
    };
    let manifest: CheckedManifest = match serde_json::from_slice(&bytes) {
        Ok(manifest) => manifest,
        Err(error) => {
            report.add(malformed("manifest", &error));
            return Ok(());
        }
    };
    if manifest.schema_version != 1 {
        digest(store, image, &bytes, report);
    }
    let Some(config) = manifest.config.map(|config| config.digest).filter(|digest| !digest.is_empty()) else {
        return Ok(());
    };
    let name = file_name(&config);
    if !is_one_name(&name.to_string_lossy()) {
        report.add(unsafe_id(store, &config, "manifest"));
        return Ok(());
    }
    match dir.read(&name, limits::IMAGE_DOCUMENT)? {
        Some(bytes) => {
            if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes) {
                report.add(malformed(&config, &error));
            // Engines compare it with its digest whenever they read it.
            } else if config.strip_prefix("sha256:").is_some_and(|digits| digits != sha256(&bytes)) {
                let message = format!(
                    "the image `{title}` has a configuration that does not have the digest `{config}`"
                );
                let finding = StoreFinding::new("config-digest", &store.path, message, PULL_AGAIN)
                    .at(place.join(&name))
                    .of_image(title.clone());
                report.add(finding.fails(Engines::ALL, Scope::Listing));
            } else {
                diff_ids::check(set, home, image, &place.join(&name), &bytes, report);
            }
        }
        None if dir.node(&name)?.is_some() => report.add(malformed(&config, &NOT_A_FILE)),
        None => {
            let message = format!("the image `{title}` has no `{config}`, which its manifest names");
            let finding = StoreFinding::new("big-data-missing", &store.path, message, PULL_AGAIN)
                .at(place.join(&name))
                .of_image(title.clone());
            report.add(finding.fails(Engines::ALL, Scope::Listing));
        }
    }
    Ok(())
}

/// The record's digest is that of the manifest, or of another that the image has: that of
/// the list that it was picked from.
fn digest(store: &Catalog, image: &StoredImage, manifest: &[u8], report: &mut StoreReport) {
    let Some(digest) = image.digest.as_deref().filter(|digest| is_digest(digest)) else {
        return;
    };
    let mut manifests = image.big_data_names.iter().flatten().filter_map(|key| key.strip_prefix("manifest-"));
    if manifests.any(|other| other == digest)
        || digest.strip_prefix("sha256:").is_none_or(|digits| digits == sha256(manifest))
    {
        return;
    }
    let title = image.title();
    let message = format!(
        "the image `{title}` is recorded with the digest `{digest}`, which none of its manifests has"
    );
    let finding = StoreFinding::new("image-digest-wrong", &store.path, message, PULL_AGAIN)
        .at(store.images_dir().join("images.json"))
        .of_image(title);
    report.add(finding.silently(Engines::ALL, "find it by that digest"));
}

/// The chain of layers below `top`.
fn layers(
    set: &StoreSet<'_>,
    home: usize,
    image: &StoredImage,
    top: &str,
    no_layers: bool,
    report: &mut StoreReport,
) {
    let store = &set.stores[home];
    let title = image.title();
    let chain = set.chain(home, top);
    if let RecordedChain::Unknown { .. } = chain {
        // From the top down, engines ask for sizes until they miss a layer.
        let known: Vec<&str> = set.known_part(home, top).collect();
        sizes(set, home, image, &known, report);
    }
    let (id, message) = match chain {
        RecordedChain::Whole(chain) => return sizes(set, home, image, &chain, report),
        // What happens to all images alike is told of the store.
        RecordedChain::Unknown { child, .. } if child.is_empty() && no_layers => return,
        RecordedChain::Unknown { missing, child: "" } => (
            "image-layer-unknown",
            format!("the image `{title}` has the layer `{missing}`, which is in no layers.json"),
        ),
        RecordedChain::Unknown { missing, child } => (
            "layer-parent-unknown",
            format!("the layer `{child}` has the parent `{missing}`, which is in no layers.json"),
        ),
        RecordedChain::Loop => {
            ("layer-loop", format!("the layer `{top}` of the image `{title}` is its own ancestor"))
        }
        RecordedChain::Long => (
            "layer-chain-long",
            format!(
                "the image `{title}` has more than {} layers, the most that can be mounted",
                limits::LAYERS
            ),
        ),
    };
    let hint = match id {
        "layer-loop" => "build the store again; engines that list its images never finish",
        "layer-chain-long" => "build the image with fewer layers",
        _ => "list the store that has that layer, or pull the image again",
    };
    let finding = StoreFinding::new(id, &store.path, message, hint).of_image(title);
    if id == "layer-loop" {
        // They follow it for ever.
        report.add(finding.fails(Engines::ALL, Scope::Listing));
        return;
    }
    if id == "layer-chain-long" {
        // Others mount nothing.
        report.add(if store.driver == "vfs" { finding } else { finding.fails(Engines::ALL, Scope::Image) });
        return;
    }
    let finding = finding
        .fails(Engines::PODMAN4, Scope::Listing)
        .fails(Engines::ALL.without(Engines::PODMAN4), Scope::Image);
    // One missing parent, told once for all images above it.
    report.add_shared(finding);
}

/// Layers whose size engines cannot tell.
fn sizes(set: &StoreSet<'_>, home: usize, image: &StoredImage, chain: &[&str], report: &mut StoreReport) {
    let store = &set.stores[home];
    // Of another top layer nobody asks for the size.
    if image.layer.as_deref() != chain.first().copied() {
        return;
    }
    let top = chain.first().and_then(|top| set.stores[set.recorded(home, top)?].layer(top));
    if top.is_some_and(StoredLayer::is_mapped) {
        let message =
            format!("the image `{}` has a layer that is recorded with mapped owners", image.title());
        let hint = "pull the image again; copies with other owners are `mapped-layers`";
        let finding = StoreFinding::new("layer-mapped", &store.path, message, hint)
            .at(store.layers_dir().join("layers.json"))
            .of_image(image.title());
        // Whether the owners can be mapped depends on which there are.
        let finding = finding.fails(Engines::ALL, Scope::Image);
        report.add(finding.silently(Engines::ALL, "give files in its containers other owners"));
    }
    for id in chain {
        let layer = set.recorded(home, id).and_then(|at| set.stores[at].layer(id));
        let (podman4, others) = layer.map_or((true, true), StoredLayer::has_size);
        if podman4 && others {
            continue;
        }
        let message = format!("the layer `{}` has no digest, so its size is unknown", short_id(id));
        let mut engines = if podman4 { Engines::NONE } else { Engines::PODMAN4 };
        if !others {
            engines = engines.or(Engines::ALL.without(Engines::PODMAN4));
        }
        let finding = StoreFinding::new("layer-size-unknown", &store.path, message, PULL_AGAIN)
            .at(store.layers_dir().join("layers.json"))
            .of_layer(id, image);
        // A partial pull's, which podman 4 does not know.
        let finding = if others { finding.severity(Severity::Warning) } else { finding };
        report.add_shared(finding.fails(engines, Scope::Listing));
    }
}

/// Directories of images that images.json does not know.
fn orphans(store: &Catalog, images: &Directory, report: &mut StoreReport) -> io::Result<()> {
    if store.images.is_empty() {
        return Ok(());
    }
    let known: std::collections::HashSet<&str> = store.images.iter().map(StoredImage::id).collect();
    let mut orphans = Vec::new();
    images.for_each(|name| {
        if let Some(name) = name.to_str().filter(|name| is_id(name) && !known.contains(name)) {
            orphans.push(name.to_owned());
        }
        Ok(())
    })?;
    if let Some(finding) = orphan(store, "images", "images.json", orphans) {
        report.add(finding.at(store.images_dir()));
    }
    Ok(())
}

/// A finding about directories that no record knows.
pub(super) fn orphan(
    store: &Catalog,
    what: &str,
    file: &str,
    mut orphans: Vec<String>,
) -> Option<StoreFinding> {
    orphans.sort();
    let first = orphans.first()?;
    let message = match orphans.len() {
        1 => format!("the directory `{first}` belongs to none of the {what} in {file}"),
        count => {
            format!("`{first}` and {} other directories belong to none of the {what} in {file}", count - 1)
        }
    };
    let hint = "remove what was left behind, or restore the record";
    let finding = StoreFinding::new("orphan", &store.path, message, hint);
    Some(finding.silently(Engines::ALL, "let it take up space"))
}

/// The file that holds the big data `key`: the key itself if it is made of digits,
/// small letters and dots, else its base64 (`makeBigDataBaseName` in store.go).
pub(super) fn file_name(key: &str) -> OsString {
    let plain = |letter: char| letter.is_ascii_digit() || letter.is_ascii_lowercase() || letter == '.';
    // The library does not look at the last character again.
    match key.find(|letter| !plain(letter)) {
        Some(index) if index + 1 < key.len() => format!("={}", STANDARD.encode(key)).into(),
        _ => key.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn big_data_has_the_names_that_the_library_gives_it() {
        assert_eq!(file_name("manifest"), "manifest");
        assert_eq!(file_name("sha256:ab"), "=c2hhMjU2OmFi");
    }
}
