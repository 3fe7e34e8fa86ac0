//! The modern generation: one main file, then drop-ins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::decode::{Appending, merge, parse};
use super::environment::Environment;
use super::options;
use super::reading::{Failure, FileKind, Origin, ReadFile, Reading, Value};
use super::view::View;

const NAME: &str = "containers/storage.conf";

/// Where files are looked for (`getSearchPaths` in pkg/configfile/parse.go).
pub(super) struct Search {
    /// The main files, the first that exists counts.
    main: Vec<PathBuf>,
    /// Whether a main file has to exist.
    must_exist: bool,
    /// The directories of drop-ins, the highest first.
    pub(super) drop_ins: Vec<PathBuf>,
    /// The file that is read last.
    last: Option<PathBuf>,
}

impl Search {
    pub(super) fn of(view: &View<'_>, environment: &Environment) -> Result<Self, Failure> {
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
fn user_config(view: &View<'_>, environment: &Environment) -> Result<PathBuf, Failure> {
    match environment.variable("XDG_CONFIG_HOME") {
        Some(dir) => Ok(Path::new("/").join(dir).join(NAME)),
        None => match view.home(environment) {
            Some(home) => Ok(Path::new(&home).join(".config").join(NAME)),
            None if environment.uid == 0 => Ok(Path::new("/root/.config").join(NAME)),
            None => Err(Failure::new("the user has no home directory")),
        },
    }
}

pub(super) fn read(view: &View<'_>, environment: &Environment, reading: &mut Reading) -> Result<(), Failure> {
    let search = Search::of(view, environment)?;
    let mut appending = Appending::default();
    let mut found = false;
    for path in &search.main {
        if let Some(bytes) = bytes_of(view, path)? {
            found = true;
            take(view, reading, path, bytes, FileKind::Main, &mut appending)?;
            break;
        }
    }
    if search.must_exist && !found {
        return Err(Failure::new(format!("open {}: no such file or directory", search.main[0].display())));
    }
    for path in drop_ins(view, &search.drop_ins)? {
        // A symlink that dangles is passed over.
        if let Some(bytes) = bytes_of(view, &path)? {
            take(view, reading, &path, bytes, FileKind::DropIn, &mut appending)?;
        }
    }
    if let Some(path) = &search.last {
        match bytes_of(view, path)? {
            Some(bytes) => take(view, reading, path, bytes, FileKind::Override, &mut appending)?,
            None => return Err(Failure::new(format!("open {}: no such file or directory", path.display()))),
        }
    }
    options::driver_variable(environment, reading);
    options::storage_opts(environment, reading)?;
    roots(view, environment, reading)
}

/// The drop-ins in the order in which they are read: by the bytes of their
/// names, over all directories; of equal names the one in the highest directory.
fn drop_ins(view: &View<'_>, dirs: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut by_name: BTreeMap<String, PathBuf> = BTreeMap::new();
    for dir in dirs.iter().rev() {
        let names =
            view.files_in(dir).map_err(|error| Failure::new(format!("{}: {error}", dir.display())))?;
        for name in names.into_iter().filter(|name| name.ends_with(".conf")) {
            let path = dir.join(&name);
            by_name.insert(name, path);
        }
    }
    Ok(by_name.into_values().collect())
}

pub(super) fn bytes_of(view: &View<'_>, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    view.read(path).map_err(|error| Failure {
        message: format!("{}: {}", path.display(), crate::problem::words(&error)),
        place: Some((path.to_owned(), 1)),
    })
}

fn take(
    view: &View<'_>,
    reading: &mut Reading,
    path: &Path,
    bytes: Vec<u8>,
    kind: FileKind,
    appending: &mut Appending,
) -> Result<(), Failure> {
    let text = String::from_utf8_lossy(&bytes).into_owned();
    reading.files.push(ReadFile { path: path.to_owned(), kind, text });
    let doc = parse(view.cache, path, bytes, reading.profile)?;
    merge(reading, path, &doc, Some(appending))
}

/// Defaults, and variables in paths (`LoadStoreOptions`).
fn roots(view: &View<'_>, environment: &Environment, reading: &mut Reading) -> Result<(), Failure> {
    let (graphroot, runroot) = options::default_roots(view, environment, reading.profile)?;
    let rootless_path = reading.values.get("storage.rootless_storage_path").cloned();
    let default = |value| Some(Value { value, origin: Origin::Default });
    if reading.graphroot.is_none()
        && environment.is_rootless()
        && let Some(Value { value: crate::conf::Leaf::String(path), origin }) = rootless_path
        && !path.is_empty()
    {
        reading.graphroot = Some(Value { value: path, origin });
    }
    reading.graphroot = reading.graphroot.take().or_else(|| default(graphroot));
    reading.runroot = reading.runroot.take().or_else(|| default(runroot));
    options::finish(view, environment, reading)
}
