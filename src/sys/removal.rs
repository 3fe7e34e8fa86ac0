//! Removing a directory with all that is in it, however deep.
//!
//! Strangers have named what is in it. So there are two descriptors at a time, whatever
//! the depth: the way up is `..`, and where that leads is compared with where we came from.
//! What is moved about meanwhile ends this with an error, and nothing outside is removed.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::root::Stat;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A directory on the way down.
struct Level {
    /// Device and inode of the directory above.
    above: (u64, u64),
    /// Its name there.
    name: CString,
    /// Directories in it that are still there.
    inner: Vec<CString>,
}

/// Removes what stands at `name` in `dir` and all below it, as far as that is on the same
/// file system. What is not there is no error.
///
/// # Errors
/// If something cannot be removed; the rest may be gone.
pub(super) fn remove_tree(dir: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let name = CString::new(name.as_bytes())?;
    let device = fs::fstat(dir)?.st_dev;
    let (mut here, level) = enter(dir.as_fd().try_clone_to_owned()?, name, device)?;
    let mut levels = vec![level];
    while let Some(level) = levels.last_mut() {
        if let Some(next) = level.inner.pop() {
            let (inner, level) = enter(here, next, device)?;
            here = inner;
            levels.push(level);
            continue;
        }
        let above = if levels.len() == 1 {
            dir.as_fd().try_clone_to_owned()?
        } else {
            fs::openat(&here, "..", DIRECTORY, Mode::empty())?
        };
        let level = levels.pop().expect("there was one");
        if id(&above)? != level.above {
            return Err(moved());
        }
        match fs::unlinkat(&above, &level.name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => here = above,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Opens a directory and removes what is no directory in it.
fn enter(dir: OwnedFd, name: CString, device: u64) -> io::Result<(OwnedFd, Level)> {
    let shown = OsStr::from_bytes(name.as_bytes());
    let open = || fs::openat(&dir, shown, DIRECTORY, Mode::empty());
    let here = match open() {
        Err(Errno::ACCESS) => {
            super::mode::set_mode_at(&dir, shown, Mode::RWXU)?;
            open()?
        }
        result => result?,
    };
    let stat = fs::fstat(&here)?;
    if stat.st_dev != device {
        return Err(Errno::XDEV.into());
    }
    if !rustix::process::geteuid().is_root() && stat.st_mode & 0o300 != 0o300 {
        // An image may close its own directories. If it is not ours, removing says so.
        let _ = fs::fchmod(&here, Mode::RWXU);
    }
    let mut inner = Vec::new();
    for entry in fs::Dir::read_from(&here)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entry.file_type() == FileType::Directory {
            inner.push(name.to_owned());
            continue;
        }
        match fs::unlinkat(&here, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            // The file system does not tell in a listing what is one.
            Err(Errno::ISDIR | Errno::PERM) => inner.push(name.to_owned()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((here, Level { above: id(&dir)?, name, inner }))
}

fn id(dir: &OwnedFd) -> io::Result<(u64, u64)> {
    Ok(Stat::from_raw(&fs::fstat(dir)?).id)
}

fn moved() -> io::Error {
    io::Error::other("it was moved while it was removed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_needs_no_descriptors_and_symlinks_lead_nowhere() {
        let scratch = tempfile::tempdir().unwrap();
        fs_err::write(scratch.path().join("outside"), "").unwrap();
        let dir = fs::open(scratch.path(), OFlags::PATH, Mode::empty()).unwrap();
        let mut here = dir.try_clone().unwrap();
        for depth in 0..5000 {
            for name in ["d", "e"] {
                fs::mkdirat(&here, name, Mode::RWXU).unwrap();
            }
            fs::symlinkat("../outside", &here, "link").unwrap();
            if depth % 1000 == 0 {
                fs::mkdirat(&here, "closed", Mode::empty()).unwrap();
            }
            here = fs::openat(&here, "d", OFlags::PATH, Mode::empty()).unwrap();
        }
        drop(here);
        remove_tree(&dir, OsStr::new("d")).unwrap();
        let is_there = |name| fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        assert!(!is_there("d") && is_there("outside"));
        remove_tree(&dir, OsStr::new("d")).unwrap();
        remove_tree(&dir, OsStr::new("link")).unwrap();
        assert!(!is_there("link") && is_there("outside"));
    }
}
