//! Images that arrive later, on a disk or by a program that synchronises directories: from a directory
//! into a store.
//!
//! An item is a file or a directory in that directory. All of its images are read before any is copied,
//! and each is verified while it is copied, so that nothing of what is still written ever gets in:
//! what is not whole is not what its digests say. It is waited for then, until nobody has changed it for
//! some time by the clock of this process; neither the clock of a machine that has just started nor the
//! times of files are believed.
//!
//! An item is in one place at each instant. It is moved when its images are in the store and remembered,
//! and to be moved it must be what was read. A run that is killed leaves it where it was, and the next
//! one finds its images there already.

mod find;
mod item;
mod look;
mod names;
mod place;
mod run;

use std::path::PathBuf;
use std::time::Duration;

use super::copy::CopyLimits;
use crate::plan::PlanOutcome;
use crate::problem::Problem;
use crate::sys::FreeSpace;

pub use run::import_images;

/// The siblings of the directory for what was imported and what was refused.
const IMPORTED: &str = "imported";
const REFUSED: &str = "refused";

/// What becomes of an item whose images are in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposal {
    /// It is moved to `imported`.
    Move,
    /// It is removed.
    Remove,
    /// It stays, and so does what is refused.
    Keep,
}

/// What to import, and where to.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The directory with the items.
    pub dir: PathBuf,
    /// The directory of embedded images, whose names what is imported may take.
    pub embedded: PathBuf,
    /// The additional image store to copy to; the engines' own storage if not given.
    pub store: Option<PathBuf>,
    /// What becomes of items.
    pub disposal: Disposal,
    /// How long an item that is not whole is waited for after its last change.
    pub settle: Duration,
    /// How much at a time.
    pub limits: CopyLimits,
}

/// What became of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemState {
    /// Its images are in the store now, or in a dry run would be.
    Imported,
    /// They were there.
    Present,
    /// It is not taken, and why.
    Refused(Problem),
    /// It stays until the next run, and why.
    Left(Problem),
}

/// An image of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedLine {
    /// Its names.
    pub names: Vec<String>,
    /// Its id.
    pub id: String,
    /// How many bytes it takes at least, beyond what is there.
    pub bytes: u64,
    /// Whether it is in the store, or in a dry run would be.
    pub is_there: bool,
}

/// An item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemLine {
    /// Its name in the directory.
    pub name: String,
    /// Its images, as far as they could be read.
    pub images: Vec<ImportedLine>,
    /// What became of it.
    pub state: ItemState,
    /// Where it is now, if it was moved.
    pub moved_to: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct ImportReport {
    /// Where the images are.
    pub store: PathBuf,
    /// The items, in the order in which they were dealt with.
    pub items: Vec<ItemLine>,
    /// What became of storage.conf, if the images are in a store of their own.
    pub outcome: Option<PlanOutcome>,
    /// What was free before, if that could be told.
    pub free: Option<FreeSpace>,
}

/// What happens while it goes on, for who waits.
#[derive(Debug, Clone, Copy)]
pub enum ImportEvent<'a> {
    /// There are so many bytes of blobs to read.
    Total(u64),
    /// So many more were read.
    Read(u64),
    /// An item, by its name, is not whole yet, and is waited for.
    Waiting(&'a str, &'a Problem),
    /// An item, by its name, has the name of what is still written, or of what nobody has brought.
    Ignored(&'a str),
    /// This became of an item.
    Item(&'a ItemLine),
}
