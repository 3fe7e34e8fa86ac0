//! Trees of composefs that nothing has mounted: other deployments of a system.
//!
//! An image of composefs is a file with a file system (erofs) of directories and attributes, in which a
//! regular file says by an attribute of overlayfs which object has its content. Mounted below
//! overlayfs with the directory of objects it is the tree. Both are mounted nowhere: what holds
//! the descriptor sees them, and nobody else.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_fd, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use super::root::{Root, absent};

/// The tree of the image at `image`, whose objects are in the directory `objects`, read-only; in messages it
/// is at `shown`. `None` if one of the two is missing.
///
/// # Errors
/// What the kernel says: before Linux 6.15 it mounts nothing below a file system that is mounted
/// nowhere, and it may forbid it.
pub fn composefs(root: &Root, image: &Path, objects: &Path, shown: &Path) -> io::Result<Option<Root>> {
    let Some(image) = absent(root.open(image, OFlags::RDONLY))? else { return Ok(None) };
    let Some(objects) = absent(root.open(objects, OFlags::RDONLY | OFlags::DIRECTORY))? else {
        return Ok(None);
    };
    let erofs = fsopen("erofs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_flag(erofs.as_fd(), "ro")?;
    fsconfig_set_string(erofs.as_fd(), "source", format!("/proc/self/fd/{}", image.as_raw_fd()))?;
    let metadata = mounted(erofs)?;
    let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(overlay.as_fd(), "metacopy", "on")?;
    fsconfig_set_string(overlay.as_fd(), "redirect_dir", "on")?;
    fsconfig_set_fd(overlay.as_fd(), "lowerdir+", metadata.as_fd())?;
    fsconfig_set_fd(overlay.as_fd(), "datadir+", objects.as_fd())?;
    Ok(Some(root.at_mount(mounted(overlay)?, shown)))
}

fn mounted(file_system: OwnedFd) -> io::Result<OwnedFd> {
    fsconfig_create(file_system.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    Ok(fsmount(file_system.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}
