//! The documents of an image, against their digests.

use std::io;

use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::engine::Engines;
use crate::hex::hex;
use crate::limits;
use crate::store::StoredImage;
use crate::store::check::catalog::{Catalog, is_one_name};
use crate::store::check::finding::{StoreFinding, StoreReport};
use crate::store::check::followed::{self, FollowedName};
use crate::store::check::images::{CheckedManifest, file_name};
use crate::store::check::store_set::StoreSet;

const PULL_AGAIN: &str = "remove the image from the store and pull it again";
const USE_IT: &str = "use it as it is";

pub(super) fn check(set: &StoreSet<'_>, home: usize, report: &mut StoreReport) -> io::Result<()> {
    let store = &set.stores[home];
    let Some(images) = set.root.subtree(&store.images_dir())? else {
        return Ok(());
    };
    for image in store.images.iter().filter(|image| is_one_name(image.id())) {
        let path = store.images_dir();
        let look = |report: &mut StoreReport| match followed::directory(set.root, &images, &path, image.id())?
        {
            Some(dir) => {
                let path = path.join(image.id());
                documents(store, image, FollowedName::new(set.root, &dir, &path), report)
            }
            None => Ok(()),
        };
        if let Err(error) = look(report) {
            report.could_not_look(set.could_not_look(&store.images_dir().join(image.id()), &error));
        }
    }
    Ok(())
}

fn documents(
    store: &Catalog,
    image: &StoredImage,
    dir: FollowedName<'_>,
    report: &mut StoreReport,
) -> io::Result<()> {
    let mut config = None;
    let mut keys: Vec<&String> = image.big_data_names.iter().flatten().collect();
    // The manifest says which of the others is the configuration.
    keys.sort_by_key(|key| *key != "manifest");
    for key in keys {
        let name = file_name(key);
        if !is_one_name(&name.to_string_lossy()) {
            continue;
        }
        let Some(file) = dir.file(&name)? else {
            continue;
        };
        let Some(wanted) = wanted(image, key) else {
            continue;
        };
        // Engines compare that one themselves, and `images` has done it.
        if config.as_deref() == Some(key.as_str()) {
            continue;
        }
        // A manifest of the first schema has a signature in it that its digest leaves out.
        if key.starts_with("manifest") {
            let bytes = dir.read(&name, limits::IMAGE_DOCUMENT)?.unwrap_or_default();
            let manifest: CheckedManifest = serde_json::from_slice(&bytes).unwrap_or_default();
            if manifest.schema_version == 1 {
                continue;
            }
            if key == "manifest" {
                config = manifest.config.map(|config| config.digest);
            }
        }
        let found = digest_of(&file, &wanted)?;
        if found.is_some_and(|found| found != wanted) {
            report.add(differs(store, image, key, &wanted));
        }
    }
    Ok(())
}

/// The digest that a document must have: its key's, or the one recorded for it.
fn wanted(image: &StoredImage, key: &str) -> Option<String> {
    let digest = key.strip_prefix("manifest-").unwrap_or(key);
    if digest.starts_with("sha256:") {
        return Some(digest.to_owned());
    }
    image.big_data_digests.as_ref()?.get(key).cloned()
}

fn differs(store: &Catalog, image: &StoredImage, key: &str, wanted: &str) -> StoreFinding {
    let title = image.title();
    let message = format!("the image `{title}` has a `{key}` that does not have the digest `{wanted}`");
    let rule = if key.starts_with("manifest") { "manifest-digest" } else { "big-data-digest" };
    StoreFinding::new(rule, &store.path, message, PULL_AGAIN)
        .at(store.images_dir().join(image.id()).join(file_name(key)))
        .of_image(title)
        .silently(Engines::ALL, USE_IT)
}

/// The digest of a file, of the kind that `like` is; `None` if that is unknown.
fn digest_of(file: &crate::sys::OpenFile, like: &str) -> io::Result<Option<String>> {
    fn all<D: Digest>(file: &crate::sys::OpenFile, name: &str) -> io::Result<String> {
        let mut hash = D::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(format!("{name}:{}", hex(&hash.finalize()))),
                count => hash.update(&buffer[..count]),
            }
        }
    }
    Ok(match like.split_once(':').map(|(name, _)| name) {
        Some("sha256") => Some(all::<Sha256>(file, "sha256")?),
        Some("sha384") => Some(all::<Sha384>(file, "sha384")?),
        Some("sha512") => Some(all::<Sha512>(file, "sha512")?),
        _ => None,
    })
}
