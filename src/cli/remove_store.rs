//! `remove-store`: the plan of [`crate::plan`] that takes stores off the list.

use std::ffi::OsString;

use clap::Args;

use super::output::Output;
use super::{Common, EngineGeneration, report};
use crate::plan::{RemoveOptions, remove_stores};
use crate::store::store_path;

/// Remove image stores from storage.conf
///
/// Removes every spelling of a path, and every duplicate. The store itself is not
/// touched. Removing what is not listed is fine.
#[derive(Debug, Args)]
pub(super) struct RemoveStore {
    /// The stores: absolute paths
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<OsString>,
    /// Only those of which nothing is left but lock files and empty directories
    #[arg(long)]
    if_gone: bool,
    /// Edit an OpenShift node's file
    #[arg(long)]
    force: bool,
    /// The engines that see the change
    #[arg(long, value_name = "ENGINES", default_value = "all")]
    engine: EngineGeneration,
    /// Restart CRI-O, if it runs, after a change
    #[arg(long)]
    restart: bool,
}

impl RemoveStore {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let mut paths = Vec::new();
        for path in &self.paths {
            // Not checked any further: what should not be listed must be removable.
            paths.push(match path.to_str() {
                Some(path) => path.to_owned(),
                None => store_path(path)?,
            });
        }
        let options =
            RemoveOptions { paths, if_gone: self.if_gone, force: self.force, serve: self.engine.into() };
        let host = common.host()?;
        let outcome = remove_stores(&host, &options, common.mode())?;
        report::report(common, &host, &outcome, self.restart, output)
    }
}
