//! How a store lies to an engine's own storage.

use std::path::{Path, PathBuf};

use super::path_of;
use crate::conf::clean;
use crate::engine::{Reading, View};

/// How a store lies to a directory of the engine's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// It is that directory.
    Same,
    /// It is inside.
    Inside,
    /// It contains it.
    Above,
}

/// How a store lies to the directories in which an engine keeps images of its own, by their
/// names or behind symlinks: those to which it lies in some way, with the key that sets each.
pub fn relations<'r>(
    view: &View<'_>,
    reading: &'r Reading,
    store: &str,
) -> Vec<(Relation, &'static str, &'r str)> {
    let forms = |path: String| {
        let path = PathBuf::from(path);
        let real = view.resolved(&path);
        [path, real]
    };
    let store = forms(clean(store));
    let owns = [("graphroot", &reading.graphroot), ("imagestore", &reading.imagestore)];
    let relation = |(key, own): (&'static str, &'r Option<_>)| {
        let own: &crate::engine::Sourced<String> = own.as_ref()?;
        let own = own.value.as_str().starts_with('/').then_some(own.value.as_str())?;
        Some((between(&store, &forms(path_of(own)))?, key, own))
    };
    owns.into_iter().filter_map(relation).collect()
}

fn between(store: &[PathBuf; 2], own: &[PathBuf; 2]) -> Option<Relation> {
    let pairs = || store.iter().zip(own);
    if pairs().any(|(store, own)| store == own) {
        return Some(Relation::Same);
    }
    let apart = |(store, own): (&PathBuf, &PathBuf)| match () {
        () if store.starts_with(Path::new(own)) => Some(Relation::Inside),
        () if own.starts_with(store) => Some(Relation::Above),
        () => None,
    };
    pairs().find_map(apart)
}
