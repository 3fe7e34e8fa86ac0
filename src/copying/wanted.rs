//! The images of a list, as far as they can be read.

use std::collections::BTreeMap;
use std::path::Path;

use crate::embedded::{ImageList, ListEntry};
use crate::images::{self, Digest, Image, Name, Platform, Source, Transport};
use crate::plan::Host;
use crate::problem::Problem;
use crate::sys::Root;

/// An image that shall be there.
#[derive(Debug)]
pub(super) struct WantedImage {
    /// What it is called in what is told of it.
    pub(super) reference: String,
    /// Where it is, as skopeo calls it.
    pub(super) source: String,
    /// Whether nothing is well without it.
    pub(super) required: bool,
    /// The image, or why it cannot be copied.
    pub(super) image: Result<Image, Problem>,
}

impl WantedImage {
    /// The name that it has in storage.
    pub(super) fn name(&self) -> Option<&str> {
        Some(self.image.as_ref().ok()?.names.first()?.as_str())
    }
}

/// Reads manifest and configuration of every image of a list.
pub(super) fn read(host: &Host, source: &Path, list: ImageList, required: &[String]) -> Vec<WantedImage> {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut all = Vec::new();
    for entry in list.entries {
        let image = of_entry(&host.root, source, &entry).and_then(|image| {
            let name = image.names.first().expect("it was given one").to_string();
            match names.insert(name, entry.reference.clone()) {
                None => Ok(image),
                Some(other) => {
                    let message = format!("`{}` and `{other}` are the same name", entry.reference);
                    Err(Problem::new("list-twice", message, "remove one of them from the list"))
                }
            }
        });
        let source = shown_source(&host.root, source, &entry);
        let required = required.contains(&entry.reference);
        all.push(WantedImage { reference: entry.reference, source, required, image });
    }
    all
}

/// The directory of an entry, as skopeo calls it.
pub(super) fn shown_source(root: &Root, source: &Path, entry: &ListEntry) -> String {
    format!("dir:{}", root.show(&source.join(&entry.directory)).display())
}

/// The image of an entry of the list in `source`.
pub(super) fn of_entry(root: &Root, source: &Path, entry: &ListEntry) -> Result<Image, Problem> {
    let path = source.join(&entry.directory);
    let name = Name::parse(&entry.reference)?;
    let shown = root.show(&path).display().to_string();
    if root.stat(&path).map_err(Problem::cannot("look at", &shown))?.is_none() {
        let message = format!("the image `{name}`: its directory `{shown}` does not exist");
        let hint = "run `storagectl embed-images` to fetch what is missing";
        return Err(Problem::new("embedded-missing", message, hint));
    }
    let here = Platform::host();
    let image = images::read(root, &source_of(root, source, entry, &name), &here);
    let image = image.map_err(|mut problem| {
        if problem.id == "image-platform" {
            // What is copied is for this machine: nobody chooses.
            let arch = &here.arch;
            problem.hint = format!("embed it for this machine, too: `storagectl embed-images --arch {arch}`");
        }
        problem
    })?;
    check_digest(&name, image.list.as_deref(), &image.manifest)?;
    Ok(image)
}

/// Where the image of an entry is.
pub(super) fn source_of(root: &Root, source: &Path, entry: &ListEntry, name: &Name) -> Source {
    let path = source.join(&entry.directory);
    let text = shown_source(root, source, entry);
    Source { text, names: vec![name.clone()], transport: Transport::Dir, path, reference: None }
}

/// Whether a name with a digest is that of this manifest, or of the list that it was chosen from.
pub(super) fn check_digest(name: &Name, list: Option<&[u8]>, manifest: &[u8]) -> Result<(), Problem> {
    let digest = name.as_str().split_once('@').map(|(_, digest)| digest);
    let found = Digest::of(list.unwrap_or(manifest));
    match digest {
        // It may be one of a list that was embedded alone.
        Some(digest) if digest != found.as_str() && digest != Digest::of(manifest).as_str() => {
            let message = format!("the image `{name}`: its manifest has the digest `{found}`");
            let hint = "run `storagectl embed-images` again, which fetches it again";
            Err(Problem::new("embedded-other", message, hint))
        }
        _ => Ok(()),
    }
}
