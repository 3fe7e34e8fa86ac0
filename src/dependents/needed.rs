//! Which stores something in the own storages builds on.

use super::find::find;
use super::layout::layout;
use super::own::{StoragePart, read};
use super::store_layers::{self, StoreLayers};
use super::users::user_layouts;
use crate::plan::Host;

/// Those of `stores` without which a container, an image or a layer in an own storage of
/// this host's engines would lose a layer. Each is asked after in turn, and one that is not
/// needed counts as gone for the next. `others` are stores that may not be listed yet.
///
/// A store that cannot be read counts as needed.
///
/// # Errors
/// A [`crate::problem::Problem`] if an own storage cannot be read.
pub fn needed(host: &Host, stores: &[String], others: &[String]) -> anyhow::Result<Vec<String>> {
    if stores.is_empty() {
        return Ok(Vec::new());
    }
    let mut layout = layout(host)?;
    for store in others.iter().chain(stores) {
        if !layout.stores.contains(store) {
            layout.stores.push(store.clone());
        }
    }
    let mut needed = Vec::new();
    let mut storages = Vec::new();
    // The other drivers know no additional stores.
    for storage in layout.storages.iter().filter(|it| matches!(it.driver.as_str(), "overlay" | "vfs")) {
        let mut layers_by_store = Vec::new();
        for store in &layout.stores {
            match store_layers::read(&host.root, store, &storage.driver) {
                Ok(store_layers) => layers_by_store.push((store.clone(), store_layers)),
                Err(_) if stores.contains(store) && !needed.contains(store) => needed.push(store.clone()),
                Err(_) => {}
            }
        }
        storages.push(ReadStorage { driver: &storage.driver, parts: read(host, storage)?, layers_by_store });
    }
    let normal_users = user_layouts(host);
    for (layout, storage) in
        normal_users.iter().flat_map(|it| it.layout.storages.iter().map(|at| (&it.layout, at)))
    {
        let read_store = |store: &String| {
            Some((store.clone(), store_layers::read(&host.root, store, &storage.driver).ok()?))
        };
        // What is damaged there is that user's affair.
        let Ok(parts) = read(host, storage) else { continue };
        let layers_by_store = layout.stores.iter().filter_map(read_store).collect();
        storages.push(ReadStorage { driver: &storage.driver, parts, layers_by_store });
    }
    for store in stores {
        if needed.contains(store) {
            continue;
        }
        if storages.iter().any(|storage| storage.needs(store)) {
            needed.push(store.clone());
        } else {
            storages.iter_mut().for_each(|storage| storage.layers_by_store.retain(|(path, _)| path != store));
        }
    }
    Ok(needed)
}

/// An own storage, and all that it can build on.
struct ReadStorage<'a> {
    driver: &'a str,
    parts: Vec<StoragePart>,
    layers_by_store: Vec<(String, StoreLayers)>,
}

impl ReadStorage<'_> {
    fn needs(&self, store: &str) -> bool {
        let lost = |stays: &dyn Fn(&str) -> bool| {
            let layers_by_store = self.layers_by_store.iter().filter(|(path, _)| stays(path));
            let layers_by_store: Vec<StoreLayers> =
                layers_by_store.map(|(_, store_layers)| store_layers.clone()).collect();
            find(&self.parts, &layers_by_store, self.driver).len()
        };
        lost(&|path| path != store) > lost(&|_| true)
    }
}
