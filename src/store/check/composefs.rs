//! Layers that were pulled for composefs: an erofs image with the names, and files named by
//! their digests in `diff`. Podman 5 and later mount it whenever it is there
//! (`maybeAddComposefsMount` in overlay.go); podman 4 mounts `diff`.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use super::access::meant_for_users;
use super::catalog::Catalog;
use super::finding::{Scope, StoreFinding, StoreReport};
use super::followed::FollowedName;
use super::store_set::StoreSet;
use crate::engine::Engines;
use crate::problem::Severity;
use crate::store::short_id;
use crate::sys::{Directory, FileKind, Root};

/// What it is in, in a layer's directory.
pub(super) const DATA: &str = "composefs-data";

const BLOB: &str = "composefs.blob";

/// Where erofs has its superblock, and what that starts with.
const SUPERBLOCK: usize = 1024;
const MAGIC: [u8; 4] = 0xe0f5_e1e2_u32.to_le_bytes();

/// The image of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Composefs {
    Image,
    /// Nothing that can be mounted.
    Damaged(&'static str),
}

impl Composefs {
    /// Looks for it in a layer's directory `dir`, whose path is `path`; `None` if there is
    /// nothing of the kind. The directory alone has engines look for the image.
    pub(super) fn read(root: &Root, dir: &Directory, path: &Path) -> io::Result<Option<Self>> {
        let Some(data) = FollowedName::new(root, dir, path).node(OsStr::new(DATA))? else {
            return Ok(None);
        };
        let path = path.join(DATA);
        let tree = if data.stat.kind == FileKind::Directory { root.subtree(&path)? } else { None };
        let Some(tree) = tree else {
            return Ok(Some(Self::Damaged("is not a directory")));
        };
        let Some(file) = FollowedName::new(root, &tree.top()?, &path).file(OsStr::new(BLOB))? else {
            return Ok(Some(Self::Damaged("has no `composefs.blob`")));
        };
        let mut start = [0; SUPERBLOCK + MAGIC.len()];
        let mut length = 0;
        while length < start.len() {
            match file.read(&mut start[length..])? {
                0 => break,
                count => length += count,
            }
        }
        let sound = length == start.len() && start[SUPERBLOCK..] == MAGIC;
        Ok(Some(if sound {
            Self::Image
        } else {
            Self::Damaged("has a `composefs.blob` that is not an erofs image")
        }))
    }

    /// The same of the layer whose directory is at `path`.
    pub(super) fn of_layer(root: &Root, path: &Path) -> io::Result<Option<Self>> {
        match root.subtree(path)? {
            Some(tree) => Self::read(root, &tree.top()?, path),
            None => Ok(None),
        }
    }

    pub(super) fn rule(self) -> &'static str {
        match self {
            Self::Image => "composefs-layer",
            Self::Damaged(_) => "composefs-damaged",
        }
    }

    pub(super) fn message(self, id: &str) -> String {
        let id = short_id(id);
        match self {
            Self::Image => format!("the layer `{id}` is stored for composefs"),
            Self::Damaged(why) => format!("the layer `{id}` is stored for composefs, and its `{DATA}` {why}"),
        }
    }

    /// What engines do with images that have such a layer.
    pub(super) fn effects(self, finding: StoreFinding) -> StoreFinding {
        let others = readers_of_diff();
        match self {
            Self::Image => finding
                .fails(others, Scope::Saving)
                .silently(others, "give its containers files named by digests"),
            // What is in `diff` is another question.
            Self::Damaged(_) => finding.fails(Engines::ALL.without(others), Scope::Image),
        }
    }
}

/// Tells that the engines of normal users cannot use these layers of a store: the kernel mounts
/// erofs for root alone, and whoever finds the image mounts it (seen with podman 6.0).
///
/// # Errors
/// If it cannot be found out for whom the store is.
pub(super) fn add_findings_for_users(
    set: &StoreSet<'_>,
    store: &Catalog,
    layers: &[&str],
    report: &mut StoreReport,
) -> io::Result<()> {
    let message = match layers {
        [] => return Ok(()),
        [one] => format!("the layer `{}` is stored for composefs, which root alone can mount", short_id(one)),
        _ => format!("{} layers are stored for composefs, which root alone can mount", layers.len()),
    };
    let hint = "for normal users pull the images again where `use_composefs` is not set";
    let mut finding = StoreFinding::new("composefs-layer", &store.path, message, hint);
    for layer in layers {
        finding.join(set.users(layer));
    }
    if finding.images.is_empty() {
        return Ok(());
    }
    finding.for_users = true;
    let severity = if meant_for_users(set, store)? { Severity::Warning } else { Severity::Note };
    let engines = Engines::ALL.without(readers_of_diff());
    report.add(finding.severity(severity).fails(engines, Scope::Image));
    Ok(())
}

/// Engines that mount `diff` whatever stands beside it: composefs came with storage 1.52.
pub(super) fn readers_of_diff() -> Engines {
    Engines::by_version(|minor| minor < 52)
}
