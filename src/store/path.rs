//! Which paths may be listed.

use std::ffi::OsStr;

use crate::conf::clean;
use crate::problem::Problem;

/// Reads a path as one that may stand in storage.conf:
/// absolute, without anything that an engine would read otherwise than it
/// stands there. Returns it cleaned.
pub fn store_path(given: &OsStr) -> Result<String, Problem> {
    let shown = given.to_string_lossy();
    let Some(path) = given.to_str() else {
        return Err(Problem::new(
            "path-not-utf8",
            format!("the path `{shown}` is not UTF-8"),
            "rename the directory; storage.conf can hold UTF-8 only",
        ));
    };
    let refuse = |id, what: &str, hint: &str| {
        Err(Problem::new(id, format!("the path `{}` {what}", path.escape_debug()), hint))
    };
    if path.is_empty() {
        return refuse("path-empty", "is empty", "give the store's absolute path");
    }
    if path.starts_with('~') {
        return refuse(
            "path-tilde",
            "starts with `~`, which engines do not expand",
            "give the absolute path",
        );
    }
    if has_variable(path) {
        return refuse(
            "path-variable",
            "holds a variable, which engines do not expand here",
            "give the path that it means",
        );
    }
    if path.contains(',') {
        return refuse("path-comma", "holds a comma, at which engines split it", "rename the directory");
    }
    if path.chars().any(char::is_control) {
        return refuse("path-control", "holds a control character", "rename the directory");
    }
    if !path.starts_with('/') {
        return refuse("path-relative", "is not absolute", "use an absolute path");
    }
    Ok(clean(path))
}

fn has_variable(path: &str) -> bool {
    path.match_indices('$').any(|(at, _)| {
        path[at + 1..].starts_with(|next: char| next.is_ascii_alphabetic() || matches!(next, '_' | '{' | '('))
    })
}
