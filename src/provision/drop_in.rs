//! A drop-in of storage.conf, for engines that read such.

use std::path::PathBuf;

use super::model::{Generations, MAIN_FILE, NodeModel, PlatformFile};
use super::storage_conf::{Configuration, drop_in, profiles, reading};
use crate::conf::{Position, clean};
use crate::problem::Problem;

/// A model as a drop-in: what is added to the list, or the whole list where the stores
/// have to stand before those of the platform.
///
/// # Errors
/// A [`Problem`] if only engines are served that read none, or one that does would not
/// see the stores.
pub fn write(model: &NodeModel, made_by: &str) -> Result<String, Problem> {
    if model.generations == Generations::Legacy {
        return Err(Problem::new(
            "kind-lacks",
            "engines that read one file read no drop-in",
            "leave out `--engine legacy`, or write storage.conf with another kind",
        ));
    }
    let model = NodeModel { generations: Generations::Modern, ..model.clone() };
    let (path, text) = match added(&model) {
        Some(file) => file,
        None => Configuration::of(&model)?.files.into_iter().next().expect("there is a drop-in then"),
    };
    Ok(format!("{made_by}# For {}.\n{text}", path.display()))
}

/// A drop-in that appends the stores to what the platform lists; nothing if that does
/// not put them where they should be.
fn added(model: &NodeModel) -> Option<PlatformFile> {
    if !matches!(model.position, Position::Any | Position::Last) {
        return None;
    }
    let ours: Vec<String> = model.stores.iter().map(|store| store.path.clone()).collect();
    let file = drop_in(model, &ours, true);
    let seen = |platform: &[PlatformFile], file: &[PlatformFile], profile| {
        let reading = reading(platform, file, profile);
        let paths: Vec<String> = reading.paths().into_iter().map(clean).collect();
        reading.failure().is_none().then_some(paths)
    };
    for platform in &model.platform_versions {
        let mut platform = platform.clone();
        if !model.base.is_empty() {
            platform.push((PathBuf::from(MAIN_FILE), model.base.clone()));
        }
        for profile in profiles(Generations::Modern) {
            let before = seen(&platform, &[], profile)?;
            let after = seen(&platform, std::slice::from_ref(&file), profile)?;
            let twice = ours.iter().any(|path| before.contains(path));
            if twice || after != [before, ours.clone()].concat() {
                return None;
            }
        }
    }
    Some(file)
}

/// What there is to know about a drop-in.
pub fn warnings(model: &NodeModel) -> Vec<String> {
    let mut warnings =
        vec!["podman 5 and older and CRI-O read no drop-ins, and do not see the stores".to_owned()];
    warnings.extend(directories(model));
    warnings
}

/// What has to make the directories, for a kind that only lists stores.
pub(super) fn directories(model: &NodeModel) -> Option<String> {
    let paths: Vec<String> = model.created().map(|store| format!("`{}`", store.path)).collect();
    (!paths.is_empty()).then(|| {
        format!(
            "this creates no directories, and no engine starts without {}: create them first, such as with `generate tmpfiles`",
            paths.join(", ")
        )
    })
}
