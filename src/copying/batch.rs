//! Which images are copied at a time.
//!
//! Not all at once: a boot that is interrupted keeps what was complete by then, and what is
//! unpacked without a record takes space for as long. Not one after the other either, since
//! layers are what is worked on in parallel.

use std::collections::BTreeMap;

use crate::images::Image;

/// How many bytes of blobs make a batch where there is space enough.
pub(super) const ENOUGH: u64 = 512 << 20;

/// Puts images into batches of `enough` bytes of blobs, one at least, by their place in `images`. Two that have one configuration and
/// are not otherwise the same are never in one: a store keeps the manifests of both only if
/// one comes after the other.
pub(super) fn batches(images: &[&Image], enough: u64) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut rest: Vec<usize> = (0..images.len()).collect();
    while !rest.is_empty() {
        let mut batch = Vec::new();
        let mut later = Vec::new();
        let mut size = 0;
        let mut known: BTreeMap<&str, &Image> = BTreeMap::new();
        for index in rest {
            let image = images[index];
            let other = known.get(image.config_digest.hex());
            let is_other =
                other.is_some_and(|other| other.manifest != image.manifest || other.list != image.list);
            let is_full = !batch.is_empty() && size >= enough;
            if is_full || is_other {
                later.push(index);
                continue;
            }
            size += image.layers.iter().map(|layer| layer.blob.size).sum::<u64>();
            known.insert(image.config_digest.hex(), image);
            batch.push(index);
        }
        batches.push(batch);
        rest = later;
    }
    batches
}
