//! Letting the engines of normal users read a store that root's engine made.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::problem::Problem;
use crate::sys::{Directory, FileKind, Root, Stat};

/// What a directory needs so that everyone can go through it, and a file so that
/// everyone can read it.
const DIRECTORY: u32 = 0o055;
const FILE: u32 = 0o044;

/// Files of a layer that engines read, beside its content.
const OF_LAYER: [&str; 3] = ["link", "lower", "lower-layers"];

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OpenedUp {
    /// What was changed, or in a dry run would be.
    pub opened: Vec<PathBuf>,
    /// What was left, since it does not belong to whom the store does.
    pub foreign: Vec<PathBuf>,
}

/// Lets everyone read what engines look at in the store of `driver` at `path`: lock
/// files, records, the documents of images, the directories of layers and what says how
/// they are stacked. Nobody gets to write anything, and content of layers is left alone.
///
/// Engines make all that for their own user alone; a normal user's would stop on the
/// first lock file.
///
/// Whoever may write to the store has put there what is there. So no symlink is followed,
/// and nothing is opened that belongs to somebody else than the store.
///
/// # Errors
/// If something may not be changed, or a symlink stands in the place of a directory.
pub fn open_up(root: &Root, path: &Path, driver: &str, dry_run: bool) -> Result<OpenedUp, Problem> {
    let failed = |(inner, error): Failed| {
        let shown = root.show(path).join(inner);
        Problem::io("change the mode of", &shown.display().to_string(), &error)
    };
    let top = root.subtree(path).and_then(|tree| tree.map(|tree| tree.top()).transpose());
    let Some(top) = top.map_err(|error| failed((PathBuf::new(), error)))? else {
        return Ok(OpenedUp::default());
    };
    let owner = top.node(OsStr::new(".")).map_err(|error| failed((PathBuf::new(), error)))?;
    let owner = owner.map_or(0, |node| node.stat.uid);
    let mut open = Opening { owner, dry_run, done: OpenedUp::default() };
    open.store(&top, driver).map_err(failed)?;
    let OpenedUp { opened, foreign } = open.done;
    let outside = |paths: Vec<PathBuf>| {
        // The store itself has no name in itself, and joining nothing would add a slash.
        let of =
            |inner: PathBuf| if inner.as_os_str().is_empty() { path.to_owned() } else { path.join(inner) };
        paths.into_iter().map(of).collect()
    };
    Ok(OpenedUp { opened: outside(opened), foreign: outside(foreign) })
}

struct Opening {
    owner: u32,
    dry_run: bool,
    done: OpenedUp,
}

/// Where in the store.
type Failed = (PathBuf, io::Error);

impl Opening {
    fn store(&mut self, top: &Directory, driver: &str) -> Result<(), Failed> {
        self.permit(top, ".", DIRECTORY)?;
        for part in ["images", "layers"] {
            // Records, lock files, tar-splits, and a directory for each image or layer.
            if let Some(dir) = child(top, &format!("{driver}-{part}"))?
                && self.permit(&dir, ".", DIRECTORY)?
            {
                self.all_in(&dir, 1)?;
            }
        }
        let Some(layers) = child(top, driver)? else {
            return Ok(());
        };
        if !self.permit(&layers, ".", DIRECTORY)? {
            return Ok(());
        }
        if driver == "vfs" {
            self.permit(&layers, "dir", DIRECTORY)?;
            return Ok(());
        }
        self.permit(&layers, "l", DIRECTORY)?;
        for name in layers.names().map_err(|error| (layers.path.clone(), error))? {
            // Not each is a layer: what has no content is the engine's own affair.
            let Some(layer) = child_if_any(&layers, &name)? else {
                continue;
            };
            if node(&layer, OsStr::new("diff"))?.is_none() || !self.permit(&layer, ".", DIRECTORY)? {
                continue;
            }
            for file in OF_LAYER {
                self.permit(&layer, file, FILE)?;
            }
        }
        Ok(())
    }

    /// Files in `dir`, and in directories in it `depth` levels down.
    fn all_in(&mut self, dir: &Directory, depth: usize) -> Result<(), Failed> {
        for name in dir.names().map_err(|error| (dir.path.clone(), error))? {
            match node(dir, &name)?.map(|stat| stat.kind) {
                Some(FileKind::File) => {
                    self.permit(dir, &name, FILE)?;
                }
                Some(FileKind::Directory) if depth > 0 => {
                    if let Some(below) = child_if_any(dir, &name)?
                        && self.permit(&below, ".", DIRECTORY)?
                    {
                        self.all_in(&below, depth - 1)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives what stands at `name` these bits. Returns whether it is the store's own.
    fn permit(&mut self, dir: &Directory, name: impl AsRef<OsStr>, bits: u32) -> Result<bool, Failed> {
        let name = name.as_ref();
        let path = if name == "." { dir.path.clone() } else { dir.path.join(name) };
        match dir.permit(name, bits, self.owner, self.dry_run) {
            Ok(Some(true)) => self.done.opened.push(path),
            Ok(Some(false)) => {}
            Ok(None) => {
                self.done.foreign.push(path);
                return Ok(false);
            }
            Err(error) => return Err((path, error)),
        }
        Ok(true)
    }
}

fn node(dir: &Directory, name: &OsStr) -> Result<Option<Stat>, Failed> {
    let node = dir.node(name).map_err(|error| (dir.path.join(name), error))?;
    Ok(node.map(|node| node.stat))
}

/// The directory at `name`; `None` if there is nothing. Anything else there is an error.
fn child(dir: &Directory, name: &str) -> Result<Option<Directory>, Failed> {
    let name = OsStr::new(name);
    match node(dir, name)? {
        None => Ok(None),
        Some(_) => dir.child(name).map(Some).map_err(|error| (dir.path.join(name), error)),
    }
}

/// The directory at `name`; `None` if there is nothing, or something else.
fn child_if_any(dir: &Directory, name: &OsStr) -> Result<Option<Directory>, Failed> {
    match node(dir, name)? {
        Some(stat) if stat.kind == FileKind::Directory => {
            dir.child(name).map(Some).map_err(|error| (dir.path.join(name), error))
        }
        _ => Ok(None),
    }
}
