//! Changing the mode of what stands at a name, and never of what a symlink there leads to.
//!
//! chmod(2) and fchmodat(2) follow a symlink that has taken the name meanwhile. So what
//! stands there is opened without following and without being touched (`O_PATH`), and
//! changed by its descriptor. fchmodat2(2) would do that in one step, on Linux 6.6 and later.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::root::readable;

/// Where the kernel shows descriptors of this process.
const DESCRIPTORS: &str = "/proc/self/fd";

/// Gives what stands at `name` in `dir` these permission bits.
///
/// # Errors
/// `ELOOP` for a symlink, and what the system says.
pub(super) fn set_mode_at(dir: impl AsFd, name: &OsStr, mode: Mode) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    set_mode(fs::openat(&dir, name, flags, Mode::empty())?, mode)
}

/// Gives what is open, if only as a path, these permission bits.
///
/// # Errors
/// As [`set_mode_at`].
pub(super) fn set_mode(file: impl AsFd, mode: Mode) -> io::Result<()> {
    set_mode_by(file, mode, Path::new(DESCRIPTORS))
}

#[expect(clippy::disallowed_methods, reason = "what is open is reached through /proc")]
fn set_mode_by(file: impl AsFd, mode: Mode, descriptors: &Path) -> io::Result<()> {
    if FileType::from_raw_mode(fs::fstat(&file)?.st_mode) == FileType::Symlink {
        return Err(Errno::LOOP.into());
    }
    match fs::fchmod(&file, mode) {
        // It is a path.
        Err(Errno::BADF) => {}
        result => return Ok(result?),
    }
    match fs::chmod(descriptors.join(file.as_fd().as_raw_fd().to_string()), mode) {
        // No /proc, as in a bare chroot. A directory can be opened once more by itself.
        Err(Errno::NOENT) => match readable(&file) {
            Ok(opened) => Ok(fs::fchmod(&opened, mode)?),
            Err(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "/proc is not mounted")),
        },
        result => Ok(result?),
    }
}

/// A path to `name` in `dir` for calls that know no descriptors, and that do not follow a
/// last symlink.
pub(super) fn through_proc(dir: impl AsFd, name: &OsStr) -> PathBuf {
    Path::new(DESCRIPTORS).join(dir.as_fd().as_raw_fd().to_string()).join(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_symlink_is_not_followed_with_proc_and_without() {
        let scratch = tempfile::tempdir().unwrap();
        let secret = scratch.path().join("secret");
        fs_err::write(&secret, "").unwrap();
        fs_err::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
        fs_err::create_dir(scratch.path().join("dir")).unwrap();
        symlink("secret", scratch.path().join("link")).unwrap();
        let fifo = scratch.path().join("fifo");
        fs::mknodat(fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let dir = fs::open(scratch.path(), OFlags::PATH, Mode::empty()).unwrap();
        let mode = |name: &str| {
            fs_err::symlink_metadata(scratch.path().join(name)).unwrap().permissions().mode() & 0o7777
        };
        for (by, wanted) in [(DESCRIPTORS, 0o640), ("/nowhere", 0o750)] {
            let set = |name: &str| {
                let found = fs::openat(&dir, name, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()).unwrap();
                set_mode_by(found, Mode::from_raw_mode(wanted), Path::new(by))
            };
            let error = set("link").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::LOOP.raw_os_error()), "{by}");
            set("dir").unwrap();
            assert_eq!(mode("dir"), wanted, "{by}");
            for name in ["fifo", "secret"] {
                assert_eq!(set(name).is_ok(), by == DESCRIPTORS, "{name} is not opened");
            }
            assert_eq!(mode("secret"), 0o640, "{by}");
        }
        set_mode_at(&dir, OsStr::new("secret"), Mode::from_raw_mode(0o600)).unwrap();
        assert_eq!(mode("secret"), 0o600);
    }
}
