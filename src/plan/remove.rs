//! Removing stores.

use std::ffi::OsStr;
use std::path::Path;

use super::add::alias_of;
use super::commit::{CommitMode, PlanOutcome, change};
use super::generations::{self, ListChange, SeenList, ServedEngines};
use super::host::Host;
use super::snapshot::Snapshot;
use super::verify::verify;
use super::{Note, Plan, StoreResult};
use crate::conf::{self, Document, clean};
use crate::problem::{Problem, shell_word};
use crate::store::{is_gone, store_path};

/// What to remove.
#[derive(Debug, Clone, Default)]
pub struct RemoveOptions {
    /// The stores, as given: an entry that no engine can read is removed by its text.
    pub paths: Vec<String>,
    /// Which engines shall not see it any more.
    pub serve: ServedEngines,
    /// Only those of which nothing is left.
    pub if_gone: bool,
    /// Edit a node that the Machine Config Operator manages.
    pub force: bool,
}

/// Takes stores off the list, in every spelling. What is not listed is fine.
///
/// # Errors
/// A [`crate::problem::Problem`] if the file cannot be edited; nothing is written then.
pub fn remove_stores(host: &Host, options: &RemoveOptions, mode: CommitMode) -> anyhow::Result<PlanOutcome> {
    change(host, mode, |snapshot| plan(host, snapshot, options))
}

fn plan(host: &Host, snapshot: &Snapshot, options: &RemoveOptions) -> anyhow::Result<Plan> {
    let before = snapshot.stores(host)?;
    let mut plan = Plan::default();
    let mut going: Vec<String> = Vec::new();
    let asides = conf::asides(&snapshot.doc).map_err(|fault| snapshot.problem(host, fault))?;
    let mut listed = before.clone();
    listed.extend(asides.into_iter().map(|aside| aside.path));
    listed.extend(host.seen_by_modern());
    for path in &options.paths {
        let named = entries_of(host, &listed, path);
        let rest = listed.iter().filter(|entry| !named.contains(entry));
        if let Some(several) = alias_of(host, rest, path).filter(|_| !options.if_gone) {
            return Err(one_of(path, &several.entry).into());
        }
        let result = if named.is_empty() {
            store_path(OsStr::new(path))?;
            StoreResult::Absent
        } else if options.if_gone
            && !is_gone(&host.root, Path::new(path)).map_err(host.cannot("look at", Path::new(path)))?
        {
            StoreResult::Kept
        } else {
            going.extend(named);
            StoreResult::Removed
        };
        plan.stores.push((path.clone(), result));
    }
    let edit = |doc: &Document| {
        let goes = |entry: &str| going.iter().any(|path| path == entry);
        // One that is set aside must not come back either.
        let back = conf::put_back(doc, goes).map_err(|fault| snapshot.problem(host, fault))?;
        conf::remove(back.as_ref().unwrap_or(doc), goes).map_err(|fault| snapshot.problem(host, fault))
    };
    let shall_see = |seen: &SeenList<'_>| {
        let list = seen.now;
        let keep = |entry: &&String| !going.iter().any(|path| path == *entry || clean(path) == **entry);
        Ok(list.iter().filter(keep).cloned().collect())
    };
    let change = ListChange::by_hand(options.serve, options.force, &edit, &shall_see);
    plan.notes.extend(declared(host, snapshot, &going));
    generations::apply(host, snapshot, &mut plan, &change)?;
    plan.notes.extend(verify(host, snapshot, &plan, &[])?);
    Ok(plan)
}

/// That a store cannot be taken off without those that share its entry.
fn one_of(path: &str, several: &str) -> Problem {
    Problem::new(
        "store-comma",
        format!("`{path}` is one part of the entry `{several}`, which engines split at its commas"),
        format!(
            "`storagectl remove-store {}` removes all of it; add again what is to stay",
            shell_word(several)
        ),
    )
}

/// A warning for each store that goes although a declaration lists it.
fn declared(host: &Host, snapshot: &Snapshot, going: &[String]) -> Vec<Note> {
    let listed = conf::listed(&snapshot.doc).unwrap_or_default();
    let marked = listed.into_iter().filter(|entry| going.contains(&entry.path));
    let names = marked.filter_map(|entry| Some((entry.path, entry.mark?.name)));
    let Ok(search) = host.search_path() else { return Vec::new() };
    let is_there =
        |dir: &Path, name: &str| matches!(host.root.stat(&dir.join(format!("{name}.toml"))), Ok(Some(_)));
    let admin = search.admin.display();
    names
        .filter(|(_, name)| search.dirs().any(|dir| is_there(dir, name)))
        .map(|(path, name)| {
            let message =
                format!("`{path}` is declared by `{name}` and comes back with the next `storagectl apply`");
            let hint = format!("`ln -s /dev/null {admin}/{name}.toml` keeps it away");
            Note::warning("store-declared", message, hint)
        })
        .collect()
}

/// The entries that mean the store at `path`: by their path, or because both
/// lead to the same directory. One that leads nowhere is taken by its path alone.
pub(super) fn entries_of(host: &Host, entries: &[String], path: &str) -> Vec<String> {
    let id = |path: &str| host.root.stat(Path::new(path)).ok().flatten().map(|stat| stat.id);
    let ours = id(path);
    entries
        .iter()
        .filter(|entry| {
            clean(entry) == clean(path)
                || (entry.starts_with('/') && ours.is_some() && id(&clean(entry)) == ours)
        })
        .cloned()
        .collect()
}
