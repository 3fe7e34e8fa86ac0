//! One writer at a time, by a lock on a directory that leaves no file behind.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{self, FlockOperation};
use rustix::io::Errno;

use super::root::readable;

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

/// Locks `dir` with `flock(2)` until the returned descriptor is closed, waiting
/// up to `patience`. File systems that know no locks are not locked.
///
/// # Errors
/// [`LockError::Busy`] after `patience`, else what the system says.
pub fn lock(dir: impl AsFd, patience: Duration) -> Result<OwnedFd, LockError> {
    let dir = readable(dir)?;
    match fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) | Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOLCK) => return Ok(dir),
        Err(Errno::WOULDBLOCK) => {}
        Err(error) => return Err(io::Error::from(error).into()),
    }
    // The lock belongs to the open directory that both descriptors share. A
    // thread waits in the kernel's queue, which is fair, unlike polling.
    let waiting = dir.as_fd().try_clone_to_owned()?;
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let result = loop {
            match fs::flock(&waiting, FlockOperation::LockExclusive) {
                Err(Errno::INTR) => {}
                result => break result,
            }
        };
        // Nobody listens any more when the patience was over.
        let _ = tell.send(result);
    });
    match told.recv_timeout(patience) {
        Ok(Ok(())) => Ok(dir),
        Ok(Err(error)) => Err(io::Error::from(error).into()),
        Err(_) => Err(LockError::Busy),
    }
}
