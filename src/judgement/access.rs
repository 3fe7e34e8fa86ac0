//! What a user may do with a path.

use std::path::Path;

use rustix::fs::Access as Wanted;

use crate::engine::{Environment, View};
use crate::host::{Kind, Root, Stat};

/// What the user of an environment may do on a host.
///
/// Where that user runs this process, the kernel is asked. Of everybody else the modes are
/// taken for what they say; that access control lists and SELinux may say otherwise is not
/// looked at.
pub(super) struct Access<'a> {
    root: Option<&'a Root>,
    environment: &'a Environment,
    asks_kernel: bool,
    groups: Vec<u32>,
}

/// What stands at a path.
pub(super) enum Found {
    /// This.
    Thing(Stat),
    /// Nothing.
    Nothing,
    /// The user may not go there, or what is there cannot be looked at: why, in words.
    Closed(String),
}

impl<'a> Access<'a> {
    pub(super) fn new(view: &'a View<'a>, environment: &'a Environment) -> Self {
        let root = view.root();
        let asks_kernel = root.is_some_and(|root| !root.is_tree())
            && rustix::process::geteuid().as_raw() == environment.uid;
        let groups = match root {
            Some(root) if environment.is_rootless() && !asks_kernel => environment.groups(root),
            _ => Vec::new(),
        };
        Self { root, environment, asks_kernel, groups }
    }

    pub(super) fn environment(&self) -> &Environment {
        self.environment
    }

    /// Whether this is no root user, so that modes count.
    pub(super) fn is_limited(&self) -> bool {
        self.environment.is_rootless()
    }

    /// What the user finds at a path, symlinks followed.
    pub(super) fn find(&self, path: &Path) -> Found {
        let Some(root) = self.root else {
            return Found::Nothing;
        };
        match root.stat(path) {
            Err(error) => Found::Closed(crate::problem::words(&error)),
            Ok(None) => Found::Nothing,
            Ok(Some(_)) if !self.may_reach(path) => Found::Closed("Permission denied".to_owned()),
            Ok(Some(stat)) => Found::Thing(stat),
        }
    }

    /// Whether every directory on the way to a path may be searched.
    fn may_reach(&self, path: &Path) -> bool {
        if !self.is_limited() || self.asks_kernel {
            return true;
        }
        let Some(mut steps) = self.root.and_then(|root| root.trail(path).ok()) else {
            return false;
        };
        steps.pop();
        steps.iter().all(|step| step.stat.kind != Kind::Directory || self.has(&step.stat, 0o1))
    }

    /// Whether a directory may be searched.
    pub(super) fn may_search(&self, path: &Path, stat: &Stat) -> bool {
        self.may(path, stat, 0o1, Wanted::EXEC_OK)
    }

    /// Whether a file may be read.
    pub(super) fn may_read(&self, path: &Path, stat: &Stat) -> bool {
        self.may(path, stat, 0o4, Wanted::READ_OK)
    }

    /// Whether something may be created in a directory.
    pub(super) fn may_create_in(&self, path: &Path, stat: &Stat) -> bool {
        let read_only = self.root.is_some_and(|root| root.is_read_only(path).unwrap_or(false));
        !read_only && (!self.is_limited() || self.may(path, stat, 0o3, Wanted::WRITE_OK | Wanted::EXEC_OK))
    }

    fn may(&self, path: &Path, stat: &Stat, bits: u32, wanted: Wanted) -> bool {
        match self.root {
            Some(root) if self.asks_kernel => root.may(path, wanted),
            _ => !self.is_limited() || self.has(stat, bits),
        }
    }

    /// Whether the mode gives this user all of these bits, as for others.
    fn has(&self, stat: &Stat, bits: u32) -> bool {
        let shift = match () {
            () if stat.uid == self.environment.uid => 6,
            () if self.groups.contains(&stat.gid) => 3,
            () => 0,
        };
        stat.mode >> shift & bits == bits
    }
}
