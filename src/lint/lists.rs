//! Rules about attributes of arrays, such as `{append=true}`.
//!
//! Attributes came with the modern generation (pkg/configfile/slice.go). The
//! legacy one decodes the arrays into strings and stops on a table.

use super::finding::{Found, Sink};
use super::input::{File, Input};
use super::keys::known_keys;
use crate::conf::schema::{Kind, Known};
use crate::conf::{Leaf, SetKey};
use crate::engine::Engines;

/// Every attribute of every array: the file, the array, and the item's index.
fn attributes<'i>(
    input: &'i Input<'_>,
) -> impl Iterator<Item = (&'i File, &'static Known, &'i SetKey, usize)> {
    input.files.iter().flat_map(|file| {
        known_keys(file).filter(|(known, _)| known.kind == Kind::Strings).flat_map(move |(known, key)| {
            let Leaf::Array(items) = &key.value else {
                return Vec::new();
            };
            let tables = items.iter().take(key.items.len()).enumerate();
            tables
                .filter(|(_, item)| matches!(item, Leaf::Table(_)))
                .map(|(index, _)| (file, known, key, index))
                .collect()
        })
    })
}

/// The first thing in an attribute that engines do not know.
fn fault(attribute: &Leaf) -> Option<String> {
    let Leaf::Table(pairs) = attribute else {
        return None;
    };
    pairs.iter().find_map(|(key, value)| match (key.as_str(), value) {
        ("append", Leaf::Boolean(_)) => None,
        ("append", _) => Some("`append` must be `true` or `false`, without quotes".to_owned()),
        _ => Some(format!("no engine knows the attribute `{key}`")),
    })
}

fn item(key: &SetKey, index: usize) -> &Leaf {
    match &key.value {
        Leaf::Array(items) => &items[index],
        other => other,
    }
}

pub(super) fn append_in_main(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for (file, known, key, index) in attributes(input) {
        let decoders = Engines::by_version(|version| known.is_known_to(version));
        let engines = file.engines.and(Engines::LEGACY).and(decoders);
        let message = format!("`{}` has an attribute in a file that legacy engines read", key.name);
        // `append` is sticky: that of a main file means the drop-ins behind it.
        let name = key.dotted();
        let means_others = input.files.iter().any(|other| !other.is_main() && other.key(&name).is_some());
        let found = if means_others {
            let hint =
                "remove it here, and write it in the drop-in whose list should be appended to this one";
            Found::stops(engines, message, hint)
        } else {
            let hint = "remove it: a main file has nothing to append to";
            let found = Found::stops(engines, message, hint);
            match &file.doc {
                Ok(doc) => found.with_fix(doc.without_item(key, index)),
                Err(_) => found,
            }
        };
        sink.at(file, &key.items[index], found);
    }
}

pub(super) fn bad_attribute(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for (file, _, key, index) in attributes(input) {
        if let Some(message) = fault(item(key, index)) {
            let engines = file.engines.and(Engines::PODMAN6);
            let hint = "write `{append=true}` or `{append=false}`";
            sink.at(file, &key.items[index], Found::stops(engines, message, hint));
        }
    }
}
