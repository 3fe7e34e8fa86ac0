//! CRI-O's settings that decide what a power cut costs, and what it left on the disk.

use std::io;
use std::path::{Path, PathBuf};

use super::unit::UnitState;
use crate::conf::{Leaf, clean};
use crate::engine::{InstalledProgram, Reading, Sourced, ValueOrigin};
use crate::sys::{self, Root};

/// CRI-O on this host: pkg/config/config.go and its defaults.
#[derive(Debug, Clone)]
pub struct Crio {
    /// The program, if it is installed.
    pub program: Option<InstalledProgram>,
    /// Its own storage.
    pub root: Sourced<String>,
    /// Where it keeps images instead, if that is set.
    pub imagestore: Option<Sourced<String>>,
    /// The stores that `storage_option` adds.
    pub storage_option: Vec<Sourced<String>>,
    /// The file that says that it was stopped cleanly; nothing if it does not look.
    pub clean_shutdown_file: Sourced<String>,
    /// Whether containers, and after an update images, go when it starts.
    pub internal_wipe: Sourced<bool>,
    /// Whether it checks and mends its storage after an unclean stop.
    pub internal_repair: Sourced<bool>,
    /// The file by whose absence a reboot is noticed.
    pub version_file: Sourced<String>,
    /// The file by which an update is noticed.
    pub version_file_persist: Sourced<String>,
    /// Patterns of images that kubelet leaves alone.
    pub pinned_images: Sourced<Vec<String>>,
    /// The unit that runs `crio wipe` at boot.
    pub wipe_unit: UnitState,
    /// Whether it has started on this host with these settings. In a tree that is taken for granted.
    pub has_run: bool,
    /// Whether it has stopped cleanly since. In a tree it is taken to run.
    pub stopped_cleanly: bool,
    /// Whether the version file goes with a reboot, or is not there.
    pub version_file_goes: bool,
    /// Whether it runs now; `None` in a tree, where nobody can tell.
    pub runs: Option<bool>,
    /// Files that were changed after it had started, if it runs.
    pub changed_since: Vec<PathBuf>,
    /// The file with arguments for its units, if it has any.
    pub options_file: Option<PathBuf>,
    /// Whether one of them decides what is wiped: arguments count more than files.
    pub options_decide: bool,
}

/// Arguments of CRI-O that decide where its storage is and whether it goes.
const DECIDING: [&str; 9] = [
    "--config",
    "--root",
    "--imagestore",
    "--storage-opt",
    "--clean-shutdown-file",
    "--version-file",
    "--internal-wipe",
    "--internal-repair",
    "-c ",
];

/// The name of the unit that `crio wipe` runs in.
pub(super) const WIPE_UNIT: &str = "crio-wipe.service";

impl Crio {
    /// Looks at CRI-O as it is configured; `reading` is how it reads the host.
    pub(super) fn read(
        root: &Root,
        program: Option<InstalledProgram>,
        reading: &Reading,
    ) -> io::Result<Self> {
        let text = |key: &str, default: &str| match own(reading, key) {
            Some(Sourced { value: Leaf::String(text), origin }) => {
                Sourced { value: text.clone(), origin: origin.clone() }
            }
            _ => Sourced { value: default.to_owned(), origin: ValueOrigin::Default },
        };
        let flag = |key: &str| match own(reading, key) {
            Some(Sourced { value: Leaf::Boolean(flag), origin }) => {
                Sourced { value: *flag, origin: origin.clone() }
            }
            _ => Sourced { value: true, origin: ValueOrigin::Default },
        };
        let mut crio = Self {
            program,
            root: reading.graphroot.clone().unwrap_or_else(|| Sourced {
                value: "/var/lib/containers/storage".to_owned(),
                origin: ValueOrigin::Default,
            }),
            imagestore: reading.imagestore.clone(),
            storage_option: reading.stores.iter().filter(|store| is_crio_s(&store.origin)).cloned().collect(),
            clean_shutdown_file: text("clean_shutdown_file", "/var/lib/crio/clean.shutdown"),
            internal_wipe: flag("internal_wipe"),
            internal_repair: flag("internal_repair"),
            version_file: text("version_file", "/var/run/crio/version"),
            version_file_persist: text("version_file_persist", ""),
            pinned_images: pinned(reading),
            wipe_unit: UnitState::find(root, WIPE_UNIT, "crio.service")?,
            has_run: true,
            stopped_cleanly: false,
            version_file_goes: true,
            runs: None,
            changed_since: Vec::new(),
            options_file: None,
            options_decide: false,
        };
        let is_there = |path: &str| Ok::<_, io::Error>(root.stat(Path::new(path))?.is_some());
        if !root.is_tree() && !crio.clean_shutdown_file.value.is_empty() {
            crio.has_run = is_there(&format!("{}.supported", crio.clean_shutdown_file.value))?;
            crio.stopped_cleanly = is_there(&crio.clean_shutdown_file.value)?;
        }
        let version_file = Path::new(&crio.version_file.value);
        crio.version_file_goes = root.is_in_memory(version_file)? || !is_there(&crio.version_file.value)?;
        if !root.is_tree() {
            crio.running(root, reading, &text("api.listen", "/var/run/crio/crio.sock").value)?;
        }
        if let Some((file, arguments)) = options(root) {
            crio.options_file = Some(file);
            crio.options_decide = DECIDING.iter().any(|argument| arguments.contains(argument));
        }
        Ok(crio)
    }

    /// Whether it runs, and with files that have changed since: its socket is made
    /// when it starts, after it has read them.
    fn running(&mut self, root: &Root, reading: &Reading, listen: &str) -> io::Result<()> {
        let socket = listen.strip_prefix("unix://").unwrap_or(listen);
        let runs = sys::listens(socket);
        self.runs = Some(runs);
        let Some(started) = root.stat(Path::new(socket))?.filter(|_| runs).map(|stat| stat.mtime) else {
            return Ok(());
        };
        let files = reading.files.iter().map(|file| file.path.clone());
        // A file that is gone leaves its trace in the directory.
        let drop_ins = PathBuf::from("/etc/crio/crio.conf.d");
        for path in files.chain([drop_ins]) {
            if root.changed(&path)?.is_some_and(|changed| changed > started) {
                self.changed_since.push(path);
            }
        }
        Ok(())
    }

    /// Whether kubelet leaves an image with these names alone.
    pub fn pins(&self, names: &[String]) -> bool {
        self.pinned_images.value.iter().any(|pattern| names.iter().any(|name| matches(pattern, name)))
    }

    /// Whether it checks and mends its storage when it starts after an unclean stop.
    pub fn mends(&self) -> bool {
        self.internal_repair.value && !self.clean_shutdown_file.value.is_empty()
    }

    /// Its own storage, as paths without what they do not need.
    pub(super) fn own_storage(&self) -> impl Iterator<Item = String> {
        [Some(&self.root), self.imagestore.as_ref()].into_iter().flatten().map(|own| clean(&own.value))
    }
}

fn own<'r>(reading: &'r Reading, key: &str) -> Option<&'r Sourced<Leaf>> {
    reading.crio.get(&format!("crio.{key}"))
}

/// Whether a value stands in one of CRI-O's own files.
fn is_crio_s(origin: &ValueOrigin) -> bool {
    matches!(origin, ValueOrigin::File(site) if site.file.components().any(|part| part.as_os_str() == "crio"))
}

/// The patterns, with the image that pods share, which CRI-O adds itself.
fn pinned(reading: &Reading) -> Sourced<Vec<String>> {
    let mut pinned = match own(reading, "image.pinned_images") {
        Some(Sourced { value: Leaf::Array(items), origin }) => {
            let text = |item: &Leaf| match item {
                Leaf::String(text) => Some(text.clone()),
                _ => None,
            };
            Sourced { value: items.iter().filter_map(text).collect(), origin: origin.clone() }
        }
        _ => Sourced { value: Vec::new(), origin: ValueOrigin::Default },
    };
    if let Some(Sourced { value: Leaf::String(pause), .. }) = own(reading, "image.pause_image") {
        pinned.value.extend(Some(pause.clone()).filter(|pause| !pause.is_empty()));
    }
    pinned
}

/// Whether a pattern of `pinned_images` is for the image `name`
/// (`CompileRegexpsForPinnedImages` in internal/storage/image.go). Case does not
/// count, and a pattern with a star at its end may match anywhere in the name.
fn matches(pattern: &str, name: &str) -> bool {
    let name = name.to_lowercase();
    let pattern = pattern.to_lowercase();
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), Some(_)) => rest.strip_suffix('*').is_some_and(|keyword| name.contains(keyword)),
        (None, Some(start)) => name.contains(start),
        _ => name == pattern,
    }
}

/// The file with arguments for CRI-O's units, and what it says, if it sets any (crio.service).
fn options(root: &Root) -> Option<(PathBuf, String)> {
    let file = PathBuf::from("/etc/sysconfig/crio");
    let (bytes, _) = root.read(&file).ok()??;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let set = |line: &str| {
        let (name, value) = line.trim().split_once('=')?;
        let value = value.trim_matches(['"', '\'', ' ']);
        let counts = name.starts_with("CRIO_") && name.ends_with("_OPTIONS") && !value.is_empty();
        counts.then(|| value.to_owned())
    };
    let values: Vec<String> = text.lines().filter_map(set).collect();
    (!values.is_empty()).then(|| (file, values.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_in_the_file_of_the_units_are_noticed() {
        let sets = |text: &str| {
            let tree = tempfile::tempdir().unwrap();
            fs_err::create_dir_all(tree.path().join("etc/sysconfig")).unwrap();
            fs_err::write(tree.path().join("etc/sysconfig/crio"), text).unwrap();
            options(&Root::tree(tree.path()).unwrap()).map(|(_, arguments)| arguments)
        };
        let storage = "CRIO_STORAGE_OPTIONS=\"--root /srv\"\nCRIO_NETWORK_OPTIONS=--x\n";
        assert_eq!(sets(storage).as_deref(), Some("--root /srv --x"));
        assert_eq!(sets("# CRIO_STORAGE_OPTIONS=--root\nCRIO_NETWORK_OPTIONS=\"\"\n"), None);
    }

    #[test]
    fn pinned_images_match_as_crio_matches_them() {
        for (pattern, name, matched) in [
            ("localhost/app:1", "localhost/app:1", true),
            ("localhost/app:1", "localhost/APP:1", true),
            ("localhost/app", "localhost/app:1", false),
            ("localhost/*", "localhost/app:1", true),
            // The start is not anchored.
            ("app*", "localhost/app:1", true),
            ("*host/A*", "localhost/app:1", true),
            ("*nothing*", "localhost/app:1", false),
            ("*app:1", "localhost/app:1", false),
            ("**", "localhost/app:1", true),
            // CRI-O panics on this one.
            ("*", "localhost/app:1", false),
        ] {
            assert_eq!(matches(pattern, name), matched, "{pattern} {name}");
        }
    }
}
