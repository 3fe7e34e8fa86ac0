//! build-store and seal-store, held against what real engines make of the same images.

pub(crate) mod image;
pub(crate) mod listing;
mod refused;
mod running;
pub(crate) mod same;
mod sealed;
mod signed;

/// Runs crun for engines that are newer than it.
pub(crate) const CRUN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/build/bin/crun");
