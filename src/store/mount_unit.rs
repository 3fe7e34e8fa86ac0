//! Mounts that systemd makes when a host boots.

use std::io;
use std::path::{Path, PathBuf};

use crate::host::Root;

/// Where systemd looks for units of the system, systemd.unit(5).
const UNITS: [&str; 3] = ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system"];

/// The mount unit for the directory `path`, if `root` has one.
///
/// # Errors
/// If a directory cannot be looked at.
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
