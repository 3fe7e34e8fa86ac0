//! A system tree, and paths inside it.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{self, AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::walk::{self, Resolved, SymlinkPolicy, TrailStep};
use crate::limits;

/// What a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, FIFO or socket.
    Other,
}

/// What is known about a file without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Device and inode: the file's identity.
    pub id: (u64, u64),
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, including setuid, setgid and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last modification: seconds and nanoseconds since 1970.
    pub mtime: (i64, i64),
}

impl Stat {
    // Some of these casts change the type on other architectures.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    pub(super) fn from_raw(raw: &fs::Stat) -> Self {
        Self {
            id: (raw.st_dev as u64, raw.st_ino as u64),
            kind: match fs::FileType::from_raw_mode(raw.st_mode) {
                fs::FileType::RegularFile => FileKind::File,
                fs::FileType::Directory => FileKind::Directory,
                fs::FileType::Symlink => FileKind::Symlink,
                _ => FileKind::Other,
            },
            mode: raw.st_mode as u32 & 0o7777,
            uid: raw.st_uid,
            gid: raw.st_gid,
            size: raw.st_size as u64,
            mtime: (raw.st_mtime as i64, raw.st_mtime_nsec as i64),
        }
    }
}

/// A system tree: the running one, one under `--root`, or a directory of strangers in one
/// of them. A clone is the same directory.
#[derive(Debug, Clone)]
pub struct Root {
    dir: Arc<OwnedFd>,
    /// Where it is, if no path leads out of it.
    prefix: Option<PathBuf>,
    is_tree: bool,
    links: SymlinkPolicy,
}

impl Root {
    /// The running system.
    pub fn system() -> io::Result<Self> {
        let dir = Arc::new(open_root(Path::new("/"))?);
        Ok(Self { dir, prefix: None, is_tree: false, links: SymlinkPolicy::Followed })
    }

    /// The tree under `dir`; no path leads out of it.
    ///
    /// # Errors
    /// If `dir` is not a directory that can be opened.
    pub fn tree(dir: &Path) -> io::Result<Self> {
        let (dir, prefix) = (Arc::new(open_root(dir)?), Some(dir.to_owned()));
        Ok(Self { dir, prefix, is_tree: true, links: SymlinkPolicy::Followed })
    }

    /// The directory at `path`, such as a store, as a tree in which no symlink is followed:
    /// whoever may write there could point it at what only root can reach. It is the
    /// directory that is there now, whatever has its name later. `None` if there is none.
    ///
    /// In it, what a symlink leads to is the error `ELOOP`.
    pub fn strict(&self, path: &Path) -> io::Result<Option<Self>> {
        let dir = absent(self.open(path, OFlags::PATH | OFlags::DIRECTORY))?;
        let prefix = Some(self.show(path));
        Ok(dir.map(|dir| Self {
            dir: Arc::new(dir),
            prefix,
            is_tree: self.is_tree,
            links: SymlinkPolicy::Refused,
        }))
    }

    /// The tree that is mounted at `dir`, and nowhere else; in messages it is at `shown`.
    pub(super) fn at_mount(&self, dir: OwnedFd, shown: &Path) -> Self {
        let prefix = Some(self.show(shown));
        Self { dir: Arc::new(dir), prefix, is_tree: self.is_tree, links: SymlinkPolicy::Followed }
    }

    /// Whether this is, or is in, a tree given with `--root`, and not the running system.
    pub fn is_tree(&self) -> bool {
        self.is_tree
    }

    /// Whether paths are resolved in it, and not as the kernel does.
    fn is_closed(&self) -> bool {
        self.prefix.is_some()
    }

    /// `path` as a person outside the tree would name it, for messages.
    pub fn show(&self, path: &Path) -> PathBuf {
        match &self.prefix {
            Some(prefix) => match path.strip_prefix("/").unwrap_or(path) {
                inner if inner.as_os_str().is_empty() && !self.is_tree => prefix.clone(),
                inner => prefix.join(inner),
            },
            None => path.to_owned(),
        }
    }

    /// Opens `path` inside the tree.
    ///
    /// Uses `openat2` with `RESOLVE_IN_ROOT`; where that is blocked (old
    /// kernels, seccomp) every component is opened by itself instead.
    ///
    /// # Errors
    /// As `open(2)`.
    pub fn open(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        let relative = relative(path);
        if !self.is_closed() {
            return Ok(fs::openat(&self.dir, relative, flags, Mode::empty())?);
        }
        let resolve = match self.links {
            SymlinkPolicy::Followed => ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
            SymlinkPolicy::Refused => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
        };
        for _ in 0..8 {
            match fs::openat2(&self.dir, relative, flags, Mode::empty(), resolve) {
                Ok(file) => return Ok(file),
                // The tree is being renamed under us.
                Err(Errno::AGAIN) => {}
                Err(Errno::NOSYS | Errno::PERM | Errno::ACCESS) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.open_by_walking(path, flags)
    }

    /// [`Root::open`] without `openat2`.
    pub(super) fn open_by_walking(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let follow = !flags.contains(OFlags::NOFOLLOW);
        let found = walk::walk(&self.dir, path, follow, self.links)?.0;
        Ok(fs::openat(&found.dir, found.name(), flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// Resolves `path` to the directory that holds it and its name there,
    /// following symlinks. The last component need not exist; a last symlink
    /// that dangles resolves to what it points at.
    ///
    /// # Errors
    /// If a directory on the way is missing or is not a directory.
    pub fn resolve(&self, path: &Path) -> io::Result<Resolved> {
        Ok(walk::walk(&self.dir, path, true, self.links)?.0)
    }

    /// As [`Root::resolve`], but a last component that is a symlink is not followed.
    ///
    /// # Errors
    /// As [`Root::resolve`].
    pub fn resolve_link(&self, path: &Path) -> io::Result<Resolved> {
        Ok(walk::walk(&self.dir, path, false, self.links)?.0)
    }

    /// Every directory in which a name is looked up while `path` is resolved,
    /// and the directory or file at its end.
    ///
    /// # Errors
    /// As [`Root::resolve`], also if the end does not exist.
    pub fn trail(&self, path: &Path) -> io::Result<Vec<TrailStep>> {
        let (end, mut steps) = walk::walk(&self.dir, path, true, self.links)?;
        let stat = fs::statat(&end.dir, end.name(), AtFlags::SYMLINK_NOFOLLOW)?;
        steps.push(TrailStep { path: end.path, stat: Stat::from_raw(&stat) });
        Ok(steps)
    }

    /// What `path` is, symlinks followed; `None` if there is nothing.
    pub fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        let stat = if self.is_closed() {
            self.open(path, OFlags::PATH).and_then(|file| Ok(fs::fstat(&file)?))
        } else {
            fs::statat(&self.dir, relative(path), AtFlags::empty()).map_err(Into::into)
        };
        Ok(absent(stat)?.map(|raw| Stat::from_raw(&raw)))
    }

    /// As [`Root::stat`], but a last component is told as a symlink where none is followed, or
    /// if it leads to itself.
    ///
    /// # Errors
    /// As [`Root::stat`].
    pub fn stat_or_link(&self, path: &Path) -> io::Result<Option<Stat>> {
        match self.stat(path) {
            Err(error) if is_loop(&error) => self.stat_link(&self.resolve_link(path)?),
            found => found,
        }
    }

    /// What stands at a resolved path, a symlink as itself; `None` if there is nothing.
    pub fn stat_link(&self, at: &Resolved) -> io::Result<Option<Stat>> {
        let stat = fs::statat(&at.dir, at.name(), AtFlags::SYMLINK_NOFOLLOW).map_err(Into::into);
        Ok(absent(stat)?.map(|raw| Stat::from_raw(&raw)))
    }

    /// Where the symlink at `path` points; `None` if it is not a symlink.
    pub fn read_link(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        // Asked of every file of every store: in one step, where the last name is plain.
        let plain =
            path.parent().zip(path.file_name()).filter(|_| !path.as_os_str().as_bytes().ends_with(b"/"));
        let Some((parent, name)) = plain else {
            return match absent(self.resolve_link(path))? {
                Some(at) => self.read_link_at(&at),
                None => Ok(None),
            };
        };
        match absent(self.open(parent, OFlags::PATH | OFlags::DIRECTORY))? {
            Some(dir) => link_in(&dir, name),
            None => Ok(None),
        }
    }

    /// Where the symlink at a resolved path points; `None` if it is not a symlink.
    pub fn read_link_at(&self, at: &Resolved) -> io::Result<Option<PathBuf>> {
        link_in(&at.dir, at.name())
    }

    /// Reads the document at `path`, a regular file; `None` if there is nothing.
    ///
    /// # Errors
    /// If it cannot be read, is not a regular file, or is larger than [`limits::DOCUMENT`].
    pub fn read(&self, path: &Path) -> io::Result<Option<(Vec<u8>, Stat)>> {
        self.read_up_to(path, limits::DOCUMENT)
    }

    /// The same of a file of up to `limit` bytes.
    ///
    /// # Errors
    /// As [`Root::read`].
    pub fn read_up_to(&self, path: &Path, limit: u64) -> io::Result<Option<(Vec<u8>, Stat)>> {
        let Some(file) = absent(self.open(path, OFlags::RDONLY | OFlags::NONBLOCK))? else {
            return Ok(None);
        };
        let stat = Stat::from_raw(&fs::fstat(&file)?);
        match stat.kind {
            FileKind::File if stat.size <= limit => {}
            FileKind::File => return Err(limits::too_large(limit)),
            FileKind::Directory => return Err(Errno::ISDIR.into()),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        }
        let mut bytes = Vec::with_capacity(usize::try_from(stat.size).unwrap_or(0) + 1);
        let file = fs_err::File::from_parts(file.into(), self.show(path));
        file.take(limit + 1).read_to_end(&mut bytes)?;
        // It has grown, or is one whose size nobody knows.
        if u64::try_from(bytes.len()).is_ok_and(|size| size > limit) {
            return Err(limits::too_large(limit));
        }
        Ok(Some((bytes, stat)))
    }

    /// The names in the directory at `path`, sorted; `None` if there is nothing.
    ///
    /// # Errors
    /// If it is not a directory or cannot be read.
    pub fn list(&self, path: &Path) -> io::Result<Option<Vec<OsString>>> {
        let Some(dir) = absent(self.open_unnoticed(path, OFlags::DIRECTORY))? else {
            return Ok(None);
        };
        let mut names = Vec::new();
        for entry in fs::Dir::new(dir)? {
            let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(Some(names))
    }

    /// Opens what is at `path` for reading, which leaves its time of access as it is where this
    /// process may have that: it is its owner, or root.
    fn open_unnoticed(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        match self.open(path, OFlags::RDONLY | OFlags::NOATIME | flags) {
            Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => {
                self.open(path, OFlags::RDONLY | flags)
            }
            opened => opened,
        }
    }

    /// Whether the file system tells what kind of file each name of the directory at `path` is;
    /// `None` if the directory is empty.
    pub fn has_types(&self, path: &Path) -> io::Result<Option<bool>> {
        let dir = self.open_unnoticed(path, OFlags::DIRECTORY)?;
        for entry in fs::Dir::new(dir)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                return Ok(Some(entry.file_type() != fs::FileType::Unknown));
            }
        }
        Ok(None)
    }

    /// Whether the file system that holds `path` is mounted read-only.
    pub fn is_read_only(&self, path: &Path) -> io::Result<bool> {
        let file = self.open(path, OFlags::PATH)?;
        Ok(fs::fstatvfs(&file)?.f_flag.contains(fs::StatVfsMountFlags::RDONLY))
    }

    /// Whether the file system that holds `path` keeps owners and permission
    /// bits at all: FAT, exFAT, NTFS and network shares of that kind do not.
    pub fn has_modes(&self, path: &Path) -> io::Result<bool> {
        let file = self.open(path, OFlags::PATH)?;
        // The field's type differs between architectures.
        #[allow(clippy::unnecessary_cast)]
        let kind = fs::fstatfs(&file)?.f_type as i64;
        Ok(keeps_modes(kind))
    }

    /// The type of the file system that holds `path`, or of what is above it as far as that
    /// exists, by its number in statfs(2); `None` if it cannot be told.
    pub fn file_system(&self, path: &Path) -> Option<i64> {
        let file = path.ancestors().find_map(|path| self.open(path, OFlags::PATH).ok())?;
        // The field's type differs between architectures.
        #[allow(clippy::unnecessary_cast)]
        Some(fs::fstatfs(&file).ok()?.f_type as i64)
    }

    /// Whether this process may do that with `path`.
    pub fn may(&self, path: &Path, wanted: fs::Access) -> bool {
        let file = self.open(path, OFlags::PATH);
        // What is open is what is asked about, whatever has its name by now.
        let at = |file: &OwnedFd| format!("/proc/self/fd/{}", file.as_raw_fd());
        file.is_ok_and(|file| fs::accessat(fs::CWD, at(&file), wanted, AtFlags::EACCESS).is_ok())
    }

    /// `path` with its symlinks resolved as far as it exists.
    pub fn real(&self, path: &Path) -> PathBuf {
        let mut rest = Vec::new();
        let mut here = path;
        loop {
            if let Ok(found) = self.resolve(here) {
                return rest.iter().rev().fold(found.path, |path, part| path.join(part));
            }
            let (Some(parent), Some(name)) = (here.parent(), here.file_name()) else {
                return path.to_owned();
            };
            rest.push(name);
            here = parent;
        }
    }
}

/// Whether a file system of this kind, by statfs(2)'s magic number, keeps owners
/// and permission bits.
fn keeps_modes(kind: i64) -> bool {
    // From linux/magic.h and the drivers. Some kernels extend the sign.
    const WITHOUT: [i64; 8] = [
        0x4d44,      // vfat
        0x2011_bab0, // exfat
        0x5346_544e, // ntfs
        0x7366_746e, // ntfs3
        0x517b,      // smb
        0xff53_4d42, // cifs
        0xfe53_4d42, // smb2
        0x4244,      // hfs
    ];
    !WITHOUT.contains(&(kind & 0xffff_ffff))
}

#[expect(clippy::disallowed_methods, reason = "everything else goes from this descriptor")]
fn open_root(dir: &Path) -> io::Result<OwnedFd> {
    Ok(fs::open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// `path` without its leading slashes; the root itself is `.`.
pub(super) fn relative(path: &Path) -> &Path {
    let bytes = path.as_os_str().as_bytes();
    let start = bytes.iter().take_while(|&&byte| byte == b'/').count();
    if start == bytes.len() {
        Path::new(".")
    } else {
        Path::new(std::ffi::OsStr::from_bytes(&bytes[start..]))
    }
}

/// A descriptor of the same directory that can be synced and locked.
pub(super) fn readable(dir: impl AsFd) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(fs::openat(dir, ".", flags, Mode::empty())?)
}

/// `fsync`, where the file system has it.
pub(super) fn sync(file: impl AsFd) -> io::Result<()> {
    match fs::fsync(file) {
        Ok(()) | Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::ROFS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether there is a symlink where none is followed, or one that leads to itself.
pub fn is_loop(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Turns "there is nothing" into `None`.
pub fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Where the symlink of this name points; `None` if it is not a symlink.
fn link_in(dir: &OwnedFd, name: &OsStr) -> io::Result<Option<PathBuf>> {
    match fs::readlinkat(dir, name, Vec::new()) {
        Ok(target) => Ok(Some(PathBuf::from(OsString::from_vec(target.into_bytes())))),
        Err(Errno::INVAL | Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fat_and_its_like_keep_no_modes() {
        assert!(!keeps_modes(0x4d44));
        assert!(!keeps_modes(i64::from(0xff53_4d42_u32 as i32)));
        assert!(keeps_modes(0xef53), "ext4");
        assert!(keeps_modes(0x0102_1994), "tmpfs");
    }

    #[test]
    fn the_temporary_directory_keeps_modes() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Root::system().unwrap().has_modes(dir.path()).unwrap());
    }
}
