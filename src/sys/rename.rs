//! Moving a file or a directory within one file system.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{self, AtFlags, RenameFlags};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};

use super::directory_writer::beneath;
use super::root::{Root, Stat, absent, readable, sync};

/// Moves `from` to `to`, whose directory must be there; both lie below `base`.
/// Nothing is overwritten. Returns whether there was anything to move. Both
/// directories are synced.
///
/// podman mounts the directory of its layers over itself, and nothing can be
/// moved across a mount point, even if both sides are one file system. So where
/// that is in the way, a view of `base` without what is mounted below it is used.
///
/// # Errors
/// If it cannot be moved, also if something stands at `to`.
pub fn rename(root: &Root, base: &Path, from: &Path, to: &Path) -> io::Result<bool> {
    let Some(old) = absent(root.resolve_link(from))? else {
        return Ok(false);
    };
    let Some(stat) = root.stat_link(&old)? else {
        return Ok(false);
    };
    let new = root.resolve_link(to)?;
    match renameat(&old.dir, Path::new(old.name()), &new.dir, Path::new(new.name())) {
        Ok(()) => {}
        Err(Errno::XDEV) => {
            let base = root.resolve(base)?;
            let view = open_tree(
                &base.dir,
                base.name(),
                OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
            )?;
            let below = |path: &Path| path.strip_prefix(&base.path).map(Path::to_owned).ok();
            let (Some(from), Some(to)) = (below(&old.path), below(&new.path)) else {
                return Err(Errno::XDEV.into());
            };
            let (from_dir, to_dir) = (inside(&view, &from)?, inside(&view, &to)?);
            // Where another file system is mounted, the view shows what lies under it.
            let name = Path::new(old.name());
            let seen = absent(fs::statat(&from_dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(Into::into))?;
            if seen.is_none_or(|seen| Stat::from_raw(&seen).id != stat.id) {
                return Err(Errno::XDEV.into());
            }
            renameat(&from_dir, name, &to_dir, Path::new(new.name()))?;
        }
        Err(error) => return Err(error.into()),
    }
    sync(readable(&old.dir)?)?;
    sync(readable(&new.dir)?)?;
    Ok(true)
}

/// The directory that holds `path` in a view, reached without any symlink.
fn inside(view: &OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    beneath(view, dir)
}

fn renameat(from_dir: &OwnedFd, from: &Path, to_dir: &OwnedFd, to: &Path) -> Result<(), Errno> {
    match fs::renameat_with(from_dir, from, to_dir, to, RenameFlags::NOREPLACE) {
        // Not every file system knows the flag; the name was new a moment ago.
        Err(Errno::INVAL | Errno::NOSYS) => match fs::statat(to_dir, to, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => fs::renameat(from_dir, from, to_dir, to),
            Ok(_) => Err(Errno::EXIST),
            Err(error) => Err(error),
        },
        done => done,
    }
}
