//! The places in which a host's engines find images, and the order in which each looks there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::lookup::digests;
use crate::engine::Reason;
use crate::judgement::Reader;
use crate::plan::Host;
use crate::problem::Problem;
use crate::store::artifacts::{ArtifactStore, StoredArtifact};
use crate::store::{self, StoredImage};
use crate::sys::FileKind;

/// A directory with images.
#[derive(Debug)]
pub struct HostStore {
    /// Its path, as the first engine has it.
    pub path: PathBuf,
    /// The driver whose records were read.
    pub driver: String,
    /// Its images.
    pub images: Vec<StoredImage>,
    /// Its artifacts.
    pub artifacts: Vec<StoredArtifact>,
    /// Whether any engine takes it for its own.
    pub is_own: bool,
    pub(super) by_name: ImageLookup,
    pub(super) by_id: ImageLookup,
    pub(super) by_digest: ImageLookup,
    id: (u64, u64),
}

/// The images of a store, by something that they have, as their places among its images.
#[derive(Debug)]
pub(super) struct ImageLookup(BTreeMap<String, Vec<usize>>);

impl ImageLookup {
    fn new<'a, K: Iterator<Item = &'a str>>(
        images: &'a [StoredImage],
        keys: impl Fn(&'a StoredImage) -> K,
    ) -> Self {
        let mut index: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, image) in images.iter().enumerate() {
            for key in keys(image) {
                index.entry(key.to_owned()).or_default().push(place);
            }
        }
        Self(index)
    }

    /// Those that have it; of two records of one id the later counts, and comes first.
    pub(super) fn get(&self, key: &str) -> impl Iterator<Item = usize> {
        self.0.get(key).into_iter().flatten().rev().copied()
    }
}

/// Where an engine looks for an image.
#[derive(Debug)]
pub struct SearchOrder {
    /// The engine, and who runs it.
    pub reader: Reader,
    /// The stores, by their places among all: its own storage first. What is not there is left
    /// out. Of normal users of whom nothing is known only the additional stores are known.
    pub stores: Vec<usize>,
    /// How many of them are its own.
    pub own: usize,
    /// Why it finds nothing, if it stops.
    pub stop: Option<Reason>,
}

/// The stores of a host: the engines' own storages, and what they list.
#[derive(Debug, Default)]
pub struct HostStores {
    /// Each once, in the order in which engines search them.
    pub stores: Vec<HostStore>,
    /// The order of each engine.
    pub orders: Vec<SearchOrder>,
    /// What could not be looked at.
    pub not_looked: Vec<Problem>,
}

impl HostStores {
    /// Reads the records of all stores that the engines of this host see, those of normal users
    /// among them.
    pub fn read(host: &Host) -> Self {
        let mut found = Self::default();
        for reader in host.readers() {
            let judgement = reader.judge(&host.view());
            let own = judgement.own_storage();
            let own: Vec<PathBuf> = match reader.is_of_users() {
                true => Vec::new(),
                false => own.parts().map(Path::to_owned).collect(),
            };
            let listed = judgement.reading.searched_stores().into_iter().map(PathBuf::from);
            let mut order =
                SearchOrder { reader, stores: Vec::new(), own: 0, stop: judgement.stop().cloned() };
            let own_count = own.len();
            for (index, path) in own.into_iter().chain(listed).enumerate() {
                let is_own = index < own_count;
                let Some(place) = found.place(host, &path, &judgement.driver) else { continue };
                found.stores[place].is_own |= is_own;
                if !order.stores.contains(&place) {
                    order.stores.push(place);
                    order.own += usize::from(is_own);
                }
            }
            found.orders.push(order);
        }
        found
    }

    /// The store at `path`, which is listed or not; its place among all.
    pub fn place(&mut self, host: &Host, path: &Path, driver: &str) -> Option<usize> {
        let shown = host.show(path);
        let stat = match host.root.stat(path).map(|stat| stat.filter(|stat| stat.kind == FileKind::Directory))
        {
            Ok(stat) => stat.filter(|_| path.is_absolute())?,
            Err(error) => {
                self.could_not_look(Problem::io("look at", &shown, &error));
                return None;
            }
        };
        let same = |store: &HostStore| store.id == stat.id && store.driver == driver;
        if let Some(place) = self.stores.iter().position(same) {
            return Some(place);
        }
        let images = store::images(&host.root, path, driver).unwrap_or_else(|error| {
            self.could_not_look(match error.downcast_ref::<std::io::Error>() {
                Some(error) => Problem::io("read the images of", &shown, error),
                None => Problem::new(
                    "images-json-malformed",
                    format!("cannot list the images of `{shown}`: its images.json is malformed"),
                    "build the store again, or restore this file",
                ),
            });
            Vec::new()
        });
        let artifacts = ArtifactStore::open(&host.root, path)
            .and_then(|store| store.map_or(Ok(Vec::new()), |store| store.artifacts()))
            .unwrap_or_else(|problem| {
                self.could_not_look(problem);
                Vec::new()
            });
        self.stores.push(HostStore {
            path: path.to_owned(),
            driver: driver.to_owned(),
            is_own: false,
            by_name: ImageLookup::new(&images, |image| image.names.iter().flatten().map(String::as_str)),
            by_id: ImageLookup::new(&images, |image| image.id.as_deref().into_iter()),
            by_digest: ImageLookup::new(&images, digests),
            images,
            artifacts,
            id: stat.id,
        });
        Some(self.stores.len() - 1)
    }

    pub(super) fn could_not_look(&mut self, problem: Problem) {
        if !self.not_looked.contains(&problem) {
            self.not_looked.push(problem);
        }
    }

    /// All images, in the order in which engines search the stores.
    pub fn images(&self) -> impl Iterator<Item = (&HostStore, &StoredImage)> + Clone {
        self.stores.iter().flat_map(|store| store.images.iter().map(move |image| (store, image)))
    }
}
