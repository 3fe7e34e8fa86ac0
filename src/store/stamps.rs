//! Whether the records of stores are those that were there before.

use std::path::Path;

use crate::sys::{Root, Stat};

/// What tells one version of a file of records from the next: engines, and we, replace it.
type Stamp = Option<(Stat, (i64, i64))>;

/// The records of some stores at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreStamps(Vec<Stamp>);

impl StoreStamps {
    /// Those of the stores at `paths`, whichever driver made them.
    pub fn of<'a>(root: &Root, paths: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut stamps = Vec::new();
        for path in paths {
            for driver in ["overlay", "vfs"] {
                for part in ["images", "layers"] {
                    let file = path.join(format!("{driver}-{part}/{part}.json"));
                    // What cannot be looked at is looked at again by whoever needs it.
                    let stat = root.stat(&file).ok().flatten();
                    let changed = root.changed(&file).ok().flatten();
                    stamps.push(stat.zip(changed));
                }
            }
        }
        Self(stamps)
    }
}
