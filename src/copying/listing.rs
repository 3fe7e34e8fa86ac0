//! Listing the store that images are copied to, as soon as there is one.

use std::path::Path;

use super::presence::CopyTarget;
use crate::plan::{AddOptions, CommitMode, Host, PlanOutcome, add_stores};

/// What becomes of storage.conf.
pub(super) struct Listing {
    mode: CommitMode,
    /// What is to be done, if images go to a store of their own.
    planned: Option<PlanOutcome>,
    /// What was done.
    listed: Option<PlanOutcome>,
}

impl Listing {
    /// Plans it, so that what keeps from it is told before anything is copied.
    ///
    /// # Errors
    /// Those of `add-store`.
    pub(super) fn new(host: &Host, target: &CopyTarget, mode: CommitMode) -> anyhow::Result<Self> {
        let planned = if target.own { None } else { Some(list(host, &target.path, CommitMode::DryRun)?) };
        Ok(Self { mode, planned, listed: None })
    }

    /// Lists the store, which is there now, unless it is listed. What keeps from it is told in the end.
    pub(super) fn now(&mut self, host: &Host, target: &CopyTarget) {
        if self.is_to_do() {
            self.listed = list(host, &target.path, CommitMode::Commit).ok();
        }
    }

    fn is_to_do(&self) -> bool {
        let has_changes = |planned: &PlanOutcome| !planned.plan.is_empty();
        self.mode == CommitMode::Commit
            && self.listed.is_none()
            && self.planned.as_ref().is_some_and(has_changes)
    }

    /// What became of it; `None` if there is no store that could be listed.
    ///
    /// # Errors
    /// Those of `add-store`.
    pub(super) fn finish(self, host: &Host, target: &CopyTarget) -> anyhow::Result<Option<PlanOutcome>> {
        let store = &target.path;
        let is_there = host.root.stat(store).map_err(host.cannot("look at", store))?.is_some();
        match self.mode {
            CommitMode::Commit if !is_there => Ok(None),
            CommitMode::Commit if self.is_to_do() => list(host, store, CommitMode::Commit).map(Some),
            _ => Ok(self.listed.or(self.planned)),
        }
    }
}

/// Lists a store as `add-store --init` does.
fn list(host: &Host, path: &Path, mode: CommitMode) -> anyhow::Result<PlanOutcome> {
    let paths = vec![path.to_str().expect("a store's path is text").to_owned()];
    add_stores(host, &AddOptions { paths, init: true, ..AddOptions::default() }, mode)
}
