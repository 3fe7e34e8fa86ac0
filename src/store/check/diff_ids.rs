//! A configuration names the layers of its image by their content.

use std::path::Path;

use serde::Deserialize;

use super::finding::{Scope, StoreFinding, StoreReport};
use super::store_set::{RecordedChain, StoreSet};
use crate::engine::Engines;
use crate::store::{StoredImage, short_id};

const PULL_AGAIN: &str = "remove the image from the store and pull it again";

/// What of a configuration is looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DiffIdConfig {
    rootfs: RootFs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RootFs {
    diff_ids: Option<Vec<String>>,
}

/// Compares the layers that the image at `home` has with what its configuration says,
/// which is in the file `place`.
pub(super) fn check(
    set: &StoreSet<'_>,
    home: usize,
    image: &StoredImage,
    place: &Path,
    config: &[u8],
    report: &mut StoreReport,
) {
    let mut chain = match image.layer.as_deref().filter(|top| !top.is_empty()) {
        Some(top) => match set.chain(home, top) {
            RecordedChain::Whole(chain) => chain,
            // That has been told.
            RecordedChain::Unknown { .. } | RecordedChain::Loop | RecordedChain::Long => return,
        },
        None => Vec::new(),
    };
    let Ok(config) = serde_json::from_slice::<DiffIdConfig>(config) else {
        return;
    };
    // What is no image of a container has no layers there, such as an artifact.
    let Some(wanted) = config.rootfs.diff_ids.filter(|wanted| !wanted.is_empty()) else {
        return;
    };
    chain.reverse();
    let title = image.title();
    let digest = |id: &str| {
        let store = set.recorded(home, id)?;
        set.stores[store].layer(id)?.diff_digest.clone().filter(|digest| !digest.is_empty())
    };
    if chain.len() == wanted.len() {
        chain.iter().zip(&wanted).for_each(|(id, digest)| set.name(id, digest));
    }
    // A partial pull's layer has no digest of its content.
    let other =
        chain.iter().zip(&wanted).find(|(id, wanted)| digest(id).is_some_and(|digest| digest != **wanted));
    let message = if chain.len() != wanted.len() {
        let (has, says) = (chain.len(), wanted.len());
        format!("the image `{title}` has {has} layers, and its configuration says {says}")
    } else if let Some((id, wanted)) = other {
        let id = short_id(id);
        format!("the image `{title}` has the layer `{id}` where its configuration says `{wanted}`")
    } else {
        return;
    };
    let store = &set.stores[home];
    let finding =
        StoreFinding::new("diff-ids-mismatch", &store.path, message, PULL_AGAIN).at(place).of_image(title);
    report.add(
        finding
            .fails(Engines::ALL, Scope::Saving)
            .silently(Engines::ALL, "run it with the layers that the store has"),
    );
}
