//! Taking an entry off for a while, and putting it back as it was.

use serde::{Deserialize, Serialize};

use super::commit::{Mode, Outcome, change};
use super::remove::entries_of;
use super::snapshot::{Host, Snapshot};
use super::verify::{parse, verify};
use super::{Plan, StoreResult, refuse};
use crate::conf::{self, Cut, Document, clean};
use crate::problem::Problem;

/// An entry as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Its text and the comments that belong to it.
    item: Cut,
    /// The entry before it, if it is not the first.
    behind: Option<String>,
    /// The text that it was taken from: where nothing else has changed since,
    /// this very text comes back.
    text: String,
}

/// The entry that lists the store at `path`, to be put back by [`relist_store`];
/// `None` if it is not listed.
///
/// # Errors
/// A [`Problem`] if the file cannot be read.
pub fn taken_entry(host: &Host, path: &str) -> anyhow::Result<Option<Taken>> {
    let snapshot = host.snapshot()?;
    let settings = parse(host, &snapshot.path, &snapshot.text)?;
    let Some(entry) = entries_of(host, &settings.stores, path).into_iter().next() else {
        return Ok(None);
    };
    let at = |fault| Problem::at(fault, host.root.show(&snapshot.path), &snapshot.text);
    let doc = Document::parse(snapshot.text.as_str()).map_err(at)?;
    let item = conf::copy(&doc, &entry).map_err(at)?;
    let behind = settings.stores.iter().take_while(|other| **other != entry).last().map(|other| clean(other));
    Ok(item.map(|item| Taken { item, behind, text: snapshot.text.clone() }))
}

/// Lists the store at `path` again as it was, unless it is listed.
///
/// # Errors
/// A [`Problem`] if the file cannot be edited, or engines would stop on the entry.
pub fn relist_store(host: &Host, path: &str, taken: &Taken, mode: Mode) -> anyhow::Result<Outcome> {
    change(host, mode, |snapshot| plan(host, snapshot, path, taken))
}

fn plan(host: &Host, snapshot: &Snapshot, path: &str, taken: &Taken) -> anyhow::Result<Plan> {
    let before = parse(host, &snapshot.path, &snapshot.text)?;
    let mut plan = Plan::default();
    if !entries_of(host, &before.stores, path).is_empty() {
        plan.stores.push((path.to_owned(), StoreResult::Listed { alias: None }));
        return Ok(plan);
    }
    refuse::managed_node(host, &snapshot.text, false)?;
    let without = |text: &str| conf::remove(text, |entry| clean(entry) == path).ok();
    let finished = snapshot.finish(host, |text| {
        if without(&taken.text).as_deref() == Some(text) {
            return Ok(taken.text.clone());
        }
        conf::restore(text, &taken.item, taken.behind.as_deref())
            .map_err(|fault| Problem::at(fault, host.root.show(&snapshot.path), text))
    })?;
    let after = parse(host, &snapshot.path, &finished.text)?;
    plan.notes.extend(finished.notes);
    plan.notes.extend(verify(host, &snapshot.path, &before, &after, &[])?);
    plan.changes.push(finished.change);
    plan.stores.push((path.to_owned(), StoreResult::Added));
    Ok(plan)
}
