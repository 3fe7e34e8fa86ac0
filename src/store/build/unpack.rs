//! Entries of a layer as files in a directory, as engines unpack them for overlay.

use std::io;
use std::os::unix::ffi::OsStrExt;

use super::layer::Sink;
use super::tree::{Before, Place};
use crate::host::{Attire, Bare, Filling, NewFile};
use crate::tar::{Header, Kind};

/// What makes a directory hide all that is below, for root's engines. Those of normal users read
/// `user.overlay.opaque`, which containers of root's would see.
pub(super) const OPAQUE: &std::ffi::CStr = c"trusted.overlay.opaque";

/// Attributes that are the host's business (`xattrsToIgnore` in pkg/archive/archive.go).
const IGNORED: &[u8] = b"security.selinux";

/// Attributes that are the overlay driver's business, for root and for normal users: they
/// would redirect what is below.
const DRIVERS: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];

/// Makes files.
pub(super) struct Unpack {
    filling: Filling,
    file: Option<NewFile>,
    /// Directories get their time at the end, when nothing is made in them any more.
    directories: Vec<(Vec<u8>, (i64, u32))>,
    /// The time of what has no entry of its own.
    time: (i64, u32),
}

impl Unpack {
    pub(super) fn new(filling: Filling, time: (i64, u32)) -> Self {
        Self { filling, file: None, directories: Vec::new(), time }
    }

    /// Sets the times of directories.
    pub(super) fn finish(mut self) -> io::Result<()> {
        // Back to front: the time of the entry counts, and it comes after that of a
        // directory that was only implied.
        let mut done = std::collections::HashSet::new();
        for (path, time) in self.directories.iter().rev() {
            if done.insert(path) {
                self.filling.time(path, *time)?;
            }
        }
        Ok(())
    }

    fn whiteout(&mut self, path: &[u8], uid: u32, gid: u32) -> io::Result<()> {
        self.filling.bare(path, Bare::Character(0, 0))?;
        let attire = Attire { mode: 0, uid, gid, mtime: self.time, attributes: &[] };
        self.filling.dress(path, &attire, false)
    }
}

/// The attributes of an entry that are kept.
///
/// # Errors
/// If one is the driver's.
pub(super) fn kept_attributes(header: &Header) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let is_drivers = |name: &[u8]| DRIVERS.iter().any(|prefix| name.starts_with(prefix));
    if let Some((name, _)) = header.attributes.iter().find(|(name, _)| is_drivers(name)) {
        let name = String::from_utf8_lossy(name);
        let error = format!("it has the attribute `{}`, which is the driver's own", name.escape_debug());
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    let mut kept: Vec<_> = header.attributes.iter().filter(|(name, _)| name != IGNORED).cloned().collect();
    kept.sort();
    kept.dedup_by(|one, other| one.0 == other.0);
    Ok(kept)
}

/// The time that an entry gets: engines take one that they cannot set for 1970
/// (`Chtimes` in pkg/system/chtimes.go), but for symlinks.
pub(super) fn mtime(header: &Header) -> (i64, u32) {
    /// The last second that 64 bits of nanoseconds can tell.
    const LAST: i64 = i64::MAX / 1_000_000_000;
    match header.mtime {
        0..LAST => (header.mtime, header.mtime_nanoseconds),
        _ if header.kind == Kind::Symlink => (header.mtime, header.mtime_nanoseconds),
        _ => (0, 0),
    }
}

/// Owner and group of an entry, which the tree has let through.
pub(super) fn owner(header: &Header) -> (u32, u32) {
    let id = |id: u64| u32::try_from(id).expect("the tree refuses others");
    (id(header.uid), id(header.gid))
}

impl Sink for Unpack {
    fn implied(&mut self, path: &[u8]) -> io::Result<()> {
        self.filling.directory(path)?;
        let attire = Attire { mode: 0o755, uid: 0, gid: 0, mtime: self.time, attributes: &[] };
        self.filling.dress(path, &attire, false)?;
        self.directories.push((path.to_vec(), self.time));
        Ok(())
    }

    fn entry(&mut self, place: &Place, header: &Header) -> io::Result<()> {
        let (uid, gid) = owner(header);
        let attributes = kept_attributes(header)?;
        let mtime = mtime(header);
        let attire = Attire { mode: header.mode, uid, gid, mtime, attributes: &attributes };
        let (path, before) = match place {
            Place::Root | Place::Nothing => return Ok(()),
            Place::Whiteout(path) => return self.whiteout(path, uid, gid),
            Place::Opaque(dir) if dir.is_empty() => return self.filling.attribute_of_itself(OPAQUE, b"y"),
            Place::Opaque(dir) => return self.filling.attribute(dir, OPAQUE, b"y"),
            Place::Directory(path, before)
            | Place::Other(path, before)
            | Place::HardLink(path, _, before) => (path, before),
        };
        if *before == Before::Whiteout {
            self.filling.remove_whiteout(path)?;
        }
        match (header.kind, place) {
            (Kind::Directory, _) => {
                if *before != Before::Directory {
                    self.filling.directory(path)?;
                }
                self.filling.dress(path, &attire, false)?;
                self.directories.push((path.clone(), mtime));
                return Ok(());
            }
            (Kind::File, _) => {
                let file = self.filling.file(path)?;
                // An empty file is complete with its header.
                self.file = Some(file);
                return Ok(());
            }
            (_, Place::HardLink(path, target, _)) => {
                self.filling.hard_link(path, target)?;
                let is_symlink = self.filling.target(path)?.is_some();
                return self.filling.dress(path, &attire, is_symlink);
            }
            (Kind::Symlink, _) => self.filling.bare(path, Bare::Symlink(header.target.as_bytes()))?,
            (Kind::Character, _) => {
                self.filling.bare(path, Bare::Character(header.device.0, header.device.1))?;
            }
            (Kind::Block, _) => self.filling.bare(path, Bare::Block(header.device.0, header.device.1))?,
            (Kind::Fifo | Kind::HardLink, _) => self.filling.bare(path, Bare::Fifo)?,
        }
        self.filling.dress(path, &attire, header.kind == Kind::Symlink)
    }

    fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_ref().expect("content comes behind the entry of a file").write(bytes)
    }

    fn end_of_file(&mut self, header: &Header) -> io::Result<()> {
        let (uid, gid) = owner(header);
        let attributes = kept_attributes(header)?;
        let mtime = mtime(header);
        let file = self.file.take().expect("a file ends once");
        file.dress(&Attire { mode: header.mode, uid, gid, mtime, attributes: &attributes })
    }
}
