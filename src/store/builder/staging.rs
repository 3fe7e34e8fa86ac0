//! Directories that no engine knows, in which layers are unpacked.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::directory::{AddRun, StoreAccess, cannot, own};
use super::existing::StorePaths;
use super::files::split_name;
use super::incremental::AddPolicy;
use super::layer::{self, LayerFacts};
use super::lost::LostLayers;
use super::plan::{BuildPlan, PlannedLayer};
use super::unpack::Unpacker;
use super::{BuildOptions, fault, parallel};
use crate::problem::Problem;
use crate::sys::Root;

/// Removes what was left by runs that were killed. What cannot be removed is in nobody's way.
pub(super) fn clean_up(root: &Root, paths: &StorePaths) -> Result<(), Problem> {
    for dir in [&paths.overlay, &paths.layers, &paths.images] {
        if root.stat(dir).map_err(cannot(root, "look at", dir))?.is_some() {
            let swept = root.directory_writer(dir).and_then(|mut dir| dir.sweep());
            swept.map_err(cannot(root, "clean up", dir))?;
        }
    }
    Ok(())
}

impl<'a> AddRun<'a> {
    pub(super) fn new(
        root: &'a Root,
        paths: &'a StorePaths,
        options: &'a BuildOptions,
        policy: &'a AddPolicy<'a>,
    ) -> Result<Self, Problem> {
        let access = match root.stat(&paths.images).map_err(cannot(root, "look at", &paths.images))? {
            Some(stat) if stat.mode & 0o055 != 0o055 => StoreAccess::OWNER,
            _ => StoreAccess::EVERYONE,
        };
        let mut overlay =
            root.directory_writer(&paths.overlay).map_err(cannot(root, "open", &paths.overlay))?;
        let mut layers = root.directory_writer(&paths.layers).map_err(cannot(root, "open", &paths.layers))?;
        let staging = overlay.staging().map_err(cannot(root, "create a directory in", &paths.overlay))?;
        let splits = layers.staging().map_err(cannot(root, "create a directory in", &paths.layers))?;
        Ok(Self { root, paths, options, policy, overlay, layers, staging, splits, access })
    }
}

impl AddRun<'_> {
    /// Unpacks layers; what cannot be is `lost`.
    pub(super) fn unpack<'b>(
        &mut self,
        layers: &[&'b PlannedLayer],
        lost: &mut LostLayers<'b>,
    ) -> Result<BTreeMap<&'b str, LayerFacts>, Problem> {
        for layer in layers {
            let made = self.staging.dir.create_directory(layer.id.as_bytes());
            let made = made
                .and_then(|()| self.staging.dir.create_directory(format!("{}/diff", layer.id).as_bytes()));
            made.map_err(cannot(self.root, "create a directory in", &self.paths.overlay))?;
        }
        let work = |layer: &&PlannedLayer| {
            let facts = self.unpack_one(layer).map_err(|error| fault::problem(layer, error));
            (self.policy.progress)(layer.source.blob.size);
            facts
        };
        // With a full disk there is no sense in going on.
        let is_last = |problem: &Problem| !self.policy.keep_going || problem.id == "disk-full";
        let done = parallel::each(layers, self.options.jobs, |layer| layer.source.blob.size, work, is_last);
        let mut facts = BTreeMap::new();
        let mut last = None;
        let mut undone = Vec::new();
        for (layer, result) in layers.iter().zip(done) {
            match result {
                Some(Ok(found)) => {
                    facts.insert(layer.id.as_str(), found);
                }
                Some(Err(problem)) => {
                    if is_last(&problem) {
                        last.get_or_insert_with(|| problem.clone());
                    }
                    lost.insert(&layer.id, problem);
                }
                None => undone.push(layer),
            }
        }
        if let Some(problem) = last {
            lost.extend(undone.into_iter().map(|layer| (layer.id.as_str(), problem.clone())));
        }
        Ok(facts)
    }

    /// Removes what was unpacked for images that cannot be added, so that a full disk has
    /// room for the records of the others.
    pub(super) fn give_back(&mut self, unpacked: &[&PlannedLayer], wanted: &BuildPlan) -> io::Result<()> {
        let wanted: BTreeSet<&str> = wanted.layers.iter().map(|layer| layer.id.as_str()).collect();
        for layer in unpacked.iter().filter(|layer| !wanted.contains(layer.id.as_str())) {
            self.staging.dir.remove(layer.id.as_bytes())?;
            self.splits.dir.remove(split_name(&layer.id).as_bytes())?;
        }
        Ok(())
    }

    fn unpack_one(&self, layer: &PlannedLayer) -> Result<LayerFacts, layer::LayerFault> {
        let at = |error| layer::LayerFault::Write(None, error);
        let time = (layer.created.0, layer.created.1);
        let diff = format!("{}/diff", layer.id);
        let diff = || self.staging.dir.open_directory(diff.as_bytes()).map_err(at);
        let mut sink = Unpacker::new(diff()?, time);
        let mut layers = self.splits.dir.open_directory(b".").map_err(at)?;
        let split = layers.create_file(split_name(&layer.id).as_bytes()).map_err(at)?;
        let split = io::BufWriter::with_capacity(64 << 10, split);
        let (facts, split) = layer::read(&layer.source, self.options.limit, &mut sink, Some(split))?;
        let split = split.expect("it was given").into_inner().map_err(|error| at(error.into_error()))?;
        split.set_metadata(&own(self.access.file, time)).map_err(at)?;
        sink.finish().map_err(at)?;
        // Engines take nothing from the entry for the root, and give it this mode.
        diff()?.set_own_metadata(0o555, time).map_err(at)?;
        Ok(facts)
    }
}
