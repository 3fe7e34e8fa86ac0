//! Resolving a path inside a tree, one component at a time.
//!
//! Mirrors what `openat2` does with `RESOLVE_IN_ROOT`: `..` at the root stays
//! there, an absolute symlink starts again at the root, and at most 40 symlinks
//! are followed (`MAXSYMLINKS`). Each component is opened from the descriptor of
//! the one before, without following, so that a directory which is swapped for
//! a symlink meanwhile is an error and never a way out.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::root::Stat;

const MAX_SYMLINKS: usize = 40;

/// A path without symlinks, and the directory that holds its last component.
#[derive(Debug)]
pub struct Resolved {
    /// The directory that holds it (a path descriptor).
    pub dir: OwnedFd,
    /// The resolved path, absolute inside the tree.
    pub path: PathBuf,
    is_root: bool,
}

impl Resolved {
    /// Its name in [`Resolved::dir`]; `.` for the tree itself.
    pub fn name(&self) -> &OsStr {
        match self.path.file_name() {
            Some(name) if !self.is_root => name,
            _ => OsStr::new("."),
        }
    }

    /// The path of the directory that holds it.
    pub fn parent(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

/// A directory that was passed on the way.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its path, without symlinks, inside the tree.
    pub path: PathBuf,
    /// What it is.
    pub stat: Stat,
}

/// Walks `path` from `root`. Returns where it ends and the directories in which
/// names were looked up, the root first.
pub(super) fn walk(root: &OwnedFd, path: &Path, follow_last: bool) -> io::Result<(Resolved, Vec<Step>)> {
    let mut todo: VecDeque<OsString> = components(path.as_os_str());
    let mut stack: Vec<(OsString, OwnedFd)> = Vec::new();
    let mut steps = vec![Step { path: PathBuf::from("/"), stat: Stat::from_raw(&fs::fstat(root)?) }];
    let mut links = 0;
    while let Some(name) = todo.pop_front() {
        if name == ".." {
            stack.pop();
            continue;
        }
        let here = stack.last().map_or(root, |(_, dir)| dir);
        let last = todo.is_empty();
        let kind = match fs::statat(here, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Some(FileType::from_raw_mode(stat.st_mode)),
            Err(Errno::NOENT) if last => None,
            Err(error) => return Err(error.into()),
        };
        match kind {
            Some(FileType::Symlink) if !last || follow_last => {
                links += 1;
                if links > MAX_SYMLINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = OsString::from_vec(fs::readlinkat(here, &name, Vec::new())?.into_bytes());
                if target.as_bytes().starts_with(b"/") {
                    stack.clear();
                }
                for part in components(&target).into_iter().rev() {
                    todo.push_front(part);
                }
            }
            Some(FileType::Directory) if !last => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let dir = fs::openat(here, &name, flags, Mode::empty())?;
                let stat = Stat::from_raw(&fs::fstat(&dir)?);
                stack.push((name, dir));
                steps.push(Step { path: path_of(&stack, None), stat });
            }
            _ if last => {
                let path = path_of(&stack, Some(&name));
                let dir = here.as_fd().try_clone_to_owned()?;
                return Ok((Resolved { dir, path, is_root: false }, steps));
            }
            Some(_) | None => return Err(Errno::NOTDIR.into()),
        }
    }
    // The path ends in a directory that is on the stack already, or is the root.
    let Some((name, _)) = stack.pop() else {
        let dir = root.as_fd().try_clone_to_owned()?;
        return Ok((Resolved { dir, path: PathBuf::from("/"), is_root: true }, steps));
    };
    let path = path_of(&stack, Some(&name));
    let dir = stack.last().map_or(root, |(_, dir)| dir).as_fd().try_clone_to_owned()?;
    Ok((Resolved { dir, path, is_root: false }, steps))
}

fn components(path: &OsStr) -> VecDeque<OsString> {
    path.as_bytes()
        .split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .map(|part| OsStr::from_bytes(part).to_owned())
        .collect()
}

fn path_of(stack: &[(OsString, OwnedFd)], name: Option<&OsStr>) -> PathBuf {
    let mut path = PathBuf::from("/");
    path.extend(stack.iter().map(|(part, _)| part.as_os_str()).chain(name));
    path
}
