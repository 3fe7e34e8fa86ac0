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
            // Who has taken it for left over may have removed it by now.
            let opened = |lock| Ok((lock, self.open_directory(name.as_bytes())?, self.open_directory(b".")?));
            let claimed = claimed.and_then(|lock| lock.map(opened).transpose());
            match claimed {
                Ok(Some((lock, dir, within))) => {
                    return Ok(Staging { name, dir, lock, within: Some(within) });
                }
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
    fn claim(&mut self, path: &[u8]) -> io::Result<Option<OwnedFd>> {
        let lock = match self.flock(path)? {
            Some(Flock::Taken(lock) | Flock::Unknown(lock)) => lock,
            Some(Flock::Held(_)) | None => return Ok(None),
        };
        Ok(self.has(path)?.then_some(lock))
    }

    /// Removes this user's staging directories that nobody has locked. What cannot be removed
    /// is left.
    ///
    /// # Errors
    /// If this directory cannot be listed.
    pub fn sweep(&mut self) -> io::Result<()> {
        for name in self.names()? {
            if name.starts_with(STAGING.as_bytes())
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
        self.owner_of(path).is_ok_and(|uid| uid == rustix::process::geteuid().as_raw())
    }

    fn flock(&self, path: &[u8]) -> io::Result<Option<Flock>> {
        absent(self.open_directory(path).and_then(|dir| readable(dir.descriptor())))?
            .map(try_flock)
            .transpose()
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
            let maker = scope.spawn(move || (0..500).all(|_| making.staging().map(Staging::keep).is_ok()));
            while !maker.is_finished() {
                sweeping.sweep().unwrap();
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
