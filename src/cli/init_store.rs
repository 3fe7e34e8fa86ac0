//! `init-store`: directories become stores, and a declaration of them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::output::Output;
use super::owner::warn_of_owner;
use super::tense::{would, wrote};
use super::{Common, store_paths};
use crate::declare::declare;
use crate::plan::{Host, driver_in_force};
use crate::problem::Problem;
use crate::store::{self, OpenedUp};

/// Make directories into read-only image stores
///
/// Creates the lock files without which engines stop on a read-only file system,
/// readable by everyone, and a marker file that says that the directory is meant
/// to be a store. In a store with images, records and directories are made readable
/// by everyone, so that the engines of normal users can use it; what is in layers
/// is not touched.
#[derive(Debug, Args)]
pub(super) struct InitStore {
    /// The stores: absolute paths of directories, created if they do not exist
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<OsString>,
    /// Write the declaration NAME, so that `apply` lists them: below /usr/lib with
    /// --root or while an image is built, below /etc on a running system
    #[arg(long, value_name = "NAME")]
    declare: Option<String>,
}

#[derive(Serialize)]
struct InitStoreJson {
    version: u32,
    changed: bool,
    dry_run: bool,
    stores: Vec<CreatedStoreJson>,
    /// The declaration that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    declaration: Option<Declaration>,
}

#[derive(Serialize)]
struct Declaration {
    file: String,
    created: bool,
}

#[derive(Serialize)]
struct CreatedStoreJson {
    path: String,
    created: Vec<String>,
    opened: Vec<String>,
    /// What belongs to others than the store, and was not opened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    foreign: Vec<String>,
}

impl InitStore {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let paths = store_paths(&self.paths)?;
        let host = common.host()?;
        let driver = driver_in_force(&host)?;
        let search = host.search_path()?;
        if let Some(name) = &self.declare {
            // What is wrong with that is said before anything is made.
            declare(&host.root, &search, name, &paths, true)?;
        }
        let mut stores = Vec::new();
        for path in &paths {
            let shown = host.show(Path::new(path));
            let driver = store::driver_of(&host.root, Path::new(path), &driver)
                .map_err(Problem::cannot("look at", &shown))?;
            warn_of_owner(&host, Path::new(path), output)?;
            let created = store::init(&host.root, Path::new(path), &driver, common.dry_run)?;
            let OpenedUp { opened, foreign } =
                store::open_up(&host.root, Path::new(path), &driver, common.dry_run)?;
            print(common, &host, Path::new(path), &created, &opened, output);
            if let Some(first) = foreign.first() {
                let what = match foreign.len() {
                    1 => "1 file or directory".to_owned(),
                    count => format!("{count} files and directories"),
                };
                output.warning(&format!(
                    "`{shown}` has {what} of another user than its own, which stayed closed: `{}`",
                    host.show(first)
                ));
            }
            let layers = Path::new(path).join(&driver);
            if opened.iter().any(|opened| opened.parent() == Some(&layers) && !opened.ends_with("l")) {
                output.warning(&format!(
                    "everyone here can reach the files of images in `{shown}`{}, setuid programs too: serve it from a file system that is mounted read-only and `nosuid`",
                    if common.dry_run { " then" } else { " now" }
                ));
            }
            stores.push(CreatedStoreJson {
                path: path.clone(),
                created: created.iter().map(|path| path.display().to_string()).collect(),
                opened: opened.iter().map(|path| path.display().to_string()).collect(),
                foreign: foreign.iter().map(|path| path.display().to_string()).collect(),
            });
        }
        let mut declaration = None;
        if let Some(name) = &self.declare {
            let (file, created) = declare(&host.root, &search, name, &paths, common.dry_run)?;
            let file = host.show(&file);
            match created {
                true => output.status(&format!("{} `{file}`", wrote(common.dry_run))),
                false => output.detail(&format!("`{file}` declares that already")),
            }
            declaration = Some(Declaration { file, created });
        }
        if output.json {
            let changed = stores.iter().any(|store| !store.created.is_empty() || !store.opened.is_empty())
                || declaration.as_ref().is_some_and(|declaration| declaration.created);
            output.print_json(&InitStoreJson {
                version: 1,
                changed,
                dry_run: common.dry_run,
                stores,
                declaration,
            })?;
        }
        Ok(())
    }
}

/// Says what was created and opened in the store at `path`.
pub(super) fn print(
    common: &Common,
    host: &Host,
    path: &Path,
    created: &[PathBuf],
    opened: &[PathBuf],
    output: &Output,
) {
    let (would, shown) = (would(common.dry_run), host.show(path));
    if !created.is_empty() {
        output.status(&format!("{would}made `{shown}` an image store"));
    } else if opened.is_empty() {
        output.detail(&format!("`{shown}` is an image store already"));
    }
    match opened.len() {
        0 => {}
        1 => output.status(&format!("{would}made 1 file or directory in `{shown}` readable by everyone")),
        count => output
            .status(&format!("{would}made {count} files and directories in `{shown}` readable by everyone")),
    }
}
