//! Changes of single files and directories below a root.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::root::{Root, absent, readable, sync};
use super::{LockError, NewContent, ReplaceError, lock, replace};

/// How long another writer of the same directory is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);

impl Root {
    /// Creates the directory `path` and those above it that are missing, each
    /// with `mode` less the umask, and syncs the directories that they were created in.
    ///
    /// # Errors
    /// If one cannot be created, or something else stands in its place.
    pub fn create_dirs(&self, path: &Path, mode: u32) -> io::Result<()> {
        let mut so_far = PathBuf::from("/");
        for part in path.components().skip_while(|part| *part == Component::RootDir) {
            so_far.push(part);
            let found = self.resolve(&so_far)?;
            match fs::statat(&found.dir, found.name(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => continue,
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
            match fs::mkdirat(&found.dir, found.name(), Mode::from_raw_mode(mode)) {
                Ok(()) => sync(&readable(&found.dir)?)?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Creates an empty file at `path`, with `mode` less the umask, unless
    /// something stands there.
    pub fn create_empty(&self, path: &Path, mode: u32) -> io::Result<()> {
        let found = self.resolve_link(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match fs::openat(&found.dir, found.name(), flags, Mode::from_raw_mode(mode)) {
            Ok(file) => sync(&file)?,
            Err(Errno::EXIST) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        sync(&readable(&found.dir)?)
    }

    /// Makes the file at `path` hold `content`, atomically. Its directory must be there.
    pub fn replace_file(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let at = self.resolve_link(path)?;
        let _lock = lock(self, &at.dir, LOCK_PATIENCE).map_err(|error| match error {
            LockError::Busy => io::ErrorKind::ResourceBusy.into(),
            LockError::Io(error) => error,
        })?;
        let old = self.stat_link(&at)?;
        match replace(&at.dir, at.name(), old.as_ref(), NewContent::File(content)) {
            Ok(_) => Ok(()),
            Err(ReplaceError::Io(_, error) | ReplaceError::Unsynced(error)) => Err(error),
            Err(ReplaceError::Changed | ReplaceError::Mounted) => Err(io::ErrorKind::ResourceBusy.into()),
        }
    }

    /// Removes the file at `path`, not following a symlink there. Returns whether there was one.
    pub fn remove_file(&self, path: &Path) -> io::Result<bool> {
        let Some(found) = absent(self.resolve_link(path))? else {
            return Ok(false);
        };
        Ok(absent(fs::unlinkat(&found.dir, found.name(), AtFlags::empty()).map_err(Into::into))?.is_some())
    }

    /// Removes the directory at `path` if it is empty.
    ///
    /// # Errors
    /// If it cannot be removed for another reason than that it is not empty or not there.
    pub fn remove_empty_dir(&self, path: &Path) -> io::Result<()> {
        let Some(found) = absent(self.resolve_link(path))? else {
            return Ok(());
        };
        match fs::unlinkat(&found.dir, found.name(), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
