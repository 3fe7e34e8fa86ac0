//! Whether something is mounted at a path.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, OFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::namespace::mount_point_of;
use super::root::Root;

/// Whether something is mounted at `path`, symlinks followed.
pub fn is_mount_point(root: &Root, path: &Path) -> io::Result<bool> {
    let dir = root.open(path, OFlags::PATH | OFlags::DIRECTORY)?;
    match fs::statx(dir.as_fd(), c"", AtFlags::EMPTY_PATH, StatxFlags::empty()) {
        Ok(stat) if stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) => {
            return Ok(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
        }
        Ok(_) | Err(Errno::NOSYS | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    // Before Linux 5.8: a bind mount of the same file system is not seen.
    let (here, above) = (fs::fstat(&dir)?, fs::statat(&dir, "..", AtFlags::empty())?);
    Ok(here.st_dev != above.st_dev || here.st_ino == above.st_ino)
}

/// What is mounted on the running system; nothing, if that cannot be told.
#[derive(Debug, Default)]
pub struct Mounts(String);

impl Mounts {
    /// What this process sees.
    #[expect(clippy::disallowed_methods, reason = "/proc is the running system's, never a tree's")]
    pub fn read() -> Self {
        Self(fs_err::read_to_string("/proc/self/mountinfo").unwrap_or_default())
    }

    /// Whether `path` is only mounted when somebody looks, and is not yet: at boot such a mount
    /// may need what waits for whoever looks.
    pub fn is_automount(&self, path: &Path) -> bool {
        is_automount_in(&self.0, path)
    }
}

fn is_automount_in(mounts: &str, path: &Path) -> bool {
    let mut above: Option<(PathBuf, bool)> = None;
    for line in mounts.lines() {
        let Some(point) = mount_point_of(line) else {
            continue;
        };
        // What was mounted later lies on top.
        let is_nearer = above.as_ref().is_none_or(|(other, _)| point.starts_with(other));
        if path.starts_with(&point) && is_nearer {
            above = Some((point, line.contains(" - autofs ")));
        }
    }
    above.is_some_and(|(_, is_autofs)| is_autofs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_automount_is_one_until_it_is_mounted() {
        let root = "22 1 253:0 / / rw shared:1 - ext4 /dev/vda rw\n";
        let auto = "40 22 0:40 / /home rw shared:20 - autofs systemd-1 rw,fd=40\n";
        let home = "41 40 0:50 / /home rw shared:30 - nfs4 server:/home rw\n";
        let is_automount = |mounts: &[&str], path| is_automount_in(&mounts.concat(), Path::new(path));
        assert!(is_automount(&[root, auto], "/home/u"));
        assert!(!is_automount(&[root, auto], "/homes/u"));
        assert!(!is_automount(&[root, auto, home], "/home/u"));
        assert!(!is_automount(&[root], "/home/u"));
    }

    #[test]
    fn proc_is_a_mount_point_and_a_fresh_directory_is_not() {
        let root = Root::system().unwrap();
        assert!(is_mount_point(&root, Path::new("/proc")).unwrap());
        assert!(!is_mount_point(&root, tempfile::tempdir().unwrap().path()).unwrap());
    }
}
