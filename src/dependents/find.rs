//! Finding what builds on a layer that is lost; pure.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::own::{RecordKind, StoragePart, StorageRecord};
use super::store_layers::StoreLayers;

/// Something that builds on a layer which no store has any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
pub(super) struct DependentRecord {
    pub(super) kind: RecordKind,
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
    /// Whether each layer is a whole copy of what it builds on.
    are_copies: bool,
    /// The layers of containers that do not need what is lost.
    kept: HashSet<&'a str>,
}

/// Finds the dependents in the records of a storage, beside which `layers_by_store` are
/// all listed stores: in the order in which they are to be removed.
///
/// With `driver` vfs a layer is a whole copy of what it builds on. A container
/// does not need anything below its own layer then: it still starts, and it and
/// its layers are not found.
pub(super) fn find(
    parts: &[StoragePart],
    layers_by_store: &[StoreLayers],
    driver: &str,
) -> Vec<DependentRecord> {
    let layers = Layers::new(parts, layers_by_store, driver == "vfs");
    let mut found = Vec::new();
    let files = parts.iter().enumerate().flat_map(|(part, files)| {
        files.files.iter().enumerate().map(move |(index, file)| (part, index, file))
    });
    for (part, file, records) in files {
        for (index, record) in records.records.iter().enumerate() {
            if let Some(lost) = layers.lost(records.kind, record) {
                let dependent = Dependent {
                    id: record.id.clone(),
                    names: record.names.clone(),
                    lost_layer: lost.to_owned(),
                };
                found.push(DependentRecord { kind: records.kind, at: (part, file, index), dependent });
            }
        }
    }
    found.sort_by_key(|found| (found.kind, found.at));
    found
}

impl<'a> Layers<'a> {
    fn new(parts: &'a [StoragePart], layers_by_store: &'a [StoreLayers], are_copies: bool) -> Self {
        let mut own = HashMap::new();
        let files = parts.iter().flat_map(|part| &part.files).filter(|file| file.kind == RecordKind::Layer);
        for record in files.flat_map(|file| &file.records) {
            // The first counts, as for engines.
            own.entry(record.id.as_str()).or_insert(record.parent.as_deref());
        }
        let mut listed = HashMap::new();
        for (id, parent) in layers_by_store.iter().flat_map(|store_layers| &store_layers.layers) {
            listed.entry(id.as_str()).or_insert(parent.as_deref());
        }
        let names = |sets: Vec<&'a HashSet<String>>| sets.into_iter().flatten().map(String::as_str).collect();
        let mut layers = Self {
            own,
            own_directories: names(parts.iter().map(|part| &part.directories).collect()),
            listed,
            listed_directories: names(
                layers_by_store.iter().map(|store_layers| &store_layers.directories).collect(),
            ),
            are_copies,
            kept: HashSet::new(),
        };
        let files =
            parts.iter().flat_map(|part| &part.files).filter(|file| file.kind == RecordKind::Container);
        for record in files.filter(|_| are_copies).flat_map(|file| &file.records) {
            let mut next = record.layer.as_deref();
            while let Some(layer) = next.filter(|layer| layers.kept.insert(layer)) {
                next = layers.own.get(layer).copied().flatten();
            }
        }
        layers
    }

    /// The lost layer that a record leads to.
    fn lost<'r>(&'r self, kind: RecordKind, record: &'r StorageRecord) -> Option<&'r str> {
        let start: Vec<&str> = match kind {
            RecordKind::Layer if self.kept.contains(record.id.as_str()) => Vec::new(),
            RecordKind::Container if self.are_copies => {
                let own = |layer: &&String| !self.own.contains_key(layer.as_str());
                record.layer.iter().filter(own).map(String::as_str).collect()
            }
            RecordKind::Layer => record.parent.iter().map(String::as_str).collect(),
            RecordKind::Container => record.layer.iter().map(String::as_str).collect(),
            // Engines look up the copies too whenever they list the image.
            RecordKind::Image => {
                record.layer.iter().chain(&record.mapped_layers).map(String::as_str).collect()
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dependents::own::RecordFile;
    use crate::sys::{FileKind, Stat};

    fn file(kind: RecordKind, json: &str) -> RecordFile {
        let records: Vec<StorageRecord> = serde_json::from_str(json).unwrap();
        let found =
            Stat { id: (0, 0), kind: FileKind::File, mode: 0, uid: 0, gid: 0, size: 0, mtime: (0, 0) };
        RecordFile { kind, path: "f".into(), bytes: Vec::new(), found, spans: Vec::new(), records }
    }

    fn set(ids: &str) -> HashSet<String> {
        ids.split_whitespace().map(str::to_owned).collect()
    }

    /// An own storage, with directories of these layers.
    fn part(files: Vec<RecordFile>, directories: &str) -> StoragePart {
        StoragePart { dir: "/graph".into(), files, directories: set(directories) }
    }

    /// A store with records of layers, such as `base` or `top<base`, and directories.
    fn store_layers(layers: &str, directories: &str) -> StoreLayers {
        let layers = layers.split_whitespace().map(|layer| match layer.split_once('<') {
            Some((id, parent)) => (id.to_owned(), Some(parent.to_owned())),
            None => (layer.to_owned(), None),
        });
        StoreLayers { layers: layers.collect(), directories: set(directories), digest: String::new() }
    }

    fn own() -> StoragePart {
        part(
            vec![
                file(
                    RecordKind::Container,
                    r#"[{"id":"c1","layer":"c1l"},{"id":"c2","names":["two"],"layer":"c2l"}]"#,
                ),
                file(
                    RecordKind::Image,
                    r#"[{"id":"own","layer":"o"},{"id":"child","layer":"ch"},{"id":"list"}]"#,
                ),
                file(
                    RecordKind::Layer,
                    r#"[{"id":"o"},{"id":"ch","parent":"base"},{"id":"c1l","parent":"o"},{"id":"c2l","parent":"ch"}]"#,
                ),
            ],
            "o ch c1l c2l",
        )
    }

    fn ids(found: &[DependentRecord]) -> Vec<&str> {
        found.iter().map(|found| found.dependent.id.as_str()).collect()
    }

    #[test]
    fn nothing_is_found_while_the_store_has_the_layer() {
        assert!(find(&[own()], &[store_layers("base", "base")], "overlay").is_empty());
        assert!(find(&[own()], &[store_layers("base", ""), store_layers("", "base")], "overlay").is_empty());
    }

    #[test]
    fn what_leads_to_a_lost_layer_is_found_containers_first_and_layers_last() {
        let found = find(&[own()], &[store_layers("other", "other")], "overlay");
        assert_eq!(ids(&found), ["c2", "child", "ch", "c2l"]);
        assert!(found.iter().all(|found| found.dependent.lost_layer == "base"));
    }

    #[test]
    fn a_record_without_a_directory_in_a_store_is_lost() {
        assert_eq!(
            ids(&find(&[own()], &[store_layers("base", "")], "overlay")),
            ["c2", "child", "ch", "c2l"]
        );
    }

    #[test]
    fn a_layer_that_a_store_lost_below_another_is_lost() {
        let found = find(&[own()], &[store_layers("base<below", "base")], "overlay");
        assert_eq!(ids(&found), ["c2", "child", "ch", "c2l"]);
        assert_eq!(found[0].dependent.lost_layer, "below");
    }

    #[test]
    fn damage_of_the_own_storage_is_not_a_stores_fault() {
        let mut without_directory = own();
        without_directory.directories.remove("o");
        assert!(find(&[without_directory], &[store_layers("base", "base")], "overlay").is_empty());
        let mut without_record = own();
        without_record.files[2].records.remove(0);
        assert!(find(&[without_record], &[store_layers("base", "base")], "overlay").is_empty());
        let circle = file(RecordKind::Layer, r#"[{"id":"a","parent":"b"},{"id":"b","parent":"a"}]"#);
        assert!(find(&[part(vec![circle], "a b")], &[], "overlay").is_empty());
    }

    #[test]
    fn a_record_copied_from_a_store_is_found_when_the_layer_is_gone_there() {
        let image =
            r#"[{"id":"tagged","layer":"base"},{"id":"mapped","layer":"kept","mapped-layers":["m"]}]"#;
        let layers = r#"[{"id":"m","parent":"base"}]"#;
        let storage = part(vec![file(RecordKind::Image, image), file(RecordKind::Layer, layers)], "m");
        let found = find(std::slice::from_ref(&storage), &[store_layers("kept", "kept")], "overlay");
        assert_eq!(ids(&found), ["tagged", "mapped", "m"]);
        assert!(find(&[storage], &[store_layers("kept base", "kept base")], "overlay").is_empty());
    }

    #[test]
    fn layers_of_both_parts_of_a_storage_are_its_own() {
        let images = part(vec![file(RecordKind::Layer, r#"[{"id":"base"}]"#)], "base");
        assert!(find(&[own(), images], &[], "overlay").is_empty());
    }

    #[test]
    fn with_vfs_containers_and_their_layers_stay() {
        assert_eq!(ids(&find(&[own()], &[], "vfs")), ["child"]);
    }
}
