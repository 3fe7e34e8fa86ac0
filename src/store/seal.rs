//! A store that exists as one file: a tar stream, or a file system image made of it.
//!
//! Only what engines read of a store is taken: not the databases, containers and
//! volumes of an engine whose own storage it is. SELinux labels are left out. They are
//! the host's business, and would be those of another path: the image is mounted with
//! `context=`, which no label in it can then contradict.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::builder::{ImageFormat, existing_layers};
use super::image_file::ImageFile;
use super::stamps::StoreStamps;
use crate::problem::Problem;
use crate::sys::{Directory, FileKind, Root, Special, SubtreeNode};
use crate::tar::{EntryContent, TarEntry, TarWriter};

/// How much of a file is read at a time, in bytes.
const BUFFER: usize = 256 << 10;

/// No image has directories that are nested deeper; kept open while they are read.
const MAX_DEPTH: usize = 2048;

/// Attributes that are the host's business.
const LABEL: &[u8] = b"security.selinux";

/// What of a store engines read, and the lock file in it.
const PARTS: [(&str, Option<&str>); 3] =
    [("overlay", None), ("overlay-images", Some("images.lock")), ("overlay-layers", Some("layers.lock"))];

/// What was sealed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SealedStore {
    /// How many files, directories and others there are.
    pub entries: u64,
    /// How many bytes their content has.
    pub bytes: u64,
}

/// Writes the store of the overlay driver at `store` to `file`. It should have been
/// checked; `checked` are its records as they were before that.
///
/// # Errors
/// If it cannot be read or written, or its records have changed, so that what was written
/// may be half of something; there is no new file then.
pub fn seal(
    root: &Root,
    store: &Path,
    file: &Path,
    kind: ImageFormat,
    sync: bool,
    checked: &StoreStamps,
) -> Result<SealedStore, Problem> {
    let shown = root.show(store).display().to_string();
    let cannot = |doing| Problem::cannot(doing, shown.clone());
    let inside = root.strict(store).map_err(cannot("open"))?.ok_or_else(|| {
        let message = format!("there is no directory `{}`", root.show(store).display());
        Problem::new("missing", message, "give the directory of a store")
    })?;
    let layers = existing_layers(&inside)?;
    if let Some(layer) = layers.iter().find(|layer| layer.diff_digest.is_none()) {
        let id = layer.id.as_deref().unwrap_or_default();
        let message =
            format!("`{}` has the layer `{id}`, which is that of a container", root.show(store).display());
        let hint = "seal a store that `storagectl build-store` created, or remove the containers";
        return Err(Problem::new("store-damaged", message, hint));
    }
    let ids: BTreeSet<OsString> =
        layers.iter().filter_map(|layer| layer.id.clone()).map(Into::into).collect();
    let top = inside.subtree(Path::new("/")).and_then(|tree| tree.ok_or_else(gone)?.top());
    let top = top.map_err(cannot("open"))?;
    let time = newest(&top, 0).map_err(cannot("look at"))?;
    let mut pack = ImageFile::begin(root, file, kind, time, sync)?;
    let result = write(&top, &ids, time, pack.stream());
    match result {
        Ok(_) | Err(Failed::Read(..)) if StoreStamps::of(root, [store]) != *checked => Err(Problem::new(
            "busy",
            format!("something was changed in `{shown}` while it was sealed"),
            "wait until no engine uses it, and try again",
        )),
        Ok(sealed) => {
            pack.finish()?;
            Ok(sealed)
        }
        Err(Failed::Write(error)) => Err(pack.problem(&error)),
        Err(Failed::Read(path, error)) => {
            Err(Problem::io("read", &root.show(&store.join(path)).display().to_string(), &error))
        }
    }
}

/// The time of the newest file, in seconds since 1970.
fn newest(dir: &Directory, depth: usize) -> io::Result<i64> {
    let mut newest = 0;
    dir.for_each(|name| {
        // Only what is taken counts.
        let is_taken = depth > 0 || PARTS.iter().any(|(part, _)| name == *part);
        let Some(node) = dir.node(name)?.filter(|_| is_taken) else {
            return Ok(());
        };
        newest = newest.max(node.stat.mtime.0);
        if node.stat.kind == FileKind::Directory && depth <= MAX_DEPTH {
            newest = newest.max(self::newest(&dir.child(name)?, depth + 1)?);
        }
        Ok(())
    })?;
    Ok(newest)
}

fn write(
    top: &Directory,
    ids: &BTreeSet<OsString>,
    time: i64,
    out: impl io::Write,
) -> Result<SealedStore, Failed> {
    let mut sealing = Sealing {
        tar: TarWriter::new(out),
        ids,
        links: HashMap::new(),
        sealed: SealedStore::default(),
        buffer: vec![0; BUFFER],
    };
    sealing.store(top, time)?;
    let Sealing { tar, sealed, .. } = sealing;
    tar.finish().map_err(Failed::Write)?;
    Ok(sealed)
}

enum Failed {
    Read(PathBuf, io::Error),
    Write(io::Error),
}

struct Sealing<'a, W: io::Write> {
    tar: TarWriter<W>,
    ids: &'a BTreeSet<OsString>,
    /// The first name of what has several.
    links: HashMap<(u64, u64), Vec<u8>>,
    sealed: SealedStore,
    buffer: Vec<u8>,
}

impl<W: io::Write> Sealing<'_, W> {
    fn store(&mut self, top: &Directory, time: i64) -> Result<(), Failed> {
        let at = |path: &str, error| Failed::Read(PathBuf::from(path), error);
        for (name, lock) in PARTS {
            let Some(node) = top.node(OsStr::new(name)).map_err(|error| at(name, error))? else {
                continue;
            };
            self.entry(top, OsStr::new(name), format!("{name}/").as_bytes(), &node)?;
            let dir = top.child(OsStr::new(name)).map_err(|error| at(name, error))?;
            for inner in dir.names().map_err(|error| at(name, error))? {
                // Staging directories, mount flags and layers that no record names.
                if name == "overlay" && inner != "l" && !self.ids.contains(&inner) {
                    continue;
                }
                if inner.as_bytes().starts_with(b".storagectl-") {
                    continue;
                }
                self.any(&dir, &inner, name.as_bytes(), 0)?;
            }
            if let Some(lock) = lock
                && dir.node(OsStr::new(lock)).map_err(|error| at(name, error))?.is_none()
            {
                // Engines cannot make it once the store is read-only.
                let item = TarEntry { mode: 0o644, uid: 0, gid: 0, mtime: (time, 0), attributes: &[] };
                let path = format!("{name}/{lock}");
                self.tar
                    .write_header(path.as_bytes(), &item, EntryContent::File(0))
                    .map_err(Failed::Write)?;
            }
        }
        if top.node(OsStr::new(super::MARKER)).map_err(|error| at(super::MARKER, error))?.is_some() {
            self.any(top, OsStr::new(super::MARKER), b"", 0)?;
        }
        Ok(())
    }

    /// What stands at `name`, with all below it.
    fn any(&mut self, dir: &Directory, name: &OsStr, above: &[u8], depth: usize) -> Result<(), Failed> {
        let path = match above {
            b"" => name.as_bytes().to_vec(),
            above => [above, b"/", name.as_bytes()].concat(),
        };
        let failed = |error| Failed::Read(PathBuf::from(OsStr::from_bytes(&path)), error);
        let node = dir.node(name).map_err(failed)?.ok_or_else(|| failed(gone()))?;
        if node.stat.kind != FileKind::Directory {
            return self.entry(dir, name, &path, &node);
        }
        if depth > MAX_DEPTH {
            return Err(failed(io::Error::other("directories are nested too deep")));
        }
        self.entry(dir, name, &[&path, b"/".as_slice()].concat(), &node)?;
        let inner = dir.child(name).map_err(failed)?;
        for name in inner.names().map_err(failed)? {
            self.any(&inner, &name, &path, depth + 1)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        dir: &Directory,
        name: &OsStr,
        path: &[u8],
        node: &SubtreeNode,
    ) -> Result<(), Failed> {
        let failed = |error| Failed::Read(PathBuf::from(OsStr::from_bytes(path)), error);
        self.sealed.entries += 1;
        let attributes = dir.attributes(name).map_err(failed)?.unwrap_or_default();
        let mut attributes: Vec<(Vec<u8>, Vec<u8>)> =
            attributes.into_iter().map(|(name, value)| (name.into_bytes(), value)).collect();
        attributes.retain(|(name, _)| name != LABEL);
        attributes.sort();
        let stat = &node.stat;
        let nanoseconds = u32::try_from(stat.mtime.1).unwrap_or(0);
        let item = TarEntry {
            mode: stat.mode,
            uid: stat.uid,
            gid: stat.gid,
            mtime: (stat.mtime.0, nanoseconds),
            attributes: &attributes,
        };
        if node.links > 1 && stat.kind != FileKind::Directory {
            if let Some(first) = self.links.get(&stat.id) {
                let item = TarEntry { attributes: &[], ..item };
                return self
                    .tar
                    .write_header(path, &item, EntryContent::HardLink(first))
                    .map_err(Failed::Write);
            }
            self.links.insert(stat.id, path.to_vec());
        }
        let target;
        let what = match (stat.kind, node.special) {
            (FileKind::Directory, _) => EntryContent::Directory,
            (FileKind::File, _) => return self.file(dir, name, path, &item),
            (FileKind::Symlink, _) => {
                target = dir.read_link(name).map_err(failed)?.ok_or_else(|| failed(gone()))?;
                EntryContent::Symlink(target.as_bytes())
            }
            (FileKind::Other, Some(Special::Character(major, minor))) => {
                EntryContent::Character(major, minor)
            }
            (FileKind::Other, Some(Special::Block(major, minor))) => EntryContent::Block(major, minor),
            (FileKind::Other, Some(Special::Fifo)) => EntryContent::Fifo,
            (FileKind::Other, Some(Special::Socket) | None) => {
                return Err(failed(io::Error::other("it is a socket, which no image can hold")));
            }
        };
        self.tar.write_header(path, &item, what).map_err(Failed::Write)
    }

    fn file(
        &mut self,
        dir: &Directory,
        name: &OsStr,
        path: &[u8],
        item: &TarEntry<'_>,
    ) -> Result<(), Failed> {
        let failed = |error| Failed::Read(PathBuf::from(OsStr::from_bytes(path)), error);
        let file = dir.open(name).map_err(failed)?.ok_or_else(|| failed(gone()))?;
        file.will_be_read();
        let size = file.stat.size;
        self.tar.write_header(path, item, EntryContent::File(size)).map_err(Failed::Write)?;
        let mut left = size;
        while left > 0 {
            let wanted = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = file.read(&mut self.buffer[..wanted]).map_err(failed)?;
            if count == 0 {
                return Err(failed(io::Error::other("it shrank while it was read")));
            }
            self.tar.write_content(&self.buffer[..count]).map_err(Failed::Write)?;
            left -= count as u64;
        }
        self.sealed.bytes += size;
        Ok(())
    }
}

fn gone() -> io::Error {
    io::ErrorKind::NotFound.into()
}
