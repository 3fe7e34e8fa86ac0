//! Putting stores and images into objects of OpenShift that have no files: ContainerRuntimeConfigs
//! and PinnedImageSets.

use std::path::Path;

use super::change::{LIST, not_listed};
use super::container_runtime_config::{self, LISTS, OtherStores};
use super::document::{self, Node, ProvisionDocument, Value, map};
use super::layout::NodeLayout;
use super::merge::{edited, unsafe_edit};
use super::pinned_image_set;
use super::read::ParsedDocument;
use super::request::{GenerateRequest, Removals, no_store};
use crate::conf::{Position, clean};
use crate::problem::Problem;

/// The list of a ContainerRuntimeConfig.
pub(super) fn stores_of_object(
    request: &GenerateRequest,
    read: &ParsedDocument,
    file: &Path,
) -> Result<(String, NodeLayout), Problem> {
    request.lacks_images("a ContainerRuntimeConfig", "`generate machineconfig`")?;
    if !matches!(request.model.position, Position::Any | Position::Last) {
        return Err(Problem::new(
            "kind-lacks",
            "stores are added to a ContainerRuntimeConfig after those that it has",
            "leave out the position, or move them in the file",
        ));
    }
    let at = |name: &'static str| ["spec", "containerRuntimeConfig", name];
    let listed = |doc: &ProvisionDocument, name| -> Vec<String> {
        let items = doc.root.at(&at(name)).map(Node::items).unwrap_or_default();
        items.iter().filter_map(|item| item.get("path")?.raw()).map(str::to_owned).collect()
    };
    let removed = &request.removed.stores;
    let is_listed = |store: &String| {
        LISTS.iter().any(|(name, _)| listed(&read.doc, name).iter().any(|path| clean(path) == *store))
    };
    if let Some(store) = removed.iter().find(|store| !is_listed(store)) {
        return Err(not_listed(store));
    }
    let with = |name, new: &mut dyn Iterator<Item = &String>| {
        let mut stores = listed(&read.doc, name);
        stores.retain(|path| !removed.contains(&clean(path)));
        for store in new {
            if !stores.iter().any(|path| clean(path) == *store) {
                stores.push(store.clone());
            }
        }
        stores
    };
    let given = request.model.stores.iter().map(|store| &store.path);
    let images = with(LISTS[1].0, &mut request.model.kept.iter().chain(given));
    let others = OtherStores {
        layers: with(LISTS[0].0, &mut request.others.layers.iter()),
        artifacts: with(LISTS[2].0, &mut request.others.artifacts.iter()),
    };
    let layout =
        NodeLayout { stores: images.iter().map(|path| clean(path)).collect(), ..NodeLayout::default() };
    if images.is_empty() && others.is_empty() && removed.is_empty() {
        return Err(no_store());
    }
    // The API's rules, and a place for each.
    let whole = container_runtime_config::value(&images, &others, &request.machine)?;
    let removed = LISTS.iter().flat_map(|(name, _)| {
        let entries = listed(&read.doc, name).into_iter().filter(|path| removed.contains(&clean(path)));
        entries.map(|entry| (at(name), "path", entry))
    });
    Ok((with_lists(read, &whole, &["spec", "containerRuntimeConfig"], removed, file)?, layout))
}

/// The object with what `whole` says at `path`, and without items: the list of each, its key and what that says.
fn with_lists<const N: usize>(
    read: &ParsedDocument,
    whole: &Value,
    path: &[&str],
    removed: impl Iterator<Item = ([&'static str; N], &'static str, String)>,
    file: &Path,
) -> Result<String, Problem> {
    let part = path.iter().try_fold(whole, |value, key| value.get(key)).cloned().unwrap_or(map([]));
    let value = path.iter().rev().fold(part, |value, key| map([(*key, value)]));
    let added = edited(&read.doc, &value, file)?;
    let mut doc = ProvisionDocument::parse(&added).map_err(|_| unsafe_edit(file))?;
    for (list, key, item) in removed {
        let without = document::remove(&doc, &list, key, &item).map_err(|_| unsafe_edit(file))?;
        doc = without.unwrap_or(doc);
    }
    Ok(doc.text)
}

/// The list of a PinnedImageSet.
pub(super) fn images_of_object(
    request: &GenerateRequest,
    read: &ParsedDocument,
    file: &Path,
) -> Result<String, Problem> {
    let path = pinned_image_set::IMAGES;
    let before = pinned_image_set::images(&read.doc.root);
    let Removals { images: removed, stores } = &request.removed;
    if let Some(store) = stores.first() {
        return Err(not_listed(store));
    }
    if let Some(image) = removed.iter().find(|image| !before.contains(image)) {
        let message = format!("the nodes do not pin `{image}`");
        return Err(Problem::new("image-missing", message, LIST));
    }
    let mut images: Vec<String> = before.into_iter().filter(|image| !removed.contains(image)).collect();
    images.extend(request.model.images.iter().cloned());
    let mut seen = std::collections::BTreeSet::new();
    images.retain(|image| seen.insert(image.clone()));
    if images.is_empty() {
        let hint = "delete the object instead: `oc delete pinnedimageset NAME`";
        return Err(Problem::new("no-images", "no image would be left, and the API wants one", hint));
    }
    let whole = pinned_image_set::value(&images, &request.machine)?;
    let removed = removed.iter().map(|image| (path, "name", image.clone()));
    with_lists(read, &whole, &path, removed, file)
}
