//! What is not where engines look for it, though something tells that it was or should be: layers
//! that no store has any more, stores that an update has emptied, embedded images in no store.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::trouble::trouble;
use crate::dependents::{clean_dependents, emptied};
use crate::embedded::{List, contents, having, homes};
use crate::inventory::HostStores;
use crate::plan::{Host, Mode};
use crate::problem::{Problem, quoted_series, shell_word};
use crate::store::short_id;

/// How many things are named in one sentence.
const NAMED: usize = 3;

/// What is absent, and what is known of the images because of it.
#[derive(Debug, Default)]
pub(super) struct Absent {
    pub(super) troubles: Vec<Problem>,
    /// The own storages in which something builds on layers that are gone.
    pub(super) without_layers: BTreeSet<PathBuf>,
    /// The images that are embedded, by their references.
    pub(super) embedded: BTreeSet<String>,
    pub(super) not_looked: Vec<Problem>,
}

impl Absent {
    pub(super) fn look(host: &Host) -> Self {
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
            absent.troubles.push(trouble("store-emptied", message, hint));
        }
        absent.images(host).unwrap_or_else(|problem| absent.not_looked.push(problem));
        absent
    }

    fn layers(&mut self, host: &Host) {
        // Why a store cannot be read is told by the checks.
        let Ok(found) = clean_dependents(host, Mode::DryRun) else { return };
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
            let hint = "`storagectl keep-layers` gets them from where they still are; else stop the engines, and `storagectl clean-dependents` removes what is lost, after a backup";
            self.troubles.push(trouble("layers-gone", message, hint));
            self.without_layers.insert(storage.graphroot);
        }
    }

    fn images(&mut self, host: &Host) -> Result<(), Problem> {
        // An image that is built is not the host on which they are copied, and they are copied for
        // everybody by root, who alone may be able to read them.
        if host.root.is_tree() || host.is_rootless() {
            return Ok(());
        }
        let mut missing = Vec::new();
        let mut stores = None;
        for home in homes(&host.root)? {
            let Some(list) = List::find_in(&host.root, home)? else { continue };
            for entry in &list.entries {
                let Ok(image) = contents(&host.root, &home.join(&entry.directory), &entry.reference) else {
                    continue;
                };
                let stores = stores.get_or_insert_with(|| HostStores::read(host));
                if having(stores, &entry.reference, &image).is_empty() {
                    missing.push(entry.reference.clone());
                }
                self.embedded.insert(entry.reference.clone());
            }
        }
        let names: Vec<&str> = missing.iter().map(String::as_str).take(NAMED).collect();
        if !names.is_empty() {
            let message = match missing.len() {
                1 => format!("the embedded image {} is in no store", quoted_series(&names)),
                count => {
                    format!("{count} embedded images are in no store, such as {}", quoted_series(&names))
                }
            };
            let hint = "`storagectl copy-images` copies them; its unit does so at boot: `systemctl status storagectl-copy-images`";
            self.troubles.push(trouble("images-not-copied", message, hint));
        }
        Ok(())
    }
}
