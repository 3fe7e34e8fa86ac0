//! A directory tree as a value, so that two states of it can be compared.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use storagectl::images::Digest;

/// What stands at a path: everything that an edit has to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Type and permission bits.
    pub(crate) mode: u32,
    /// Owner and group.
    pub(crate) owner: (u32, u32),
    /// A file's text, the digest of one that has none, or a symlink's target.
    pub(crate) content: Option<String>,
}

/// Everything below a directory, by relative path.
pub(crate) type Tree = BTreeMap<PathBuf, Node>;

/// Reads the tree below `dir`.
pub(crate) fn tree(dir: &Path) -> Tree {
    let mut nodes = Tree::new();
    for_each(dir, &mut |path, metadata| {
        let content = if metadata.is_symlink() {
            let target = std::fs::read_link(path).expect("nobody else works here");
            Some(target.to_string_lossy().into_owned())
        } else if metadata.is_file() {
            let bytes = std::fs::read(path).expect("nobody else works here");
            Some(String::from_utf8(bytes).unwrap_or_else(|error| Digest::of(error.as_bytes()).to_string()))
        } else {
            None
        };
        let node = Node { mode: metadata.mode(), owner: (metadata.uid(), metadata.gid()), content };
        let path = path.strip_prefix(dir).expect("it was found there");
        nodes.insert(path.to_owned(), node);
    });
    nodes
}

/// Inode, size and times of everything below `dir` and of itself. Any write
/// changes the times of a file or of the directory that holds it.
pub(crate) fn stamps(dir: &Path) -> Vec<(PathBuf, [i64; 6])> {
    let mut stamps = Vec::new();
    let mut stamp = |path: &Path, of: &std::fs::Metadata| {
        let inode = i64::try_from(of.ino()).unwrap_or(i64::MAX);
        let size = i64::try_from(of.size()).unwrap_or(i64::MAX);
        let times = [inode, size, of.mtime(), of.mtime_nsec(), of.ctime(), of.ctime_nsec()];
        stamps.push((path.to_owned(), times));
    };
    stamp(dir, &std::fs::symlink_metadata(dir).expect("the directory is there"));
    for_each(dir, &mut stamp);
    stamps
}

/// The names in `dir`, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("the directory is there");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("the directory can be read").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn for_each(dir: &Path, visit: &mut impl FnMut(&Path, &std::fs::Metadata)) {
    let entries = std::fs::read_dir(dir).expect("the directory is there");
    // Not by `names`: in a container's files not every name is text.
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the directory can be read").path()).collect();
    paths.sort();
    for path in paths {
        let metadata = std::fs::symlink_metadata(&path).expect("nobody else works here");
        visit(&path, &metadata);
        if metadata.is_dir() {
            for_each(&path, visit);
        }
    }
}
