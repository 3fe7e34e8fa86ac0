//! What in an engine's own storage builds on layers that no store has any more.
//!
//! An image in an engine's own storage may build on a layer of an additional
//! store, and a container may have been started from one. When an update replaces
//! the store's content, such a layer is gone, and what builds on it cannot be
//! mended: podman 4 then lists no image at all (`layer not known`), podman 5 and 6
//! leave the image out, and such a container never starts again. Worse, where
//! `podman tag` has copied a record of an image into the own storage, podman 5
//! and 6 find that one first, and not the image of the same name in the new store.
//!
//! The room finds them by reading, never through an engine: a layer is *lost* if
//! neither the own storage nor any listed store has a record of it together with
//! its directory, and a *dependent* is whatever leads to a lost layer. Other
//! damage is left alone: where the own storage holds a layer's directory and no
//! record, or a record and no directory, no store is to blame. And while a listed
//! store cannot be read, since it is missing, malformed, or not mounted, nothing
//! can be told about what builds on it, so nothing is removed.
//!
//! What is lost in the listed stores may still be elsewhere: in the system's other deployments,
//! in a store that was unmounted, in embedded images. Then it is copied from there (`keep`), and
//! nothing is removed.
//!
//! Removing happens with the engines stopped and under their locks. Nothing is
//! deleted: the record files are copied into a backup first, then the records are
//! cut out, containers before images before layers, so that at no instant an
//! engine finds a record whose dependency went before it, and what belonged to
//! them is moved into the backup. A run that is killed leaves a list of what is
//! still to be moved; the next one finishes it.

mod array;
mod backup;
mod changed;
mod clean;
mod find;
mod former;
mod installed_trees;
mod keep;
mod kept_store;
mod layout;
mod mounts;
mod names;
mod needed;
mod own;
mod restore;
mod stopped;
mod store_layers;
mod surroundings;
mod timestamp;
mod users;

pub use changed::{BootOutcome, at_boot, emptied};
pub use clean::{CleanReport, CleanedStorage, clean_dependents};
pub use find::Dependent;
pub use keep::{KeepOptions, KeptLayer, KeptStorage, keep_layers};
pub use kept_store::KEPT_STORE;
pub(crate) use layout::{EngineStorage, layout};
pub(crate) use mounts::mounted_layers;
pub use needed::needed;
pub use restore::RestoredBackup;
