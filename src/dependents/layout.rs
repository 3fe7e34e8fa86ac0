//! Where engines keep what is their own, and which stores they list.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::engine::Profile;
use crate::judgement::{Judgement, OwnStorage};
use crate::plan::Host;
use crate::problem::Problem;
use crate::sys::Root;

/// An engine's own storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EngineStorage {
    /// The storage driver.
    pub(crate) driver: String,
    /// graphroot, and imagestore if one is set: both have records and layers.
    pub(crate) parts: Vec<PathBuf>,
    /// Where it is kept track of what is mounted.
    pub(crate) runroots: Vec<PathBuf>,
    /// The normal user whose it is, where root reads it: what others own is not taken for it, and
    /// no symlink in it is followed.
    pub(crate) owner: Option<u32>,
}

impl EngineStorage {
    /// The part to which engines add images: the last.
    pub(super) fn images_part(&self) -> &Path {
        self.parts.last().expect("a storage has a graphroot")
    }

    /// From where the part at `dir` is read: a root, and the directory in it.
    pub(super) fn open(&self, root: &Root, dir: &Path) -> io::Result<(Root, PathBuf)> {
        let Some(owner) = self.owner else { return Ok((root.clone(), dir.to_owned())) };
        let opened = root.strict(dir)?.ok_or(io::ErrorKind::NotFound)?;
        let inside = Path::new("/");
        match opened.stat(inside)? {
            Some(stat) if stat.uid == owner => Ok((opened, inside.to_owned())),
            _ => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }

    /// A file of a part, by its path there: the first one that can be read.
    pub(super) fn read_up_to(&self, root: &Root, file: &str, limit: u64) -> Option<Vec<u8>> {
        self.parts.iter().find_map(|dir| {
            let (root, inside) = self.open(root, dir).ok()?;
            root.read_up_to(&inside.join(file), limit).ok().flatten().map(|(bytes, _)| bytes)
        })
    }
}

/// What the host's engines use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct StorageLayout {
    /// The storages, each once.
    pub(crate) storages: Vec<EngineStorage>,
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
pub(crate) fn layout(host: &Host) -> anyhow::Result<StorageLayout> {
    layout_of(|profile| host.judge(profile))
}

/// The same for those who judge the host like this.
pub(super) fn layout_of(judge: impl Fn(Profile) -> Rc<Judgement>) -> anyhow::Result<StorageLayout> {
    let mut layout = StorageLayout::default();
    let mut failure = None;
    for profile in Profile::ALL {
        let judgement = judge(profile);
        merge(&mut layout.stores, judgement.reading.searched_stores());
        if let Some(why) = judgement.reading.failure() {
            failure = Some(Problem::new(
                "engine-stops",
                format!("no engine can read this host's configuration: {}", why.message),
                "`storagectl check-config` shows what is wrong with it",
            ));
            continue;
        }
        layout.add_storage(judgement.own_storage());
    }
    match failure {
        Some(problem) if layout.storages.is_empty() => Err(problem.into()),
        _ => Ok(layout),
    }
}

impl StorageLayout {
    fn add_storage(&mut self, own: OwnStorage) {
        let OwnStorage { driver, graphroot, imagestore, runroot } = own;
        let parts: Vec<PathBuf> = [graphroot].into_iter().chain(imagestore).collect();
        let runroots: Vec<PathBuf> = runroot.into_iter().collect();
        let same = |other: &&mut EngineStorage| other.driver == driver && other.parts[0] == parts[0];
        match self.storages.iter_mut().find(same) {
            Some(other) => {
                merge(&mut other.parts, parts);
                merge(&mut other.runroots, runroots);
            }
            None => self.storages.push(EngineStorage { driver, parts, runroots, owner: None }),
        }
    }
}

fn merge<T: PartialEq>(into: &mut Vec<T>, more: Vec<T>) {
    for path in more {
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
        let own = |driver: &str, imagestore: Option<&str>, runroot: Option<&str>| OwnStorage {
            driver: driver.to_owned(),
            graphroot: "/graph".into(),
            imagestore: imagestore.map(PathBuf::from),
            runroot: runroot.map(PathBuf::from),
        };
        let mut layout = StorageLayout::default();
        layout.add_storage(own("overlay", None, Some("/run/a")));
        layout.add_storage(own("overlay", Some("/images"), Some("/run/a")));
        layout.add_storage(own("vfs", None, None));
        assert_eq!(layout.storages.len(), 2);
        assert_eq!(layout.storages[0].parts, ["/graph", "/images"].map(PathBuf::from));
        assert_eq!(layout.storages[0].runroots, ["/run/a"].map(PathBuf::from));
    }
}
