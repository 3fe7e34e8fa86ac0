//! What process 1 sees and this process does not.
//!
//! rpm may run scriptlets in a mount namespace of their own, with empty directories over
//! /tmp and /home (its `unshare` plugin). What is not there for them is there for engines.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs;

/// Whether something at `path` of the running system is there for process 1 and not for this
/// one. Where that cannot be told, it may be.
#[expect(clippy::disallowed_methods, reason = "both views are the running system's, never a tree's")]
pub fn is_hidden_here(path: &Path) -> bool {
    is_elsewhere()
        && fs::stat(path).is_err()
        && !matches!(fs::stat(of_init(path)), Err(rustix::io::Errno::NOENT))
}

/// Whether something is mounted at `path` for process 1, if that has another view than this
/// process.
#[expect(clippy::disallowed_methods, reason = "/proc is the running system's, never a tree's")]
pub(super) fn is_mounted_for_init(path: &Path) -> io::Result<bool> {
    if !is_elsewhere() {
        return Ok(false);
    }
    let mounts = fs_err::read_to_string("/proc/1/mountinfo")?;
    Ok(mounts.lines().filter_map(mount_point_of).any(|point| point == path))
}

/// Whether this process is in another mount namespace than process 1. Without /proc it is
/// taken to be in the same one.
#[expect(clippy::disallowed_methods, reason = "/proc is the running system's, never a tree's")]
fn is_elsewhere() -> bool {
    let namespace = |process: &str| fs::readlink(format!("/proc/{process}/ns/mnt"), Vec::new()).ok();
    matches!((namespace("self"), namespace("1")), (Some(own), Some(init)) if own != init)
}

fn of_init(path: &Path) -> PathBuf {
    Path::new("/proc/1/root").join(path.strip_prefix("/").unwrap_or(path))
}

/// The mount point that a line of mountinfo is about.
pub(super) fn mount_point_of(line: &str) -> Option<PathBuf> {
    line.split(' ').nth(4).map(|field| unescaped(field).into())
}

/// A field of mountinfo, in which blanks are octal numbers (proc_pid_mountinfo(5)).
fn unescaped(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (code, letter)| text.replace(code, letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_hidden_from_those_who_see_what_process_1_does() {
        assert!(!is_hidden_here(Path::new("/proc")));
        assert_eq!(unescaped("/a\\040b"), "/a b");
    }
}
