//! All stores together: layers and their parents are looked up in every store.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::super::records::StoredLayer;
use super::catalog::Catalog;
use super::squash::SquashfsHeader;
use crate::limits;
use crate::problem::Problem;
use crate::store::StoredImage;
use crate::sys::Root;

/// What is looked at, and what lends records.
#[derive(Debug)]
pub(super) struct StoreSet<'a> {
    pub(super) root: &'a Root,
    /// In the order in which engines search them: their own storage first.
    pub(super) stores: Vec<Catalog>,
    users: OnceCell<Above>,
    /// What configurations say that layers without a digest of their own have, by id.
    named: RefCell<HashMap<String, String>>,
    squashed: OnceCell<SquashfsHeader>,
    /// Whether a layer is below itself, by the store from which that is asked.
    loops: RefCell<HashMap<(usize, String), bool>>,
}

/// A layer and what is below it, as the records have it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RecordedChain<'a> {
    /// The ids, the topmost first.
    Whole(Vec<&'a str>),
    /// A layer that no store has a record of, and the layer that names it.
    Unknown {
        /// The missing layer.
        missing: &'a str,
        /// Its child.
        child: &'a str,
    },
    /// A layer is below itself.
    Loop,
    /// It has more layers than engines mount.
    Long,
}

/// Images, by what a person calls them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct UsingImages {
    /// As many as are told.
    pub(super) names: Vec<String>,
    /// Whether there are more.
    pub(super) more: bool,
}

/// What stands above each layer.
#[derive(Debug, Default)]
struct Above {
    layers: HashMap<String, Vec<String>>,
    /// The images whose topmost layer it is: the store and the number there.
    images: HashMap<String, BTreeSet<(usize, usize)>>,
}

impl UsingImages {
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    fn of(stores: &[Catalog], images: impl IntoIterator<Item = (usize, usize)>) -> Self {
        images.into_iter().map(|(store, image)| stores[store].images[image].title()).collect()
    }
}

impl FromIterator<String> for UsingImages {
    fn from_iter<T: IntoIterator<Item = String>>(names: T) -> Self {
        let mut users = Self::default();
        let mut seen = HashSet::new();
        for name in names {
            if !seen.contains(&name) {
                if users.names.len() == limits::SHOWN_FINDINGS {
                    return Self { more: true, ..users };
                }
                seen.insert(name.clone());
                users.names.push(name);
            }
        }
        users
    }
}

impl From<&StoredImage> for UsingImages {
    fn from(image: &StoredImage) -> Self {
        Self { names: vec![image.title()], more: false }
    }
}

impl<'a> StoreSet<'a> {
    pub(super) fn new(root: &'a Root, stores: Vec<Catalog>) -> Self {
        Self {
            root,
            stores,
            users: OnceCell::new(),
            named: RefCell::default(),
            squashed: OnceCell::new(),
            loops: RefCell::default(),
        }
    }

    /// A configuration says that the layer `id` has this digest.
    pub(super) fn name(&self, id: &str, digest: &str) {
        self.named.borrow_mut().entry(id.to_owned()).or_insert_with(|| digest.to_owned());
    }

    /// The digest that a layer's content must have: the record's, or for one that was pulled in
    /// parts that of an image's configuration.
    pub(super) fn digest(&self, layer: &StoredLayer) -> Option<String> {
        let own = layer.diff_digest.clone().filter(|digest| !digest.is_empty());
        let named = || self.named.borrow().get(layer.id()).filter(|_| layer.is_partial()).cloned();
        own.or_else(named)
    }

    /// The chain from `top` down. A record in the store `home` counts before those of others.
    pub(super) fn chain<'s>(&'s self, home: usize, top: &'s str) -> RecordedChain<'s> {
        let mut chain: Vec<&str> = Vec::new();
        let mut next = Some(top);
        while let Some(id) = next {
            if chain.len() > limits::LAYERS {
                return if self.is_loop(home, id) { RecordedChain::Loop } else { RecordedChain::Long };
            }
            let Some(store) = self.recorded(home, id) else {
                return RecordedChain::Unknown { missing: id, child: chain.pop().unwrap_or_default() };
            };
            chain.push(id);
            next = self.stores[store].layer(id).and_then(StoredLayer::below);
        }
        if chain.len() > limits::LAYERS { RecordedChain::Long } else { RecordedChain::Whole(chain) }
    }

    /// What of the chain from `top` down has records, and the first layer that has none, as far
    /// as it is not too long.
    pub(super) fn known_part<'s>(&'s self, home: usize, top: &'s str) -> impl Iterator<Item = &'s str> {
        let below = move |id: &&str| self.below(home, id);
        std::iter::successors(Some(top), below).take(limits::LAYERS)
    }

    fn below(&self, home: usize, id: &str) -> Option<&str> {
        self.stores[self.recorded(home, id)?].layer(id)?.below()
    }

    /// Whether what is below `id` leads to itself. Each layer is walked over once.
    fn is_loop(&self, home: usize, id: &str) -> bool {
        let mut known = self.loops.borrow_mut();
        let mut passed: HashSet<&str> = HashSet::new();
        let mut next = Some(id);
        let mut is_loop = false;
        while let Some(id) = next {
            if let Some(told) = known.get(&(home, id.to_owned())) {
                is_loop = *told;
                break;
            }
            if !passed.insert(id) {
                is_loop = true;
                break;
            }
            next = self.below(home, id);
        }
        known.extend(passed.into_iter().map(|id| ((home, id.to_owned()), is_loop)));
        is_loop
    }

    /// The layers whose content is in squash files.
    pub(super) fn squashed(&self) -> &SquashfsHeader {
        self.squashed.get_or_init(|| SquashfsHeader::find(self))
    }

    /// The store with a record of the layer: `home`, or the first that has one.
    pub(super) fn recorded(&self, home: usize, id: &str) -> Option<usize> {
        let first = || (0..self.stores.len()).find(|store| self.stores[*store].layer(id).is_some());
        if self.stores[home].layer(id).is_some() { Some(home) } else { first() }
    }

    /// The store with the thing at the path that `of` gives for each: `home`, or where an
    /// engine's own storage is split by `imagestore`, the other part of it. Podman 5.4 keeps
    /// layers.json with graphroot, 5.8 what is kept of a layer's tar stream.
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

    /// The images, of all stores, that have the layer `id` in their chain. Those with too
    /// long a chain do not count: they are of no use whatever it is.
    pub(super) fn users(&self, id: &str) -> UsingImages {
        let (images, more) = self.images_above(id);
        let users = UsingImages::of(&self.stores, images);
        UsingImages { more: more || users.more, ..users }
    }

    /// The images, of all stores, whose topmost layer this is.
    pub(super) fn ends_at(&self, id: &str) -> UsingImages {
        UsingImages::of(&self.stores, self.above().images.get(id).into_iter().flatten().copied())
    }

    /// The topmost layers of images that have the layer `id` below them.
    pub(super) fn tops_above(&self, id: &str) -> BTreeSet<&str> {
        let images = self.images_above(id).0;
        images.into_iter().flat_map(|(store, image)| self.stores[store].images[image].tops()).collect()
    }

    /// The images above a layer; of very many, some, and whether that is so.
    fn images_above(&self, id: &str) -> (BTreeSet<(usize, usize)>, bool) {
        let above = self.above();
        let mut found = BTreeSet::new();
        let mut seen = HashSet::new();
        let mut next = vec![id];
        while let Some(id) = next.pop() {
            if !seen.insert(id) {
                continue;
            }
            found.extend(above.images.get(id).into_iter().flatten().copied());
            if found.len() > limits::SHOWN_FINDINGS {
                return (found, true);
            }
            next.extend(above.layers.get(id).into_iter().flatten().map(String::as_str));
        }
        (found, false)
    }

    fn above(&self) -> &Above {
        self.users.get_or_init(|| {
            let mut above = Above::default();
            for (home, store) in self.stores.iter().enumerate() {
                // From there down all has been walked over.
                let mut walked = HashSet::new();
                for (index, image) in store.images.iter().enumerate() {
                    for top in image.tops() {
                        above.images.entry(top.to_owned()).or_default().insert((home, index));
                        if self.chain(home, top) == RecordedChain::Long {
                            continue;
                        }
                        let mut over = None;
                        for id in self.known_part(home, top) {
                            if let Some(over) = over.replace(id) {
                                let over: &str = over;
                                above.layers.entry(id.to_owned()).or_default().push(over.to_owned());
                            }
                            if !walked.insert(id) {
                                break;
                            }
                        }
                    }
                }
            }
            above
        })
    }

    /// "Could not look" at a path of a store.
    pub(super) fn could_not_look(&self, path: &std::path::Path, error: &std::io::Error) -> Problem {
        Problem::io("look at", &self.root.show(path).display().to_string(), error)
    }
}
