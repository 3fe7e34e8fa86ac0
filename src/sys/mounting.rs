//! Mounting and unmounting on the running system.

use std::io;
use std::path::Path;

use rustix::mount::{UnmountFlags, unmount as unmount_once};

use super::child::systemctl;
use super::mount_point::is_mount_point;
use super::namespace::is_mounted_for_init;
use super::root::{Root, absent};
use super::running::is_booted;

/// Has systemd mount what `unit` mounts at `path`, and waits for it. A unit that came with
/// a package just now is found by its name.
///
/// # Errors
/// If nothing is mounted there afterwards, with what systemctl said.
pub fn mount_by_unit(root: &Root, path: &Path, unit: &str) -> io::Result<()> {
    systemctl(&["start", "--", unit])?;
    match is_mounted(root, path)? {
        true => Ok(()),
        false => Err(io::Error::other("its unit was started, but nothing is mounted")),
    }
}

/// Whether something is mounted at `path` for this process or, on the running system, for
/// process 1: engines are started by that one, and rpm may run scriptlets in a mount namespace
/// of their own.
pub fn is_mounted(root: &Root, path: &Path) -> io::Result<bool> {
    let here = absent(is_mount_point(root, path))?.unwrap_or(false);
    Ok(here || (!root.is_tree() && is_mounted_for_init(path).unwrap_or(false)))
}

/// Unmounts all that is mounted at `path` of the running system, where systemd has `unit`
/// for it. What runs from there in containers goes on: an overlay has its layers mounted
/// for itself.
///
/// # Errors
/// As `umount(2)`: `EBUSY` while a file there is open, say.
pub fn unmount(root: &Root, path: &Path, unit: &str) -> io::Result<()> {
    assert!(!root.is_tree(), "nothing is unmounted in a tree");
    if is_booted() {
        // systemd has to know before the unit is started again. What it cannot do, it may
        // not have mounted either.
        let _ = systemctl(&["stop", "--", unit]);
    }
    // Not more often than anybody would mount there.
    for _ in 0..16 {
        if !absent(is_mount_point(root, path))?.unwrap_or(false) {
            return match is_mounted_for_init(path)? {
                false => Ok(()),
                true => Err(io::Error::other("it is mounted for process 1, which has another view")),
            };
        }
        unmount_once(path, UnmountFlags::NOFOLLOW)?;
    }
    Err(io::Error::other("something is mounted there again and again"))
}
