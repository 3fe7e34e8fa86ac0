//! Where items go: to one place at each instant, by renames within their file system.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::look::sibling;
use super::names::{REASON, numbered};
use crate::plan::Host;
use crate::problem::Problem;
use crate::sys::{Root, rename};

/// How many items of one name are kept.
const NUMBERS: usize = 10_000;

/// Where items are, and where they go.
pub(super) struct ItemDirs<'a> {
    pub(super) host: &'a Host,
    /// Where they are.
    pub(super) dir: &'a Path,
    /// The same, opened once.
    pub(super) opened: &'a Root,
}

impl ItemDirs<'_> {
    /// Moves the item `name` to the sibling `to` of its directory. Returns where it is then; `None` if it
    /// is not the one that has this identity any more, which stays.
    ///
    /// # Errors
    /// The system's answer: the item stays.
    pub(super) fn move_to(&self, name: &OsStr, id: (u64, u64), to: &str) -> Result<Option<PathBuf>, Problem> {
        let root = &self.host.root;
        let target = sibling(self.dir, to);
        root.create_dirs(&target, 0o700).map_err(self.host.cannot("create the directory", &target))?;
        let from = self.dir.join(name);
        for number in 0..NUMBERS {
            let to = target.join(numbered(name, number));
            match self.exchange(&from, &to, id) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                    let message = format!(
                        "`{}` cannot be moved out of `{}`, which is a file system of its own",
                        name.display(),
                        self.host.show(self.dir)
                    );
                    let hint = "give `--keep`, or a directory in it";
                    return Err(Problem::new("io", message, hint));
                }
                result => {
                    let moved = result.map_err(self.host.cannot("move", &from))?;
                    return Ok(moved.then_some(to));
                }
            }
        }
        Err(self.host.cannot("move", &from)(io::ErrorKind::AlreadyExists.into()))
    }

    /// Moves what has the name `from`, and back if that is another thing than the one with this identity.
    fn exchange(&self, from: &Path, to: &Path, id: (u64, u64)) -> io::Result<bool> {
        let root = &self.host.root;
        let base = self.dir.parent().unwrap_or(Path::new("/"));
        if !rename(root, base, from, to)? {
            return Ok(false);
        }
        let moved = root.stat_link(&root.resolve_link(to)?)?;
        if moved.is_some_and(|moved| moved.id == id) {
            return Ok(true);
        }
        // Whoever has replaced it in this instant has brought a new one.
        rename(root, base, to, from)?;
        Ok(false)
    }

    /// Removes the item `name`, if it has this identity. A directory goes at once by its name, and then
    /// piece by piece.
    ///
    /// # Errors
    /// The system's answer.
    pub(super) fn remove(&self, name: &OsStr, id: (u64, u64)) -> Result<bool, Problem> {
        let cannot = |error| self.host.cannot("remove", &self.dir.join(name))(error);
        let target = sibling(self.dir, super::IMPORTED);
        self.host
            .root
            .create_dirs(&target, 0o700)
            .map_err(self.host.cannot("create the directory", &target))?;
        let mut writer = self.host.root.directory_writer(&target).map_err(cannot)?;
        let mut staging = writer.staging().map_err(cannot)?;
        let to = target.join(&staging.name).join("item");
        let moved = self.exchange(&self.dir.join(name), &to, id).map_err(cannot)?;
        staging.remove().map_err(cannot)?;
        Ok(moved)
    }

    /// Removes what a run has left that was killed while it removed something.
    pub(super) fn sweep(&self) {
        let target = sibling(self.dir, super::IMPORTED);
        if let Ok(mut writer) = self.host.root.directory_writer(&target) {
            // It is in nobody's way.
            let _ = writer.sweep();
        }
    }

    /// Writes beside a refused item why it was refused.
    ///
    /// # Errors
    /// The system's answer.
    pub(super) fn give_reason(&self, item: &Path, problem: &Problem) -> Result<(), Problem> {
        let mut file = item.as_os_str().to_owned();
        file.push(REASON);
        let file = PathBuf::from(file);
        let text = format!("{problem}\n\n{}\n", problem.hint);
        self.host.root.replace_file(&file, text.as_bytes()).map_err(self.host.cannot("write", &file))
    }

    /// The identity of the item `name`; `None` if it is gone.
    pub(super) fn identity(&self, name: &OsStr) -> Result<Option<(u64, u64)>, Problem> {
        let path = Path::new("/").join(name);
        let stat =
            self.opened.stat_or_link(&path).map_err(self.host.cannot("look at", &self.dir.join(name)))?;
        Ok(stat.map(|stat| stat.id))
    }
}
