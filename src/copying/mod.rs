//! Embedded images, copied to where engines find them: at boot, before any engine.
//!
//! They go to an additional image store on writable storage, which survives when CRI-O
//! wipes its own, or to the engines' own storage, which is where MicroShift's script has
//! always put them. Either way the store is made by [`crate::store::builder`]: layer by layer,
//! several at a time, verified on the way, and synced before anything is recorded.
//!
//! The usual boot has nothing to do, so what is there is found by reading, and no program is
//! started. An image is there if the store has it under its name, with its documents byte for
//! byte, and with sound layers. Of those the quick rules of `check-store` say whether they are
//! whole. What these cannot see is content that never reached the disk: engines do not sync
//! what they unpack. So a layer that another program has put there is read once, to its last
//! byte, and its mark is kept in the store (`memory`); those that were put there here were
//! synced before they were recorded, and have a mark from the start.
//!
//! One image does not stop another. Nothing is removed but what was once copied from a list
//! and is in it no more, and what somebody names, and that only when it is asked for.

mod artifact_record;
mod artifacts;
mod batch;
mod copy;
mod copy_record;
mod former;
mod import;
mod in_use;
mod listing;
mod main_storage;
mod presence;
mod prune;
mod remove;
mod run;
mod skopeo;
mod wanted;

pub use copy::{CopyEvent, CopyLimits, CopyLine, CopyOptions, CopyReport, CopyState, copy};
pub use former::{FormerImages, copied_to, former_images};
pub use import::{
    Disposal, ImportEvent, ImportOptions, ImportReport, ImportedLine, ItemLine, ItemState, import_images,
};
pub use prune::Pruned;
pub use remove::{RemoveReport, RemovedLine, RemovedState, remove_images};
