//! The declarations of a system.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::architecture;
use super::file::{Condition, Declared, parse};
use super::search_path::SearchPath;
use crate::problem::Problem;
use crate::sys::Root;

/// What is declared on a system.
#[derive(Debug, Clone, Default)]
pub struct Declarations {
    /// The stores that are wanted, in the order of the files' names and then of the
    /// files. Of a path that is declared twice, the first.
    pub stores: Vec<Declared>,
    /// Those whose condition is not met, and why.
    pub unmet: Vec<(Declared, String)>,
    /// Mistakes. The files that they are in declare nothing.
    pub problems: Vec<Problem>,
    /// The names of those files.
    pub faulty: Vec<String>,
    /// Mount points of sealed stores that are not declared any more and are still in use:
    /// they stay listed, behind all others ([`crate::sealed`]).
    pub former: Vec<String>,
}

/// Reads the declarations in these directories of `root`.
///
/// # Errors
/// If a directory cannot be read. A file that cannot is a mistake among others.
pub fn declarations(root: &Root, path: &SearchPath) -> anyhow::Result<Declarations> {
    let mut found = Declarations::default();
    let mut architecture = None;
    for (name, file) in files(root, path)? {
        if masked(root, &file)? {
            continue;
        }
        let loaded = load(root, &name, &file).and_then(|stores| match path.of_user {
            true => without_sealed(root, &file, stores),
            false => Ok(stores),
        });
        let stores = match loaded {
            Ok(stores) => stores,
            Err(problem) => {
                found.problems.push(problem);
                found.faulty.push(name);
                continue;
            }
        };
        for store in stores {
            if found.stores.iter().any(|other| other.path == store.path) {
                continue;
            }
            let own = *architecture.get_or_insert_with(|| architecture::of(root));
            match unmet(root, &store.condition, own)? {
                Some(why) => found.unmet.push((store, why)),
                None => found.stores.push(store),
            }
        }
    }
    Ok(found)
}

/// Whether a declaration may have this name: it stands in storage.conf, in a comment.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte))
}

/// The files that count, by name.
fn files(root: &Root, path: &SearchPath) -> Result<BTreeMap<String, PathBuf>, Problem> {
    let mut files = BTreeMap::new();
    for dir in path.dirs() {
        let names = root.list(dir).map_err(Problem::cannot("read", root.show(dir).display()))?;
        for name in names.unwrap_or_default() {
            let Some(name) = name.to_str() else { continue };
            if let Some(stem) = name.strip_suffix(".toml").filter(|stem| !stem.starts_with('.')) {
                files.insert(stem.to_owned(), dir.join(name));
            }
        }
    }
    Ok(files)
}

fn masked(root: &Root, file: &Path) -> Result<bool, Problem> {
    let link = root.read_link(file).map_err(Problem::cannot("read", root.show(file).display()))?;
    Ok(link.is_some_and(|target| target == Path::new("/dev/null")))
}

fn load(root: &Root, name: &str, file: &Path) -> Result<Vec<Declared>, Problem> {
    let shown = root.show(file);
    if !is_name(name) {
        return Err(Problem::new(
            "declaration",
            format!("`{}` has a name that storage.conf cannot name", shown.display()),
            "use letters, digits and `._@+-`",
        ));
    }
    let read = root.read(file).map_err(Problem::cannot("read", shown.display()))?;
    let Some((bytes, _)) = read else {
        if root.read_link(file).map_err(Problem::cannot("read", shown.display()))?.is_none() {
            // It was removed since the directory was listed, and so is not there.
            return Ok(Vec::new());
        }
        return Err(Problem::new(
            "declaration",
            format!("`{}` is a symlink to nothing", shown.display()),
            "fix it, or make it lead to /dev/null to mask the declaration",
        ));
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Problem::new(
            "declaration",
            format!("`{}` is not UTF-8, first at byte {at}", shown.display()),
            "save the file as UTF-8",
        )
    })?;
    parse(name, &text).map_err(|fault| Problem::at(fault, shown, &text))
}

/// What a user declares: systemd mounts for root alone.
fn without_sealed(root: &Root, file: &Path, stores: Vec<Declared>) -> Result<Vec<Declared>, Problem> {
    match stores.iter().find(|store| store.sealed.is_some()) {
        None => Ok(stores),
        Some(store) => Err(Problem::new(
            "declaration",
            format!(
                "`{}` declares `{}`, which is sealed: only root can mount it",
                root.show(file).display(),
                store.path
            ),
            "have root declare it in /etc/storagectl/stores.d",
        )),
    }
}

/// Why a condition is not met.
fn unmet(root: &Root, condition: &Condition, own: Option<&str>) -> Result<Option<String>, Problem> {
    if let Some(given) = &condition.path_exists {
        let (path, wanted) = match given.strip_prefix('!') {
            Some(path) => (path, false),
            None => (given.as_str(), true),
        };
        let there = root.stat(Path::new(path)).map_err(Problem::cannot("look at", path))?.is_some();
        if there != wanted {
            let verb = if there { "exists" } else { "does not exist" };
            return Ok(Some(format!("`{path}` {verb}")));
        }
    }
    if !condition.architectures.is_empty() && !own.is_some_and(|own| condition.architectures.contains(&own)) {
        return Ok(Some(format!("this system is for {}", own.unwrap_or("an unknown architecture"))));
    }
    Ok(None)
}
