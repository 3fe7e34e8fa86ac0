//! Directories that are not there yet, but will be when the system has booted.

use std::path::Path;

use crate::conf::clean;
use crate::problem::Problem;
use crate::store::{escape_unit_path, mount_unit};
use crate::sys::Root;

/// The directories of tmpfiles.d(5).
const TMPFILES: [&str; 3] = ["/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/lib/tmpfiles.d"];

/// Line types of tmpfiles.d(5) that create their path: directories, subvolumes,
/// copies and symlinks.
const CREATING: &str = "dDvqQCL";

/// Whether something in `root` makes the directory at `path` when it boots: a
/// tmpfiles.d line for it or for something below it, or a mount unit for it.
pub fn provided_at_boot(root: &Root, path: &str) -> Result<bool, Problem> {
    if mount_unit(root, path).map_err(Problem::cannot("look at", "the units of systemd"))?.is_some() {
        return Ok(true);
    }
    for dir in TMPFILES {
        let names = root.list(Path::new(dir)).map_err(Problem::cannot("read", dir))?.unwrap_or_default();
        for name in names.iter().filter(|name| Path::new(name).extension().is_some_and(|end| end == "conf")) {
            let file = Path::new(dir).join(name);
            let read = root.read(&file).map_err(Problem::cannot("read", file.display()))?;
            let text =
                read.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
            if text.lines().any(|line| creates(line, path)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The name of the unit of this `kind` (`mount`, `automount`) for `path`.
pub fn unit_name(path: &str, kind: &str) -> String {
    format!("{}.{kind}", escape_unit_path(path))
}

fn creates(line: &str, path: &str) -> bool {
    let mut fields = line.split_whitespace();
    let (Some(kind), Some(target)) = (fields.next(), fields.next()) else {
        return false;
    };
    let target = clean(target.trim_matches(['"', '\'']));
    kind.starts_with(|letter| CREATING.contains(letter)) && Path::new(&target).starts_with(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_provides_its_path_and_what_is_above() {
        assert!(creates("d /var/images 0755 root root -", "/var/images"));
        assert!(creates("d! \"/var/images/\"", "/var/images"));
        assert!(creates("d /var/images/amd64 - - -", "/var/images"));
        assert!(!creates("d /var - - -", "/var/images"));
        assert!(!creates("# d /var/images", "/var/images"));
        assert!(!creates("r /var/images", "/var/images"));
        assert!(!creates("", "/var/images"));
    }
}
