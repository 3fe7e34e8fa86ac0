//! Mounts that systemd makes when a host boots.

use std::io;
use std::path::{Path, PathBuf};

use crate::sys::{Root, absent, is_mount_point};

/// Where systemd looks for units of the system, systemd.unit(5). Those for the lines of
/// fstab(5) are generated.
const UNITS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/run/systemd/generator", "/usr/lib/systemd/system"];

/// The mount unit for the directory `path`, if `root` has one.
pub fn mount_unit(root: &Root, path: &str) -> io::Result<Option<PathBuf>> {
    let unit = format!("{}.mount", escape_unit_path(path));
    for dir in UNITS {
        let file = Path::new(dir).join(&unit);
        if root.stat(&file)?.is_some() {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// Whether systemd has something to mount at `path` or above it that is not mounted.
pub fn awaits_mount(root: &Root, path: &Path) -> io::Result<bool> {
    for dir in path.ancestors().filter(|dir| dir.parent().is_some()) {
        let unit = dir.to_str().map(|dir| mount_unit(root, dir)).transpose()?.flatten();
        if unit.is_some() && !absent(is_mount_point(root, dir))?.unwrap_or(false) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `path` as part of a unit's name, as `systemd-escape --path` gives it
/// (systemd.unit(5), "String escaping for inclusion in unit names").
pub fn escape_unit_path(path: &str) -> String {
    let mut out = String::new();
    for (index, byte) in path.trim_matches('/').bytes().enumerate() {
        match byte {
            b'/' => out.push('-'),
            b'.' if index == 0 => out.push_str("\\x2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => out.push(char::from(byte)),
            other => out.push_str(&format!("\\x{other:02x}")),
        }
    }
    if out.is_empty() { "-".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_a_mount_that_is_missing_is_not_there_yet() {
        let scratch = tempfile::tempdir().unwrap();
        let units = scratch.path().join("run/systemd/generator");
        fs_err::create_dir_all(&units).unwrap();
        fs_err::write(units.join("var-lib-containers.mount"), "").unwrap();
        let root = Root::tree(scratch.path()).unwrap();
        let awaits = |path: &str| awaits_mount(&root, Path::new(path)).unwrap();
        assert!(awaits("/var/lib/containers") && awaits("/var/lib/containers/storage"));
        assert!(!awaits("/var/lib") && !awaits("/"));
    }

    #[test]
    fn paths_are_escaped_as_systemd_escapes_them() {
        for (path, name) in [
            ("/var/images", "var-images"),
            ("/var/my-images", "var-my\\x2dimages"),
            ("/.a/.b", "\\x2ea-.b"),
            ("/ä", "\\xc3\\xa4"),
            ("/", "-"),
        ] {
            assert_eq!(escape_unit_path(path), name);
        }
    }
}
