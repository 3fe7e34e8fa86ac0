//! Directories that are made for a file of ours, and go with it.
//!
//! Such a file says so in a line. It goes with the file whatever happens in between: an update
//! of the system, a rollback, another version of the program.

use std::path::{Path, PathBuf};

use super::snapshot::Host;

const BEFORE: &str = "# Made with the directory ";
const BEHIND: &str = ", which goes with it.";

/// The line that says so of `dir`, the topmost that is made.
pub(super) fn line(dir: &Path) -> String {
    format!("{BEFORE}{}{BEHIND}", dir.display())
}

/// The directory that such a line names.
pub(super) fn named(line: &str) -> Option<&str> {
    line.strip_prefix(BEFORE)?.strip_suffix(BEHIND)
}

/// `text` with such a line in the end.
pub(super) fn with_line(text: &str, dir: Option<&Path>) -> String {
    dir.map_or_else(|| text.to_owned(), |dir| format!("{text}{}\n", line(dir)))
}

/// `text` without such a line in the end, and the directory that it names.
pub(super) fn split(text: &str) -> (&str, Option<&Path>) {
    let last = text.trim_end_matches('\n').rfind('\n').map_or(0, |newline| newline + 1);
    match named(text[last..].trim_end_matches('\n')) {
        Some(dir) => (&text[..last], Some(Path::new(dir))),
        None => (text, None),
    }
}

/// The topmost directory that is made for a new file at `path`, or was made for the files of
/// ours that are alone in its directory.
pub(super) fn made_for(host: &Host, path: &Path) -> Option<PathBuf> {
    let dir = path.parent()?;
    // A name that is no text, or would end the line, cannot be said.
    let fits = |dir: &Path| dir.to_str().is_some_and(|dir| !dir.contains(char::is_control));
    if let Some(made) = host.has_made(dir).filter(|made| fits(made)) {
        return Some(made);
    }
    match host.root.list(dir).ok()? {
        None => {
            let top = missing(host, dir).filter(|dir| fits(dir))?;
            // It may be all that is to stand beside files of ours.
            Some(made_for(host, top).unwrap_or_else(|| top.to_owned()))
        }
        Some(names) => {
            let of = |name| {
                let (bytes, _) = host.root.read(&dir.join(name)).ok()??;
                let text = String::from_utf8(bytes).ok()?;
                text.lines().find_map(named).map(PathBuf::from)
            };
            let made: Option<Vec<PathBuf>> = names.into_iter().map(of).collect();
            made?.into_iter().min()
        }
    }
}

/// The topmost directory that is missing on the way to `dir`, but for those that every system
/// has, such as /etc.
pub(super) fn missing<'a>(host: &Host, dir: &'a Path) -> Option<&'a Path> {
    let is_missing = |dir: &&Path| dir.components().count() > 2 && matches!(host.root.stat(dir), Ok(None));
    dir.ancestors().take_while(is_missing).last()
}

/// The directories to remove, if nothing else is in them, when the file at `path` that said
/// `text` is gone; the innermost first.
pub(super) fn left_by<'a>(path: &'a Path, text: &str) -> Vec<&'a Path> {
    let Some(top) = text.lines().find_map(named).map(Path::new).filter(|top| path.starts_with(top)) else {
        return Vec::new();
    };
    path.ancestors().skip(1).take_while(|dir| dir.starts_with(top)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_again() {
        let text = with_line("a\n", Some(Path::new("/etc/containers")));
        assert_eq!(split(&text), ("a\n", Some(Path::new("/etc/containers"))));
        assert_eq!(split("a\n"), ("a\n", None));
        let file = Path::new("/etc/containers/x.d/f");
        assert_eq!(left_by(file, &text), [Path::new("/etc/containers/x.d"), Path::new("/etc/containers")]);
        assert!(left_by(Path::new("/srv/f"), &text).is_empty());
    }
}
