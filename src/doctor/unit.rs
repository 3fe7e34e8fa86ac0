//! Whether systemd starts a unit when the host boots.

use std::collections::BTreeMap;
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
    ///
    /// # Errors
    /// If a directory of units cannot be read.
    pub fn find(root: &Root, name: &str, puller: &str) -> io::Result<Self> {
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

impl UnitState {
    /// What a unit's environment has under `name`: in its file and in its drop-ins, of which those in
    /// earlier directories count instead of those of the same name in later ones.
    pub(super) fn variable(root: &Root, unit: &str, name: &str) -> Option<String> {
        let read = |file: &Path| {
            let (bytes, _) = root.read(file).ok().flatten()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let mut texts = vec![DIRS.iter().find_map(|dir| read(&Path::new(dir).join(unit)))?];
        let mut drop_ins = BTreeMap::new();
        for dir in DIRS {
            let dir = Path::new(dir).join(format!("{unit}.d"));
            for file in root.list(&dir).ok().flatten().unwrap_or_default() {
                drop_ins.entry(file.clone()).or_insert_with(|| dir.join(file));
            }
        }
        texts.extend(drop_ins.values().filter_map(|file| read(file)));
        let mut value = None;
        for line in texts.iter().flat_map(|text| text.lines()) {
            let Some(("Environment", set)) = line.split_once('=').map(|(key, set)| (key.trim(), set.trim()))
            else {
                continue;
            };
            let of_name = |set: &str| Some(set.strip_prefix(name)?.strip_prefix('=')?.to_owned());
            // One assignment in quotes, or words.
            let whole = set.strip_prefix(['"', '\'']).and_then(|set| set.strip_suffix(['"', '\'']));
            let found = match whole {
                Some(whole) => of_name(whole),
                None => set.split_whitespace().find_map(of_name),
            };
            value = found.or(value);
        }
        value
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
    fn a_drop_in_of_the_administrator_says_what_a_variable_is() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        };
        let value = || UnitState::variable(&Root::tree(dir.path()).unwrap(), "a.service", "A");
        assert_eq!(value(), None);
        write("usr/lib/systemd/system/a.service", "[Service]\nEnvironment=\"A=--store /a\"\n");
        assert_eq!(value().as_deref(), Some("--store /a"));
        write("usr/lib/systemd/system/a.service.d/own.conf", "Environment=B=1 A=x\n");
        assert_eq!(value().as_deref(), Some("x"));
        write("etc/systemd/system/a.service.d/own.conf", "[Service]\nEnvironment=A=\n");
        assert_eq!(value().as_deref(), Some(""));
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
