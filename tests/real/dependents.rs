//! What a replaced store leaves behind in the main storage, with real podmans:
//! what they make of it before and after `clean-dependents`, and that nothing
//! else is touched.

mod boot;
mod cleaned;
mod kept;
mod kill;
mod machine;
mod refused;
mod users;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

use crate::tree::{Node, Tree};

/// The files of records that may change.
const RECORDS: [&str; 5] =
    ["containers.json", "volatile-containers.json", "images.json", "layers.json", "volatile-layers.json"];

/// A storage without backups and without what lock files hold, which differ from
/// run to run.
fn settled(tree: &Tree) -> Tree {
    let stays = |path: &Path| !path.starts_with("storagectl-backup");
    let content = |path: &Path, node: &Node| {
        let mut node = node.clone();
        if path.extension().is_some_and(|end| end == "lock") {
            node.content = None;
        }
        node
    };
    tree.iter()
        .filter(|(path, _)| stays(path))
        .map(|(path, node)| (path.clone(), content(path, node)))
        .collect()
}

/// Where two storages differ in what is settled. Their trees are too large to be shown.
fn differences(one: &Tree, other: &Tree) -> Vec<PathBuf> {
    let (one, other) = (settled(one), settled(other));
    let paths: BTreeSet<&PathBuf> = one.keys().chain(other.keys()).collect();
    paths.into_iter().filter(|path| one.get(*path) != other.get(*path)).cloned().collect()
}

/// Checks that each file of `before` is still there, or in a backup, as it was;
/// that record files have lost records and nothing else; and that nothing is new.
#[track_caller]
fn assert_nothing_else_changed(before: &Tree, after: &Tree) {
    let (was, is) = (settled(before), settled(after));
    let mut kept: Tree = Tree::new();
    for (path, node) in after {
        let mut parts = path.components().skip(2);
        if path.starts_with("storagectl-backup")
            && parts.next().is_some_and(|part| part.as_os_str() == "storage")
        {
            kept.insert(parts.collect::<PathBuf>(), node.clone());
        }
    }
    for (path, node) in &was {
        let is_record = path.file_name().is_some_and(|name| RECORDS.iter().any(|record| name == *record));
        match is.get(path) {
            Some(now) if now == node => {}
            Some(now) if is_record => {
                assert_eq!((now.mode, now.owner), (node.mode, node.owner), "{}", path.display());
                assert_lost_records_only(node, now);
                assert!(kept.get(path) == before.get(path), "{} is in the backup", path.display());
            }
            Some(_) => panic!("{} changed", path.display()),
            None => assert!(kept.get(path) == before.get(path), "{} is in the backup", path.display()),
        }
    }
    for path in is.keys() {
        assert!(was.contains_key(path), "{} is new", path.display());
    }
}

#[track_caller]
fn assert_lost_records_only(before: &Node, after: &Node) {
    let records = |node: &Node| -> Vec<String> {
        let text = node.content.clone().unwrap();
        let records: Vec<Box<RawValue>> = serde_json::from_str(&text).unwrap();
        records.iter().map(|record| record.get().to_owned()).collect()
    };
    let (before, after) = (records(before), records(after));
    assert!(after.len() < before.len());
    let mut rest = before.iter();
    for record in &after {
        assert!(rest.any(|other| other == record), "a record changed or moved: {record}");
    }
}
