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
    /// What each engine that reads drop-ins has; none if one file was named.
    readers: Vec<Modern>,
    /// The listed stores and whose they are: nobody's or a declaration's. What is
    /// listed by hand anywhere is that.
    pub(super) marks: BTreeMap<String, Option<Mark>>,
    /// The stores that any engine sees, cleaned.
    pub(super) listed: Vec<String>,
}

/// What an engine that reads drop-ins has now, for root or for users.
struct Modern {
    /// Our own drop-in as this reader finds it.
    own: OwnDropIn,
    /// The stores that it sees without that and with what is put back in this run, cleaned.
    without: Vec<String>,
}

impl Known {
    /// Whether somebody else lists this store for every reader of drop-ins: one of theirs serves
    /// new engines only, and may hide the main file from them, as may root's own file, or from
    /// users alone. What ours lists for a declaration goes with it.
    pub(super) fn is_seen_by_all(&self, path: &String) -> bool {
        self.readers.iter().all(|reader| reader.without.contains(path) || reader.own.lists_by_hand(path))
    }
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
        let readers = self.modern_readers()?;
        let items: Vec<Item> = readers.iter().flat_map(|reader| reader.own.items()).collect();
        let marks = self.marks(&items)?;
        let listed = before.iter().map(|path| clean(path)).chain(now.clone()).collect();
        Ok(Known { before, now, own, readers, marks, listed })
    }

    /// See [`Known::readers`]. One that stops as things are is not served.
    fn modern_readers(&self) -> anyhow::Result<Vec<Modern>> {
        let host = self.host;
        if host.config.is_some() {
            return Ok(Vec::new());
        }
        let there = |path: &str| !self.is_gone(path);
        let main = conf::put_back(&self.snapshot.doc, there)
            .map_err(|fault| self.snapshot.problem(host, fault))?
            .map(|doc| doc.text().to_owned());
        let mut found = Vec::new();
        for reader in host.readers().into_iter().filter(|reader| reader.profile.is_modern()) {
            let reading = reader.read(&host.view());
            if reading.failure().is_some() {
                continue;
            }
            let own = OwnDropIn::find(host, &reading, reader.identity)?;
            let mut view = own.view(host, None);
            if let Some(main) = &main {
                view = view.with(self.snapshot.path.clone(), Some(main.clone()));
            }
            let without = cleaned(&reader.read(&view));
            found.push(Modern { own, without });
        }
        Ok(found)
    }

    /// See [`Known::marks`].
    fn marks(&self, items: &[Item]) -> Result<BTreeMap<String, Option<Mark>>, Problem> {
        let mut marks = BTreeMap::new();
        for item in items.iter().filter(|item| !item.is_elsewhere()) {
            let mark = item.mark();
            if mark.is_none() || !marks.contains_key(&item.path) {
                marks.insert(item.path.clone(), mark);
            }
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
