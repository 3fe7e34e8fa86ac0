//! What RPM cannot carry in an unpacked store.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::contents::shown;
use crate::problem::Problem;
use crate::store;
use crate::sys::Root;

/// How many files of an image are named.
const SHOWN: usize = 3;

/// Files that cannot be packed, by the layer that they are in.
#[derive(Debug, Default)]
pub(super) struct RefusedFiles(Vec<(String, String, String)>);

impl RefusedFiles {
    /// Adds a file of the store, by its path in there, and why, such as "is a whiteout".
    pub(super) fn add(&mut self, path: &[u8], why: impl Into<String>) {
        let text = shown(path);
        let mut parts = text.trim_start_matches('/').splitn(3, '/');
        let (_, layer, rest) = (parts.next(), parts.next(), parts.next());
        let inside = rest.and_then(|rest| rest.strip_prefix("diff")).unwrap_or(&text);
        let inside = if inside.is_empty() { "/" } else { inside };
        self.0.push((layer.unwrap_or_default().to_owned(), inside.to_owned(), why.into()));
    }

    /// A problem for each image that has such a file. The records of the store at `path` in
    /// `root` say which layers it has.
    pub(super) fn problems(self, root: &Root, path: &Path, label: &str) -> Vec<Problem> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut by_image: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let images = images_of_layers(root, path);
        for (layer, file, why) in self.0 {
            let nobody = vec!["an image".to_owned()];
            for image in images.get(&layer).unwrap_or(&nobody) {
                by_image.entry(image.clone()).or_default().push(format!("`{file}` {why}"));
            }
        }
        by_image
            .into_iter()
            .map(|(image, files)| {
                let more = match files.len().saturating_sub(SHOWN) {
                    0 => String::new(),
                    more => format!(", and {more} more like these"),
                };
                let files = files[..files.len().min(SHOWN)].join(", ");
                Problem::new(
                    "pack-refused",
                    format!("RPM cannot carry `{image}` in the unpacked store of `{label}`: {files}{more}"),
                    "use `payload: sealed`, which carries everything as it is",
                )
            })
            .collect()
    }
}

/// The names of the images that have a layer.
fn images_of_layers(root: &Root, path: &Path) -> HashMap<String, Vec<String>> {
    // Without records all files are those of "an image"; building has made these.
    let layers = store::layers(root, path, "overlay").unwrap_or_default();
    let parents: HashMap<String, Option<String>> =
        layers.into_iter().filter_map(|layer| Some((layer.id?, layer.parent))).collect();
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    for image in store::images(root, path, "overlay").unwrap_or_default() {
        let id = image.id.unwrap_or_default();
        let name = image.names.and_then(|names| names.into_iter().next()).unwrap_or(id);
        let mut at = image.layer;
        let mut left = parents.len();
        while let Some(layer) = at.filter(|_| left > 0) {
            at = parents.get(&layer).cloned().flatten();
            found.entry(layer).or_default().push(name.clone());
            left -= 1;
        }
    }
    found
}
