//! One writer of a directory at a time.
//!
//! In a tree it is a lock on the directory itself, which leaves no file behind. But whoever
//! may read a directory may hold its lock, for as long as they like. So on a running system
//! root's writers exclude each other by a file below /run that nobody else can open. They
//! take the directory's lock, too, since a version of this program that knows no other may
//! be running while it is upgraded: it holds that lock for milliseconds, so it is waited for
//! for some seconds, and not at all if nobody but users has it. Then they go on without it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use super::flock::{Flock, try_flock, wait_flock};
use super::root::{Root, readable};

/// The directory of the lock files of a running system, root's alone.
const LOCKS: &str = "/run/storagectl/locks";

/// How long a version that knows only the directory's lock is waited for.
const OLD_VERSION: Duration = Duration::from_secs(5);

/// Why a directory is not locked.
#[derive(Debug)]
pub enum LockError {
    /// Another process kept it for too long.
    Busy,
    /// The system's answer.
    Io(io::Error),
}

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A directory that is locked until this is dropped.
#[derive(Debug)]
pub struct Lock {
    _system: Option<OwnedFd>,
    _directory: Option<OwnedFd>,
}

/// Locks `dir`, a directory of `root`, waiting up to `patience`. File systems that know no
/// locks are not locked.
///
/// # Errors
/// [`LockError::Busy`] after `patience`, else what the system says.
pub fn lock(root: &Root, dir: impl AsFd, patience: Duration) -> Result<Lock, LockError> {
    let dir = readable(dir)?;
    let system = match system_file(root, &dir) {
        Some(file) => Some(take(file, patience)?),
        None => None,
    };
    let Some(system) = system else {
        return Ok(Lock { _system: None, _directory: Some(take(dir, patience)?) });
    };
    let patience = if is_held_by_users(&dir) { Duration::ZERO } else { patience.min(OLD_VERSION) };
    // Whoever has it, or whatever is wrong with it, no writer is let in by that.
    let directory = take(dir, patience).ok();
    Ok(Lock { _system: Some(system), _directory: directory })
}

/// What root's writers of `file` exclude each other by on a running system, where a lock on the
/// file itself cannot be had; `None` if another has it, and where there is no such thing.
pub(super) fn try_lock_of(root: &Root, file: &OwnedFd) -> io::Result<Option<OwnedFd>> {
    let Some(own) = system_file(root, file) else {
        return Ok(None);
    };
    match take(own, Duration::ZERO) {
        Ok(own) => Ok(Some(own)),
        Err(LockError::Busy) => Ok(None),
        Err(LockError::Io(error)) => Err(error),
    }
}

fn take(file: OwnedFd, patience: Duration) -> Result<OwnedFd, LockError> {
    let file = match try_flock(file)? {
        Flock::Taken(file) | Flock::Unknown(file) => return Ok(file),
        Flock::Held(file) => file,
    };
    if patience.is_zero() {
        return Err(LockError::Busy);
    }
    // The lock belongs to what is open, which both descriptors share.
    let waiting = file.try_clone()?;
    let (sender, outcome) = mpsc::channel();
    let waits = move || {
        // Nobody listens any more when the patience was over.
        let _ = sender.send(wait_flock(&waiting));
    };
    // Where no thread can be started, it is busy at once.
    std::thread::Builder::new().spawn(waits).map_err(|_| LockError::Busy)?;
    match outcome.recv_timeout(patience) {
        Ok(Ok(())) => Ok(file),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(LockError::Busy),
    }
}

/// The lock file for `dir`, a directory or a file, if this is root on a system whose /run goes
/// with the boot.
fn system_file(root: &Root, dir: &OwnedFd) -> Option<OwnedFd> {
    let run = Path::new("/run");
    if root.is_tree() || !rustix::process::geteuid().is_root() {
        return None;
    }
    let system = Root::system().ok()?;
    if !system.is_in_memory(run).ok()? {
        return None;
    }
    let locks = Path::new(LOCKS);
    // Only what is in it is closed to others.
    system.create_dirs(locks.parent()?, 0o755).ok()?;
    system.create_dirs(locks, 0o700).ok()?;
    let locks = system.open(locks, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW).ok()?;
    let stat = fs::fstat(dir).ok()?;
    let name = format!("{:x}-{:x}", stat.st_dev, stat.st_ino);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(locks, name, flags, Mode::from_raw_mode(0o600)).ok()
}

/// Whether some processes have the lock of `dir`, and all of them are users'. /proc/locks
/// names devices as the kernel knows them, which is not always as stat(2) does, so all locks
/// on a file of that number count.
#[expect(clippy::disallowed_methods, reason = "/proc is the running system's, never a tree's")]
fn is_held_by_users(dir: &OwnedFd) -> bool {
    let Ok(stat) = fs::fstat(dir) else {
        return false;
    };
    let Ok(locks) = fs_err::read_to_string("/proc/locks") else {
        return false;
    };
    let mut holders = holders(&locks, stat.st_ino).peekable();
    holders.peek().is_some() && holders.all(is_a_users)
}

#[expect(clippy::disallowed_methods, reason = "/proc is the running system's, never a tree's")]
fn is_a_users(process: &str) -> bool {
    fs::stat(format!("/proc/{process}")).map_or_else(|error| error == Errno::NOENT, |stat| stat.st_uid != 0)
}

/// The processes that hold a flock on a file of this number, by /proc/locks (proc(5)).
fn holders(locks: &str, inode: u64) -> impl Iterator<Item = &str> {
    locks.lines().filter_map(move |line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, process, file, ..] = fields[..] else {
            // Also those that wait: behind the number they have an arrow.
            return None;
        };
        (file.rsplit(':').next()?.parse() == Ok(inode)).then_some(process)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_does_not_hold() {
        let locks = "1: FLOCK  ADVISORY  WRITE 77 fd:01:5 0 EOF\n\
                     1: -> FLOCK  ADVISORY  WRITE 78 fd:01:5 0 EOF\n\
                     2: POSIX  ADVISORY  WRITE 79 fd:01:5 0 EOF\n\
                     3: FLOCK  ADVISORY  READ 80 00:2c:55 0 EOF\n";
        assert_eq!(holders(locks, 5).collect::<Vec<_>>(), ["77"]);
        assert_eq!(holders(locks, 6).count(), 0);
        assert!(!is_a_users("1"));
    }

    #[test]
    fn one_has_it_at_a_time() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Root::tree(scratch.path()).unwrap();
        let dir = || root.open(Path::new("/"), OFlags::PATH).unwrap();
        let held = lock(&root, dir(), Duration::ZERO).unwrap();
        let short = Duration::from_millis(20);
        assert!(matches!(lock(&root, dir(), Duration::ZERO), Err(LockError::Busy)));
        assert!(matches!(lock(&root, dir(), short), Err(LockError::Busy)));
        let lets_go = move || {
            std::thread::sleep(short);
            drop(held);
        };
        let other = std::thread::Builder::new().spawn(lets_go).unwrap();
        assert!(lock(&root, dir(), Duration::from_secs(60)).is_ok());
        other.join().unwrap();
    }
}
