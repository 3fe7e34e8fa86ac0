//! Mounting and unmounting on the running system.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::mount::{UnmountFlags, unmount as unmount_once};

use super::mount_point::is_mount_point;
use super::root::{Root, absent};

/// Starts a unit of systemd's and waits for it: by the name, so that a unit that came with
/// a package just now is found.
///
/// # Errors
/// If it does not start, with the last thing that systemctl said.
pub fn start_unit(unit: &str) -> io::Result<()> {
    let output = Command::new("systemctl")
        .args(["--no-ask-password", "--quiet", "start", "--", unit])
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it says nothing");
    Err(io::Error::other(said.to_owned()))
}

/// Unmounts all that is mounted at `path` of the running system. What runs from there in
/// containers goes on: an overlay has its layers mounted for itself.
///
/// # Errors
/// As `umount(2)`: `EBUSY` while a file there is open, say.
pub fn unmount(root: &Root, path: &Path) -> io::Result<()> {
    assert!(!root.is_tree(), "nothing is unmounted in a tree");
    // Not more often than anybody would mount there.
    for _ in 0..16 {
        if !absent(is_mount_point(root, path))?.unwrap_or(false) {
            return Ok(());
        }
        unmount_once(path, UnmountFlags::NOFOLLOW)?;
    }
    Err(io::Error::other("something is mounted there again and again"))
}
