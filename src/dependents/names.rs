//! Names of images that were kept: those of a store stay with what that store has now.
//!
//! An engine that finds an image's record in its own storage does not see the names that the record
//! of the same image has in a store. So when an update is rolled back, what was kept without a name
//! has to get the store's names again; and when another image has them, it has to lose them.
//! Which names these are is noted in the storage, and goes with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::plan::Host;
use crate::problem::Problem;
use crate::store::builder::rename_images;
use crate::store::{self, StoredImage};

use super::former::DRIVER;

/// Its file in a part of a storage.
const FILE: &str = ".storagectl-kept.json";

/// The names that follow the listed stores, by the id of the image that was kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptNames {
    version: u32,
    #[serde(default)]
    images: BTreeMap<String, BTreeSet<String>>,
}

impl KeptNames {
    /// What is noted in the part at `part`; what cannot be read is forgotten.
    pub(super) fn read(host: &Host, part: &Path) -> Self {
        let bytes = host.root.read_up_to(&file(part), limits::RECORDS).ok().flatten();
        let noted: Option<Self> = bytes.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok());
        noted.filter(|noted| noted.version == 1).unwrap_or(Self { version: 1, ..Self::default() })
    }

    /// Notes that these names of the image `id` follow the stores.
    pub(super) fn add(&mut self, id: &str, names: impl IntoIterator<Item = String>) {
        self.images.entry(id.to_owned()).or_default().extend(names);
    }

    /// The images.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.images.keys().map(String::as_str)
    }

    pub(super) fn write(&self, host: &Host, part: &Path) -> Result<(), Problem> {
        let mut bytes = serde_json::to_vec(self).expect("it is made of text");
        bytes.push(b'\n');
        write_in(host, part, FILE, &bytes)
    }

    /// Gives and takes the names of the images in the part at `part`, so that each is with the image
    /// that the first of `stores` has under it.
    pub(super) fn follow(&self, host: &Host, part: &Path, stores: &[String]) -> Result<(), Problem> {
        if self.images.is_empty() {
            return Ok(());
        }
        let mut served: BTreeMap<String, String> = BTreeMap::new();
        for store in stores {
            for image in store::images(&host.root, Path::new(store), DRIVER).unwrap_or_default() {
                let Some(id) = image.id else { continue };
                for name in image.names.into_iter().flatten() {
                    served.entry(name).or_insert_with(|| id.clone());
                }
            }
        }
        rename_images(&host.root, part, &|images| self.names(images, &served))
    }

    /// The names of the images that have to have others, where `served` has the image of each name.
    fn names(
        &self,
        images: &[&StoredImage],
        served: &BTreeMap<String, String>,
    ) -> BTreeMap<String, Vec<String>> {
        let mut changed = BTreeMap::new();
        for image in images {
            let (Some(id), names) = (&image.id, image.names.clone().unwrap_or_default()) else { continue };
            let Some(follow) = self.images.get(id) else { continue };
            let is_others = |name: &String| served.get(name).is_some_and(|other| other != id);
            let mut wanted = names.clone();
            wanted.retain(|name| !follow.contains(name) || !is_others(name));
            let missing = follow.iter().filter(|name| served.get(*name) == Some(id));
            for name in missing {
                if !wanted.contains(name) {
                    wanted.push(name.clone());
                }
            }
            if wanted != names {
                changed.insert(id.clone(), wanted);
            }
        }
        changed
    }
}

/// Writes the file `name` of ours in the storage at `part`, if that is there.
pub(super) fn write_in(host: &Host, part: &Path, name: &str, bytes: &[u8]) -> Result<(), Problem> {
    let write = || match host.root.strict(part)? {
        Some(inside) => inside.replace_file(&Path::new("/").join(name), bytes),
        None => Ok(()),
    };
    write().map_err(host.cannot("write", &part.join(name)))
}

fn file(part: &Path) -> PathBuf {
    part.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_with_the_image_that_a_store_has_under_it() {
        let image = |id: &str, names: &[&str]| StoredImage {
            id: Some(id.to_owned()),
            names: Some(names.iter().map(|&name| name.to_owned()).collect()),
            ..StoredImage::default()
        };
        let mut kept = KeptNames::default();
        kept.add("kept", ["app".to_owned()]);
        let names = |names: &[&str], served: &[(&str, &str)]| {
            let served = served.iter().map(|&(name, id)| (name.to_owned(), id.to_owned())).collect();
            kept.names(&[&image("kept", names), &image("own", &["app", "own"])], &served).remove("kept")
        };
        assert_eq!(names(&["alias", "app"], &[("app", "new")]), Some(vec!["alias".to_owned()]));
        assert_eq!(names(&[], &[("app", "new")]), None);
        assert_eq!(names(&[], &[("app", "kept")]), Some(vec!["app".to_owned()]));
        assert_eq!(names(&["app"], &[("other", "new")]), None, "nobody else has it");
        assert_eq!(names(&["mine"], &[("mine", "new")]), None, "somebody has given it that name");
    }
}
