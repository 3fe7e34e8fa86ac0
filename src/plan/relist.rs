//! Taking an entry off for a while, and putting it back as it was.

use serde::{Deserialize, Serialize};

use super::commit::{CommitMode, PlanOutcome, change};
use super::generations::{self, ListChange, SeenList, ServedEngines};
use super::host::Host;
use super::remove::entries_of;
use super::snapshot::Snapshot;
use super::verify::verify;
use super::{Plan, StoreResult};
use crate::conf::{self, CutItem, Document, EditError, Position, clean};

/// An entry as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedEntry {
    /// Its text and the comments that belong to it.
    item: CutItem,
    /// The entry before it, if it is not the first.
    behind: Option<String>,
    /// The text that it was taken from.
    text: String,
}

/// The entry that lists the store at `path`, to be put back by [`relist_store`];
/// `None` if it is not listed.
pub fn taken_entry(host: &Host, path: &str) -> anyhow::Result<Option<RemovedEntry>> {
    let snapshot = host.snapshot()?;
    let listed = snapshot.stores(host)?;
    let Some(entry) = entries_of(host, &listed, path).into_iter().next() else {
        return Ok(None);
    };
    let item = conf::copy(&snapshot.doc, &entry).map_err(|fault| snapshot.problem(host, fault))?;
    let behind = listed.iter().take_while(|other| **other != entry).last().map(|other| clean(other));
    Ok(item.map(|item| RemovedEntry { item, behind, text: snapshot.doc.text().to_owned() }))
}

/// Lists the store at `path` again as it was, unless it is listed.
///
/// # Errors
/// A [`crate::problem::Problem`] if the file cannot be edited, or engines would stop on the entry.
pub fn relist_store(
    host: &Host,
    path: &str,
    taken: &RemovedEntry,
    mode: CommitMode,
) -> anyhow::Result<PlanOutcome> {
    change(host, mode, |snapshot| plan(host, snapshot, path, taken))
}

fn plan(host: &Host, snapshot: &Snapshot, path: &str, taken: &RemovedEntry) -> anyhow::Result<Plan> {
    let before = snapshot.stores(host)?;
    let mut plan = Plan::default();
    if !entries_of(host, &before, path).is_empty() {
        plan.stores.push((path.to_owned(), StoreResult::Listed { alias: None }));
        return Ok(plan);
    }
    // Where nothing else has changed since, the very same text comes back.
    let then = Document::parse(taken.text.as_str()).ok();
    let without =
        then.as_ref().and_then(|doc| conf::remove(doc, |entry| clean(entry) == path).ok().flatten());
    let edit = |doc: &Document| {
        match (&then, &without) {
            (Some(then), Some(without)) if without.text() == doc.text() => Ok(then.clone()),
            _ => conf::restore(doc, &taken.item, taken.behind.as_deref()),
        }
        .map(Some)
        .map_err(|fault| snapshot.problem(host, fault))
    };
    let shall_see = |seen: &SeenList<'_>| {
        let list = seen.now;
        let position = match &taken.behind {
            None => Position::First,
            Some(other) if list.contains(other) => Position::After(other.clone()),
            Some(_) => Position::Any,
        };
        conf::add_to_list(list, &[clean(path)], &position).map_err(|error| match error {
            EditError::Fault(fault) => snapshot.problem(host, fault),
            EditError::NotListed(_) => unreachable!("the neighbour is listed"),
        })
    };
    let change = ListChange::by_hand(ServedEngines::All, false, &edit, &shall_see);
    generations::apply(host, snapshot, &mut plan, &change)?;
    plan.notes.extend(verify(host, snapshot, &plan, &[])?);
    plan.stores.push((path.to_owned(), StoreResult::Added));
    Ok(plan)
}
