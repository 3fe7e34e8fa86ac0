//! Where this host has its embedded images copied to.

use std::path::{Path, PathBuf};

use super::cure::CopyRoute;
use super::unit::UnitState;
use crate::copying;
use crate::plan::Host;

/// The unit that copies at boot, and what may start it.
const UNIT: &str = "storagectl-copy-images.service";

/// Where the images of the embedded directory `source` go: where its unit copies to at boot, or else
/// where they were copied to before, or else to the engines' own storage, as `copy-images` does.
pub(super) fn copies(host: &Host, source: &Path, is_first: bool) -> CopyRoute {
    let source = (!is_first).then(|| source.to_owned());
    let by_unit = match UnitState::find(&host.root, UNIT, "basic.target") {
        Ok(UnitState::Enabled(_)) => UnitState::variable(&host.root, UNIT, "COPY_IMAGES"),
        _ => None,
    };
    if let Some(options) = by_unit {
        return CopyRoute { source, ..options_of(&options) };
    }
    CopyRoute { source, store: copying::copied_to(host), artifact_store: None }
}

fn options_of(options: &str) -> CopyRoute {
    let words: Vec<&str> = options.split_whitespace().collect();
    let value = |name: &str| -> Option<PathBuf> {
        let after = words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1)).copied();
        let joined = words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        after.or(joined).map(PathBuf::from)
    };
    CopyRoute { source: None, store: value("--store"), artifact_store: value("--artifact-store") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_s_options_say_where() {
        let found = options_of("--prune --store /a --artifact-store=/b");
        assert_eq!(found.store, Some("/a".into()));
        assert_eq!(found.artifact_store, Some("/b".into()));
        assert_eq!(options_of("").store, None);
    }
}
