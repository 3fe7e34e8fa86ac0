//! flock(2) on a directory, and what its failures mean.
//!
//! NFS locks what is open for writing only, which a directory never is (`EBADF`). There a
//! file in the directory is locked in its place.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{self, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

/// The file in its place. It stays: whoever removed it would leave its lock to one process
/// and its name to another.
const FILE: &str = ".storagectl-lock";

/// What came of an attempt.
#[derive(Debug)]
pub(super) enum Flock {
    /// It is locked until this is closed.
    Taken(OwnedFd),
    /// Another process has it. This is what to wait for.
    Held(OwnedFd),
    /// The file system knows no locks, or has none to give, as NFS without its lock service.
    Unknown(OwnedFd),
}

/// Locks `dir`, which is open for reading, without waiting.
///
/// # Errors
/// What the system says, but for what [`Flock`] tells.
pub(super) fn try_flock(dir: OwnedFd) -> io::Result<Flock> {
    match attempt(&dir) {
        Err(Errno::BADF) => {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = fs::openat(&dir, FILE, flags | OFlags::NONBLOCK, Mode::from_raw_mode(0o600))?;
            outcome(attempt(&file), file)
        }
        result => outcome(result, dir),
    }
}

/// Waits in the kernel's queue, which is fair, until `file` is locked.
pub(super) fn wait_flock(file: impl AsFd) -> io::Result<()> {
    loop {
        match fs::flock(&file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

fn attempt(file: &OwnedFd) -> Result<(), Errno> {
    fs::flock(file, FlockOperation::NonBlockingLockExclusive)
}

fn outcome(result: Result<(), Errno>, file: OwnedFd) -> io::Result<Flock> {
    match result {
        Ok(()) => Ok(Flock::Taken(file)),
        Err(Errno::WOULDBLOCK) => Ok(Flock::Held(file)),
        Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOLCK) => Ok(Flock::Unknown(file)),
        Err(error) => Err(error.into()),
    }
}
