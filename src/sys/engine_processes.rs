//! Engines at work, as far as a mount is their business.

use std::io;
use std::path::Path;

/// The programs that keep in mind which stores are listed. The monitors of containers do
/// not, and what runs in a container has the layers mounted for itself.
const PROGRAMS: [&str; 4] = ["buildah", "crio", "podman", "skopeo"];

/// A process of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineProcess {
    /// The program's name.
    pub name: &'static str,
    /// The process's id.
    pub id: u32,
}

/// An engine's process of this host that sees what is mounted at `path`, if there is one.
/// One whose mounts may not be looked at is taken to see it.
#[expect(clippy::disallowed_methods, reason = "/proc is the running system's, never a tree's")]
pub fn engine_processes_at(path: &Path) -> io::Result<Option<EngineProcess>> {
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // It may have ended meanwhile.
        let Ok(name) = std::fs::read_to_string(entry.path().join("comm")) else {
            continue;
        };
        let Some(name) = PROGRAMS.into_iter().find(|program| *program == name.trim_end()) else {
            continue;
        };
        let sees = match std::fs::read(entry.path().join("mountinfo")) {
            Ok(mounts) => is_mounted(&mounts, path),
            Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput),
        };
        if sees {
            return Ok(Some(EngineProcess { name, id }));
        }
    }
    Ok(None)
}

/// Whether `path` is among the mount points of a mountinfo file, proc(5). Paths with spaces
/// and the like would be escaped there; sealed stores have none.
fn is_mounted(mounts: &[u8], path: &Path) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    mounts.split(|byte| *byte == b'\n').any(|line| line.split(|byte| *byte == b' ').nth(4) == Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_the_fifth_field() {
        let line = b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n";
        assert!(is_mounted(line, Path::new("/mnt2")));
        assert!(!is_mounted(line, Path::new("/mnt1")));
        assert!(!is_mounted(b"", Path::new("/mnt2")));
    }
}
