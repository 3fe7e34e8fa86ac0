//! What is known of a host before anything is planned.

use std::collections::BTreeMap;

use super::ApplyInputs;
use crate::conf::{self, Mark, clean};
use crate::engine::Profile;
use crate::judgement::judge_store;
use crate::plan::drop_in::{DropInEntry, OwnDropIn};
use crate::plan::generations::cleaned;
use crate::problem::Problem;

/// What engines read now, and whose it is.
pub(super) struct CurrentStores {
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
    /// Those that the main file has set aside, cleaned.
    pub(super) aside: Vec<String>,
}

/// What an engine that reads drop-ins has now, for root or for users.
struct Modern {
    /// Our own drop-in as this reader finds it.
    own: OwnDropIn,
    /// The stores that it sees, cleaned.
    now: Vec<String>,
    /// Those that it sees without our drop-in and with what is put back in this run.
    without: Vec<String>,
    /// Those that drop-ins of others list, whether it sees them or not.
    theirs: Vec<String>,
}

impl CurrentStores {
    /// Whether somebody else lists this store for every reader of drop-ins: one of theirs serves
    /// new engines only, and may hide the main file from them, as may root's own file, or from
    /// users alone. What ours lists for a declaration goes with it.
    pub(super) fn is_seen_by_all(&self, path: &String) -> bool {
        self.readers.iter().all(|reader| reader.without.contains(path) || reader.own.lists_by_hand(path))
    }

    /// Whether any reader of drop-ins sees this store now.
    pub(super) fn is_seen_by_any(&self, path: &String) -> bool {
        self.readers.iter().any(|reader| reader.now.contains(path))
    }

    /// The stores that our drop-ins leave out until they are there again.
    pub(super) fn missing(&self) -> Vec<String> {
        self.readers.iter().flat_map(|reader| reader.own.missing()).collect()
    }
}

impl ApplyInputs<'_> {
    /// Reads it.
    pub(super) fn current_stores(&self) -> anyhow::Result<CurrentStores> {
        let before = self.snapshot.stores(self.host)?;
        let reading = (self.host.config.is_none()).then(|| self.host.reading(Profile::Podman6));
        let now = reading.as_deref().map(cleaned).unwrap_or_default();
        let find = |now| OwnDropIn::find(self.host, now, self.host.identity());
        let own = reading.as_deref().map(find).transpose()?;
        let readers = self.modern_readers()?;
        let items: Vec<DropInEntry> = readers.iter().flat_map(|reader| reader.own.items()).collect();
        let marks = self.marks(&items)?;
        let listed = before.iter().map(|path| clean(path)).chain(now.clone()).collect();
        let aside =
            conf::asides(&self.snapshot.doc).map_err(|fault| self.snapshot.problem(self.host, fault))?;
        let aside = aside.iter().map(|aside| clean(&aside.path)).collect();
        Ok(CurrentStores { before, now, own, readers, marks, listed, aside })
    }

    /// See [`CurrentStores::readers`]. One that stops as things are is not served.
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
            let theirs = own.others(&reading);
            found.push(Modern { own, now: cleaned(&reading), without, theirs });
        }
        Ok(found)
    }

    /// See [`CurrentStores::marks`].
    fn marks(&self, items: &[DropInEntry]) -> Result<BTreeMap<String, Option<Mark>>, Problem> {
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
    pub(super) fn gone(&self, known: &CurrentStores) -> Vec<String> {
        // What the main file leaves out, no drop-in lists: a run may have been stopped between them.
        let mut candidates = [known.missing(), known.aside.clone()].concat();
        if self.options.sets_aside() {
            candidates.extend(known.listed.iter().cloned());
            for reader in &known.readers {
                candidates.extend(reader.now.iter().chain(&reader.without).cloned());
            }
        }
        // What a drop-in of others lists, they own, whoever declares it.
        let theirs = |path: &String| known.readers.iter().any(|reader| reader.theirs.contains(path));
        let unowned = |path: &String| theirs(path) || !matches!(known.marks.get(path), Some(Some(_)));
        let mut gone: Vec<String> = Vec::new();
        for path in candidates {
            if unowned(&path) && !gone.contains(&path) && self.is_gone(&path) {
                gone.push(path);
            }
        }
        gone
    }
}
