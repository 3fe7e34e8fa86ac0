//! Staging directories: what is made in one has no name yet that anybody knows.
//!
//! Whoever works in one has it locked. So one that nobody has locked was left by a run that
//! was killed, and the next run removes it. One that cannot be locked, or not removed, stays
//! and is in nobody's way.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{self, AtFlags};

use super::directory_writer::DirectoryWriter;
use super::flock::{Flock, try_flock};
use super::root::{Stat, absent, readable};

/// What all of their names begin with.
pub const STAGING: &str = ".storagectl-new-";

/// How many names are tried. Each is that of a run that lives, or could not be removed.
const ATTEMPTS: usize = 1000;

/// A directory that this process has locked, and that goes with this. Children that are given
/// the lock as a descriptor hold it as long as they live.
#[derive(Debug)]
pub struct Staging {
    /// Its name in the directory that holds it.
    pub name: String,
    /// The directory itself, whatever has its name by now.
    pub dir: DirectoryWriter,
    /// Its lock.
    pub lock: OwnedFd,
    /// The directory that holds it, as long as it does.
    within: Option<DirectoryWriter>,
}

impl Staging {
    /// Removes it with all that is in it, which is done once.
    ///
    /// # Errors
    /// If something in it cannot be removed. The next run does it then.
    pub fn remove(&mut self) -> io::Result<()> {
        self.within.take().map_or(Ok(()), |mut within| within.remove(self.name.as_bytes()))
    }

    /// Leaves it to whoever has given it another name: nothing is removed.
    pub fn keep(mut self) {
        self.within = None;
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // A courtesy: the next run does it otherwise.
        let _ = self.remove();
    }
}

impl DirectoryWriter {
    /// Makes a staging directory, open to its owner alone, after those that were left by runs
    /// that were killed are removed.
    ///
    /// # Errors
    /// If this directory cannot be listed, or the new one not be made or locked; `ResourceBusy`
    /// if all names are taken.
    pub fn staging(&mut self) -> io::Result<Staging> {
        self.sweep()?;
        for number in 0..ATTEMPTS {
            let name = format!("{STAGING}{}-{number}", std::process::id());
            match self.create_directory(name.as_bytes()) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                result => result?,
            }
            let claimed = self.claim(name.as_bytes());
            match claimed.and_then(|claimed| Ok((claimed, self.open_directory(b".")?))) {
                Ok((Some((lock, dir)), within)) => {
                    return Ok(Staging { name, dir, lock, within: Some(within) });
                }
                Ok((None, _)) => {}
                Err(error) => {
                    // Else the next run removes it.
                    let _ = self.remove(name.as_bytes());
                    return Err(error);
                }
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Opens and locks the directory `name`, which was just made; `None` if another run has
    /// taken it for left over.
    fn claim(&mut self, name: &[u8]) -> io::Result<Option<(OwnedFd, Self)>> {
        let Some(dir) = absent(self.open_directory(name))? else {
            return Ok(None);
        };
        Ok(match self.lock_directory(name, &dir)? {
            Some(Flock::Taken(lock) | Flock::Unknown(lock)) => Some((lock, dir)),
            Some(Flock::Held(_)) | None => None,
        })
    }

    /// Removes this user's staging directories that nobody has locked. What cannot be removed
    /// is left.
    ///
    /// # Errors
    /// If this directory cannot be listed.
    pub fn sweep(&mut self) -> io::Result<()> {
        for name in self.names()? {
            if name.starts_with(STAGING.as_bytes())
                && let Ok(dir) = self.open_directory(&name)
                && is_ours(&dir)
                && let Ok(Some(Flock::Taken(_lock))) = self.lock_directory(&name, &dir)
            {
                let _ = self.remove(&name);
            }
        }
        Ok(())
    }

    /// Locks `dir` without waiting. `None` if `name` is not its name any more when it is locked:
    /// whoever had it locked has removed it, and may have made another one of the same name.
    fn lock_directory(&mut self, name: &[u8], dir: &Self) -> io::Result<Option<Flock>> {
        let Some(lock) = absent(readable(dir.descriptor()).and_then(try_flock))? else {
            return Ok(None);
        };
        let (within, name) = self.parent_of(name)?;
        let named = fs::statat(within, name, AtFlags::SYMLINK_NOFOLLOW).map_err(Into::into);
        let locked = Stat::from_raw(&fs::fstat(dir.descriptor())?);
        Ok(absent(named)?.is_some_and(|named| Stat::from_raw(&named).id == locked.id).then_some(lock))
    }
}

/// Whether this user has made it. Others may be laying a trap.
fn is_ours(dir: &DirectoryWriter) -> bool {
    fs::fstat(dir.descriptor()).is_ok_and(|stat| stat.st_uid == rustix::process::geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::sys::Root;

    #[test]
    fn one_that_another_run_takes_for_left_over_is_made_again() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Root::system().unwrap();
        let writer = || root.directory_writer(scratch.path()).unwrap();
        let made = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for mut sweeping in [writer(), writer(), writer()] {
                let made = &made;
                scope.spawn(move || {
                    while !made.load(Ordering::Relaxed) {
                        sweeping.sweep().unwrap();
                    }
                });
            }
            let mut making = writer();
            let result = (0..500).try_for_each(|_| {
                let staging = making.staging()?;
                making.open_directory(staging.name.as_bytes())?;
                staging.keep();
                io::Result::Ok(())
            });
            made.store(true, Ordering::Relaxed);
            result.unwrap();
        });
    }

    #[test]
    fn what_lives_stays_and_what_is_left_goes() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Root::system().unwrap();
        let mut writer = root.directory_writer(scratch.path()).unwrap();
        let lives = writer.staging().unwrap();
        let left = writer.staging().unwrap();
        let name = left.name.clone();
        assert_ne!(lives.name, name);
        fs_err::create_dir_all(scratch.path().join(&name).join("a/b")).unwrap();
        left.keep();
        std::os::unix::fs::symlink("/tmp", scratch.path().join(format!("{STAGING}link"))).unwrap();
        writer.sweep().unwrap();
        assert!(writer.has(lives.name.as_bytes()).unwrap());
        assert!(!writer.has(name.as_bytes()).unwrap());
    }

    #[test]
    fn it_goes_once_and_with_its_owner() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Root::system().unwrap();
        let mut writer = root.directory_writer(scratch.path()).unwrap();
        let mut removed = writer.staging().unwrap();
        removed.remove().unwrap();
        // The same name, of another run by now.
        writer.create_directory(removed.name.as_bytes()).unwrap();
        let name = removed.name.clone();
        drop(removed);
        assert!(writer.has(name.as_bytes()).unwrap());
        let dropped = writer.staging().unwrap();
        let name = dropped.name.clone();
        drop(dropped);
        assert!(!writer.has(name.as_bytes()).unwrap());
    }
}
