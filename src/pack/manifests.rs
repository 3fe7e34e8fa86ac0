//! Manifests of a package: files of a directory, as they are.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use super::contents::{PackageTree, TreeEntry, TreeEntryKind, unwritten};
use super::recipe::Package;
use crate::problem::Problem;
use crate::sys::{FileKind, Root};

/// Nobody nests manifests deeper.
const DEEPEST: usize = 64;

/// Puts what is in `dir` where the package has its manifests.
///
/// # Errors
/// `manifests-invalid`, or the system's answer.
pub(super) fn fill(package: &Package, dir: &Path, contents: &mut PackageTree) -> Result<(), Problem> {
    let shown = dir.display();
    let invalid = |message: String, hint: &str| Problem::new("manifests-invalid", message, hint);
    let dir = std::path::absolute(dir).map_err(Problem::cannot("find", &shown))?;
    let tree = match Root::tree(&dir) {
        Ok(tree) => tree,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            let message = format!("there is no directory `{shown}` with the manifests of `{}`", package.name);
            return Err(invalid(message, "give a directory, relative to the file that names it"));
        }
        Err(error) => return Err(Problem::io("open", &shown.to_string(), &error)),
    };
    let mut writer = Manifests { tree, contents, base: package.manifest_path.as_bytes(), count: 0 };
    writer.directory(Path::new("/"), 0)?;
    if writer.count == 0 {
        let message = format!("`{shown}` is empty");
        return Err(invalid(message, "put the manifests there, or remove `manifests`"));
    }
    Ok(())
}

struct Manifests<'a> {
    tree: Root,
    contents: &'a mut PackageTree,
    base: &'a [u8],
    count: usize,
}

impl Manifests<'_> {
    fn directory(&mut self, path: &Path, depth: usize) -> Result<(), Problem> {
        let shown = self.tree.show(path).display().to_string();
        if depth > DEEPEST {
            let message = format!("`{shown}` is nested too deeply");
            return Err(Problem::new("manifests-invalid", message, "move it up"));
        }
        let names = self.tree.list(path).map_err(Problem::cannot("read", &shown))?.unwrap_or_default();
        let mut names: Vec<_> = names;
        names.sort();
        let time = self.contents.time();
        let to = self.to(path);
        self.contents
            .add_parents(&to)
            .and_then(|()| self.contents.add(&to, TreeEntry::of_root(TreeEntryKind::Directory, 0o755, time)))
            .map_err(unwritten(self.contents))?;
        for name in names {
            self.any(&path.join(&name), depth)?;
        }
        Ok(())
    }

    fn any(&mut self, path: &Path, depth: usize) -> Result<(), Problem> {
        let shown = self.tree.show(path).display().to_string();
        let at = self.tree.resolve_link(path).map_err(Problem::cannot("look at", &shown))?;
        let stat = self.tree.stat_link(&at).map_err(Problem::cannot("look at", &shown))?;
        let invalid = |message: String, hint: &str| Problem::new("manifests-invalid", message, hint);
        let Some(stat) = stat else {
            return Err(invalid(format!("`{shown}` is gone"), "do not change it while packages are built"));
        };
        let (to, time) = (self.to(path), self.contents.time());
        match stat.kind {
            FileKind::Directory => return self.directory(path, depth + 1),
            FileKind::File => {
                let file = self.contents.begin_file(&to).map_err(unwritten(self.contents))?;
                self.tree.copy_to(path, &file).map_err(Problem::cannot("read", &shown))?;
                let mode = if stat.mode & 0o111 == 0 { 0o644 } else { 0o755 };
                let entry = TreeEntry::of_root(TreeEntryKind::File, mode, time);
                self.contents.end_file(&to, entry).map_err(unwritten(self.contents))?;
            }
            FileKind::Symlink => {
                let target = self.tree.read_link_at(&at).map_err(Problem::cannot("read", &shown))?;
                let target = target.unwrap_or_default();
                if !stays(path, &target) {
                    let message = format!("the symlink `{shown}` leads out of its directory");
                    return Err(invalid(message, "put the file itself there"));
                }
                if self.tree.stat(path).map_err(Problem::cannot("look at", &shown))?.is_none() {
                    let message = format!("the symlink `{shown}` leads nowhere");
                    return Err(invalid(message, "fix or remove it"));
                }
                let what = TreeEntryKind::Symlink(target.as_os_str().as_bytes().to_vec());
                let entry = TreeEntry::of_root(what, 0o777, time);
                self.contents.add(&to, entry).map_err(unwritten(self.contents))?;
            }
            FileKind::Other => {
                let message = format!("`{shown}` is neither a file nor a directory");
                return Err(invalid(message, "remove it"));
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Where `path` goes.
    fn to(&self, path: &Path) -> Vec<u8> {
        let inside = path.strip_prefix("/").unwrap_or(path).as_os_str();
        if inside == OsStr::new("") {
            return self.base.to_vec();
        }
        [self.base, b"/", inside.as_bytes()].concat()
    }
}

/// Whether `target`, in a symlink at `path`, is relative and leads to something below `/`.
fn stays(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count().saturating_sub(2);
    for part in target.components() {
        match part {
            Component::ParentDir if depth == 0 => return false,
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}
