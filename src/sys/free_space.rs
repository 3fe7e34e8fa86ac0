//! How much a file system still takes.

use std::io;
use std::path::Path;

use rustix::fs::{self, OFlags};

use super::root::Root;

/// What is free on the file system of a path, for this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeSpace {
    /// Bytes.
    pub bytes: u64,
    /// Files and directories; `None` where there is no limit.
    pub inodes: Option<u64>,
    /// Bytes of the whole file system.
    pub of_bytes: u64,
    /// Files and directories that the whole may have; `None` where there is no limit.
    pub of_inodes: Option<u64>,
}

impl Root {
    /// What is free where `path` is, or would be made. What is reserved for root counts for root
    /// alone; quotas are not known.
    ///
    /// # Errors
    /// As `statvfs(3)`.
    pub fn free_space(&self, path: &Path) -> io::Result<FreeSpace> {
        let above = path.ancestors().find_map(|path| self.open(path, OFlags::PATH).ok());
        let file = above.ok_or(io::ErrorKind::NotFound)?;
        let stat = fs::fstatvfs(&file)?;
        let is_root = rustix::process::geteuid().is_root();
        let (blocks, inodes) =
            if is_root { (stat.f_bfree, stat.f_ffree) } else { (stat.f_bavail, stat.f_favail) };
        let of_inodes = (stat.f_files > 0).then_some(stat.f_files);
        Ok(FreeSpace {
            bytes: blocks.saturating_mul(stat.f_frsize),
            inodes: of_inodes.map(|_| inodes),
            of_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            of_inodes,
        })
    }
}
