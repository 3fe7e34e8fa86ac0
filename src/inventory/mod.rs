//! The images of a host's stores, and which of them each engine uses.
//!
//! An engine looks a reference up in its own storage first, and then in the additional stores
//! in the order of their list. The first image counts: an older one of the same name in an
//! earlier place shadows a newer one, and no engine says so. [`HostStores`] has the images of
//! all places and the order of each engine, `lookup` the engines' rule, and [`show`] what of it
//! concerns one reference.
//!
//! All of it is found by reading records, as [`crate::store`] does, and never through an engine.

mod host_stores;
mod layers;
mod list;
mod lookup;
mod reference;
mod show;

pub use host_stores::{HostStore, HostStores, SearchOrder};
pub use layers::HostLayers;
pub use list::{ListedImage, list};
pub use lookup::{ImageAt, Shadow, Visibility, digests};
pub use reference::Reference;
pub use show::{EngineAnswer, ImageLayer, SharedLayers, ShownImage, ShownReference, show};
