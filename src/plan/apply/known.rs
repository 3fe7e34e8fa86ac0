//! What is known of a host before anything is planned.

use std::collections::BTreeMap;

use super::Follow;
use crate::conf::{self, Mark, clean};
use crate::engine::{self, Profile};
use crate::judgement::judge_store;
use crate::plan::drop_in::{Item, OwnDropIn};
use crate::plan::generations::cleaned;
use crate::problem::Problem;

/// What engines read now, and whose it is.
pub(super) struct Known {
    /// What the main file says.
    pub(super) before: Vec<String>,
    /// The stores that the modern generation sees, cleaned; none if one file was named.
    pub(super) now: Vec<String>,
    /// Our own drop-in; `None` if one file was named.
    pub(super) own: Option<OwnDropIn>,
    /// The listed stores and whose they are: nobody's or a declaration's. What is
    /// listed by hand anywhere is that.
    pub(super) marks: BTreeMap<String, Option<Mark>>,
    /// The stores that any engine sees, cleaned.
    pub(super) listed: Vec<String>,
}

impl Follow<'_> {
    /// Reads it.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(super) fn known(&self) -> anyhow::Result<Known> {
        let before = self.snapshot.stores(self.host)?;
        let reading = (self.host.config.is_none()).then(|| self.host.reading(Profile::Podman6));
        let now = reading.as_ref().map(cleaned).unwrap_or_default();
        let find = |now| OwnDropIn::find(self.host, now, self.host.identity());
        let own = reading.as_ref().map(find).transpose()?;
        let items = own.as_ref().map(OwnDropIn::items).unwrap_or_default();
        let marks = self.marks(&items)?;
        let listed = before.iter().map(|path| clean(path)).chain(now.clone()).collect();
        Ok(Known { before, now, own, marks, listed })
    }

    /// See [`Known::marks`].
    fn marks(&self, items: &[Item]) -> Result<BTreeMap<String, Option<Mark>>, Problem> {
        let mut marks = BTreeMap::new();
        for item in items.iter().filter(|item| !item.is_elsewhere()) {
            marks.insert(item.path.clone(), item.mark());
        }
        // What is set aside is still whose it was.
        let main = conf::put_back(&self.snapshot.doc, |_| true)
            .and_then(|whole| conf::listed(whole.as_ref().unwrap_or(&self.snapshot.doc)))
            .map_err(|fault| self.snapshot.problem(self.host, fault))?;
        for entry in main {
            let path = clean(&entry.path);
            if entry.mark.is_none() || !marks.contains_key(&path) {
                marks.insert(path, entry.mark);
            }
        }
        Ok(marks)
    }

    /// Whether engines stop on this entry because nothing is there.
    pub(super) fn is_gone(&self, path: &str) -> bool {
        let host = self.host;
        host.own_readers().iter().any(|reader| {
            let reasons = judge_store(&host.view(), &reader.environment, reader.profile, &clean(path));
            reasons.iter().any(|reason| matches!(reason.id, "store-missing" | "store-not-directory"))
        })
    }

    /// The stores without an owner that are left out while they are gone.
    pub(super) fn gone(&self, known: &Known) -> Vec<String> {
        let own = known.own.as_ref();
        let mut candidates = own.map(OwnDropIn::missing).unwrap_or_default();
        if self.options.boot {
            candidates.extend(known.listed.iter().cloned());
            let host = self.host;
            let without =
                own.map(|own| engine::read(&own.view(host, None), &host.environment(), Profile::Podman6));
            candidates.extend(without.as_ref().map(cleaned).unwrap_or_default());
        }
        // What a drop-in of others lists, they own, whoever declares it.
        let theirs = own.map(|own| self.in_other_drop_ins(own)).unwrap_or_default();
        let unowned =
            |path: &String| theirs.contains(path) || !matches!(known.marks.get(path), Some(Some(_)));
        let mut gone: Vec<String> = Vec::new();
        for path in candidates {
            if unowned(&path) && !gone.contains(&path) && self.is_gone(&path) {
                gone.push(path);
            }
        }
        gone
    }

    /// The stores that drop-ins of others list, whether engines see them or not.
    fn in_other_drop_ins(&self, own: &OwnDropIn) -> Vec<String> {
        own.others(&self.host.reading(Profile::Podman6))
    }
}
