//! What is not where engines look for it, though something tells that it was or should be: layers
//! that no store has any more, stores that an update has emptied, embedded images in no store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::copies::copies;
use super::cure::{CopyRoute, Cure};
use super::problems::problem;
use super::shadowed::shadowed;
use crate::copying::former_images;
use crate::dependents::{KeepOptions, clean_dependents, emptied, keep_layers};
use crate::embedded::{ImageList, contents, homes, stores_with};
use crate::inventory::HostStores;
use crate::plan::{self, CommitMode, Host};
use crate::problem::{Problem, quoted_series, shell_word};
use crate::store::short_id;

/// How many things are named in one sentence.
const NAMED: usize = 3;

/// What is absent, and what is known of the images because of it.
#[derive(Debug, Default)]
pub(super) struct Absent {
    pub(super) problems: Vec<Problem>,
    /// What cures them.
    pub(super) cures: Vec<Cure>,
    /// The own storages in which something builds on layers that are gone.
    pub(super) without_layers: BTreeSet<PathBuf>,
    /// The images that are embedded, by their references, and from where to where they are copied.
    pub(super) embedded: BTreeMap<String, CopyRoute>,
    pub(super) not_looked: Vec<Problem>,
}

impl Absent {
    pub(super) fn find(host: &Host) -> Self {
        let mut absent = Self::default();
        absent.layers(host);
        for store in emptied(host) {
            let message = format!(
                "`{}` held images at the last boot, and holds none now",
                host.show(Path::new(&store))
            );
            let hint = format!(
                "an update has emptied or replaced it: roll that back or install the package of the images, or `storagectl remove-store {}`",
                shell_word(&store)
            );
            absent.problems.push(problem("store-emptied", message, hint));
        }
        let stores = HostStores::read(host);
        absent.images(host, &stores).unwrap_or_else(|problem| absent.not_looked.push(problem));
        absent.problems.extend(shadowed(host, &stores));
        absent
    }

    fn layers(&mut self, host: &Host) {
        // Why a store cannot be read is told by the checks.
        let Ok(found) = clean_dependents(host, CommitMode::DryRun) else { return };
        if found.storages.is_empty() {
            return;
        }
        let cure = of_lost_layers(host);
        self.cures.extend(cure.clone());
        for storage in found.storages {
            let all = storage.containers.iter().chain(&storage.images);
            let names: Vec<&str> =
                all.map(|it| it.names.first().map_or(short_id(&it.id), String::as_str)).collect();
            let more = names.len().saturating_sub(NAMED);
            let named = match names.is_empty() {
                true => format!("{} layers", storage.layers.len()),
                false if more > 0 => format!("{} and {more} more", quoted_series(&names[..NAMED])),
                false => quoted_series(&names),
            };
            let lost = storage.layers.iter().chain(&storage.images).chain(&storage.containers).next();
            let lost = lost.map_or("", |it| short_id(&it.lost_layer));
            let message = format!(
                "`{}`: {named} cannot be used, since layers below are in no store any more, such as `{lost}`",
                host.show(&storage.graphroot)
            );
            let hint = match &cure {
                Ok(Cure::KeepLayers) => Cure::KeepLayers.hint("gets them from where they still are"),
                Ok(cure) => format!(
                    "`storagectl keep-layers --from DIR` gets them from a copy of the old store; without one, stop the engines, and {}",
                    cure.hint("removes what is lost, after a backup")
                ),
                Err(aside) => format!("mount or install `{aside}` again, and `storagectl apply` lists it"),
            };
            let effect = "what builds on them does not start, and podman 4 lists no image at all";
            self.problems.push(problem("layers-gone", message, hint).because(effect));
            self.without_layers.insert(storage.graphroot);
        }
    }

    fn images(&mut self, host: &Host, stores: &HostStores) -> Result<(), Problem> {
        // An image that is built is not the host on which they are copied, and they are copied for
        // everybody by root, who alone may be able to read them.
        if host.root.is_tree() || host.is_rootless() {
            return Ok(());
        }
        for (place, home) in homes(&host.root)?.into_iter().enumerate() {
            let Some(list) = ImageList::find_in(&host.root, home)? else { continue };
            let copies = copies(host, home, place == 0);
            let mut missing = Vec::new();
            for entry in &list.entries {
                let Ok(image) = contents(&host.root, &home.join(&entry.directory), &entry.reference) else {
                    continue;
                };
                if stores_with(stores, &entry.reference, &image).is_empty() {
                    missing.push(entry.reference.clone());
                }
                self.embedded.insert(entry.reference.clone(), copies.clone());
            }
            self.not_copied(&missing, &copies);
            self.not_pruned(host, home, &copies);
        }
        Ok(())
    }

    fn not_copied(&mut self, missing: &[String], copies: &CopyRoute) {
        let names: Vec<&str> = missing.iter().map(String::as_str).take(NAMED).collect();
        let message = match missing.len() {
            0 => return,
            1 => format!("the embedded image {} is in no store", quoted_series(&names)),
            count => format!("{count} embedded images are in no store, such as {}", quoted_series(&names)),
        };
        let cure = Cure::CopyImages(copies.clone());
        let hint = cure.hint("copies them, as its unit does at boot");
        let effect = "engines do not find them, or pull them from their registries";
        self.problems.push(problem("images-not-copied", message, hint).because(effect));
        self.cures.push(cure);
    }

    fn not_pruned(&mut self, host: &Host, home: &Path, copies: &CopyRoute) {
        for former in former_images(host, home) {
            let names: Vec<&str> = former.names.iter().map(String::as_str).take(NAMED).collect();
            let place = former
                .store
                .as_ref()
                .map_or("the engines' own storage".to_owned(), |store| format!("`{}`", host.show(store)));
            let message = match former.names.len() {
                0 => {
                    format!("{place} has what is left of images that a run was removing when it was cut off")
                }
                1 => format!("{place} has {} of a former list of embedded images", quoted_series(&names)),
                count => format!(
                    "{place} has {count} images of former lists of embedded images, such as {}",
                    quoted_series(&names)
                ),
            };
            let cure = Cure::PruneImages(CopyRoute { store: former.store, ..copies.clone() });
            let hint = cure.hint("removes them, while no engine runs");
            let effect = "nothing uses them, and no engine removes them from there";
            self.problems.push(problem("images-not-pruned", message, hint).because(effect));
            self.cures.push(cure);
        }
    }
}

/// What to do about lost layers. While a store is set aside, nothing is lost with it: that one.
fn of_lost_layers(host: &Host) -> Result<Cure, String> {
    if let Some(aside) = plan::set_aside(host).unwrap_or_default().into_iter().next() {
        return Err(aside);
    }
    let kept = keep_layers(host, &KeepOptions::default(), CommitMode::DryRun).unwrap_or_default();
    Ok(match kept.iter().any(|storage| storage.user.is_none() && !storage.layers.is_empty()) {
        true => Cure::KeepLayers,
        false => Cure::CleanDependents,
    })
}
