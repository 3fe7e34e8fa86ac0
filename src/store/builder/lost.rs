//! What cannot be added, and what can be without it.

use std::collections::{BTreeMap, BTreeSet};

use super::existing::Records;
use super::plan::{BuildPlan, PlannedImage};
use crate::problem::Problem;
use crate::store::StoredLayer;

/// Layers that cannot be added, and why.
pub(super) type LostLayers<'a> = BTreeMap<&'a str, Problem>;

/// Layers of the plan whose ids are those of others in the store.
pub(super) fn conflicts<'a>(plan: &'a BuildPlan, known: &Records<StoredLayer>) -> LostLayers<'a> {
    let known = known.by_id();
    let mut lost = LostLayers::new();
    for layer in &plan.layers {
        let there = known.get(layer.id.as_str());
        if there.is_some_and(|there| there.diff_digest.as_deref() != Some(layer.source.diff_id.as_str())) {
            let message = format!("the store has another layer with the id `{}`", layer.id);
            lost.insert(&layer.id, Problem::new("layer-conflict", message, "build a new store"));
        }
    }
    lost
}

/// The images that need a layer which is lost, by id.
pub(super) fn drop_lost(plan: &BuildPlan, lost: &LostLayers<'_>) -> Vec<(String, Problem)> {
    if lost.is_empty() {
        return Vec::new();
    }
    let failed = plan.images.iter().filter_map(|planned| {
        let problem = planned.layers.iter().find_map(|id| lost.get(id.as_str()))?;
        Some((planned.image.config_digest.hex().to_owned(), problem.clone()))
    });
    failed.collect()
}

/// The plan without the images that cannot be added, and without layers of theirs alone.
pub(super) fn sound(plan: &BuildPlan, failed: &[(String, Problem)]) -> BuildPlan {
    if failed.is_empty() {
        return plan.clone();
    }
    let failed: BTreeSet<&str> = failed.iter().map(|(id, _)| id.as_str()).collect();
    let is_sound = |planned: &&PlannedImage| !failed.contains(planned.image.config_digest.hex());
    let images: Vec<PlannedImage> = plan.images.iter().filter(is_sound).cloned().collect();
    let ids: BTreeSet<&String> = images.iter().flat_map(|planned| &planned.layers).collect();
    let layers = plan.layers.iter().filter(|layer| ids.contains(&layer.id)).cloned().collect();
    BuildPlan { images, layers, ..plan.clone() }
}
