use std::ffi::OsString;
use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::output::Output;
use super::{Common, store_paths};
use crate::plan::effective_settings;
use crate::store;

/// Make directories empty, valid, read-only image stores
///
/// Creates the lock files without which engines stop on a read-only file system,
/// readable by everyone, and a marker file that says that the directory is meant
/// to be a store. What is there already is not touched.
#[derive(Debug, Args)]
pub(super) struct InitStore {
    /// The stores: absolute paths of directories, made if they are missing
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<OsString>,
}

#[derive(Serialize)]
struct Report {
    version: u32,
    changed: bool,
    dry_run: bool,
    stores: Vec<StoreLine>,
}

#[derive(Serialize)]
struct StoreLine {
    path: String,
    created: Vec<String>,
}

impl InitStore {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let paths = store_paths(&self.paths)?;
        let host = common.host()?;
        let driver = effective_settings(&host)?.driver;
        let mut stores = Vec::new();
        for path in paths {
            let created = store::init(&host.root, Path::new(&path), &driver, common.dry_run)?;
            let shown = host.show(Path::new(&path));
            let would = if common.dry_run { "would have " } else { "" };
            if created.is_empty() {
                output.detail(&format!("`{shown}` is an image store already"));
            } else {
                output.status(&format!("{would}made `{shown}` an image store"));
            }
            stores.push(StoreLine {
                path,
                created: created.iter().map(|path| path.display().to_string()).collect(),
            });
        }
        if output.json {
            let changed = stores.iter().any(|store| !store.created.is_empty());
            output.json(&Report { version: 1, changed, dry_run: common.dry_run, stores })?;
        }
        Ok(())
    }
}
