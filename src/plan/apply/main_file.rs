//! What becomes of the main file, and of the list of engines that read it.

use super::ApplyInputs;
use crate::conf::{self, Document, MarkedEntry, Position, clean};
use crate::declare::{WantedStore, arranged};

impl ApplyInputs<'_> {
    /// The main file's text with all of this done to it.
    pub(super) fn edit(
        &self,
        doc: &Document,
        wants: &[WantedStore],
    ) -> Result<Option<Document>, conf::Fault> {
        let mut edited: Option<Document> = None;
        let there = |path: &str| !self.is_gone(path);
        if let Some(doc) = conf::put_back(doc, there)? {
            edited = Some(doc);
        }
        if !self.by_hand.is_empty() {
            let doc = edited.as_ref().unwrap_or(doc);
            let added = conf::add(doc, self.by_hand, &Position::Any).map_err(|error| match error {
                conf::EditError::Fault(fault) => fault,
                conf::EditError::NotListed(_) => unreachable!("no neighbour was named"),
            })?;
            edited = added.or(edited);
        }
        let current = edited.as_ref().unwrap_or(doc);
        let target = arranged(&self.in_former_order(conf::listed(current)?)?, wants, |mark| self.keeps(mark));
        if let Some(doc) = conf::arrange(current, &target)? {
            edited = Some(doc);
        }
        let current = edited.as_ref().unwrap_or(doc);
        let were_aside = if self.basis.renewed { conf::asides(&self.snapshot.doc)? } else { Vec::new() };
        let goes =
            |path: &str| self.options.sets_aside() || were_aside.iter().any(|aside| aside.path == path);
        if let Some(doc) = conf::set_aside(current, |path| goes(path) && self.is_gone(path))? {
            edited = Some(doc);
        }
        // A file that is made anew is so also if nothing is added to it.
        Ok(edited.or_else(|| self.basis.renewed.then(|| doc.clone())))
    }

    /// `list` with the entries that a file which is made anew had had, so that they
    /// stand as they stood.
    fn in_former_order(&self, mut list: Vec<MarkedEntry>) -> Result<Vec<MarkedEntry>, conf::Fault> {
        if !self.basis.renewed {
            return Ok(list);
        }
        let is_added = |entry: &MarkedEntry| entry.mark.is_some() || self.by_hand.contains(&entry.path);
        list.retain(|entry| !is_added(entry));
        let whole = conf::put_back(&self.snapshot.doc, |_| true)?;
        let former = conf::listed(whole.as_ref().unwrap_or(&self.snapshot.doc))?;
        list.extend(former.into_iter().filter(is_added));
        Ok(list)
    }
}

/// The list `now` of an engine that reads the main file, when that changes: what
/// else it sees keeps its place.
pub(super) fn followed(now: &[String], before: &[String], after: &[MarkedEntry]) -> Vec<String> {
    let after: Vec<String> = after.iter().map(|entry| clean(&entry.path)).collect();
    let at = (0..=now.len().saturating_sub(before.len())).find(|&at| now[at..].starts_with(before));
    match at {
        Some(at) => [&now[..at], &after, &now[at + before.len()..]].concat(),
        None => {
            // CRI-O drops the earlier one of two.
            let others: Vec<String> = now.iter().filter(|path| !before.contains(path)).cloned().collect();
            let ahead: Vec<String> = after.into_iter().filter(|path| !others.contains(path)).collect();
            [ahead, others].concat()
        }
    }
}
