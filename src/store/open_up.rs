//! Letting the engines of normal users read a store that root's engine made.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use crate::host::{Directory, Kind, Root};
use crate::problem::Problem;

/// What a directory needs so that everyone can go through it, and a file so that
/// everyone can read it.
const DIRECTORY: u32 = 0o055;
const FILE: u32 = 0o044;

/// Files of a layer that engines read, beside its content.
const OF_LAYER: [&str; 3] = ["link", "lower", "lower-layers"];

/// Lets everyone read what engines look at in the store of `driver` at `path`: lock
/// files, records, the documents of images, the directories of layers and what says how
/// they are stacked. Nobody gets to write anything, and content of layers is left alone.
///
/// Engines make all that for their own user alone; a normal user's would stop on the
/// first lock file. Returns what was changed, or in a dry run would be.
///
/// # Errors
/// If something may not be changed.
pub fn open_up(root: &Root, path: &Path, driver: &str, dry_run: bool) -> Result<Vec<PathBuf>, Problem> {
    let mut opened = Vec::new();
    let mut open = Opening { root, dry_run, opened: &mut opened };
    open.store(path, driver).map_err(|(path, error)| {
        Problem::io("change the mode of", &root.show(&path).display().to_string(), &error)
    })?;
    Ok(opened)
}

struct Opening<'a> {
    root: &'a Root,
    dry_run: bool,
    opened: &'a mut Vec<PathBuf>,
}

type Failed = (PathBuf, io::Error);

impl Opening<'_> {
    fn store(&mut self, path: &Path, driver: &str) -> Result<(), Failed> {
        let Some(top) = self.directory(path)? else {
            return Ok(());
        };
        self.permit(&top, path, ".", DIRECTORY)?;
        for part in ["images", "layers"] {
            let path = path.join(format!("{driver}-{part}"));
            let Some(dir) = self.directory(&path)? else {
                continue;
            };
            self.permit(&dir, &path, ".", DIRECTORY)?;
            // Records, lock files, tar-splits, and a directory for each image or layer.
            self.all_in(&dir, &path, 1)?;
        }
        let layers = if driver == "vfs" { path.join("vfs") } else { path.join(driver) };
        let Some(dir) = self.directory(&layers)? else {
            return Ok(());
        };
        self.permit(&dir, &layers, ".", DIRECTORY)?;
        if driver == "vfs" {
            return self.permit(&dir, &layers, "dir", DIRECTORY);
        }
        self.permit(&dir, &layers, "l", DIRECTORY)?;
        for name in self.names(&dir, &layers)? {
            let path = layers.join(&name);
            // Not each is a layer: what has no content is the engine's own affair.
            let Some(layer) = self.directory(&path)? else {
                continue;
            };
            let diff = layer.node(OsStr::new("diff")).map_err(|error| (path.clone(), error))?;
            if diff.is_none() {
                continue;
            }
            self.permit(&layer, &path, ".", DIRECTORY)?;
            for file in OF_LAYER {
                self.permit(&layer, &path, file, FILE)?;
            }
        }
        Ok(())
    }

    /// Files in `dir`, and in directories in it `depth` levels down.
    fn all_in(&mut self, dir: &Directory, path: &Path, depth: usize) -> Result<(), Failed> {
        for name in self.names(dir, path)? {
            let inner = path.join(&name);
            let node = dir.node(&name).map_err(|error| (inner.clone(), error))?;
            match node.map(|node| node.stat.kind) {
                Some(Kind::File) => self.permit(dir, path, &name, FILE)?,
                Some(Kind::Directory) if depth > 0 => {
                    self.permit(dir, path, &name, DIRECTORY)?;
                    let below = dir.child(&name).map_err(|error| (inner.clone(), error))?;
                    self.all_in(&below, &inner, depth - 1)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn directory(&self, path: &Path) -> Result<Option<Directory>, Failed> {
        let open = || self.root.subtree(path)?.map(|tree| tree.top()).transpose();
        open().map_err(|error| (path.to_owned(), error))
    }

    fn names(&self, dir: &Directory, path: &Path) -> Result<Vec<OsString>, Failed> {
        let mut names = Vec::new();
        let listed = dir.for_each(|name| {
            names.push(name.to_owned());
            Ok(())
        });
        listed.map_err(|error| (path.to_owned(), error))?;
        names.sort();
        Ok(names)
    }

    fn permit(
        &mut self,
        dir: &Directory,
        path: &Path,
        name: impl AsRef<OsStr>,
        bits: u32,
    ) -> Result<(), Failed> {
        let name = name.as_ref();
        let path = if name == "." { path.to_owned() } else { path.join(name) };
        match dir.permit(name, bits, self.dry_run) {
            Ok(true) => self.opened.push(path),
            Ok(false) => {}
            Err(error) => return Err((path, error)),
        }
        Ok(())
    }
}
