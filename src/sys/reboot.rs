//! What outlasts a reboot, and when something was last changed.

use std::io;
use std::path::Path;

use rustix::fs::{self, OFlags};

use super::root::{Root, absent};

/// tmpfs and ramfs, by statfs(2)'s magic numbers (linux/magic.h).
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

impl Root {
    /// Whether the file system that holds `path` is in memory, so that a reboot
    /// empties it. In a tree, /run and /tmp count as such, whatever they are now.
    ///
    /// Of a path that does not exist, the directory above it is asked.
    pub fn is_in_memory(&self, path: &Path) -> io::Result<bool> {
        let real = absent(self.resolve(path))?.map(|at| at.path);
        let real = real.as_deref().unwrap_or(path);
        if self.is_tree() {
            return Ok(["/run", "/var/run", "/tmp"].iter().any(|dir| real.starts_with(dir)));
        }
        let mut here = real;
        loop {
            if let Some(file) = absent(self.open(here, OFlags::PATH))? {
                // The field's type differs between architectures; some kernels extend the sign.
                #[allow(clippy::unnecessary_cast)]
                let kind = fs::fstatfs(&file)?.f_type as i64;
                return Ok(IN_MEMORY.contains(&(kind & 0xffff_ffff)));
            }
            here = here.parent().unwrap_or(Path::new("/"));
        }
    }

    /// When what `path` leads to was last changed in any way, its attributes
    /// included, in seconds and nanoseconds since 1970; `None` if there is nothing.
    /// Unlike the time of modification nobody can set it back, as a package
    /// manager does.
    // Some of these casts change the type on other architectures.
    #[allow(clippy::unnecessary_cast)]
    pub fn changed(&self, path: &Path) -> io::Result<Option<(i64, i64)>> {
        let Some(file) = absent(self.open(path, OFlags::PATH))? else {
            return Ok(None);
        };
        let raw = fs::fstat(&file)?;
        Ok(Some((raw.st_ctime as i64, raw.st_ctime_nsec as i64)))
    }
}
