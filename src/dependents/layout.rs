//! Where engines keep what is their own, and which stores they list.

use std::path::{Path, PathBuf};

use crate::conf::{Essentials, clean};
use crate::engine::Profile;
use crate::plan::{Host, effective_settings};
use crate::problem::Problem;

/// An engine's own storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Storage {
    /// The storage driver.
    pub(crate) driver: String,
    /// graphroot, and imagestore if one is set: both have records and layers.
    pub(crate) parts: Vec<PathBuf>,
    /// Where it is kept track of what is mounted.
    pub(crate) runroots: Vec<PathBuf>,
}

/// What the host's engines use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Layout {
    /// The storages, each once.
    pub(crate) storages: Vec<Storage>,
    /// The stores that any engine lists, each once, as engines use them.
    pub(crate) stores: Vec<String>,
}

/// Reads the layout of a host: of all engines whose configuration can be read,
/// or of the one file that was named.
///
/// Engines that share a graphroot share its image store too: what is in there is
/// not lost because an older engine does not look there.
///
/// # Errors
/// A [`Problem`] if no engine would start.
pub(crate) fn layout(host: &Host) -> anyhow::Result<Layout> {
    let mut layout = Layout::default();
    if host.config.is_some() {
        let settings = effective_settings(host)?;
        let runroot = host.snapshot()?.doc.string(&["storage", "runroot"]).ok().flatten();
        layout.add_stores(settings.stores.iter().map(String::as_str));
        layout.add_storage(settings.driver, &settings.graphroot, settings.imagestore, runroot);
        return Ok(layout);
    }
    let mut failure = None;
    for profile in Profile::ALL {
        let reading = host.reading(profile);
        layout.add_stores(reading.paths().into_iter());
        if let Some(why) = reading.failure() {
            failure = Some(Problem::new(
                "engine-stops",
                format!("no engine can read this host's configuration: {}", why.message),
                "`storagectl check-config` shows what is wrong with it",
            ));
            continue;
        }
        let value = |value: Option<crate::engine::Value<String>>| {
            value.map(|value| value.value).filter(|value| !value.is_empty())
        };
        let graphroot = value(reading.graphroot.clone())
            .or_else(|| Essentials::default().graphroot)
            .expect("the defaults name a graphroot");
        let driver = reading.driver_at(&host.root, Path::new(&graphroot));
        layout.add_storage(driver, &graphroot, value(reading.imagestore), value(reading.runroot));
    }
    match failure {
        Some(problem) if layout.storages.is_empty() => Err(problem.into()),
        _ => Ok(layout),
    }
}

impl Layout {
    fn add_stores<'a>(&mut self, entries: impl Iterator<Item = &'a str>) {
        // As the driver does (`parseOptions` in drivers/overlay/overlay.go).
        let paths = entries.flat_map(|entry| entry.split(',')).map(str::trim);
        for path in paths.filter(|path| !path.is_empty()).map(clean) {
            if !self.stores.contains(&path) {
                self.stores.push(path);
            }
        }
    }

    fn add_storage(
        &mut self,
        driver: String,
        graphroot: &str,
        imagestore: Option<String>,
        runroot: Option<String>,
    ) {
        let parts = [Some(graphroot.to_owned()), imagestore];
        let parts: Vec<PathBuf> = parts.into_iter().flatten().map(|path| clean(&path).into()).collect();
        let runroots: Vec<PathBuf> = runroot.iter().map(|path| clean(path).into()).collect();
        let same = |other: &&mut Storage| other.driver == driver && other.parts[0] == parts[0];
        match self.storages.iter_mut().find(same) {
            Some(other) => {
                merge(&mut other.parts, parts);
                merge(&mut other.runroots, runroots);
            }
            None => self.storages.push(Storage { driver, parts, runroots }),
        }
    }
}

fn merge(into: &mut Vec<PathBuf>, paths: Vec<PathBuf>) {
    for path in paths {
        if !into.contains(&path) {
            into.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_that_share_a_graphroot_share_its_image_store() {
        let mut layout = Layout::default();
        let imagestore = Some("/images".to_owned());
        layout.add_storage("overlay".to_owned(), "/graph", None, Some("/run/a".to_owned()));
        layout.add_storage("overlay".to_owned(), "/graph/", imagestore.clone(), Some("/run/a".to_owned()));
        layout.add_storage("vfs".to_owned(), "/graph", None, None);
        assert_eq!(layout.storages.len(), 2);
        assert_eq!(layout.storages[0].parts, [Path::new("/graph"), Path::new("/images")]);
        assert_eq!(layout.storages[0].runroots, [Path::new("/run/a")]);
    }

    #[test]
    fn a_store_counts_once_however_it_is_written() {
        let mut layout = Layout::default();
        layout.add_stores(["/a/", "", " /a,/b", "/c"].into_iter());
        assert_eq!(layout.stores, ["/a", "/b", "/c"]);
    }
}
