//! What a user may do with a path.

use std::io;
use std::path::Path;

use rustix::fs::Access as Wanted;

use super::environment::Environment;
use super::read_cache::ReadCache;
use crate::problem::words;
use crate::sys::{FileKind, Root, Stat};

/// What a user may do on a host.
///
/// Where that user runs this process, the kernel is asked. Of everybody else the modes are
/// taken for what they say; that access control lists and SELinux may say otherwise is not
/// looked at.
#[derive(Debug, Default)]
pub(super) struct UserAccess {
    uid: u32,
    groups: Vec<u32>,
    asks_kernel: bool,
}

/// What stands at a path.
#[derive(Debug)]
pub enum FileAt {
    /// This.
    Thing(Stat),
    /// Nothing.
    Nothing,
    /// The user may not go there, or what is there cannot be looked at: why, in words.
    Closed(String),
}

impl UserAccess {
    pub(super) fn new(root: Option<&Root>, cache: &ReadCache, environment: &Environment) -> Self {
        let uid = environment.uid;
        let asks_kernel = root.is_some_and(|root| !root.is_tree())
            && rustix::process::geteuid().as_raw() == environment.uid;
        let groups = match root {
            Some(root) if environment.is_rootless() && !asks_kernel => {
                environment.groups(|file| cache.text(root, file))
            }
            _ => Vec::new(),
        };
        Self { uid, groups, asks_kernel }
    }

    /// Whether modes count: this is not root.
    pub(super) fn is_limited(&self) -> bool {
        self.uid != 0
    }

    /// What the user finds at a path, symlinks followed.
    pub(super) fn find(&self, root: &Root, cache: &ReadCache, path: &Path) -> FileAt {
        let stat = match cache.stat(root, path) {
            Ok(stat) => stat,
            Err(error) => return FileAt::Closed(words(&error)),
        };
        match self.way(root, cache, path) {
            Err(error) if error.kind() != io::ErrorKind::NotADirectory => FileAt::Closed(words(&error)),
            _ => stat.map_or(FileAt::Nothing, FileAt::Thing),
        }
    }

    /// Whether every directory on the way to a path, as far as it exists, may be searched,
    /// and is one.
    ///
    /// # Errors
    /// What the user's engine would be told.
    pub(super) fn way(&self, root: &Root, cache: &ReadCache, path: &Path) -> io::Result<()> {
        let mut here = path.parent().unwrap_or(Path::new("/"));
        let stat = loop {
            match cache.stat(root, here)? {
                Some(stat) => break stat,
                None => here = here.parent().unwrap_or(Path::new("/")),
            }
        };
        if stat.kind != FileKind::Directory {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if self.is_limited() && !self.asks_kernel {
            let steps = cache.trail(root, here)?;
            let shut = |step: &&crate::sys::TrailStep| {
                step.stat.kind == FileKind::Directory && !self.has(&step.stat, 0o1)
            };
            if steps.iter().any(|step| shut(&step)) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
        }
        Ok(())
    }

    /// Whether a directory may be searched.
    pub(super) fn may_search(&self, root: &Root, path: &Path, stat: &Stat) -> bool {
        self.may(root, path, stat, 0o1, Wanted::EXEC_OK)
    }

    /// Whether a file, or a list of names, may be read.
    pub(super) fn may_read(&self, root: &Root, path: &Path, stat: &Stat) -> bool {
        self.may(root, path, stat, 0o4, Wanted::READ_OK)
    }

    /// Whether something may be created in a directory.
    pub(super) fn may_create_in(&self, root: &Root, cache: &ReadCache, path: &Path, stat: &Stat) -> bool {
        stat.kind == FileKind::Directory
            && !cache.is_read_only(root, path)
            && self.may(root, path, stat, 0o3, Wanted::WRITE_OK | Wanted::EXEC_OK)
    }

    fn may(&self, root: &Root, path: &Path, stat: &Stat, bits: u32, wanted: Wanted) -> bool {
        match () {
            () if !self.is_limited() => true,
            () if self.asks_kernel => root.may(path, wanted),
            () => self.has(stat, bits),
        }
    }

    /// Whether the mode gives this user all of these bits, as for others.
    fn has(&self, stat: &Stat, bits: u32) -> bool {
        let shift = match () {
            () if stat.uid == self.uid => 6,
            () if self.groups.contains(&stat.gid) => 3,
            () => 0,
        };
        stat.mode >> shift & bits == bits
    }
}
