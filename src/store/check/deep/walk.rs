//! What is on the disk and in no entry of the stream.

use std::ffi::{OsStr, OsString};
use std::io;

use super::compare::Comparison;
use super::issues::{FileDifference, NAMED};
use crate::sys::{Directory, FileKind, OpenFile, SubtreeNode};

/// No directory in an image is nested deeper.
const MAX_DEPTH: usize = 200;

impl Comparison<'_> {
    /// Looks for what no entry made. `inherits` says that a whole tree has here what the
    /// layer below has. Returns whether an entry is at or below `directory`.
    pub(super) fn walk(
        &mut self,
        directory: &Directory,
        (depth, inherits): (usize, bool),
        buffer: &mut [u8],
    ) -> io::Result<bool> {
        if depth > MAX_DEPTH {
            return Err(io::Error::other("directories are nested too deeply"));
        }
        // A whiteout makes its directory, if there is no entry for that.
        let mut any = depth > 0 && self.opaque.contains(&self.hash(&directory.path));
        let mut added: Vec<(OsString, bool)> = Vec::new();
        let mut more = 0;
        let own = self.hash(&directory.path);
        let inherits = inherits && !self.opaque.contains(&own) && !self.removed.contains(&own);
        let parent = match self.layout.parent {
            Some(parent) if inherits => parent.directory(&directory.path)?,
            _ => None,
        };
        directory.for_each_kind(|name, is_directory| {
            let path = directory.path.join(name);
            let key = self.hash(&path);
            let is_entry = self.entries.contains(&key);
            any |= is_entry;
            if is_entry && is_directory == Some(false) {
                return Ok(());
            }
            let Some(node) = directory.node(name)? else {
                return Ok(());
            };
            let inherited = match &parent {
                Some(parent) if !is_entry && !self.removed.contains(&key) => {
                    self.inherited(parent, directory, name, &node, buffer)?
                }
                _ => false,
            };
            any |= inherited;
            let below = node.stat.kind == FileKind::Directory && {
                let child = directory.child(name)?;
                if self.layout.overlay && !self.opaque.contains(&key) {
                    self.opaque_without_entry(&child)?;
                }
                self.walk(&child, (depth + 1, inherits), buffer)?
            };
            any |= below;
            if !is_entry && !below && !inherited {
                if added.len() < NAMED {
                    added.push((path.into_os_string(), node.is_whiteout() && self.layout.overlay));
                } else {
                    more += 1;
                }
            }
            Ok(())
        })?;
        if let Some(parent) = &parent {
            self.lost(parent, directory)?;
        }
        // A directory that nothing in the layer is in is told of by the one above.
        if any || depth == 0 || self.entries.contains(&own) {
            for (path, whiteout) in added {
                let way = if whiteout { FileDifference::WhiteoutAdded } else { FileDifference::Added };
                self.issues.put(way, &path, String::new());
            }
            self.issues.count(FileDifference::Added, more);
        }
        Ok(any)
    }

    /// A directory that must not hide what is below it.
    fn opaque_without_entry(&mut self, directory: &Directory) -> io::Result<()> {
        let opened = directory.open(OsStr::new("."))?;
        let way = match opened.map(|opened| self.layout.is_opaque(&opened)) {
            Some((Some(true), _)) => FileDifference::WhiteoutAdded,
            // Root's containers are shown the attribute of users.
            Some((_, Some(true))) if self.layout.owners => FileDifference::WhiteoutAdded,
            Some((_, Some(true))) => FileDifference::WhiteoutAddedForOthers,
            _ => return Ok(()),
        };
        self.issues.put(way, directory.path.as_os_str(), "is opaque".to_owned());
        Ok(())
    }

    /// What the layer below has and a whole tree above it has not, although nothing
    /// removed it.
    fn lost(&mut self, parent: &Directory, directory: &Directory) -> io::Result<()> {
        parent.for_each(|name| {
            let path = directory.path.join(name);
            let key = self.hash(&path);
            // Of what is an entry is told there.
            let expected = !self.removed.contains(&key) && !self.entries.contains(&key);
            if expected && directory.node(name)?.is_none() {
                self.issues.put(FileDifference::Missing, path.as_os_str(), String::new());
            }
            Ok(())
        })
    }

    /// Whether a whole tree has this from the layer below, unchanged.
    fn inherited(
        &mut self,
        parent: &Directory,
        directory: &Directory,
        name: &OsStr,
        node: &SubtreeNode,
        buffer: &mut [u8],
    ) -> io::Result<bool> {
        let Some(below) = parent.node(name)? else {
            return Ok(false);
        };
        let path = directory.path.join(name);
        let path = path.as_os_str();
        let same_link =
            node.stat.kind != FileKind::Symlink || parent.read_link(name)? == directory.read_link(name)?;
        if below.stat.kind != node.stat.kind || below.special != node.special || !same_link {
            self.issues.put(FileDifference::Type, path, String::new());
            return Ok(true);
        }
        if node.stat.kind != FileKind::Symlink && below.stat.mode != node.stat.mode {
            let detail = format!("{:04o} instead of {:04o}", node.stat.mode, below.stat.mode);
            self.issues.put(FileDifference::Mode, path, detail);
        }
        if (below.stat.uid, below.stat.gid) != (node.stat.uid, node.stat.gid) {
            self.issues.put(FileDifference::Owner, path, String::new());
        }
        if node.stat.kind == FileKind::File {
            let same = match (parent.open(name)?, directory.open(name)?) {
                (Some(one), Some(other)) => equal(&one, &other, buffer)?,
                _ => false,
            };
            if !same {
                self.issues.put(FileDifference::Copy, path, String::new());
            }
        }
        Ok(true)
    }
}

/// Whether two open files hold the same.
pub(super) fn equal(one: &OpenFile, other: &OpenFile, buffer: &mut [u8]) -> io::Result<bool> {
    if one.stat.id == other.stat.id {
        return Ok(true);
    }
    if one.stat.size != other.stat.size {
        return Ok(false);
    }
    let (left, right) = buffer.split_at_mut(buffer.len() / 2);
    let fill = |file: &OpenFile, buffer: &mut [u8]| -> io::Result<usize> {
        let mut length = 0;
        while length < buffer.len() {
            match file.read(&mut buffer[length..])? {
                0 => break,
                count => length += count,
            }
        }
        Ok(length)
    };
    let length = left.len().min(right.len());
    loop {
        let count = fill(one, &mut left[..length])?;
        if count != fill(other, &mut right[..length])? || left[..count] != right[..count] {
            return Ok(false);
        }
        if count < length {
            return Ok(true);
        }
    }
}
