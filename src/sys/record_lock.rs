//! The locks that engines take on their storage.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{self, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use super::lock::try_lock_of;
use super::root::{Root, sync};

/// How many bytes a lock file holds once something was written under it
/// (`lastWriterIDSize` in the library's pkg/lockfile/lastwrite.go).
const ID_SIZE: usize = 64;

/// A lock file of an engine, locked for writing.
///
/// These are record locks, fcntl(2), which belong to the process: closing any
/// other descriptor of the same file would release them, so nothing else here
/// opens a lock file.
#[derive(Debug)]
pub struct RecordLock {
    file: OwnedFd,
    /// What excludes others of ours where readers have it, too.
    _beside_readers: Option<OwnedFd>,
}

/// How long readers are waited for. Engines read for milliseconds.
const READERS: Duration = Duration::from_secs(5);

impl RecordLock {
    /// Locks the file at `path` without waiting, and creates it if it is
    /// missing, as engines do. `None` if another process has locked it. A symlink there is
    /// not followed.
    ///
    /// # Errors
    /// If it cannot be opened or created, or is no file.
    pub fn try_lock(root: &Root, path: &Path) -> io::Result<Option<Self>> {
        let file = Self::open(root, path)?;
        Ok(Self::try_fcntl(&file, FlockOperation::NonBlockingLockExclusive)?
            .then_some(Self { file, _beside_readers: None }))
    }

    /// Locks it against writers alone.
    ///
    /// Whoever may read the file may have it locked for reading, for as long as they like. On
    /// a running system root waits for them no longer: what is written is whole at each
    /// instant, and who reads then reads it as it was or as it is.
    fn take_beside_readers(root: &Root, path: &Path) -> io::Result<Option<Self>> {
        let file = Self::open(root, path)?;
        if !Self::try_fcntl(&file, FlockOperation::NonBlockingLockShared)? {
            return Ok(None);
        }
        let own = try_lock_of(root, &file)?;
        Ok(own.map(|own| Self { file, _beside_readers: Some(own) }))
    }

    fn open(root: &Root, path: &Path) -> io::Result<OwnedFd> {
        let at = root.resolve_link(path)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = fs::openat(&at.dir, at.name(), flags, Mode::from_raw_mode(0o644))?;
        let stat = fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink != 1 {
            // An id is written into it, so it has to be nothing else, and nothing else's file.
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file of its own"));
        }
        Ok(file)
    }

    fn try_fcntl(file: &OwnedFd, operation: FlockOperation) -> io::Result<bool> {
        match fs::fcntl_lock(file, operation) {
            Ok(()) => Ok(true),
            Err(Errno::AGAIN | Errno::ACCESS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// As [`RecordLock::try_lock`], and waits up to `patience` for other processes, for mere
    /// readers some seconds.
    ///
    /// # Errors
    /// As [`RecordLock::try_lock`].
    pub fn lock(root: &Root, path: &Path, patience: Duration) -> io::Result<Option<Self>> {
        // Asked for again and again, since waiting in the kernel has no end. Engines hold
        // it for as long as they unpack a layer.
        let start = Instant::now();
        loop {
            let mut taken = Self::try_lock(root, path)?;
            if taken.is_none() && start.elapsed() >= READERS {
                taken = Self::take_beside_readers(root, path)?;
            }
            match taken {
                None if start.elapsed() < patience => std::thread::sleep(Duration::from_millis(5)),
                result => return Ok(result),
            }
        }
    }

    /// Whether nothing was ever written under it.
    pub fn is_unwritten(&self) -> io::Result<bool> {
        Ok(fs::fstat(&self.file)?.st_size == 0)
    }

    /// Writes this last-writer id: for a store that no engine has seen yet, so that it
    /// may be the same each time the store is made.
    pub fn mark_written_as(&self, id: &[u8; ID_SIZE]) -> io::Result<()> {
        if rustix::io::pwrite(&self.file, id, 0)? != ID_SIZE {
            return Err(io::ErrorKind::WriteZero.into());
        }
        sync(&self.file)
    }

    /// Writes a new last-writer id, by which engines that run notice that they
    /// have to read the records again: time, a counter, the process and random
    /// bytes (`newLastWrite` in the library's pkg/lockfile/lastwrite.go).
    pub fn mark_written(&self) -> io::Result<()> {
        let mut id = [0; ID_SIZE];
        getrandom(&mut id[20..], GetRandomFlags::empty())?;
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let nanoseconds = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        id[..8].copy_from_slice(&nanoseconds.to_le_bytes());
        id[8..16].copy_from_slice(&1_u64.to_le_bytes());
        id[16..20].copy_from_slice(&std::process::id().to_le_bytes());
        let written = rustix::io::pwrite(&self.file, &id, 0)?;
        if written != ID_SIZE {
            return Err(io::ErrorKind::WriteZero.into());
        }
        sync(&self.file)
    }
}
