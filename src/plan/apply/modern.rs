//! What the generation that reads drop-ins shall see.

use super::decide::Decision;
use super::known::CurrentStores;
use super::{ApplyInputs, Planned};
use crate::conf::{MarkedEntry, clean};
use crate::declare::{WantedStore, arranged};
use crate::plan::add::is_part;
use crate::plan::drop_in::OwnDropIn;
use crate::plan::generations::SeenList;

impl ApplyInputs<'_> {
    /// What the generation that reads drop-ins shall see.
    pub(super) fn modern(
        &self,
        seen: &SeenList<'_>,
        own: &OwnDropIn,
        known: &CurrentStores,
        planned: &Planned<'_>,
    ) -> Vec<String> {
        let Planned { decided: Decision { wants, .. }, main_after, gone } = planned;
        let taken_off = own.taken_off();
        // What stood in our file for the order alone, and is not listed elsewhere any more.
        let spent = |path: &String| {
            own.items().iter().any(|item| item.path == *path && item.is_elsewhere())
                && !seen.without.contains(path)
        };
        // Without a file of our own, other files say in which order stores stand.
        let start = if own.text.is_some() { seen.now } else { seen.without };
        let mut list: Vec<String> = start.iter().filter(|path| !spent(path)).cloned().collect();
        let mut behind: Option<&String> = None;
        for path in seen.without {
            if !list.contains(path) && !taken_off.contains(path) && !gone.contains(path) {
                let at = behind.and_then(|other| list.iter().position(|path| path == other));
                list.insert(at.map_or(0, |at| at + 1).min(list.len()), path.clone());
            }
            behind = Some(path);
        }
        // A vendor's drop-in that came later hides what an administrator listed.
        let by_hand = main_after.iter().filter(|entry| entry.mark.is_none()).map(|entry| clean(&entry.path));
        for path in by_hand.filter(|_| seen.hidden_by_vendor) {
            if !list.contains(&path) && !taken_off.contains(&path) {
                list.push(path);
            }
        }
        list.retain(|path| !gone.contains(path));
        // What stands in our file and, by now, elsewhere too.
        let count = |list: &[String], path: &String| list.iter().filter(|other| *other == path).count();
        let mut once: Vec<String> = Vec::new();
        for path in list {
            let is_declared = wants.iter().any(|want| want.path == path);
            let times = if is_declared { 1 } else { count(seen.without, &path).max(1) };
            if count(&once, &path) < times {
                once.push(path);
            }
        }
        let list = once;
        // What the main file lists from now on, nobody could have listed before. What a drop-in
        // of others lists is theirs, and has its place there.
        let theirs = seen.theirs;
        let new = |path: &str| main_after.iter().find(|entry| clean(&entry.path) == path)?.mark.clone();
        let mark = |path: &String| match known.marks.get(path) {
            _ if theirs.contains(path) && seen.without.contains(path) => None,
            // What somebody wrote by hand stands where this reader does not look. What a
            // vendor's drop-in hides of it is shown again as theirs.
            Some(None) if !seen.without.contains(path) && !seen.hidden_by_vendor => own.mark(path),
            Some(mark) => mark.clone(),
            None => new(path),
        };
        let apart = |want: &&WantedStore| !is_part(self.host, &list, &want.path);
        let wants: Vec<WantedStore> = wants.iter().filter(apart).cloned().collect();
        let listed: Vec<MarkedEntry> =
            list.into_iter().map(|path| MarkedEntry { mark: mark(&path), path }).collect();
        arranged(&listed, &wants, |mark| self.keeps(mark))
            .into_iter()
            .map(|entry| clean(&entry.path))
            .collect()
    }
}
