//! Editing the entries of others as if those that storagectl owns were not there.
//!
//! An owned entry has a line of its own even in an array on one line. What is added beside it
//! by hand would be laid out like that line, and leave another layout behind when both have
//! gone. So the owned ones are taken out, the array is edited, and they are put back in.

use super::array::Anchor;
use super::document::{Document, Fault};
use super::edit::{put, remove_entries};
use super::owned::{MarkedEntry, arrange, listed};

/// `edited`, a document made of `doc` by adding, moving and removing entries, made anew as if
/// no owned entry had been there; as it is if somebody has changed the lines of those.
pub(super) fn edited_beside_ours(doc: &Document, edited: Document) -> Result<Document, Fault> {
    let (now, target) = (listed(doc)?, listed(&edited)?);
    let theirs = of_others(&now);
    if theirs.len() == now.len() {
        return Ok(edited);
    }
    let Some(mut bare) = arrange(doc, &theirs)? else {
        return Ok(edited);
    };
    let is_exact = arrange(&bare, &now)?.is_some_and(|again| again.text() == doc.text());
    if !is_exact {
        return Ok(edited);
    }
    let wanted: Vec<String> = of_others(&target).into_iter().map(|entry| entry.path).collect();
    bare = remove_entries(&bare, |path| !wanted.iter().any(|other| other == path))?.unwrap_or(bare);
    for (index, path) in wanted.iter().enumerate() {
        if listed(&bare)?.get(index).is_none_or(|entry| entry.path != *path) {
            let anchor = index.checked_sub(1).map_or(Anchor::Before(0), Anchor::Behind);
            bare = put(&bare, path, |_| anchor)?;
        }
    }
    if listed(&bare)? != of_others(&target) {
        return Ok(edited);
    }
    Ok(arrange(&bare, &target)?.unwrap_or(bare))
}

fn of_others(list: &[MarkedEntry]) -> Vec<MarkedEntry> {
    list.iter().filter(|entry| entry.mark.is_none()).cloned().collect()
}
