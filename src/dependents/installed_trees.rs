//! The systems that are installed beside each other on a host.

use std::path::{Path, PathBuf};

use crate::sys::{FileKind, Root, composefs};

/// The tree of a system.
#[derive(Debug)]
pub(super) struct InstalledTree {
    /// The root in which it is.
    pub(super) root: Root,
    /// Where it is there.
    pub(super) home: PathBuf,
}

/// All of them, the present one first.
pub(super) fn installed_trees(root: &Root) -> Vec<InstalledTree> {
    let in_root = |home: PathBuf| InstalledTree { root: root.clone(), home };
    let present = in_root("/".into());
    let others = deployments(root).into_iter().map(in_root);
    [present].into_iter().chain(others).chain(of_composefs(root)).collect()
}

/// The deployments of ostree, the present one among them (`ostree/deploy/OS/deploy/CHECKSUM.SERIAL`,
/// ostree-sysroot.c).
fn deployments(root: &Root) -> Vec<PathBuf> {
    let base = Path::new("/sysroot/ostree/deploy");
    let mut found = Vec::new();
    for os in list(root, base) {
        found.extend(directories(root, &base.join(os).join("deploy")));
    }
    found.sort();
    found
}

/// The deployments of bootc's composefs backend: each has its state in a directory whose name is that of
/// its image (`STATE_DIR_RELATIVE` in composefs_consts.rs of bootc, `images` in repository.rs of
/// composefs-rs). One that the kernel cannot mount is left out.
fn of_composefs(root: &Root) -> Vec<InstalledTree> {
    let repository = Path::new("/sysroot/composefs");
    let tree = |state: PathBuf| {
        let image = repository.join("images").join(state.file_name()?);
        let tree = composefs(root, &image, &repository.join("objects"), &state).ok()??;
        Some(InstalledTree { root: tree, home: "/".into() })
    };
    directories(root, Path::new("/sysroot/state/deploy")).into_iter().filter_map(tree).collect()
}

fn directories(root: &Root, dir: &Path) -> Vec<PathBuf> {
    let is_directory =
        |path: &PathBuf| root.stat(path).ok().flatten().is_some_and(|stat| stat.kind == FileKind::Directory);
    let mut found: Vec<PathBuf> = list(root, dir).into_iter().map(|name| dir.join(name)).collect();
    found.retain(is_directory);
    found.sort();
    found
}

fn list(root: &Root, dir: &Path) -> Vec<std::ffi::OsString> {
    root.list(dir).ok().flatten().unwrap_or_default()
}
