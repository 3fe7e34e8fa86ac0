//! `add-store`: the plan of [`crate::plan`] that lists stores, told as what was done or as a diff.

use std::ffi::OsString;

use clap::Args;

use super::output::Output;
use super::position::position;
use super::{Common, EngineGeneration, report, store_paths};
use crate::plan::{AddOptions, add_stores};

/// Add image stores to storage.conf
///
/// A store that is already listed, in any spelling or through a symlink, stays as it
/// is. A store that would stop an engine is refused.
#[derive(Debug, Args)]
pub(super) struct AddStore {
    /// The stores: absolute paths of directories
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<OsString>,
    /// Put them before all others; the first store that has an image serves it
    #[arg(long, group = "position")]
    first: bool,
    /// Put them after all others
    #[arg(long, group = "position")]
    last: bool,
    /// Put them before this store
    #[arg(long, group = "position", value_name = "STORE")]
    before: Option<OsString>,
    /// Put them after this store
    #[arg(long, group = "position", value_name = "STORE")]
    after: Option<OsString>,
    /// Create each store, empty, if it does not exist
    #[arg(long)]
    init: bool,
    /// Add a directory that does not exist yet, but will when engines start
    #[arg(long)]
    allow_missing: bool,
    /// Add a store that other users can write to
    #[arg(long)]
    allow_writable: bool,
    /// Add bootc's own storage; edit an OpenShift node's file
    #[arg(long)]
    force: bool,
    /// The engines that see the change
    #[arg(long, value_name = "ENGINES", default_value = "all")]
    engine: EngineGeneration,
    /// Restart CRI-O, if it runs, after a change
    #[arg(long)]
    restart: bool,
}

impl AddStore {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let options = AddOptions {
            paths: store_paths(&self.paths)?,
            position: position(self.first, self.last, self.before.as_ref(), self.after.as_ref())?,
            init: self.init,
            allow_missing: self.allow_missing,
            allow_writable: self.allow_writable,
            force: self.force,
            serve: self.engine.into(),
        };
        let host = common.host()?;
        let outcome = add_stores(&host, &options, common.mode())?;
        report::report(common, &host, &outcome, self.restart, output)
    }
}
