//! The directory of `--files-dir`, and the files in it.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::limits;
use crate::problem::Problem;
use crate::provision::sources::{FilesBeside, LocalEntry, NotRead, TreeKind};
use crate::sys::{FileKind, Root};

/// A directory out of which no path leads, also no symlink.
pub(super) struct FilesDir {
    system: Root,
    /// The same directory, in which no symlink is followed.
    dir: Option<(PathBuf, Root)>,
}

impl FilesDir {
    /// The directory at `path`, if one is given.
    pub(super) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let system = Root::system().map_err(Problem::cannot("open", "/"))?;
        let Some(path) = path else {
            return Ok(Self { system, dir: None });
        };
        let cannot = || Problem::cannot("open", path.display());
        let real = std::path::absolute(path).map(|path| system.real(&path)).map_err(cannot())?;
        let Some(root) = system.strict(&real).map_err(cannot())? else {
            return Err(cannot()(io::ErrorKind::NotFound.into()).into());
        };
        Ok(Self { system, dir: Some((real, root)) })
    }

    /// The directory, and what a path of a document is in it, as Butane joins the two.
    fn find(&self, path: &str) -> Result<(&Root, PathBuf), NotRead> {
        let (dir, root) = self.dir.as_ref().ok_or(NotRead::Unknown)?;
        let mut inner = PathBuf::new();
        for part in Path::new(path).components() {
            match part {
                Component::Normal(name) => inner.push(name),
                Component::ParentDir if !inner.pop() => return Err(leads_out()),
                _ => {}
            }
        }
        // What is opened is the path without symlinks, in which none is followed any more.
        let real = self.system.real(&dir.join(inner));
        let inner = real.strip_prefix(dir).map_err(|_| leads_out())?;
        Ok((root, Path::new("/").join(inner)))
    }

    /// What stands at a path in the directory.
    fn kind(&self, path: &str) -> Result<(&Root, PathBuf, FileKind), NotRead> {
        let (root, at) = self.find(path)?;
        let stat = root.stat_or_link(&at).map_err(refused)?;
        let kind = stat.ok_or(NotRead::Missing)?.kind;
        Ok((root, at, kind))
    }
}

impl FilesBeside for FilesDir {
    fn file(&self, path: &str, limit: u64) -> Result<Vec<u8>, NotRead> {
        let (root, at) = self.find(path)?;
        let (bytes, _) = root.read_up_to(&at, limit).map_err(refused)?.ok_or(NotRead::Missing)?;
        Ok(bytes)
    }

    fn tree(&self, path: &str, limit: u64) -> Result<Vec<LocalEntry>, NotRead> {
        let (root, at, kind) = self.kind(path)?;
        if kind != FileKind::Directory {
            return Err(NotRead::Refused("it is not a directory".to_owned()));
        }
        let mut walk = TreeWalk { root, left: limit, entries: Vec::new() };
        walk.directory(&at, "", 0)?;
        Ok(walk.entries)
    }

    fn below(&self, path: &str) -> Result<String, NotRead> {
        let (dir, _) = self.dir.as_ref().ok_or(NotRead::Unknown)?;
        if !path.starts_with('/') {
            return Ok(path.to_owned());
        }
        let inner = Path::new(path).strip_prefix(dir).map_err(|_| leads_out())?;
        inner.to_str().map(str::to_owned).ok_or_else(leads_out)
    }

    fn names(&self, path: &str) -> Result<Option<Vec<String>>, NotRead> {
        let (root, at, kind) = self.kind(path)?;
        if kind != FileKind::Directory {
            return Ok(None);
        }
        let mut names = Vec::new();
        for name in root.list(&at).map_err(refused)?.unwrap_or_default() {
            let is_directory = root
                .stat_or_link(&at.join(&name))
                .map_err(refused)?
                .is_none_or(|stat| stat.kind == FileKind::Directory);
            if !is_directory {
                names.push(name.into_string().map_err(|_| not_utf8())?);
            }
        }
        Ok(Some(names))
    }
}

/// Goes through a directory as Butane does: in the order of names, no symlink followed.
struct TreeWalk<'a> {
    root: &'a Root,
    left: u64,
    entries: Vec<LocalEntry>,
}

impl TreeWalk<'_> {
    fn directory(&mut self, at: &Path, below: &str, depth: usize) -> Result<(), NotRead> {
        let within = |why: &str| NotRead::Refused(format!("{why}: `{below}`"));
        if depth > limits::MERGED_DEPTH {
            return Err(within("it goes too deep"));
        }
        let names = self.root.list(at).map_err(refused)?.unwrap_or_default();
        for name in names {
            let at = at.join(&name);
            let name = name.into_string().map_err(|_| not_utf8())?;
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            let within = |why: &str| NotRead::Refused(format!("{why}: `{path}`"));
            let Some(stat) = self.root.stat_or_link(&at).map_err(refused)? else {
                continue;
            };
            let kind = match stat.kind {
                FileKind::Directory => {
                    self.directory(&at, &path, depth + 1)?;
                    continue;
                }
                FileKind::Symlink => {
                    let target = self.root.read_link(&at).map_err(refused)?.unwrap_or_default();
                    TreeKind::Link(target.into_os_string().into_string().map_err(|_| not_utf8())?)
                }
                FileKind::File => {
                    let read = self.root.read_up_to(&at, self.left);
                    let (bytes, stat) =
                        read.map_err(|error| within(&error.to_string()))?.ok_or(NotRead::Missing)?;
                    self.left -= bytes.len() as u64;
                    TreeKind::File(bytes, stat.mode & 0o111 != 0)
                }
                FileKind::Other => return Err(within("there is neither a file nor a link in it")),
            };
            if self.entries.len() >= limits::BESIDE_FILES {
                return Err(within(&format!("it has more than {} files", limits::BESIDE_FILES)));
            }
            self.entries.push(LocalEntry { path, kind });
        }
        Ok(())
    }
}

fn leads_out() -> NotRead {
    NotRead::Refused("it leads out of the directory".to_owned())
}

fn not_utf8() -> NotRead {
    NotRead::Refused("a name in it is not UTF-8".to_owned())
}

fn refused(error: io::Error) -> NotRead {
    NotRead::Refused(error.to_string())
}
