//! import-images: what arrives in every form, and in every state.

mod cut;
mod hostile;
mod killed;
mod kinds;
mod next_boot;
mod unit;
mod waits;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::machine::{Machine, Way, directory, document, embedded, reference};
use crate::support::{finish, run, storagectl};

/// A host, and a directory to which images come.
pub(super) struct Arrivals {
    pub(super) machine: Machine,
}

impl Arrivals {
    pub(super) fn new() -> Self {
        let arrivals = Self { machine: Machine::new() };
        fs_err::create_dir(arrivals.at("incoming")).unwrap();
        arrivals
    }

    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.machine.at(path)
    }

    /// What is to be imported under this name.
    pub(super) fn incoming(&self, name: &str) -> PathBuf {
        self.at("incoming").join(name)
    }

    /// import-images to the store, with more arguments; no embedded images are there.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = storagectl(&["--config"]);
        command.arg(self.at("storage.conf")).arg("import-images").arg(self.at("incoming"));
        command.arg("--store").arg(self.machine.storage(Way::Store));
        if !args.contains(&"--source") {
            command.arg("--source").arg(self.at("none"));
        }
        command.args(args);
        command
    }

    /// Imports, and returns the document after this exit status.
    #[track_caller]
    pub(super) fn ends(&self, args: &[&str], status: i32) -> Value {
        document(&finish(self.command(args).args(["--format", "json"])), status)
    }

    /// Imports all that is there, at once.
    #[track_caller]
    pub(super) fn import(&self) -> Value {
        self.ends(&["--settle", "0"], 0)
    }

    /// The names of all images of the store.
    pub(super) fn names(&self) -> Vec<String> {
        super::pruned::names(&self.machine.storage(Way::Store))
    }

    /// The names in the three directories of items.
    pub(super) fn places(&self) -> [Vec<String>; 3] {
        ["incoming", "imported", "refused"].map(|dir| match self.at(dir).is_dir() {
            true => crate::tree::names(&self.at(dir)),
            false => Vec::new(),
        })
    }
}

/// Copies an image of the registry, such as `app-0:1`, to what skopeo calls `to`.
#[track_caller]
pub(super) fn skopeo(image: &str, to: &str) {
    let from = directory(embedded(), &reference(image));
    let mut command = Command::new("skopeo");
    run(command.args(["copy", "-q"]).arg(format!("dir:{}", from.display())).arg(to));
}

/// The items with this state.
pub(super) fn with_state(document: &Value, state: &str) -> Vec<String> {
    let items = document["items"].as_array().unwrap().iter();
    items
        .filter(|item| item["state"] == state)
        .map(|item| item["name"].as_str().unwrap().to_owned())
        .collect()
}

/// The one item of a document.
#[track_caller]
pub(super) fn only(document: &Value) -> &Value {
    let items = document["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{document:#}");
    &items[0]
}

pub(super) fn text_of(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
