//! What stands at a name for who follows symlinks, as engines do, wherever those lead. Only
//! `--root` keeps them inside.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use crate::sys::{Directory, FileKind, OpenFile, Root, Subtree, SubtreeNode};

/// A name in a directory, and its whole path.
#[derive(Clone, Copy)]
pub(super) struct FollowedName<'a> {
    root: &'a Root,
    dir: &'a Directory,
    path: &'a Path,
}

impl<'a> FollowedName<'a> {
    /// In the directory `dir`, whose path is `path`.
    pub(super) fn new(root: &'a Root, dir: &'a Directory, path: &'a Path) -> Self {
        Self { root, dir, path }
    }

    /// Calls `look` with the place that `name` leads to, if it leads anywhere.
    fn at<T>(
        self,
        name: &OsStr,
        look: impl Fn(&Directory, &OsStr) -> io::Result<Option<T>>,
    ) -> io::Result<Option<T>> {
        if self.dir.node(name)?.is_none_or(|node| node.stat.kind != FileKind::Symlink) {
            return look(self.dir, name);
        }
        match self.root.end(&self.path.join(name))? {
            Some((dir, name)) => look(&dir, &name),
            None => Ok(None),
        }
    }

    /// What it is; `None` if there is nothing.
    pub(super) fn node(self, name: &OsStr) -> io::Result<Option<SubtreeNode>> {
        self.at(name, |dir, name| Ok(dir.node(name)?.filter(|node| node.stat.kind != FileKind::Symlink)))
    }

    /// Opens the regular file.
    pub(super) fn file(self, name: &OsStr) -> io::Result<Option<OpenFile>> {
        self.at(name, |dir, name| Ok(dir.open(name)?.filter(|file| file.stat.kind == FileKind::File)))
    }

    /// Reads the regular file.
    ///
    /// # Errors
    /// If it cannot be read, or is larger than `limit` bytes.
    pub(super) fn read(self, name: &OsStr, limit: u64) -> io::Result<Option<Vec<u8>>> {
        self.at(name, |dir, name| dir.read(name, limit))
    }
}

/// The directory `name` in `tree`, whose path is `path`.
pub(super) fn directory(
    root: &Root,
    tree: &Subtree,
    path: &Path,
    name: &str,
) -> io::Result<Option<Directory>> {
    let top = tree.top()?;
    match top.node(OsStr::new(name))?.map(|node| node.stat.kind) {
        Some(FileKind::Directory) => top.child(OsStr::new(name)).map(Some),
        Some(FileKind::Symlink) if root.end(&path.join(name))?.is_some() => {
            root.subtree(&path.join(name))?.map(|tree| tree.top()).transpose()
        }
        _ => Ok(None),
    }
}
