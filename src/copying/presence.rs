//! Which images are there already.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::copy_record::{CopiedImage, CopyRecord, FileStamp};
use crate::images::{Digest, Image};
use crate::plan::Host;
use crate::problem::Problem;
use crate::store::builder::{big_data, file_name, ids};
use crate::store::check::{self, CheckRequest, Progress, StoreReport};
use crate::store::{self, StoredLayer};

/// Rules of check-store that make a layer one that has to be copied again.
const DAMAGE: &[&str] = &[
    "composefs-damaged",
    "diff-missing",
    "file-added",
    "file-content",
    "file-missing",
    "file-mode",
    "file-owner",
    "file-type",
    "file-xattr",
    "l-link-missing",
    "l-link-wrong",
    "layer-digest",
    "layer-elsewhere",
    "layer-incomplete",
    "layer-loop",
    "layer-missing",
    "layer-parent-unknown",
    "layer-size",
    "link-missing",
    "link-wrong",
    "lower-layers-wrong",
    "lower-missing",
    "lower-wrong",
    "tar-split-damaged",
    "tar-split-missing",
    "whiteout-added",
    "whiteout-missing",
];

/// Where images are copied to.
#[derive(Debug, Clone)]
pub(super) struct CopyTarget {
    /// The store.
    pub(super) path: PathBuf,
    /// The storage in whose directory `artifacts` engines find artifacts.
    pub(super) artifacts: PathBuf,
    /// Its driver.
    pub(super) driver: String,
    /// Whether it is the engines' own storage.
    pub(super) own: bool,
    /// Other stores, which may lend layers.
    pub(super) listed: Vec<PathBuf>,
    /// Why skopeo has to copy to it, if it has to, as the end of a sentence: "its driver is vfs".
    pub(super) foreign: Option<String>,
}

/// What a store has.
#[derive(Debug)]
pub(super) struct Presence {
    images: BTreeMap<String, store::StoredImage>,
    layers: BTreeMap<String, StoredLayer>,
    /// Layers of what is wanted that are recorded and not sound, or cannot be verified.
    pub(super) damaged: BTreeSet<String>,
    /// What cannot be verified and stays, since skopeo would not do it anew.
    pub(super) unverified: Vec<Problem>,
}

impl Presence {
    /// Looks at the store. Layers of `wanted` that nobody vouches for are read; those that
    /// are sound get a mark in `memory`.
    pub(super) fn read(
        host: &Host,
        target: &CopyTarget,
        wanted: &[&Image],
        jobs: usize,
        record: &mut CopyRecord,
    ) -> Result<Self, Problem> {
        let damaged = |error: anyhow::Error| {
            let message = format!("the records of `{}` cannot be read: {error:#}", host.show(&target.path));
            let hint = "run `storagectl check-store` on it; nothing is added to a damaged store";
            Problem::new("store-damaged", message, hint)
        };
        let images = store::images(&host.root, &target.path, &target.driver).map_err(damaged)?;
        let layers = store::layers(&host.root, &target.path, &target.driver).map_err(damaged)?;
        let with_id = |id: &Option<String>| id.clone().unwrap_or_default();
        let mut presence = Self {
            images: images.into_iter().map(|image| (with_id(&image.id), image)).collect(),
            layers: layers.into_iter().map(|layer| (with_id(&layer.id), layer)).collect(),
            damaged: BTreeSet::new(),
            unverified: Vec::new(),
        };
        record.layers.retain(|id, _| presence.layers.contains_key(id));
        let imported = record.imported.iter().flat_map(|it| it.image.layers.iter().cloned());
        let wanted: BTreeSet<String> = wanted.iter().flat_map(|image| ids(image)).chain(imported).collect();
        let there: BTreeSet<String> =
            wanted.into_iter().filter(|id| presence.layers.contains_key(id)).collect();
        if !there.is_empty() {
            presence.look(host, target, there, jobs, record);
        }
        Ok(presence)
    }

    fn look(
        &mut self,
        host: &Host,
        target: &CopyTarget,
        there: BTreeSet<String>,
        jobs: usize,
        record: &mut CopyRecord,
    ) {
        let mut request = CheckRequest {
            listed: target.listed.clone(),
            jobs,
            ..CheckRequest::quick(vec![target.path.clone()], &target.driver)
        };
        self.damaged = damaged(&check::check(&host.root, &request, &Progress::default()), target, &there);
        let mark = |id: &str| FileStamp::of(&host.root, &target.path, &target.driver, id);
        let unknown: BTreeSet<String> = there
            .into_iter()
            .filter(|id| !self.damaged.contains(id))
            .filter(|id| mark(id).is_none_or(|mark| record.layers.get(id) != Some(&mark)))
            .collect();
        if unknown.is_empty() {
            return;
        }
        // Before they are read, so that what is read and what stays are the same.
        let synced = host.root.directory_writer(&target.path).and_then(|dir| dir.sync_all());
        request.deep = true;
        request.layers = Some(unknown.clone());
        let report = check::check(&host.root, &request, &Progress::default());
        let is_whole = report.not_looked.is_empty() && synced.is_ok();
        self.damaged.extend(damaged(&report, target, &unknown));
        for id in report.verified.iter().filter(|id| is_whole && !self.damaged.contains(*id)) {
            record.layers.extend(mark(id).map(|mark| (id.clone(), mark)));
        }
        // Nobody vouches for what others have put there in a way that cannot be read here.
        if target.foreign.is_none() {
            self.damaged.extend(report.not_verified);
        } else {
            let told = report.findings.into_iter().filter(|finding| finding.id == "not-verified");
            self.unverified = told.map(|it| it.problem).collect();
        }
    }

    /// Whether the image is there under its name, with sound layers, all its documents and the
    /// signatures that it came with; there may be more of them.
    pub(super) fn has(&self, host: &Host, target: &CopyTarget, image: &Image) -> bool {
        let id = image.config_digest.hex();
        let chain = ids(image);
        let Some(record) = self.images.get(id) else {
            return false;
        };
        let named =
            image.names.iter().all(|name| record.names.iter().flatten().any(|it| it == name.as_str()));
        let layers = chain.iter().zip(&image.layers).all(|(id, layer)| {
            let there = self.layers.get(id).filter(|_| !self.damaged.contains(id));
            there.is_some_and(|there| there.diff_digest.as_deref() == Some(layer.diff_id.as_str()))
        });
        if !named || !layers || record.layer.as_ref() != chain.last() {
            return false;
        }
        let dir = target.path.join(format!("{}-images", target.driver)).join(id);
        if !image.signatures.is_empty() {
            let there = store::signatures_in(&host.root, &dir, record, &Digest::of(&image.manifest));
            // skopeo leaves those of the copy that it made last.
            let has =
                |signature| there.contains(signature) || (target.foreign.is_some() && !there.is_empty());
            if !image.signatures.iter().all(has) {
                return false;
            }
        }
        big_data(image).into_iter().all(|(key, bytes)| {
            let known = record.big_data_names.iter().flatten().any(|name| *name == key);
            let there = || Some(host.root.read(&dir.join(file_name(&key))).ok()??.0);
            match (known, there()) {
                // Engines write none where there are none.
                (false, _) => store::is_of_signatures(&key),
                (true, None) => false,
                (true, Some(there)) if there == bytes => true,
                // So is which of two manifests is the one that is used.
                (true, Some(there)) if key == "manifest" => {
                    let digest = record.big_data_digests.as_ref().and_then(|digests| digests.get(&key));
                    digest.is_some_and(|digest| *digest == Digest::of(&there).as_str())
                }
                (true, Some(_)) => store::is_of_signatures(&key),
            }
        })
    }

    /// Whether the store has this image, with sound layers, under this name.
    pub(super) fn serves(&self, image: &CopiedImage) -> bool {
        let has_name = |it: &store::StoredImage| it.names.iter().flatten().any(|name| *name == image.name);
        self.images.get(&image.id).is_some_and(has_name)
            && image.layers.iter().all(|id| self.has_layer(id) && !self.damaged.contains(id))
    }

    /// Whether the store has a record of this layer.
    pub(super) fn has_layer(&self, id: &str) -> bool {
        self.layers.contains_key(id)
    }
}

/// Which of these layers are damaged.
fn damaged(report: &StoreReport, target: &CopyTarget, layers: &BTreeSet<String>) -> BTreeSet<String> {
    let of_target = report.findings.iter().filter(|finding| finding.store == target.path);
    let damage = of_target.filter(|finding| DAMAGE.contains(&finding.id));
    let damaged = damage.filter_map(|finding| finding.layer.clone());
    damaged.filter(|id| layers.contains(id)).collect()
}
