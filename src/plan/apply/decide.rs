//! Which declared stores shall be listed.

use std::path::Path;

use super::ApplyInputs;
use super::known::CurrentStores;
use crate::conf::{self, Mark, Position, clean};
use crate::declare::{Declared, WantedStore};
use crate::plan::add::{AddOptions, alias_of};
use crate::plan::generations::ServedEngines;
use crate::plan::{StoreResult, refuse};
use crate::problem::Problem;
use crate::store::provided_at_boot;
use crate::sys::{is_booted, is_hidden_here};

/// What shall be listed, and what becomes of each declaration.
#[derive(Default)]
pub(super) struct Decision {
    /// The declared stores that are listed.
    pub(super) wants: Vec<WantedStore>,
    /// Those that are not there yet, but will be when the system has started.
    pub(super) expected: Vec<String>,
    /// Those that are not listed, or not because they are declared.
    pub(super) results: Vec<(String, StoreResult)>,
}

impl ApplyInputs<'_> {
    /// Which declared stores shall be listed.
    pub(super) fn decide(&self, known: &CurrentStores) -> anyhow::Result<Decision> {
        let CurrentStores { listed, marks, .. } = known;
        let host = self.host;
        let serves_main = self.basis.serves_main(host, ServedEngines::All);
        // With what is put back in this run.
        let main = conf::put_back(&self.snapshot.doc, |path| !self.is_gone(path))
            .and_then(|whole| conf::listed(whole.as_ref().unwrap_or(&self.snapshot.doc)))
            .map_err(|fault| self.snapshot.problem(host, fault))?;
        let mut decided = Decision::default();
        for declared in &self.declarations.stores {
            let path = &declared.path;
            let is_own = |mark: &Mark| mark.name == declared.name;
            let by_hand = |entry: &String| !matches!(marks.get(entry), Some(Some(_)));
            let in_main = |path: &String| main.iter().any(|entry| clean(&entry.path) == *path);
            let everywhere = |path: &String| (in_main(path) || !serves_main) && known.is_seen_by_all(path);
            if (listed.contains(path) || in_main(path)) && by_hand(path) && everywhere(path) {
                decided.results.push((path.clone(), StoreResult::Listed { alias: None }));
                continue;
            }
            let stays = |entry: &String| by_hand(entry) || marks[entry].as_ref().is_some_and(is_own);
            let others = listed.iter().filter(|entry| *entry != path && stays(entry));
            let wanted: Vec<String> = decided.wants.iter().map(|want| want.path.clone()).collect();
            if let Some(alias) = alias_of(host, others.chain(&wanted), path) {
                // It is this declaration's as long as somebody else does not list it for all.
                let entry = clean(&alias.entry);
                let is_settled = wanted.contains(&entry) || by_hand(&entry) && everywhere(&entry);
                if !is_settled {
                    let path = if in_main(&entry) { entry } else { alias.part };
                    decided.wants.push(WantedStore { path, ..declared.into() });
                }
                decided.results.push((path.clone(), StoreResult::Listed { alias: Some(alias.entry) }));
                continue;
            }
            // /run is no part of an image, so there it would be an entry for nothing.
            if let Some(file) = &declared.sealed
                && !self.is_there(path)?
                && self.is_offline()
                && !listed.contains(path)
            {
                let sealed = file.clone();
                decided.results.push((path.clone(), StoreResult::AtBoot { sealed }));
                continue;
            }
            match self.refusal(declared) {
                Ok(expected) => {
                    decided.wants.push(declared.into());
                    decided.expected.extend(expected.then(|| path.clone()));
                }
                Err(error) => {
                    let (id, hint) = match error.downcast_ref::<Problem>() {
                        Some(problem) => (problem.id, format!("; {}", problem.hint)),
                        None => ("io", String::new()),
                    };
                    let reason = format!("{error:#}{hint}");
                    decided.results.push((path.clone(), StoreResult::Skipped { id, reason }));
                }
            }
        }
        for path in &self.declarations.former {
            // Behind all others: engines take an image from the first store that has its name.
            let mark = match marks.get(path) {
                Some(None) => continue,
                Some(Some(mark)) => mark.clone(),
                None => former_mark(path),
            };
            decided.wants.push(WantedStore { path: path.clone(), position: Position::Last, mark });
        }
        for (declared, reason) in &self.declarations.unmet {
            decided.results.push((declared.path.clone(), StoreResult::Unmet { reason: reason.clone() }));
        }
        Ok(decided)
    }

    /// Why a declared store is not listed, or whether it is only there later.
    fn refusal(&self, declared: &Declared) -> anyhow::Result<bool> {
        let host = self.host;
        let there = self.is_there(&declared.path)?;
        let offline = self.is_offline();
        // What is sealed is there at boot, or as soon as this is no dry run.
        let expected = !there
            && (declared.sealed.is_some() || (offline && provided_at_boot(&host.root, &declared.path)?));
        if !there && !expected {
            let (message, hint) = if offline {
                (
                    "its directory does not exist, and no tmpfiles.d line or mount unit here provides it",
                    "`storagectl apply --boot` lists it if it is there when the system starts",
                )
            } else {
                ("its directory does not exist", "run `storagectl apply` when it is there")
            };
            return Err(Problem::new("store-missing", message, hint).into());
        }
        refuse::store(host, &declared.path, &AddOptions { allow_missing: true, ..AddOptions::default() })?;
        Ok(expected)
    }

    fn is_there(&self, path: &str) -> anyhow::Result<bool> {
        let path = Path::new(path);
        let found = self.host.root.stat(path).map_err(self.host.cannot("look at", path))?;
        Ok(found.is_some() || (!self.host.root.is_tree() && is_hidden_here(path)))
    }

    /// Whether this is a system that does not run: what boot brings is not there.
    fn is_offline(&self) -> bool {
        !self.options.boot && (self.host.root.is_tree() || !is_booted())
    }
}

/// Whose a store is that is not declared any more and has lost its entry.
fn former_mark(path: &str) -> Mark {
    let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
    Mark { name: name.replace(['~', '^'], "_"), comment: None }
}
