//! Replacing a file so that it is the old one or the new one, whole, at any instant.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::attributes;
use super::root::{Stat, absent, readable, sync};

const SUFFIX: &str = ".storagectl-new";

/// What a name shall hold.
#[derive(Debug, Clone, Copy)]
pub enum NewContent<'a> {
    /// A regular file with these bytes.
    File(&'a [u8]),
    /// A symlink with this target.
    Symlink(&'a str),
    /// Nothing.
    Nothing,
}

/// Why a file was not replaced.
#[derive(Debug)]
pub enum ReplaceError {
    /// It is not the file that was read: somebody else changed it meanwhile.
    Changed,
    /// Another file is mounted over it.
    Mounted,
    /// The system's answer, and what was being done. The old file is intact.
    Io(&'static str, io::Error),
    /// It is replaced, but the directory could not be synced: after a power cut
    /// the old file may be back.
    Unsynced(io::Error),
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Extended attributes of the old file that this process may not set.
    pub lost_attributes: Vec<String>,
}

/// The temporary file for `name`. One name is enough: whoever writes holds the
/// lock of the directory, so what is found there is left from a run that was
/// killed. It does not end in `.conf`, since engines read hidden drop-ins too.
pub fn temporary(name: &OsStr) -> OsString {
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(SUFFIX);
    temporary
}

/// The name that [`temporary`] has made `name` of.
pub fn is_temporary_of(name: &OsStr) -> Option<&OsStr> {
    let of = name.as_bytes().strip_prefix(b".")?.strip_suffix(SUFFIX.as_bytes())?;
    (!of.is_empty() && of != b"." && of != b"..").then(|| OsStr::from_bytes(of))
}

/// Removes what a killed run left behind beside `name`. The directory must be locked.
///
/// Does nothing where it may not: it is a courtesy, and the write that follows
/// tells what is wrong.
pub fn clean_up(dir: impl AsFd, name: &OsStr) {
    let _ = fs::unlinkat(dir, temporary(name), AtFlags::empty());
}

/// Makes `name` in `dir`, which must be locked, hold `content`.
///
/// `old` is what was found there when it was read. A new file gets the old
/// one's owner, mode and extended attributes, or mode 0644 if there was none.
/// File and directory are synced before this returns.
///
/// # Errors
/// [`ReplaceError`]; no temporary file is left, and the old file is intact but
/// for [`ReplaceError::Unsynced`].
pub fn replace(
    dir: &OwnedFd,
    name: &OsStr,
    old: Option<&Stat>,
    content: NewContent<'_>,
) -> Result<Replaced, ReplaceError> {
    let io = |doing: &'static str| move |error: io::Error| ReplaceError::Io(doing, error);
    let temporary = temporary(name);
    let mut replaced = Replaced::default();
    clean_up(dir, name);
    let outcome = (|| {
        match content {
            NewContent::File(bytes) => {
                replaced = write_beside(dir, name, &temporary, bytes).map_err(io("write"))?;
            }
            NewContent::Symlink(target) => {
                fs::symlinkat(target, dir, &temporary).map_err(|error| io("link")(error.into()))?;
            }
            NewContent::Nothing => {}
        }
        let now = absent(fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(Into::into))
            .map_err(io("look at"))?;
        if now.map(|stat| Stat::from_raw(&stat)).as_ref() != old {
            return Err(ReplaceError::Changed);
        }
        let done = match content {
            NewContent::Nothing => fs::unlinkat(dir, name, AtFlags::empty()),
            _ => fs::renameat(dir, &temporary, dir, name),
        };
        match done {
            Ok(()) => Ok(()),
            Err(Errno::BUSY) => Err(ReplaceError::Mounted),
            Err(error) => Err(io("replace")(error.into())),
        }
    })();
    if let Err(error) = outcome {
        clean_up(dir, name);
        return Err(error);
    }
    readable(dir).and_then(sync).map_err(ReplaceError::Unsynced)?;
    Ok(replaced)
}

fn write_beside(dir: &OwnedFd, name: &OsStr, temporary: &OsStr, bytes: &[u8]) -> io::Result<Replaced> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(dir, temporary, flags, Mode::from_raw_mode(0o600))?;
    write_all(&file, bytes)?;
    let like = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let lost_attributes = match fs::openat(dir, name, like, Mode::empty()) {
        Ok(old) => attributes::copy(&old, &file)?,
        // A symlink (ELOOP) gives way to a regular file.
        Err(Errno::NOENT | Errno::LOOP) => {
            fs::fchmod(&file, Mode::from_raw_mode(0o644))?;
            Vec::new()
        }
        Err(error) => return Err(error.into()),
    };
    sync(&file)?;
    Ok(Replaced { lost_attributes })
}

/// Writes all of `bytes`.
pub(super) fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
