//! What is still to be removed from the disk: it has no record any more, and its directories are
//! there until the run that took the records out comes to its end, or the next one.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::directory::cannot;
use crate::limits;
use crate::problem::Problem;
use crate::sys::Root;

/// Its file in a store.
const FILE: &str = "/.storagectl-removing.json";

/// Images and layers, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Leftover {
    pub(super) images: Vec<String>,
    pub(super) layers: Vec<String>,
}

impl Leftover {
    pub(super) fn is_empty(&self) -> bool {
        self.images.is_empty() && self.layers.is_empty()
    }

    /// It without what there is a record of.
    pub(super) fn without(mut self, known: impl Fn(&str) -> bool) -> Self {
        for ids in [&mut self.images, &mut self.layers] {
            ids.retain(|id| !known(id));
        }
        self
    }
}

/// What an earlier run has left in the store `root`. What cannot be read is forgotten: the file
/// is replaced as a whole.
pub(super) fn read(root: &Root) -> Result<Leftover, Problem> {
    let file = Path::new(FILE);
    let read = root.read_up_to(file, limits::RECORDS).map_err(cannot(root, "read", file))?;
    Ok(read.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

/// Remembers what is about to lose its records.
pub(super) fn write(root: &Root, left: &Leftover) -> Result<(), Problem> {
    let bytes = serde_json::to_vec(left).expect("it is made of text");
    root.replace_file(Path::new(FILE), &bytes).map_err(cannot(root, "write", Path::new(FILE)))
}

/// Forgets it, when it is gone.
pub(super) fn forget(root: &Root) -> Result<(), Problem> {
    let file = Path::new(FILE);
    root.remove_file(file).map(drop).map_err(cannot(root, "remove", file))
}
