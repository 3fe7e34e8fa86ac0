//! Merging two configurations as Ignition does (config/merge in its repository): what the child says
//! counts, items of lists are the same if their keys are, and files, directories and links share
//! their paths.

use std::collections::{BTreeMap, BTreeSet};

use crate::provision::document::{MappingKey, Node, NodeKind};

/// Lists that share their keys.
const NODES: [&str; 3] = ["files", "directories", "links"];
/// Lists that are put one behind the other (`IgnoreDuplicates` of Ignition's types).
const APPENDED: [&str; 4] = ["append", "options", "mountOptions", "openOptions"];

/// `parent` with what `child` says.
pub(super) fn merged(parent: Node, child: Node) -> Node {
    if child.is_null() {
        return parent;
    }
    match (parent.kind, child.kind) {
        (NodeKind::Map { pairs: old, flow }, NodeKind::Map { pairs: new, .. }) => {
            Node { span: parent.span, kind: NodeKind::Map { pairs: merged_pairs(old, new), flow } }
        }
        (_, kind) => Node { span: child.span, kind },
    }
}

fn merged_pairs(parent: Vec<(MappingKey, Node)>, child: Vec<(MappingKey, Node)>) -> Vec<(MappingKey, Node)> {
    // What a list of the child has, the other lists of the parent lose.
    let taken: Vec<(String, BTreeSet<String>)> = child
        .iter()
        .filter(|(name, _)| NODES.contains(&name.name.as_str()))
        .map(|(name, list)| (name.name.clone(), list.items().iter().map(|it| key(&name.name, it)).collect()))
        .collect();
    let mut new: BTreeMap<String, (MappingKey, Node)> =
        child.into_iter().rev().map(|(name, node)| (name.name.clone(), (name, node))).collect();
    let mut pairs = Vec::new();
    for (name, mut old) in parent {
        if let NodeKind::List { items, .. } = &mut old.kind
            && NODES.contains(&name.name.as_str())
        {
            let others = || taken.iter().filter(|(list, _)| *list != name.name);
            items.retain(|item| !others().any(|(_, keys)| keys.contains(&key(&name.name, item))));
        }
        let node = match new.remove(&name.name) {
            Some((_, node)) => merged_values(&name.name, old, node),
            None => old,
        };
        pairs.push((name, node));
    }
    pairs.extend(new.into_values());
    pairs
}

fn merged_values(name: &str, parent: Node, child: Node) -> Node {
    let Node { span, kind } = parent;
    let (old, flow, new) = match (kind, child.kind) {
        (NodeKind::List { items: old, flow }, NodeKind::List { items: new, .. }) => (old, flow, new),
        (kind, other) => return merged(Node { span, kind }, Node { span: child.span, kind: other }),
    };
    if APPENDED.contains(&name) {
        let items = old.into_iter().chain(new).collect();
        return Node { span, kind: NodeKind::List { items, flow } };
    }
    let keys: BTreeSet<String> = old.iter().map(|item| key(name, item)).collect();
    let mut by_key: BTreeMap<String, Node> = BTreeMap::new();
    let mut unique = Vec::new();
    for item in new {
        let key = key(name, &item);
        if keys.contains(&key) {
            by_key.insert(key, item);
        } else {
            unique.push(item);
        }
    }
    let mut items = Vec::new();
    for item in old {
        items.push(match by_key.get(&key(name, &item)) {
            // Where it is told is where the child has it.
            Some(child) => Node { span: child.span.clone(), ..merged(item, child.clone()) },
            None => item,
        });
    }
    items.append(&mut unique);
    Node { span, kind: NodeKind::List { items, flow } }
}

/// What tells an item of a list from the others (`Key` of Ignition's types).
fn key(list: &str, item: &Node) -> String {
    if let Some(text) = item.raw() {
        return text.to_owned();
    }
    let names: &[&str] = match list {
        "files" | "directories" | "links" => &["path"],
        "disks" | "filesystems" => &["device"],
        "partitions" => &["number", "label"],
        "merge" | "certificateAuthorities" => &["source"],
        "tang" => &["url"],
        _ => &["name"],
    };
    let found = names.iter().find_map(|name| item.get(name)?.raw().filter(|it| !matches!(*it, "" | "0")));
    found.unwrap_or_default().to_owned()
}
