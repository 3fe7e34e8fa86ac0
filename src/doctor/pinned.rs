//! Images that kubelet's garbage collection may try to remove, and the file that
//! keeps it from that.
//!
//! CRI-O reports images of additional stores like its own. It answers that it has
//! removed one although it cannot, so kubelet counts space that nobody gained and
//! tries again. A pinned image is left alone (`pinned_images` in crio.conf(5)).

use std::path::PathBuf;

use super::crio::Crio;
use super::storage::HostStorage;
use crate::conf::quoted;
use crate::engine::{Engines, Profile, ValueOrigin};

/// A drop-in for CRI-O that pins images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinFile {
    /// The images that are not pinned, by name.
    pub images: Vec<String>,
    /// Where to put the file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl PinFile {
    /// The file that pins the images of CRI-O's additional stores; nothing if they are pinned.
    pub(super) fn needed(crio: &Crio, storages: &[HostStorage]) -> Option<Self> {
        let listed = |storage: &&HostStorage| {
            storage.listed_by.has(Profile::Crio) && storage.own_of.and(Engines::one(Profile::Crio)).is_empty()
        };
        let mut images: Vec<String> = Vec::new();
        for image in storages.iter().filter(listed).flat_map(|storage| storage.images.iter().flatten()) {
            // One name that matches is enough; an image without a name cannot be pinned.
            let names = image.names.as_deref().unwrap_or_default();
            if let Some(name) = names.iter().find(|name| !name.is_empty())
                && !crio.pins(names)
                && !images.contains(name)
            {
                images.push(name.clone());
            }
        }
        if images.is_empty() {
            return None;
        }
        images.sort();
        // An array replaces that of the files before it, so what they pin is pinned here too.
        let patterns = crio.pinned_images.value.iter().chain(&images);
        let lines: String = patterns.map(|pattern| format!("  {},\n", quoted(pattern))).collect();
        Some(Self {
            path: path_after(&crio.pinned_images.origin),
            text: format!("[crio.image]\npinned_images = [\n{lines}]\n"),
            images,
        })
    }
}

/// A name that CRI-O reads after the file that sets the key now.
fn path_after(origin: &ValueOrigin) -> PathBuf {
    let usual = PathBuf::from("/etc/crio/crio.conf.d/99-pinned-images.conf");
    match origin {
        ValueOrigin::File(site) if site.file > usual => {
            let name = site.file.file_name().unwrap_or_default().to_string_lossy();
            usual.with_file_name(format!("{}_pinned-images.conf", name.trim_end_matches(".conf")))
        }
        _ => usual,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::engine::Site;

    #[test]
    fn the_file_is_read_after_the_one_that_sets_the_key() {
        let in_file = |path: &str| path_after(&ValueOrigin::File(Site::of(Path::new(path), "", 0..0)));
        let usual = PathBuf::from("/etc/crio/crio.conf.d/99-pinned-images.conf");
        assert_eq!(path_after(&ValueOrigin::Default), usual);
        assert_eq!(in_file("/etc/crio/crio.conf"), usual);
        assert_eq!(in_file("/etc/crio/crio.conf.d/10-a.conf"), usual);
        let last = PathBuf::from("/etc/crio/crio.conf.d/zz.conf");
        assert!(in_file("/etc/crio/crio.conf.d/zz.conf") > last);
    }
}
