//! Directories that are made for a file of ours, and go with it.
//!
//! Such a file says so in a line. It goes with the file whatever happens in between: an update
//! of the system, a rollback, another version of the program.
//!
//! While the file is not there, before it comes and after it goes, a sign beside the directory
//! says so: whoever finds one knows that its writer is dead or has failed, and takes both away.

use std::io;
use std::path::{Path, PathBuf};

use super::host::Host;
use crate::sys;

const BEFORE: &str = "# Made with the directory ";
const BEHIND: &str = ", which goes with it.";
const MODE: u32 = 0o755;
const SIGN_MODE: u32 = 0o600;

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
pub(super) fn made_for(host: &Host, path: &Path) -> io::Result<Option<PathBuf>> {
    let Some(dir) = path.parent() else {
        return Ok(None);
    };
    // A name that is no text, or would end the line, cannot be said.
    let fits = |dir: &Path| dir.to_str().is_some_and(|dir| !dir.contains(char::is_control));
    let mut signed = None;
    for dir in changeable(dir) {
        if host.root.stat(&sign(dir))?.is_some() {
            signed = Some(dir);
        }
    }
    if let Some(signed) = signed.filter(|dir| fits(dir)) {
        return Ok(Some(signed.to_owned()));
    }
    if host.root.list(dir)?.is_some() {
        return made_with(host, dir);
    }
    let Some(top) = missing(host, dir)?.filter(|dir| fits(dir)) else {
        return Ok(None);
    };
    // It may be all that is to stand beside files of ours.
    Ok(Some(made_for(host, top)?.unwrap_or_else(|| top.to_owned())))
}

/// The topmost directory that was made for what is in `dir`, if all of that is ours.
fn made_with(host: &Host, dir: &Path) -> io::Result<Option<PathBuf>> {
    let mut made: Option<PathBuf> = None;
    for name in host.root.list(dir)?.unwrap_or_default() {
        let path = dir.join(name);
        let of = match host.root.read(&path) {
            Ok(read) => {
                let text = read.and_then(|(bytes, _)| String::from_utf8(bytes).ok());
                text.and_then(|text| text.lines().find_map(named).map(PathBuf::from))
            }
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => made_with(host, &path)?,
            // What cannot be read by us is not ours.
            Err(error) if is_about_the_file(&error) => None,
            Err(error) => return Err(error),
        };
        let Some(of) = of else {
            return Ok(None);
        };
        made = Some(made.map_or(of.clone(), |made| made.min(of)));
    }
    Ok(made)
}

fn is_about_the_file(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, InvalidInput, PermissionDenied};
    matches!(error.kind(), FileTooLarge | InvalidInput | PermissionDenied) || sys::is_loop(error)
}

/// The directories on the way to `dir`, the innermost first, but for those that every system
/// has, such as /etc.
fn changeable(dir: &Path) -> impl Iterator<Item = &Path> {
    dir.ancestors().take_while(|dir| dir.components().count() > 2)
}

/// The topmost directory that is missing on the way to `dir`.
fn missing<'a>(host: &Host, dir: &'a Path) -> io::Result<Option<&'a Path>> {
    let mut top = None;
    for dir in changeable(dir) {
        if host.root.stat(dir)?.is_some() {
            break;
        }
        top = Some(dir);
    }
    Ok(top)
}

/// Makes `dir` and what is missing above it, each with its sign, until [`settle`] finds
/// something in it.
pub(super) fn make(host: &Host, dir: &Path) -> io::Result<()> {
    if let Some(top) = missing(host, dir)? {
        let above = top.parent().unwrap_or(Path::new("/"));
        host.root.create_dirs(above, MODE)?;
        let made: Vec<&Path> = dir.ancestors().take_while(|dir| *dir != above).collect();
        for dir in made.into_iter().rev() {
            host.root.create_empty(&sign(dir), SIGN_MODE)?;
            host.root.create_dirs(dir, MODE)?;
        }
        return Ok(());
    }
    host.root.create_dirs(dir, MODE)
}

/// Signs what goes with the file at `path` that says `text`, before it goes.
pub(super) fn leave(host: &Host, path: &Path, text: &str) {
    for dir in left_by(path, text) {
        // Where none can be made the directory cannot be removed either.
        let _ = host.root.create_empty(&sign(dir), SIGN_MODE);
    }
}

/// Removes what is empty of the directories that have a sign, then all signs, and temporary
/// files of runs that were killed. `main` is the main file, whose directory must be locked if
/// there is one.
///
/// What cannot be removed stays. A call that has failed once may work the next time, and
/// nobody would be told of what is left.
pub(super) fn settle(host: &Host, main: &Path) {
    let _ = settle_once(host, main).or_else(|_| settle_once(host, main));
}

fn settle_once(host: &Host, main: &Path) -> io::Result<()> {
    let dir = main.parent().unwrap_or(Path::new("/"));
    let [shared, root, users] = host.drop_in_dirs();
    let mut dirs: Vec<PathBuf> = Vec::new();
    if let Some(names) = host.root.list(&users)? {
        dirs.extend(names.into_iter().map(|user| users.join(user)));
    }
    dirs.extend([users, root, shared, dir.to_owned()]);
    for dir in dirs {
        for name in host.root.list(&dir)?.unwrap_or_default() {
            if let Some(of) = sys::is_temporary_of(&name) {
                settle_one(host, &dir.join(of))?;
            }
        }
    }
    changeable(dir).try_for_each(|dir| settle_one(host, dir))
}

fn settle_one(host: &Host, dir: &Path) -> io::Result<()> {
    let sign = sign(dir);
    if host.root.stat(&sign)?.is_some() {
        // It may be a file, or what others have mounted.
        let _ = host.root.remove_empty_dir(dir);
        host.root.remove_file(&sign)?;
    }
    Ok(())
}

fn sign(dir: &Path) -> PathBuf {
    dir.with_file_name(sys::temporary(dir.file_name().unwrap_or_default()))
}

/// The directories to remove, if nothing else is in them, when the file at `path` that said
/// `text` is gone; the innermost first.
fn left_by<'a>(path: &'a Path, text: &str) -> Vec<&'a Path> {
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
