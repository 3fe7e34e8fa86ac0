//! Adding stores.

use std::path::{Path, PathBuf};

use super::commit::{CommitMode, PlanOutcome, change};
use super::generations::{self, ListChange, SeenList, ServedEngines};
use super::host::Host;
use super::moved::is_moved;
use super::snapshot::Snapshot;
use super::verify::verify;
use super::{Plan, StoreResult, refuse};
use crate::conf::{self, Document, EditError, Fault, Position, StoreList, clean};
use crate::problem::Problem;

/// What to add, and what to put up with.
#[derive(Debug, Clone, Default)]
pub struct AddOptions {
    /// The stores, as [`crate::store::store_path`] gives them.
    pub paths: Vec<String>,
    /// Where they go.
    pub position: Position,
    /// Make each directory an empty, valid store first.
    pub init: bool,
    /// List a directory that does not exist.
    pub allow_missing: bool,
    /// List a store that others can write to.
    pub allow_writable: bool,
    /// Which engines shall see it.
    pub serve: ServedEngines,
    /// List bootc's storage, or edit a node that the Machine Config Operator manages.
    pub force: bool,
}

/// Lists stores. What is listed already is left as it is.
///
/// # Errors
/// A [`Problem`] if a store is refused or the file cannot be edited; nothing is
/// written then.
pub fn add_stores(host: &Host, options: &AddOptions, mode: CommitMode) -> anyhow::Result<PlanOutcome> {
    change(host, mode, |snapshot| plan(host, snapshot.adopted(host)?.as_ref().unwrap_or(snapshot), options))
}

fn plan(host: &Host, snapshot: &Snapshot, options: &AddOptions) -> anyhow::Result<Plan> {
    let before = snapshot.stores(host)?;
    let mut plan = Plan::default();
    // The name of each, and whether it has to be in the main file: what is a part of an entry is.
    let (mut wanted, mut in_main) = (Vec::new(), Vec::new());
    let mut results = Vec::new();
    let modern = host.seen_by_modern();
    for path in &options.paths {
        let listed = before.iter().any(|entry| clean(entry) == *path);
        let known = before.iter().chain(&wanted);
        let alias = if listed { None } else { alias_of(host, known, path) };
        // What only a drop-in lists under another name is listed for the others under that one.
        let elsewhere = if listed || alias.is_some() { None } else { alias_of(host, modern.iter(), path) };
        if listed || alias.is_some() {
            let alias = alias.as_ref().map(|alias| alias.entry.clone());
            results.push((path.clone(), StoreResult::Listed { alias }));
        } else {
            refuse::store(host, path, options)?;
            results.push((path.clone(), StoreResult::Added));
        }
        let is_in_entry = alias.as_ref().is_some_and(|alias| clean(&alias.entry) != alias.part);
        let name = alias.or(elsewhere).map_or_else(|| path.clone(), |alias| alias.part);
        in_main.extend((!is_in_entry).then(|| name.clone()));
        wanted.push(name);
        if options.init && !is_initialised(host, path)? {
            plan.inits.push((PathBuf::from(path), host.driver()));
        }
    }
    let edit = |doc: &Document| {
        let restored = without_aside(doc, &in_main).map_err(|fault| snapshot.problem(host, fault))?;
        let added = conf::add(restored.as_ref().unwrap_or(doc), &in_main, &options.position);
        added.map_err(|error| edit_problem(host, snapshot, error))
    };
    let shall_see = |seen: &SeenList<'_>| {
        // Once for each reader: what is to be seen once is taken out where it stands again.
        let mut list = seen.now.to_vec();
        for path in &wanted {
            let first = list.iter().position(|other| other == path);
            let mut at = 0;
            list.retain(|other| {
                at += 1;
                other != path || Some(at - 1) == first
            });
        }
        // Normal users may not have the neighbour.
        let position = match &options.position {
            Position::Before(other) | Position::After(other)
                if before.iter().any(|entry| clean(entry) == clean(other))
                    && !list.contains(&clean(other)) =>
            {
                &Position::Any
            }
            position => position,
        };
        let new: Vec<String> = wanted.iter().filter(|path| !is_part(host, &list, path)).cloned().collect();
        conf::add_to_list(&list, &new, position).map_err(|error| edit_problem(host, snapshot, error))
    };
    let expected = if options.allow_missing { wanted.as_slice() } else { &[] };
    let change =
        ListChange { expected, ..ListChange::by_hand(options.serve, options.force, &edit, &shall_see) };
    let after = generations::apply(host, snapshot, &mut plan, &change)?;
    if plan.changes.is_empty() {
        // Those engines that are served see them, by another file than the main one.
        for (_, result) in results.iter_mut().filter(|(_, result)| *result == StoreResult::Added) {
            *result = StoreResult::Listed { alias: None };
        }
    } else if after.is_none() {
        // The main file lists them, but not all engines saw that.
        for (_, result) in &mut results {
            if matches!(result, StoreResult::Listed { alias: None }) {
                *result = StoreResult::Added;
            }
        }
    }
    let after = after.as_ref().unwrap_or(&before);
    plan.notes.extend(verify(host, snapshot, &plan, expected)?);
    for ((_, result), path) in results.iter_mut().zip(&wanted) {
        let is_moved = || is_moved(texts(&before), texts(after), path);
        if matches!(result, StoreResult::Listed { .. }) && is_moved() {
            *result = StoreResult::Moved;
        }
    }
    plan.stores = results;
    Ok(plan)
}

/// The document without entries for these stores that `apply --boot` has set aside:
/// they would come back beside the new ones.
fn without_aside(doc: &Document, paths: &[String]) -> Result<Option<Document>, Fault> {
    let listed = StoreList::paths(doc)?;
    let comes = |path: &str| paths.contains(&clean(path)) && !listed.iter().any(|other| other == path);
    match conf::put_back(doc, comes)? {
        Some(back) => conf::remove(&back, comes),
        None => Ok(None),
    }
}

/// An entry by which drivers have a store that is not named by it, and what of it is that store.
pub(super) struct Alias {
    pub(super) entry: String,
    /// The entry, cleaned, or that one of the stores which it is split into.
    pub(super) part: String,
}

/// The entry that is another name of the directory at `path`, or that drivers take for
/// several stores of which it is one (`parseOptions` in drivers/overlay/overlay.go).
pub(super) fn alias_of<'a>(
    host: &Host,
    mut entries: impl Iterator<Item = &'a String>,
    path: &str,
) -> Option<Alias> {
    let id = |path: &str| host.root.stat(Path::new(path)).ok().flatten().map(|stat| stat.id);
    let ours = id(path);
    let is_it = |part: &String| part.starts_with('/') && (part == path || ours.is_some() && id(part) == ours);
    entries.find_map(|entry| {
        let part = entry.split(',').map(|part| clean(part.trim())).find(is_it)?;
        Some(Alias { entry: entry.clone(), part })
    })
}

/// Whether one of these entries is split by drivers into several stores of which `path` is one.
pub(super) fn is_part(host: &Host, entries: &[String], path: &str) -> bool {
    alias_of(host, entries.iter().filter(|entry| entry.contains(',') && *entry != path), path).is_some()
}

fn is_initialised(host: &Host, path: &str) -> anyhow::Result<bool> {
    Ok(host.root.stat(&Path::new(path).join(crate::store::MARKER))?.is_some())
}

fn texts(paths: &[String]) -> impl Iterator<Item = &str> {
    paths.iter().map(String::as_str)
}

fn edit_problem(host: &Host, snapshot: &Snapshot, error: EditError) -> Problem {
    match error {
        EditError::Fault(fault) => snapshot.problem(host, fault),
        EditError::NotListed(path) => Problem::new(
            "not-listed",
            format!("cannot place a store beside `{path}`: `{}` does not list it", host.show(&snapshot.path)),
            "`storagectl list-stores` shows what is listed",
        ),
    }
}
