//! All stores together: layers and their parents are looked up in every store.

use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::super::records::Layer;
use super::catalog::Catalog;
use crate::host::Root;
use crate::problem::Problem;

/// What is looked at, and what lends records.
#[derive(Debug)]
pub(super) struct World<'a> {
    pub(super) root: &'a Root,
    /// In the order in which engines search them: their own storage first.
    pub(super) stores: Vec<Catalog>,
    users: OnceCell<HashMap<String, Vec<(usize, usize)>>>,
    /// What configurations say that layers without a digest of their own have, by id.
    named: RefCell<HashMap<String, String>>,
}

/// A layer and what is below it, as the records have it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chain {
    /// The ids, the topmost first.
    Whole(Vec<String>),
    /// A layer that no store has a record of, and the layer that names it.
    Unknown {
        /// The missing layer.
        missing: String,
        /// Its child.
        child: String,
    },
    /// A layer is below itself.
    Loop,
}

impl<'a> World<'a> {
    pub(super) fn new(root: &'a Root, stores: Vec<Catalog>) -> Self {
        Self { root, stores, users: OnceCell::new(), named: RefCell::default() }
    }

    /// A configuration says that the layer `id` has this digest.
    pub(super) fn name(&self, id: &str, digest: &str) {
        self.named.borrow_mut().entry(id.to_owned()).or_insert_with(|| digest.to_owned());
    }

    /// The digest that a layer's content must have: the record's, or for one that was pulled in
    /// parts that of an image's configuration.
    pub(super) fn digest(&self, layer: &Layer) -> Option<String> {
        let own = layer.diff_digest.clone().filter(|digest| !digest.is_empty());
        let named = || self.named.borrow().get(layer.id()).filter(|_| layer.is_partial()).cloned();
        own.or_else(named)
    }

    /// The chain from `top` down. A record in the store `home` counts before those of others.
    pub(super) fn chain(&self, home: usize, top: &str) -> Chain {
        let mut chain: Vec<String> = Vec::new();
        let mut seen = HashSet::new();
        let mut next = Some(top);
        while let Some(id) = next {
            let Some(store) = self.recorded(home, id) else {
                let child = chain.pop().unwrap_or_default();
                return Chain::Unknown { missing: id.to_owned(), child };
            };
            if !seen.insert(id) {
                return Chain::Loop;
            }
            chain.push(id.to_owned());
            next = self.stores[store].layer(id).and_then(Layer::below);
        }
        Chain::Whole(chain)
    }

    /// The store with a record of the layer: `home`, or the first that has one.
    pub(super) fn recorded(&self, home: usize, id: &str) -> Option<usize> {
        let first = || (0..self.stores.len()).find(|store| self.stores[*store].layer(id).is_some());
        if self.stores[home].layer(id).is_some() { Some(home) } else { first() }
    }

    /// The store with the thing at the path that `of` gives for each: `home`, or where an
    /// engine's own storage is split by `imagestore`, the other part of it. Podman 5.4 keeps
    /// layers.json with graphroot, 5.8 what is kept of a layer's tar stream.
    ///
    /// # Errors
    /// If that cannot be found out.
    pub(super) fn part_with(
        &self,
        home: usize,
        of: impl Fn(&Catalog) -> PathBuf,
    ) -> io::Result<Option<usize>> {
        let stands = |path: &Path| match self.root.end(path)? {
            Some((dir, name)) => io::Result::Ok(dir.node(&name)?.is_some()),
            None => Ok(false),
        };
        if stands(&of(&self.stores[home]))? {
            return Ok(Some(home));
        }
        let parts = self.stores.iter().enumerate().filter(|(at, store)| *at != home && store.own);
        for (at, store) in parts.filter(|_| self.stores[home].own) {
            if stands(&of(store))? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// The images, of all stores, that have the layer `id` in their chain, by what
    /// a person calls them.
    pub(super) fn users(&self, id: &str) -> Vec<String> {
        let users = self.users.get_or_init(|| self.all_users());
        let mut seen = HashSet::new();
        let users = users.get(id).map(Vec::as_slice).unwrap_or_default();
        let names = users.iter().map(|(store, image)| self.stores[*store].images[*image].title());
        names.filter(|name| seen.insert(name.clone())).collect()
    }

    /// The images, of all stores, whose topmost layer this is.
    pub(super) fn ends_at(&self, id: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for image in self.stores.iter().flat_map(|store| &store.images) {
            if image.tops().any(|top| top == id) {
                names.push(image.title());
            }
        }
        names.dedup();
        names
    }

    /// The topmost layers of images that have the layer `id` below them.
    pub(super) fn tops_above(&self, id: &str) -> Vec<String> {
        let users = self.users.get_or_init(|| self.all_users());
        let images = users.get(id).map(Vec::as_slice).unwrap_or_default();
        let tops = images.iter().flat_map(|(store, image)| self.stores[*store].images[*image].tops());
        tops.map(str::to_owned).collect()
    }

    fn all_users(&self) -> HashMap<String, Vec<(usize, usize)>> {
        let mut users: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
        for (home, store) in self.stores.iter().enumerate() {
            for (index, image) in store.images.iter().enumerate() {
                for top in image.tops() {
                    let chain = match self.chain(home, top) {
                        Chain::Whole(chain) => chain,
                        Chain::Unknown { .. } | Chain::Loop => self.known_part(home, top),
                    };
                    for layer in chain {
                        let images = users.entry(layer).or_default();
                        if images.last() != Some(&(home, index)) {
                            images.push((home, index));
                        }
                    }
                }
            }
        }
        users
    }

    /// What of a broken chain has records, and the first layer that has none.
    pub(super) fn known_part(&self, home: usize, top: &str) -> Vec<String> {
        let mut chain: Vec<String> = Vec::new();
        let mut next = Some(top.to_owned());
        while let Some(id) = next {
            if chain.contains(&id) {
                break;
            }
            next = self
                .recorded(home, &id)
                .and_then(|store| self.stores[store].layer(&id)?.below().map(str::to_owned));
            chain.push(id);
        }
        chain
    }

    /// "Could not look" at a path of a store.
    pub(super) fn could_not_look(&self, path: &std::path::Path, error: &std::io::Error) -> Problem {
        Problem::io("look at", &self.root.show(path).display().to_string(), error)
    }
}
