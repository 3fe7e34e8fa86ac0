//! A directory for this process alone, which goes with it.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::Root;

/// Such a directory. It is removed when this is dropped.
#[derive(Debug)]
pub struct PrivateDir(tempfile::TempDir);

impl PrivateDir {
    /// Makes one in the directory `within`, with mode 0700 and a name that begins with `prefix`.
    pub fn new(within: &Path, prefix: &str) -> io::Result<Self> {
        let permissions = std::fs::Permissions::from_mode(0o700);
        tempfile::Builder::new().prefix(prefix).permissions(permissions).tempdir_in(within).map(Self)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// It as a tree: nothing in it leads out of it.
    pub fn root(&self) -> io::Result<Root> {
        Root::tree(self.path())
    }

    /// Leaves it where it is. Returns its path.
    pub fn keep(self) -> PathBuf {
        self.0.keep()
    }
}
