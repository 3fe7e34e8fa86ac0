//! How engines look an image up.
//!
//! By a name: the first store with an image of that name (`store.Image` in the library's
//! store.go). Of a name by digest, if no image has it as it is, the first image with that digest
//! that has a name of the same repository (`resolveImage` in its transport). By an id: the first
//! store with it.

use std::collections::BTreeSet;

use super::host_stores::{HostStore, HostStores, ImageLookup, SearchOrder};
use super::reference::Reference;
use crate::engine::Profile;
use crate::images::Name;
use crate::judgement::Reader;
use crate::registry::{repository, without_tag};
use crate::store::StoredImage;

/// An image in a store.
#[derive(Debug, Clone, Copy)]
pub struct ImageAt<'a> {
    /// The store's place among all.
    pub place: usize,
    /// The store.
    pub store: &'a HostStore,
    /// Its record.
    pub image: &'a StoredImage,
}

impl ImageAt<'_> {
    /// Whether both are the same record.
    pub fn is_same(&self, other: &Self) -> bool {
        self.place == other.place && self.image.id == other.image.id
    }
}

impl HostStores {
    /// The images that an engine which works would use, one a store, if it did not look into those
    /// before: the first is the one that it uses, and it shadows the others.
    pub fn search<'a>(&'a self, order: &SearchOrder, reference: &Reference) -> Vec<ImageAt<'a>> {
        let text = reference.as_str();
        let mut candidates = match reference {
            Reference::Id(_) => self.indexed(order, |store| &store.by_id, text),
            Reference::Name(_) => {
                let mut named = self.indexed(order, |store| &store.by_name, text);
                named.retain(|it| !self.is_untagged(order, it));
                named
            }
        };
        if let Some((of, digest)) = reference.digested() {
            let mut digested = self.indexed(order, |store| &store.by_digest, digest);
            digested.retain(|it| it.image.names.iter().flatten().any(|name| repository(name) == of));
            // podman 4 looks up by its id what it has found by a digest.
            if order.reader.profile == Profile::Podman4 {
                for it in &mut digested {
                    let id = it.image.id.as_deref().unwrap_or_default();
                    *it = self.indexed(order, |store| &store.by_id, id).first().copied().unwrap_or(*it);
                }
            }
            candidates.extend(digested);
        }
        let mut seen = BTreeSet::new();
        candidates.retain(|it| seen.insert(it.place));
        candidates
    }

    /// The images that have `key` in an index of their store, in the order of the stores.
    fn indexed<'a>(
        &'a self,
        order: &SearchOrder,
        index: impl Fn(&'a HostStore) -> &'a ImageLookup,
        key: &str,
    ) -> Vec<ImageAt<'a>> {
        let mut found = Vec::new();
        for &place in &order.stores {
            let store = &self.stores[place];
            found.extend(index(store).get(key).map(|image| ImageAt {
                place,
                store,
                image: &store.images[image],
            }));
        }
        found
    }

    /// Whether the engine passes over a name of an additional store, since its own storage has
    /// the same image without it: there it was untagged (`Image` in store.go, from storage 1.46).
    fn is_untagged(&self, order: &SearchOrder, found: &ImageAt<'_>) -> bool {
        let Some(&own) = order.stores.first().filter(|_| order.own > 0) else { return false };
        let id = found.image.id.as_deref().unwrap_or_default();
        order.reader.profile != Profile::Podman4
            && found.place != own
            && self.stores[own].by_id.get(id).next().is_some()
    }

    /// For whom the image `at` serves `reference`, and for whom which other image does.
    pub fn visibility<'a>(&'a self, at: &ImageAt<'_>, reference: &Reference) -> Visibility<'a> {
        let mut visibility = Visibility::default();
        for order in self.orders.iter().filter(|order| order.stop.is_none()) {
            let found = self.search(order, reference);
            match found.first() {
                Some(first) if first.is_same(at) => visibility.serves.push(order.reader.clone()),
                Some(first) if found.iter().any(|other| other.is_same(at)) => {
                    match visibility.shadows.iter_mut().find(|shadow| shadow.by.is_same(first)) {
                        Some(shadow) => shadow.readers.push(order.reader.clone()),
                        None => {
                            visibility
                                .shadows
                                .push(Shadow { by: *first, readers: vec![order.reader.clone()] });
                        }
                    }
                }
                _ => {}
            }
        }
        visibility
    }

    /// Whether an engine that works would find an image by this complete name, and with this
    /// digest if it has one.
    pub fn has(&self, reference: &str) -> bool {
        let Ok(name) = Name::parse(reference) else { return false };
        let reference = Reference::Name(without_tag(name.as_str()));
        self.orders.iter().any(|order| !self.search(order, &reference).is_empty())
    }
}

/// Whom an image serves.
#[derive(Debug, Default)]
pub struct Visibility<'a> {
    /// Those that use it.
    pub serves: Vec<Reader>,
    /// The images that others use instead of it.
    pub shadows: Vec<Shadow<'a>>,
}

/// An image that is used instead of another of its name.
#[derive(Debug)]
pub struct Shadow<'a> {
    /// That image.
    pub by: ImageAt<'a>,
    /// Who uses it.
    pub readers: Vec<Reader>,
}

/// The digests of the manifests that an image was stored with: its own, and lists that it
/// was chosen from.
pub fn digests(image: &StoredImage) -> impl Iterator<Item = &str> {
    let keys = image.big_data_names.iter().flatten();
    image.digest.as_deref().into_iter().chain(keys.filter_map(|key| key.strip_prefix("manifest-")))
}
