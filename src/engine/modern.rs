//! The modern generation: one main file, then drop-ins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::decode::{Appending, merge, parse};
use super::environment::Environment;
use super::options;
use super::reading::{FileRole, ReadFile, Reading, Sourced};
use super::reason::{Reason, Site};
use super::view::View;
use crate::problem::words;

const NAME: &str = "containers/storage.conf";

/// Where files are looked for (`getSearchPaths` in pkg/configfile/parse.go).
pub(super) struct SearchPaths {
    /// The main files, the first that exists counts.
    main: Vec<PathBuf>,
    /// Whether a main file has to exist.
    must_exist: bool,
    /// The directories of drop-ins, the highest first.
    pub(super) drop_ins: Vec<PathBuf>,
    /// The file that is read last.
    last: Option<PathBuf>,
}

impl SearchPaths {
    pub(super) fn of(view: &View<'_>, environment: &Environment) -> Result<Self, Reason> {
        let user = user_config(view, environment)?;
        let last = environment.filled("CONTAINERS_STORAGE_CONF_OVERRIDE").map(PathBuf::from);
        if let Some(path) = environment.filled("CONTAINERS_STORAGE_CONF") {
            return Ok(Self { main: vec![path.into()], must_exist: true, drop_ins: Vec::new(), last });
        }
        let (admin, vendor) = (view.etc().join(NAME), Path::new("/usr/share").join(NAME));
        let mut drop_ins = vec![with_suffix(&user, ".d")];
        for main in [&admin, &vendor] {
            if environment.is_rootless() {
                let rootless = main.with_file_name("storage.rootless.conf.d");
                drop_ins.push(rootless.join(environment.uid.to_string()));
                drop_ins.push(rootless);
            } else {
                drop_ins.push(main.with_file_name("storage.rootful.conf.d"));
            }
            drop_ins.push(with_suffix(main, ".d"));
        }
        Ok(Self { main: vec![user, admin, vendor], must_exist: false, drop_ins, last })
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The user's own file, root's too. `XDG_CONFIG_HOME` set to nothing means the
/// working directory, which for a model of a host is its root.
fn user_config(view: &View<'_>, environment: &Environment) -> Result<PathBuf, Reason> {
    match environment.variable("XDG_CONFIG_HOME") {
        Some(dir) => Ok(Path::new("/").join(dir).join(NAME)),
        None => match view.home(environment) {
            Some(home) => Ok(Path::new(&home).join(".config").join(NAME)),
            None if environment.uid == 0 => Ok(Path::new("/root/.config").join(NAME)),
            None => Err(Reason::other("the user has no home directory")),
        },
    }
}

pub(super) fn read(view: &View<'_>, environment: &Environment, reading: &mut Reading) {
    let search = match SearchPaths::of(view, environment) {
        Ok(search) => search,
        Err(reason) => return reading.reasons.push(reason),
    };
    let mut appending = Appending::default();
    let mut found = false;
    for path in &search.main {
        match bytes_of(view, path) {
            Ok(Some(bytes)) => {
                found = true;
                take(view, reading, path, bytes, FileRole::Main, &mut appending);
                break;
            }
            Ok(None) => {}
            Err(reason) => {
                reading.reasons.push(reason);
                break;
            }
        }
    }
    if search.must_exist && !found {
        reading.reasons.push(not_there(&search.main[0]));
    }
    for path in drop_ins(view, &search.drop_ins, &mut reading.reasons) {
        match bytes_of(view, &path) {
            Ok(Some(bytes)) => take(view, reading, &path, bytes, FileRole::DropIn, &mut appending),
            // A symlink that dangles is passed over.
            Ok(None) => {}
            Err(reason) => reading.reasons.push(reason),
        }
    }
    if let Some(path) = &search.last {
        match bytes_of(view, path) {
            Ok(Some(bytes)) => take(view, reading, path, bytes, FileRole::Override, &mut appending),
            Ok(None) => reading.reasons.push(not_there(path)),
            Err(reason) => reading.reasons.push(reason),
        }
    }
    options::settle(environment, reading, true);
    roots(view, environment, reading);
}

fn not_there(path: &Path) -> Reason {
    Reason::other(format!("open {}: no such file or directory", path.display()))
}

/// The drop-ins in the order in which they are read: by the bytes of their
/// names, over all directories; of equal names the one in the highest directory.
fn drop_ins(view: &View<'_>, dirs: &[PathBuf], reasons: &mut Vec<Reason>) -> Vec<PathBuf> {
    let mut by_name: BTreeMap<String, PathBuf> = BTreeMap::new();
    for dir in dirs.iter().rev() {
        let names = view.files_in(dir).unwrap_or_else(|error| {
            reasons.push(Reason::other(format!("{}: {}", dir.display(), words(&error))));
            Vec::new()
        });
        for name in names.into_iter().filter(|name| name.ends_with(".conf")) {
            let path = dir.join(&name);
            by_name.insert(name, path);
        }
    }
    by_name.into_values().collect()
}

pub(super) fn bytes_of(view: &View<'_>, path: &Path) -> Result<Option<Rc<[u8]>>, Reason> {
    view.read(path).map_err(|error| {
        Reason::other(format!("{}: {}", path.display(), words(&error))).at(Some(Site::of(path, "", 0..0)))
    })
}

fn take(
    view: &View<'_>,
    reading: &mut Reading,
    path: &Path,
    bytes: Rc<[u8]>,
    kind: FileRole,
    appending: &mut Appending,
) {
    let text = view.cache.lossy(&bytes);
    reading.files.push(ReadFile { path: path.to_owned(), kind, text });
    if let Some(parsed) = parse(view.cache, path, &bytes, reading.profile, &mut reading.reasons) {
        merge(reading, path, parsed, Some(appending));
    }
}

/// Defaults, and variables in paths (`LoadStoreOptions`).
fn roots(view: &View<'_>, environment: &Environment, reading: &mut Reading) {
    let (graphroot, runroot) = options::default_roots(view, environment, reading);
    if reading.graphroot.is_none() && environment.is_rootless() {
        reading.graphroot = reading.text("storage.rootless_storage_path");
    }
    reading.graphroot = reading.graphroot.take().or_else(|| Some(Sourced::default(graphroot)));
    reading.runroot = reading.runroot.take().or_else(|| Some(Sourced::default(runroot)));
    options::finish(view, |path| environment.expand(path), reading);
}
