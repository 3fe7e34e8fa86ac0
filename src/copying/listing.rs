//! Listing the store that images are copied to, as soon as there is one.

use std::path::Path;

use super::presence::CopyTarget;
use crate::plan::{AddOptions, Host, Mode, PlanOutcome, add_stores};

/// What becomes of storage.conf.
pub(super) struct Listing<'a> {
    host: &'a Host,
    store: &'a Path,
    mode: Mode,
    /// What is to be done, if images go to a store of their own.
    planned: Option<PlanOutcome>,
    /// What was done.
    listed: Option<PlanOutcome>,
}

impl<'a> Listing<'a> {
    /// Plans it, so that what keeps from it is told before anything is copied.
    ///
    /// # Errors
    /// Those of `add-store`.
    pub(super) fn new(host: &'a Host, target: &'a CopyTarget, mode: Mode) -> anyhow::Result<Self> {
        let store = target.path.as_path();
        let planned = if target.own { None } else { Some(list(host, store, Mode::DryRun)?) };
        Ok(Self { host, store, mode, planned, listed: None })
    }

    /// Lists the store, which is there now, unless it is listed. What keeps from it is told in the end.
    pub(super) fn now(&mut self) {
        if self.is_to_do() {
            self.listed = list(self.host, self.store, Mode::Commit).ok();
        }
    }

    fn is_to_do(&self) -> bool {
        let has_changes = |planned: &PlanOutcome| !planned.plan.is_empty();
        self.mode == Mode::Commit && self.listed.is_none() && self.planned.as_ref().is_some_and(has_changes)
    }

    /// What became of it; `None` if there is no store that could be listed.
    ///
    /// # Errors
    /// Those of `add-store`.
    pub(super) fn finish(self, is_there: bool) -> anyhow::Result<Option<PlanOutcome>> {
        match self.mode {
            Mode::Commit if !is_there => Ok(None),
            Mode::Commit if self.is_to_do() => list(self.host, self.store, Mode::Commit).map(Some),
            _ => Ok(self.listed.or(self.planned)),
        }
    }
}

/// Lists a store as `add-store --init` does.
fn list(host: &Host, path: &Path, mode: Mode) -> anyhow::Result<PlanOutcome> {
    let paths = vec![path.to_str().expect("a store's path is text").to_owned()];
    add_stores(host, &AddOptions { paths, init: true, ..AddOptions::default() }, mode)
}
