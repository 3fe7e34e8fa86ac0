//! Which of a host's stores have an image already, by their records.

use std::path::{Path, PathBuf};

use super::contents::EmbeddedImage;
use crate::conf::clean;
use crate::engine::Profile;
use crate::images::Name;
use crate::plan::Host;
use crate::problem::Problem;
use crate::registry::repository;
use crate::store::{self, Image};
use crate::sys::FileKind;

/// The stores of a host: the engines' own storage, and what they have listed.
#[derive(Debug, Default)]
pub struct HostStores {
    stores: Vec<(PathBuf, Vec<Image>)>,
    /// What could not be looked at.
    pub not_looked: Vec<Problem>,
}

impl HostStores {
    /// Reads the records of all stores that any engine of this host would see.
    pub fn read(host: &Host) -> Self {
        let root = &host.root;
        let mut found = Self::default();
        let mut seen: Vec<(u64, u64)> = Vec::new();
        for judgement in Profile::ALL.map(|profile| host.judge(profile)) {
            let own = judgement.own_storage();
            let listed: Vec<String> = judgement.reading.paths().into_iter().map(clean).collect();
            let paths = own.parts().chain(listed.iter().map(Path::new));
            for path in paths.filter(|path| path.is_absolute()) {
                let shown = host.show(path);
                let stat = match root.stat(path) {
                    Ok(Some(stat)) if stat.kind == FileKind::Directory && !seen.contains(&stat.id) => stat,
                    Ok(_) => continue,
                    Err(error) => {
                        found.could_not_look(Problem::io("look at", &shown, &error));
                        continue;
                    }
                };
                seen.push(stat.id);
                match store::images(root, path, &judgement.driver) {
                    Ok(images) => found.stores.push((path.to_owned(), images)),
                    Err(error) => found.could_not_look(match error.downcast_ref::<std::io::Error>() {
                        Some(error) => Problem::io("read the images of", &shown, error),
                        None => Problem::new(
                            "images-json-malformed",
                            format!("cannot list the images of `{shown}`: its images.json is malformed"),
                            "build the store again, or restore this file",
                        ),
                    }),
                }
            }
        }
        found
    }

    fn could_not_look(&mut self, problem: Problem) {
        if !self.not_looked.contains(&problem) {
            self.not_looked.push(problem);
        }
    }

    /// Whether a store has an image of this name, and with this digest if it has one.
    pub fn has(&self, reference: &str) -> bool {
        let (name, digest) = match reference.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (reference, None),
        };
        let wanted = Name::parse(name);
        let is_it = |image: &Image| match digest {
            // Engines find it by its repository, whatever its tag.
            Some(digest) => {
                let mut names = image.names.iter().flatten();
                names.any(|one| repository(one) == repository(name))
                    && digests(image).any(|one| one == digest)
            }
            None => {
                wanted.as_ref().is_ok_and(|name| image.names.iter().flatten().any(|one| one == name.as_str()))
            }
        };
        self.stores.iter().any(|(_, images)| images.iter().any(is_it))
    }

    /// The stores that have the image under this reference, in the order in which engines
    /// search them. Another image of that name is not it.
    pub fn having(&self, reference: &str, contents: &EmbeddedImage) -> Vec<&Path> {
        // As engines record it. Whose a name without a registry is, their settings decide.
        let Ok(name) = Name::parse(reference) else {
            return Vec::new();
        };
        let is_it = |image: &Image| {
            image.names.iter().flatten().any(|one| one == name.as_str())
                && digests(image).any(|digest| contents.is(digest))
        };
        let has = |(_, images): &&(PathBuf, Vec<Image>)| images.iter().any(is_it);
        self.stores.iter().filter(has).map(|(path, _)| path.as_path()).collect()
    }
}

/// The digests of the manifests that an image was stored with: its own, and lists that it
/// was chosen from.
fn digests(image: &Image) -> impl Iterator<Item = &str> {
    let keys = image.big_data_names.iter().flatten();
    image.digest.as_deref().into_iter().chain(keys.filter_map(|key| key.strip_prefix("manifest-")))
}
