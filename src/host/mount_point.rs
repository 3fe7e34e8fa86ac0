//! Whether something is mounted at a path.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{self, AtFlags, OFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::root::Root;

/// Whether something is mounted at `path`, symlinks followed.
///
/// # Errors
/// If `path` cannot be opened.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_a_mount_point_and_a_fresh_directory_is_not() {
        let root = Root::system().unwrap();
        assert!(is_mount_point(&root, Path::new("/proc")).unwrap());
        assert!(!is_mount_point(&root, tempfile::tempdir().unwrap().path()).unwrap());
    }
}
