//! Giving layers and images their places, under the engines' locks.

use std::collections::BTreeMap;
use std::io;

use super::directory::{AddRun, own};
use super::existing::{Records, used_manifest};
use super::files::{StoreFile, link_target, of_layer, split_name};
use super::plan::{PlannedImage, PlannedLayer, link_name};
use super::record;
use crate::images::{Digest, signature};
use crate::store::metadata::{SIGNATURES, is_of_signatures, signatures_in};
use crate::store::{StoredImage, StoredLayer};
use crate::sys::SpecialFile;

impl AddRun<'_> {
    /// Gives layers their places. Others know some by their names in `l`, which are `given`.
    pub(super) fn place(
        &mut self,
        layers: &[&PlannedLayer],
        known: &Records<StoredLayer>,
        given: &BTreeMap<String, Vec<String>>,
    ) -> io::Result<()> {
        let known = known.by_id();
        let given = |id: &str| given.get(id).map(Vec::as_slice).unwrap_or_default();
        for layer in layers {
            let mut links = Vec::new();
            for id in &layer.below {
                // An engine has drawn the name by lot. Those below have their places by now.
                links.push(match given(id).first() {
                    // It may be in another store.
                    Some(link) if !self.overlay.has(id.as_bytes())? => link.clone(),
                    _ => self.link_of(id)?,
                });
            }
            let mut writer = self.staging.dir.open_directory(layer.id.as_bytes())?;
            let time = (layer.created.0, layer.created.1);
            let is_known = known.contains_key(layer.id.as_str());
            // Other layers may know a damaged one by the name that it had.
            let link = match given(&layer.id).first() {
                _ if is_known => self.old_link(&layer.id)?,
                Some(link) => link.clone(),
                None => link_name(&layer.id),
            };
            for small in of_layer(&link, &links, &layer.below) {
                match small {
                    StoreFile::Directory(name, mode) => {
                        writer.create_directory(name.as_bytes())?;
                        writer.set_metadata(name.as_bytes(), &own(mode, time), false)?;
                    }
                    StoreFile::File(name, mode, content) => {
                        writer.write_file(name.as_bytes(), &content, &own(mode, time))?;
                    }
                }
            }
            writer.set_own_metadata(self.access.directory, time)?;
            if is_known {
                // Out of the way at once; what takes its time is done in the end.
                let aside = format!("old-{}", layer.id);
                self.overlay.move_to(layer.id.as_bytes(), &mut self.staging.dir, aside.as_bytes())?;
            } else if self.overlay.has(layer.id.as_bytes())? {
                // No record names it, and engines would remove it, too.
                self.overlay.remove(layer.id.as_bytes())?;
            }
            self.staging.dir.move_to(layer.id.as_bytes(), &mut self.overlay, layer.id.as_bytes())?;
            let target = link_target(&layer.id);
            let others = given(&layer.id).iter().filter(|other| **other != link);
            for link in [&link].into_iter().chain(others).map(|link| format!("l/{link}")) {
                if self.overlay.read_link(link.as_bytes())?.as_deref() != Some(target.as_bytes()) {
                    self.overlay.remove(link.as_bytes())?;
                    self.overlay.create_special(link.as_bytes(), SpecialFile::Symlink(target.as_bytes()))?;
                    self.overlay.set_metadata(link.as_bytes(), &own(0o777, time), true)?;
                }
            }
            let split = split_name(&layer.id);
            self.layers.remove(split.as_bytes())?;
            self.splits.dir.move_to(split.as_bytes(), &mut self.layers, split.as_bytes())?;
        }
        self.overlay.open_directory(b"l")?.sync()?;
        self.overlay.sync()?;
        self.layers.sync()
    }

    /// The name that a layer of the store has in `l`.
    fn link_of(&self, id: &str) -> io::Result<String> {
        let path = self.paths.overlay.join(id).join("link");
        let link = self.root.read(&path)?.and_then(|(bytes, _)| String::from_utf8(bytes).ok());
        let link =
            link.filter(|link| !link.is_empty() && link.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let damaged = || io::Error::other(format!("the layer `{id}` of the store has no valid `link`"));
        link.ok_or_else(damaged)
    }

    /// The name in `l` that a damaged layer had, by itself or by `l`.
    fn old_link(&mut self, id: &str) -> io::Result<String> {
        if let Ok(link) = self.link_of(id) {
            return Ok(link);
        }
        let target = link_target(id);
        for name in self.root.list(&self.paths.links)?.unwrap_or_default() {
            let Some(name) =
                name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            else {
                continue;
            };
            if self.overlay.read_link(format!("l/{name}").as_bytes())?.as_deref() == Some(target.as_bytes()) {
                return Ok(name.to_owned());
            }
        }
        Ok(link_name(id))
    }

    /// An image with the signatures that the store has of it, too.
    pub(super) fn signed(&self, planned: &PlannedImage, known: Option<&StoredImage>) -> PlannedImage {
        let mut planned = planned.clone();
        let image = &mut planned.image;
        if let Some(known) = known.filter(|_| !image.signatures.is_empty()) {
            let dir = self.paths.images.join(image.config_digest.hex());
            let there = signatures_in(self.root, &dir, known, &Digest::of(&image.manifest));
            image.signatures = signature::added(there, std::mem::take(&mut image.signatures));
        }
        planned
    }

    /// The files of an image. Those that are there and sound stay.
    ///
    /// If it is `known`, the manifest that is used stays, and so do its signatures if it came
    /// without.
    pub(super) fn image(&self, planned: &PlannedImage, known: Option<&StoredImage>) -> io::Result<()> {
        let is_known = known.is_some();
        let used = known.and_then(used_manifest);
        let used = used.filter(|used| *used != Digest::of(&planned.image.manifest));
        let is_signed = !planned.image.signatures.is_empty();
        let id = planned.image.config_digest.hex();
        let mut images = self.root.directory_writer(&self.paths.images)?;
        if !is_known {
            images.remove(id.as_bytes())?;
        }
        let is_new = match images.create_directory(id.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            result => result.map(|()| true)?,
        };
        let time = (planned.created.0, planned.created.1);
        let mut dir = images.open_directory(id.as_bytes())?;
        let mut staging = None;
        for (key, bytes) in record::big_data(&planned.image) {
            let name = record::file_name(&key);
            let file = self.paths.images.join(id).join(&name);
            let there = self.root.read(&file).ok().flatten().map(|(there, _)| there);
            let stays = is_known && !is_signed && there.is_some();
            if is_of_signatures(&key) && (stays || (key == SIGNATURES && used.is_some())) {
                continue;
            }
            let bytes = match used.as_ref().filter(|_| key == "manifest") {
                None => bytes,
                // It stands under its digest, too.
                Some(used) => {
                    let same = file.with_file_name(record::file_name(&format!("manifest-{used}")));
                    self.root.read(&same)?.map_or(bytes, |(same, _)| same)
                }
            };
            if there.is_none_or(|there| there != bytes) {
                // A record may name it that an engine has copied without its files.
                let staging = match &mut staging {
                    Some(staging) => staging,
                    none => none.insert(images.staging()?),
                };
                staging.dir.write_file(name.as_bytes(), &bytes, &own(self.access.file, time))?;
                dir.remove(name.as_bytes())?;
                staging.dir.move_to(name.as_bytes(), &mut dir, name.as_bytes())?;
            }
        }
        if is_new {
            dir.set_own_metadata(self.access.directory, time)?;
        }
        dir.sync()?;
        images.sync()
    }
}
