//! Whether systemd starts a unit when the host boots.

use std::io;
use std::path::{Path, PathBuf};

use crate::sys::Root;

/// Where systemd looks for units of the system, the first wins (systemd.unit(5)).
const DIRS: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// What is known of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitState {
    /// There is none.
    Missing,
    /// It is masked, by this file.
    Masked(PathBuf),
    /// It is there, and nothing starts it.
    Disabled(PathBuf),
    /// It is started, because of this file.
    Enabled(PathBuf),
}

impl UnitState {
    /// Looks for the unit `name`, which the unit `puller` may start.
    pub(super) fn find(root: &Root, name: &str, puller: &str) -> io::Result<Self> {
        let mut found = None;
        for dir in DIRS {
            let file = Path::new(dir).join(name);
            if let Some(target) = root.read_link(&file)?
                && target == Path::new("/dev/null")
            {
                return Ok(Self::Masked(file));
            }
            match root.stat(&file)? {
                // An empty file masks too.
                Some(stat) if stat.size == 0 => return Ok(Self::Masked(file)),
                Some(_) => {
                    found = Some(file);
                    break;
                }
                None => {}
            }
        }
        let Some(file) = found else {
            return Ok(Self::Missing);
        };
        Ok(pulled_in(root, name, puller)?.map_or(Self::Disabled(file), Self::Enabled))
    }
}

impl UnitState {
    /// Its state in one word, and the file that decides it.
    pub fn state(&self) -> (&'static str, Option<&Path>) {
        match self {
            Self::Missing => ("missing", None),
            Self::Masked(file) => ("masked", Some(file)),
            Self::Disabled(file) => ("disabled", Some(file)),
            Self::Enabled(file) => ("enabled", Some(file)),
        }
    }
}

/// The file because of which a unit starts.
fn pulled_in(root: &Root, name: &str, puller: &str) -> io::Result<Option<PathBuf>> {
    for dir in DIRS.map(Path::new) {
        for entry in root.list(dir)?.unwrap_or_default() {
            let pulls = Path::new(&entry)
                .extension()
                .is_some_and(|end| end == "wants" || end == "requires" || end == "upholds");
            let link = dir.join(&entry).join(name);
            // The link may lead to a unit that it cannot be followed to from here.
            if pulls && root.read_link(&link)?.is_some() {
                return Ok(Some(link));
            }
        }
        let mut files = vec![dir.join(puller)];
        let extra = dir.join(format!("{puller}.d"));
        let names = root.list(&extra).unwrap_or_default().unwrap_or_default();
        files.extend(names.into_iter().map(|file| extra.join(file)));
        for file in files {
            let Ok(Some((bytes, _))) = root.read(&file) else {
                continue;
            };
            if String::from_utf8_lossy(&bytes).lines().any(|line| starts(line, name)) {
                return Ok(Some(file));
            }
        }
    }
    Ok(None)
}

/// Whether a line of a unit starts the unit `name`.
fn starts(line: &str, name: &str) -> bool {
    const KEYS: [&str; 4] = ["Wants", "Requires", "BindsTo", "Upholds"];
    let Some((key, units)) = line.split_once('=') else {
        return false;
    };
    KEYS.contains(&key.trim()) && units.split_whitespace().any(|unit| unit == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "crio-wipe.service";

    fn find(prepare: impl FnOnce(&Path)) -> UnitState {
        let dir = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(dir.path().join("etc/systemd/system/multi-user.target.wants")).unwrap();
        fs_err::create_dir_all(dir.path().join("usr/lib/systemd/system")).unwrap();
        prepare(dir.path());
        UnitState::find(&Root::tree(dir.path()).unwrap(), NAME, "crio.service").unwrap()
    }

    fn unit(tree: &Path) {
        fs_err::write(tree.join("usr/lib/systemd/system").join(NAME), "[Service]\n").unwrap();
    }

    fn link(target: &str, at: &Path) {
        fs_err::os::unix::fs::symlink(target, at).unwrap();
    }

    #[test]
    fn a_unit_that_nothing_starts_is_disabled() {
        assert_eq!(find(|_| {}), UnitState::Missing);
        assert_eq!(find(unit), UnitState::Disabled(Path::new("/usr/lib/systemd/system").join(NAME)));
    }

    #[test]
    fn a_link_of_a_target_enables_a_unit() {
        let wants = Path::new("etc/systemd/system/multi-user.target.wants").join(NAME);
        let found = find(|tree| {
            unit(tree);
            link("/usr/lib/systemd/system/crio-wipe.service", &tree.join(&wants));
        });
        assert_eq!(found, UnitState::Enabled(Path::new("/").join(wants)));
    }

    #[test]
    fn crio_s_own_unit_may_start_it() {
        let found = find(|tree| {
            unit(tree);
            let text = "[Unit]\nRequires=a.service crio-wipe.service\n";
            fs_err::write(tree.join("usr/lib/systemd/system/crio.service"), text).unwrap();
        });
        assert_eq!(found, UnitState::Enabled("/usr/lib/systemd/system/crio.service".into()));
    }

    #[test]
    fn a_masked_unit_does_not_start_whatever_wants_it() {
        let mask = Path::new("etc/systemd/system").join(NAME);
        let found = find(|tree| {
            unit(tree);
            link("/x", &tree.join("etc/systemd/system/multi-user.target.wants").join(NAME));
            link("/dev/null", &tree.join(&mask));
        });
        assert_eq!(found, UnitState::Masked(Path::new("/").join(mask)));
    }
}
