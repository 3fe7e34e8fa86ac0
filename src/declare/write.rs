//! Writing a declaration.

use std::path::PathBuf;

use super::file::parse;
use super::read::is_name;
use super::search_path::SearchPath;
use crate::conf::quoted;
use crate::problem::Problem;
use crate::sys::{Root, is_booted};

/// Declares the stores at `paths` under `name`: for the packages of a tree or of an
/// image that is being built, else for this host or this user. Returns the file, and whether it
/// had to be written.
///
/// # Errors
/// A [`Problem`] if a declaration of that name says something else, or cannot be
/// written.
pub fn declare(
    root: &Root,
    search: &SearchPath,
    name: &str,
    paths: &[String],
    dry_run: bool,
) -> anyhow::Result<(PathBuf, bool)> {
    if !is_name(name) {
        return Err(Problem::new(
            "declaration",
            format!("a declaration cannot be named `{}`", name.escape_debug()),
            "use letters, digits and `._@+-`",
        )
        .into());
    }
    let is_own = search.of_user || !root.is_tree() && is_booted();
    let dir = if is_own { &search.admin } else { &search.vendor };
    let file = dir.join(format!("{name}.toml"));
    let shown = root.show(&file).display().to_string();
    let read = root.read(&file).map_err(Problem::cannot("read", &shown))?;
    if let Some((bytes, _)) = read {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let declared = parse(name, &text).map_err(|fault| Problem::at(fault, root.show(&file), &text))?;
        if paths.iter().all(|path| declared.iter().any(|store| store.path == *path)) {
            return Ok((file, false));
        }
        return Err(Problem::new(
            "declaration",
            format!("`{shown}` exists and declares other stores"),
            "edit that file, or use another name",
        )
        .into());
    }
    if !dry_run {
        let stores: Vec<String> =
            paths.iter().map(|path| format!("[[store]]\npath = {}\n", quoted(path))).collect();
        root.create_dirs(dir, 0o755)
            .and_then(|()| root.replace_file(&file, stores.join("\n").as_bytes()))
            .map_err(Problem::cannot("write", &shown))?;
    }
    Ok((file, true))
}
