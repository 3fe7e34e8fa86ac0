//! Entries of a layer as files in a directory, as engines unpack them for overlay.

use std::io;
use std::os::unix::ffi::OsStrExt;

use super::layer::LayerSink;
use super::tree::{Before, EntryPlace};
use crate::sys::{DirectoryWriter, FileMetadata, NewFile, SpecialFile};
use crate::tar::{EntryKind, Header};

/// What makes a directory hide all that is below, for root's engines. Those of normal users read
/// `user.overlay.opaque`, which containers of root's would see.
pub(super) const OPAQUE: &std::ffi::CStr = c"trusted.overlay.opaque";

/// Attributes that are the host's business (`xattrsToIgnore` in pkg/archive/archive.go).
const IGNORED: &[u8] = b"security.selinux";

/// Attributes that are the overlay driver's business, for root and for normal users: they
/// would redirect what is below.
const DRIVERS: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];

/// Makes files.
pub(super) struct Unpacker {
    writer: DirectoryWriter,
    file: Option<NewFile>,
    /// Directories get their time at the end, when nothing is made in them any more.
    directories: Vec<(Vec<u8>, (i64, u32))>,
    /// The time of what has no entry of its own.
    time: (i64, u32),
}

impl Unpacker {
    pub(super) fn new(writer: DirectoryWriter, time: (i64, u32)) -> Self {
        Self { writer, file: None, directories: Vec::new(), time }
    }

    /// Sets the times of directories.
    pub(super) fn finish(mut self) -> io::Result<()> {
        // Back to front: the time of the entry counts, and it comes after that of a
        // directory that was only implied.
        let mut done = std::collections::HashSet::new();
        for (path, time) in self.directories.iter().rev() {
            if done.insert(path) {
                self.writer.set_time(path, *time)?;
            }
        }
        Ok(())
    }

    fn whiteout(&mut self, path: &[u8], uid: u32, gid: u32) -> io::Result<()> {
        self.writer.create_special(path, SpecialFile::Character(0, 0))?;
        let metadata = FileMetadata { mode: 0, uid, gid, mtime: self.time, attributes: &[] };
        self.writer.set_metadata(path, &metadata, false)
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
        _ if header.kind == EntryKind::Symlink => (header.mtime, header.mtime_nanoseconds),
        _ => (0, 0),
    }
}

/// Owner and group of an entry, which the tree has let through.
pub(super) fn owner(header: &Header) -> (u32, u32) {
    let id = |id: u64| u32::try_from(id).expect("the tree refuses others");
    (id(header.uid), id(header.gid))
}

impl LayerSink for Unpacker {
    fn implied(&mut self, path: &[u8]) -> io::Result<()> {
        self.writer.create_directory(path)?;
        let metadata = FileMetadata { mode: 0o755, uid: 0, gid: 0, mtime: self.time, attributes: &[] };
        self.writer.set_metadata(path, &metadata, false)?;
        self.directories.push((path.to_vec(), self.time));
        Ok(())
    }

    fn entry(&mut self, place: &EntryPlace, header: &Header) -> io::Result<()> {
        let (uid, gid) = owner(header);
        let attributes = kept_attributes(header)?;
        let mtime = mtime(header);
        let metadata = FileMetadata { mode: header.mode, uid, gid, mtime, attributes: &attributes };
        let (path, before) = match place {
            EntryPlace::Root | EntryPlace::Nothing => return Ok(()),
            EntryPlace::Whiteout(path) => return self.whiteout(path, uid, gid),
            EntryPlace::Opaque(dir) if dir.is_empty() => {
                return self.writer.set_own_attribute(OPAQUE, b"y");
            }
            EntryPlace::Opaque(dir) => return self.writer.set_attribute(dir, OPAQUE, b"y"),
            EntryPlace::Directory(path, before)
            | EntryPlace::Other(path, before)
            | EntryPlace::HardLink(path, _, before) => (path, before),
        };
        if *before == Before::Whiteout {
            self.writer.remove_whiteout(path)?;
        }
        match (header.kind, place) {
            (EntryKind::Directory, _) => {
                if *before != Before::Directory {
                    self.writer.create_directory(path)?;
                }
                self.writer.set_metadata(path, &metadata, false)?;
                self.directories.push((path.clone(), mtime));
                return Ok(());
            }
            (EntryKind::File, _) => {
                let file = self.writer.create_file(path)?;
                // An empty file is complete with its header.
                self.file = Some(file);
                return Ok(());
            }
            (_, EntryPlace::HardLink(path, target, _)) => {
                self.writer.hard_link(path, target)?;
                let is_symlink = self.writer.read_link(path)?.is_some();
                return self.writer.set_metadata(path, &metadata, is_symlink);
            }
            (EntryKind::Symlink, _) => {
                self.writer.create_special(path, SpecialFile::Symlink(header.target.as_bytes()))?
            }
            (EntryKind::Character, _) => {
                self.writer.create_special(path, SpecialFile::Character(header.device.0, header.device.1))?;
            }
            (EntryKind::Block, _) => {
                self.writer.create_special(path, SpecialFile::Block(header.device.0, header.device.1))?
            }
            (EntryKind::Fifo | EntryKind::HardLink, _) => {
                self.writer.create_special(path, SpecialFile::Fifo)?
            }
        }
        self.writer.set_metadata(path, &metadata, header.kind == EntryKind::Symlink)
    }

    fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_ref().expect("content follows the entry of a file").write(bytes)
    }

    fn end_of_file(&mut self, header: &Header) -> io::Result<()> {
        let (uid, gid) = owner(header);
        let attributes = kept_attributes(header)?;
        let mtime = mtime(header);
        let file = self.file.take().expect("a file ends once");
        file.set_metadata(&FileMetadata { mode: header.mode, uid, gid, mtime, attributes: &attributes })
    }
}
