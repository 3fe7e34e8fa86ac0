//! Which of a host's stores have an embedded image already, by their records.

use std::path::Path;

use super::contents::EmbeddedImage;
use crate::images::Name;
use crate::inventory::{HostStore, HostStores, digests};
use crate::registry::without_tag;
use crate::store::StoredImage;
use crate::store::artifacts::StoredArtifact;

/// The stores that have the image under this reference, in the order in which engines
/// search them. Another image of that name is not it.
pub fn stores_with<'a>(stores: &'a HostStores, reference: &str, contents: &EmbeddedImage) -> Vec<&'a Path> {
    // As engines record it. Whose a name without a registry is, their settings decide.
    let Ok(name) = Name::parse(reference) else {
        return Vec::new();
    };
    let is_it = |image: &StoredImage| {
        image.names.iter().flatten().any(|one| one == name.as_str())
            && digests(image).any(|digest| contents.has_digest(digest))
    };
    let named = without_tag(name.as_str());
    let is_that = |artifact: &StoredArtifact| {
        artifact.name.as_ref() == Some(&named) && contents.has_digest(&artifact.digest)
    };
    let has = |store: &&HostStore| store.images.iter().any(is_it) || store.artifacts.iter().any(is_that);
    let stores = stores.stores.iter().filter(has);
    stores.map(|store| store.path.as_path()).collect()
}
