//! Finding what builds on a layer that is lost; pure.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::own::{Kind, Part, Record};
use super::shelf::Shelf;

/// Something that builds on a layer which no store has any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Dependent {
    /// Its id.
    pub id: String,
    /// Its names; layers have none as a rule.
    pub names: Vec<String>,
    /// The id of the layer that is lost.
    pub lost_layer: String,
}

/// Where a dependent's record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: Kind,
    /// Which part of the storage, which file there, and which record in it.
    pub(super) at: (usize, usize, usize),
    pub(super) dependent: Dependent,
}

/// The layers of a storage and of all listed stores.
struct Layers<'a> {
    own: HashMap<&'a str, Option<&'a str>>,
    own_directories: HashSet<&'a str>,
    listed: HashMap<&'a str, Option<&'a str>>,
    listed_directories: HashSet<&'a str>,
}

/// Finds the dependents in the records of a storage, beside which `shelves` are
/// all listed stores: in the order in which they are to be removed.
pub(super) fn find(parts: &[Part], shelves: &[Shelf]) -> Vec<Found> {
    let layers = Layers::new(parts, shelves);
    let mut found = Vec::new();
    for (part, file, records) in parts.iter().enumerate().flat_map(|(part, files)| {
        files.files.iter().enumerate().map(move |(index, file)| (part, index, file))
    }) {
        for (index, record) in records.records.iter().enumerate() {
            if let Some(lost) = layers.lost(records.kind, record) {
                let dependent = Dependent {
                    id: record.id.clone(),
                    names: record.names.clone(),
                    lost_layer: lost.to_owned(),
                };
                found.push(Found { kind: records.kind, at: (part, file, index), dependent });
            }
        }
    }
    found.sort_by_key(|found| (found.kind, found.at));
    found
}

impl<'a> Layers<'a> {
    fn new(parts: &'a [Part], shelves: &'a [Shelf]) -> Self {
        let mut own = HashMap::new();
        let files = parts.iter().flat_map(|part| &part.files).filter(|file| file.kind == Kind::Layer);
        for record in files.flat_map(|file| &file.records) {
            // The first counts, as for engines.
            own.entry(record.id.as_str()).or_insert(record.parent.as_deref());
        }
        let mut listed = HashMap::new();
        for (id, parent) in shelves.iter().flat_map(|shelf| &shelf.layers) {
            listed.entry(id.as_str()).or_insert(parent.as_deref());
        }
        let names = |sets: Vec<&'a HashSet<String>>| sets.into_iter().flatten().map(String::as_str).collect();
        Self {
            own,
            own_directories: names(parts.iter().map(|part| &part.directories).collect()),
            listed,
            listed_directories: names(shelves.iter().map(|shelf| &shelf.directories).collect()),
        }
    }

    /// The lost layer that a record leads to.
    fn lost<'r>(&'r self, kind: Kind, record: &'r Record) -> Option<&'r str> {
        let start: Vec<&str> = match kind {
            Kind::Layer => record.parent.iter().map(String::as_str).collect(),
            Kind::Container => record.layer.iter().map(String::as_str).collect(),
            // Engines look up the copies too whenever they list the image.
            Kind::Image => record.layer.iter().chain(&record.mapped_layers).map(String::as_str).collect(),
        };
        start.into_iter().find_map(|layer| self.lost_below(layer))
    }

    /// The first layer that is lost on the way from `layer` down.
    fn lost_below<'r>(&'r self, layer: &'r str) -> Option<&'r str> {
        let mut here = layer;
        // A chain that leads back to itself is damage of another kind.
        for _ in 0..=self.own.len() + self.listed.len() {
            let parent = if let Some(parent) = self.own.get(here) {
                // Whether its directory is there is the own storage's affair.
                parent
            } else if self.own_directories.contains(here) {
                // Its record was lost here, and not with a store.
                return None;
            } else if self.listed_directories.contains(here)
                && let Some(parent) = self.listed.get(here)
            {
                // Stores complement each other: a record in one, the directory in another.
                parent
            } else {
                return Some(here);
            };
            here = (*parent)?;
        }
        None
    }
}
