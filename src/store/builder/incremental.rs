//! A store that is kept up to date: each image for itself.

use std::collections::BTreeSet;
use std::path::Path;

use super::directory::{self, StoreAccess};
use super::existing::StorePaths;
use super::plan::{BuildPlan, LayerChain};
use super::staging;
use super::{BuildOptions, BuiltStore};
use crate::images::Image;
use crate::problem::Problem;
use crate::sys::Root;

/// How a store is kept up to date.
#[derive(Clone, Copy)]
pub struct AddPolicy<'a> {
    /// Whether it is an engine's own storage, which is closed to others.
    pub own: bool,
    /// Whether images that cannot be added leave the others alone.
    pub keep_going: bool,
    /// Layers that the store has, but not soundly: they are put in place anew.
    pub damaged: &'a BTreeSet<String>,
    /// Is told the size of each blob that was read, in bytes.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

impl AddPolicy<'_> {
    /// A store that is made, or not.
    pub const ALL_OR_NOTHING: AddPolicy<'static> =
        AddPolicy { own: false, keep_going: false, damaged: &BTreeSet::new(), progress: &|_| {} };

    /// Who may read what is made where nothing is yet.
    pub(super) fn access(&self) -> StoreAccess {
        if self.own { StoreAccess::OWNER } else { StoreAccess::EVERYONE }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct AddReport {
    /// What was added.
    pub built: BuiltStore,
    /// The images that were not, by id, and why.
    pub failed: Vec<(String, Problem)>,
}

/// Adds images to the store at `store`, or makes it. No two may have one configuration
/// and different manifests: of those only one would be kept.
///
/// # Errors
/// What keeps every image out: the locks, the records, or the system. The store is as it
/// was then, but for damaged layers.
pub fn add(
    root: &Root,
    images: Vec<Image>,
    store: &Path,
    options: &BuildOptions,
    policy: &AddPolicy<'_>,
) -> Result<AddReport, Problem> {
    directory::add(root, store, &BuildPlan::new(images, options.latest)?, options, policy)
}

/// Adds the layers of `chain` that the store at `store` does not have, and its images.
///
/// # Errors
/// What keeps it out; the store is as it was then.
pub fn add_chain(
    root: &Root,
    chain: LayerChain,
    store: &Path,
    options: &BuildOptions,
    policy: &AddPolicy<'_>,
) -> Result<BuiltStore, Problem> {
    directory::build(root, store, &BuildPlan::of_chain(chain), options, policy)
}

/// Removes what runs have left in the store at `store` that were killed.
pub fn clean_up(root: &Root, store: &Path) -> Result<(), Problem> {
    let opened = root.strict(store).map_err(directory::cannot(root, "open", store))?;
    opened.map_or(Ok(()), |root| staging::clean_up(&root, &StorePaths::new(Path::new("/"))))
}
