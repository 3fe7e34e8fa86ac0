//! What there is to tell.

use super::known::CurrentStores;
use super::{ApplyInputs, Planned};
use crate::conf::{self, MarkedEntry, clean};
use crate::plan::moved::is_moved;
use crate::plan::{After, Note, Plan, StoreResult};

impl ApplyInputs<'_> {
    /// What became of everything that this was about.
    pub(super) fn results(&self, known: &CurrentStores, planned: &Planned<'_>) -> Vec<(String, StoreResult)> {
        let CurrentStores { listed, marks, aside, .. } = known;
        let Planned { decided, main_after, gone } = planned;
        let mut results = Vec::new();
        for (path, mark) in marks {
            let stays = mark.is_none()
                || decided.wants.iter().any(|want| want.path == *path)
                || mark.as_ref().is_some_and(|mark| self.keeps(mark));
            if !stays {
                results.push((path.clone(), StoreResult::Removed));
            }
        }
        let set_aside = gone.iter().filter(|path| listed.contains(path) || known.is_seen_by_any(path));
        results.extend(set_aside.map(|path| (path.clone(), StoreResult::SetAside)));
        for path in aside {
            if main_after.iter().any(|entry| clean(&entry.path) == *path) {
                results.push((path.clone(), StoreResult::PutBack));
            }
        }
        for path in known.missing() {
            if !gone.contains(&path) {
                results.push((path, StoreResult::PutBack));
            }
        }
        let main_before = conf::listed(&self.snapshot.doc).unwrap_or_default();
        let moved = |path: &str| is_moved(paths(&main_before), paths(main_after), path);
        for want in &decided.wants {
            let result = if !listed.contains(&want.path) {
                StoreResult::Added
            } else if moved(&want.path) {
                StoreResult::Moved
            } else {
                StoreResult::Listed { alias: None }
            };
            results.push((want.path.clone(), result));
        }
        results.extend(decided.results.iter().cloned());
        let mut told: Vec<(String, StoreResult)> = Vec::new();
        for (path, result) in results {
            // A store that is gone is removed because of that: both are told.
            let other = told.iter().find(|(other, _)| *other == path).map(|(_, other)| other);
            match (other, &result) {
                (None, _) | (Some(StoreResult::Removed), StoreResult::Skipped { .. }) => {}
                _ => continue,
            }
            told.push((path, result));
        }
        told
    }

    /// What there is to say of stores that a drop-in of ours shows again.
    pub(super) fn seen_again(&self, plan: &Plan, known: &CurrentStores) -> Vec<Note> {
        let own = known.own.as_ref();
        let change = own.and_then(|own| {
            plan.changes.iter().find(|change| own.is_at(&change.path) && change.after != After::Nothing)
        });
        let Some((own, After::Text(text))) = own.zip(change.map(|change| &change.after)) else {
            return Vec::new();
        };
        let after = own.holding(Some(text.clone()));
        let told = |path: &String| plan.stores.iter().any(|(other, _)| other == path);
        let hidden = after
            .items()
            .into_iter()
            .map(|item| item.path)
            .filter(|path| !known.now.contains(path) && !told(path));
        hidden
            .map(|path| {
                Note::Then(format!("podman 6 sees `{path}` again, which another drop-in had hidden from it"))
            })
            .collect()
    }
}

fn paths(list: &[MarkedEntry]) -> impl Iterator<Item = &str> {
    list.iter().map(|entry| entry.path.as_str())
}
