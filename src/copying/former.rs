//! What was copied to this host before, by what its stores remember.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::copy_record::CopyRecord;
use super::main_storage::{listed, main_storage};
use super::presence::CopyTarget;
use super::prune::{Pruned, prune};
use super::{artifacts, copy, wanted};
use crate::embedded::ImageList;
use crate::plan::{CommitMode, Host};

/// Images of former lists that are still in a store, and that nothing uses; or what is left of such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerImages {
    /// The store; none for the engines' own storage.
    pub store: Option<PathBuf>,
    /// Their names; none where a run that was cut off has taken those away, and not yet the rest.
    pub names: Vec<String>,
}

/// Where embedded images were copied to before: the listed store that remembers them; none if that is
/// the engines' own storage, or nothing does.
pub fn copied_to(host: &Host) -> Option<PathBuf> {
    let remembers = |store: &PathBuf| !CopyRecord::read(host, store).images.is_empty();
    match main_storage(host) {
        Ok(own) if remembers(&own.path) => None,
        _ => listed(host).into_iter().find(remembers),
    }
}

/// The images that stores of this host remember from former lists, while the list in `source` has them
/// no more. What cannot be told is left out: `copy-images --prune` says why.
pub fn former_images(host: &Host, source: &Path) -> Vec<FormerImages> {
    let stores = listed(host).into_iter().map(Some).chain([None]);
    let mut list = None;
    let mut found = Vec::new();
    for store in stores {
        let Ok(target) = copy::target(host, store.as_deref()) else { continue };
        let mut record = CopyRecord::read(host, &target.path);
        if record.images.is_empty() || target.foreign.is_some() {
            continue;
        }
        let current = list.get_or_insert_with(|| current(host, source));
        let Some(current) = current else { continue };
        if let Ok(Pruned { names, was_cut_off, .. }) =
            prune(host, &target, &mut record, current, CommitMode::DryRun)
            && (!names.is_empty() || was_cut_off)
            && is_writable(host, &target)
        {
            found.push(FormerImages { store, names });
        }
    }
    found
}

fn is_writable(host: &Host, target: &CopyTarget) -> bool {
    !host.root.is_read_only(&target.path).unwrap_or(true)
}

/// The names and ids of a list; none if an image of it cannot be read.
fn current(host: &Host, source: &Path) -> Option<BTreeSet<(String, String)>> {
    let mut list = ImageList::find_in(&host.root, source).ok().flatten()?;
    // They are in no storage's list of images.
    artifacts::take_artifacts(host, source, &mut list);
    let wanted = wanted::read(host, source, list, &[]);
    let id = |it: &wanted::WantedImage| Some(it.image.as_ref().ok()?.config_digest.hex().to_owned());
    wanted.iter().map(|it| Some((it.name()?.to_owned(), id(it)?))).collect()
}
