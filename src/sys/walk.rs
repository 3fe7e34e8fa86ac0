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

/// What becomes of symlinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SymlinkPolicy {
    /// They lead on, inside the tree.
    Followed,
    /// What would be followed is `ELOOP`.
    Refused,
}

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

    /// Whether this is the same name in the same directory, and not in one that has its path now.
    pub fn is_same(&self, other: &Self) -> io::Result<bool> {
        let id = |at: &Self| Ok::<_, io::Error>(Stat::from_raw(&fs::fstat(&at.dir)?).id);
        Ok(self.path == other.path && id(self)? == id(other)?)
    }

    /// The path of the directory that holds it.
    pub fn parent(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

/// A directory that was passed on the way.
#[derive(Debug, Clone)]
pub struct TrailStep {
    /// Its path, without symlinks, inside the tree.
    pub path: PathBuf,
    /// What it is.
    pub stat: Stat,
}

/// Walks `path` from `root`. Returns where it ends and the directories in which
/// names were looked up, the root first.
pub(super) fn walk(
    root: &OwnedFd,
    path: &Path,
    follow_last: bool,
    links: SymlinkPolicy,
) -> io::Result<(Resolved, Vec<TrailStep>)> {
    let bytes = path.as_os_str().as_bytes();
    // `link/` and `link/.` mean what the link points at.
    let follow_last = follow_last || bytes.ends_with(b"/") || bytes.ends_with(b"/.");
    let mut todo: VecDeque<OsString> = components(path.as_os_str());
    let mut stack: Vec<(OsString, OwnedFd)> = Vec::new();
    let mut steps = vec![TrailStep { path: PathBuf::from("/"), stat: Stat::from_raw(&fs::fstat(root)?) }];
    let mut followed = 0;
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
                followed += 1;
                if links == SymlinkPolicy::Refused || followed > MAX_SYMLINKS {
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
                steps.push(TrailStep { path: path_of(&stack, None), stat });
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustix::fs::ResolveFlags;

    use super::super::root::relative;
    use super::*;

    /// What a tree's author could plant: (where, what it points at).
    fn links() -> impl Strategy<Value = Vec<(String, String)>> {
        let name = "[abc]";
        let place = proptest::collection::vec(name, 1..4).prop_map(|parts| parts.join("/"));
        let target =
            (any::<bool>(), proptest::collection::vec(prop_oneof!["[abc]", Just("..".to_owned())], 1..6))
                .prop_map(|(absolute, parts)| {
                    format!("{}{}", if absolute { "/" } else { "" }, parts.join("/"))
                });
        proptest::collection::vec((place, target), 0..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_walk_ends_where_the_kernel_ends(links in links(), paths in proptest::collection::vec("(/?([abc]|\\.\\.|\\.)){1,6}", 1..8)) {
            let scratch = tempfile::tempdir().unwrap();
            let tree = scratch.path().join("tree");
            for dir in ["a/b/c", "b/a", "c"] {
                fs_err::create_dir_all(tree.join(dir)).unwrap();
                fs_err::create_dir_all(scratch.path().join(dir)).unwrap();
            }
            for (place, target) in &links {
                // Where something stands already, nothing is planted.
                let _ = std::os::unix::fs::symlink(target, tree.join(place));
            }
            let root = fs::open(&tree, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
            for path in paths.iter().map(Path::new) {
                for follow in [true, false] {
                    let flags = if follow { OFlags::PATH } else { OFlags::PATH | OFlags::NOFOLLOW };
                    let open = || fs::openat2(&root, relative(path), flags, Mode::empty(), ResolveFlags::IN_ROOT);
                    // Something was renamed somewhere on the system meanwhile.
                    let is_told = |kernel: &Result<OwnedFd, Errno>| !matches!(kernel, Err(Errno::AGAIN));
                    let kernel = std::iter::repeat_with(open).find(is_told).expect("it is tried until it ends");
                    let kernel = kernel.map(|file| id(&fs::fstat(file).unwrap()));
                    let walked = walk(&root, path, follow, SymlinkPolicy::Followed).and_then(|(end, _)| {
                        Ok(id(&fs::statat(&end.dir, end.name(), AtFlags::SYMLINK_NOFOLLOW)?))
                    });
                    match (kernel, walked) {
                        (Ok(kernel), Ok(walked)) => prop_assert_eq!(kernel, walked, "{:?} {}", path, follow),
                        (Err(_), Err(_)) => {}
                        (kernel, walked) => prop_assert!(false, "{path:?} {follow}: {kernel:?} {walked:?}"),
                    }
                }
            }
        }
    }

    fn id(stat: &fs::Stat) -> (u64, u64) {
        (stat.st_dev, stat.st_ino)
    }

    #[test]
    fn a_resolved_path_names_the_end_and_the_steps_name_the_way() {
        let scratch = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(scratch.path().join("usr/lib")).unwrap();
        std::os::unix::fs::symlink("/usr/lib", scratch.path().join("lib")).unwrap();
        let root = fs::open(scratch.path(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let (end, steps) = walk(&root, Path::new("/lib/new"), true, SymlinkPolicy::Followed).unwrap();
        assert_eq!(end.path, Path::new("/usr/lib/new"));
        assert_eq!(end.parent(), Path::new("/usr/lib"));
        let way: Vec<_> = steps.iter().map(|step| step.path.to_str().unwrap()).collect();
        assert_eq!(way, ["/", "/usr", "/usr/lib"]);
    }
}
