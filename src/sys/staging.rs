//! Staging directories: what is made in one has no name yet that anybody knows.
//!
//! Whoever works in one has it locked. So one that nobody has locked was left by a run that
//! was killed, and the next run removes it. One that cannot be locked, or not removed, stays
//! and is in nobody's way.

use std::io;
use std::os::fd::OwnedFd;

use super::directory_writer::DirectoryWriter;
use super::flock::{Flock, try_flock};
use super::root::{absent, readable};

/// What all of their names begin with.
pub const STAGING: &str = ".storagectl-new-";

/// How many names are tried. Each is that of a run that lives, or could not be removed.
const ATTEMPTS: usize = 1000;

/// A directory that this process has locked. Children that are given the lock as a
/// descriptor hold it as long as they live.
#[derive(Debug)]
pub struct Staging {
    /// Its name in the directory that holds it.
    pub name: String,
    /// The directory itself, whatever has its name by now.
    pub dir: DirectoryWriter,
    /// Its lock.
    pub lock: OwnedFd,
}

impl DirectoryWriter {
    /// Makes a staging directory, open to its owner alone.
    ///
    /// # Errors
    /// If it cannot be made or locked; `ResourceBusy` if all names are taken.
    pub fn staging(&mut self) -> io::Result<Staging> {
        for number in 0..ATTEMPTS {
            let name = format!("{STAGING}{}-{number}", std::process::id());
            match self.directory(name.as_bytes()) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                result => result?,
            }
            let claimed = self.claim(name.as_bytes());
            // Who has taken it for left over may have removed it by now.
            let opened = |lock| Ok((lock, self.inside(name.as_bytes())?));
            let claimed = claimed.and_then(|lock| lock.map(opened).transpose());
            match claimed {
                Ok(Some((lock, dir))) => return Ok(Staging { name, dir, lock }),
                Ok(None) => {}
                Err(error) => {
                    // Else the next run removes it.
                    let _ = self.remove(name.as_bytes());
                    return Err(error);
                }
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Locks the directory `path`, which was just made; `None` if another run has taken it
    /// for left over meanwhile.
    ///
    /// # Errors
    /// If it cannot be locked.
    pub fn claim(&mut self, path: &[u8]) -> io::Result<Option<OwnedFd>> {
        let lock = match self.flock(path)? {
            Some(Flock::Taken(lock) | Flock::Unknown(lock)) => lock,
            Some(Flock::Held(_)) | None => return Ok(None),
        };
        Ok(self.has(path)?.then_some(lock))
    }

    /// Removes this user's directories whose names begin with `prefix` and which nobody has
    /// locked. What cannot be removed is left.
    ///
    /// # Errors
    /// If the directory cannot be listed.
    pub fn sweep(&mut self, prefix: &str) -> io::Result<()> {
        for name in self.names()? {
            if name.starts_with(prefix.as_bytes())
                && self.is_ours(&name)
                && let Ok(Some(Flock::Taken(_lock))) = self.flock(&name)
            {
                let _ = self.remove(&name);
            }
        }
        Ok(())
    }

    /// Whether this user has made it. Others may be laying a trap.
    fn is_ours(&mut self, path: &[u8]) -> bool {
        self.owner(path).is_ok_and(|uid| uid == rustix::process::geteuid().as_raw())
    }

    fn flock(&self, path: &[u8]) -> io::Result<Option<Flock>> {
        absent(self.inside(path).and_then(|dir| readable(dir.descriptor())))?.map(try_flock).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Root;

    #[test]
    fn one_that_another_run_takes_for_left_over_is_made_again() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Root::system().unwrap();
        let mut sweeping = root.directory_writer(scratch.path()).unwrap();
        let mut making = root.directory_writer(scratch.path()).unwrap();
        std::thread::scope(|scope| {
            let maker = scope.spawn(move || (0..500).all(|_| making.staging().is_ok()));
            while !maker.is_finished() {
                sweeping.sweep(STAGING).unwrap();
            }
            assert!(maker.join().unwrap());
        });
    }

    #[test]
    fn what_lives_stays_and_what_is_left_goes() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Root::system().unwrap();
        let mut writer = root.directory_writer(scratch.path()).unwrap();
        let lives = writer.staging().unwrap();
        let left = writer.staging().unwrap();
        assert_ne!(lives.name, left.name);
        fs_err::create_dir_all(scratch.path().join(&left.name).join("a/b")).unwrap();
        drop(left.lock);
        std::os::unix::fs::symlink("/tmp", scratch.path().join(format!("{STAGING}link"))).unwrap();
        writer.sweep(STAGING).unwrap();
        assert!(writer.has(lives.name.as_bytes()).unwrap());
        assert!(!writer.has(left.name.as_bytes()).unwrap());
    }
}
