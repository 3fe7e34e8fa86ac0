//! A directory whose content nobody vouches for: a layer of a container image.
//!
//! Names in it come from strangers. A path is resolved as a container would
//! resolve it, with this directory as its root (`RESOLVE_IN_ROOT`), so that no
//! symlink and no `..` leads out of it. What is opened is never a device, a FIFO
//! or a symlink, and reading leaves no access time behind where that can be helped.

use std::ffi::{CStr, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::attributes;
use super::mode::set_mode;
use super::root::{FileKind, Root, Stat, absent};
use super::walk;
use crate::limits;

/// The root of such a directory tree.
#[derive(Debug)]
pub struct Subtree {
    dir: OwnedFd,
}

/// A directory in a [`Subtree`].
#[derive(Debug)]
pub struct Directory {
    dir: OwnedFd,
    /// Its path in the tree, without symlinks; empty for the root.
    pub path: PathBuf,
}

/// What stands at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubtreeNode {
    /// What every file has.
    pub stat: Stat,
    /// What it is, if it is neither file, directory nor symlink.
    pub special: Option<Special>,
    /// How many names it has.
    pub links: u64,
}

/// What has no content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// A character device, by its numbers.
    Character(u32, u32),
    /// A block device, by its numbers.
    Block(u32, u32),
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
}

/// A file that was opened for reading.
#[derive(Debug)]
pub struct OpenFile {
    file: OwnedFd,
    /// What it is.
    pub stat: Stat,
}

impl Root {
    /// The directory at `path` as a tree of its own; `None` if there is nothing, or
    /// something else than a directory.
    pub fn subtree(&self, path: &Path) -> io::Result<Option<Subtree>> {
        let dir = self.open(path, OFlags::PATH | OFlags::DIRECTORY);
        Ok(absent(dir)?.map(|dir| Subtree { dir }))
    }

    /// The directory that `path` ends in and its name there, symlinks followed; `None` if
    /// it leads nowhere. What the name is, if anything, is not looked at.
    ///
    /// # Errors
    /// If a directory on the way cannot be entered.
    pub fn end(&self, path: &Path) -> io::Result<Option<(Directory, OsString)>> {
        Ok(leads(self.resolve(path))?.map(|end| {
            let name = end.name().to_owned();
            (Directory { dir: end.dir, path: PathBuf::new() }, name)
        }))
    }
}

/// `None` where symlinks lead nowhere: to nothing, or to themselves.
fn leads<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => Ok(None),
        result => absent(result),
    }
}

impl Subtree {
    /// Its root.
    ///
    /// # Errors
    /// If the process has too many files open.
    pub fn top(&self) -> io::Result<Directory> {
        Ok(Directory { dir: self.dir.as_fd().try_clone_to_owned()?, path: PathBuf::new() })
    }

    /// The directory at `path`, symlinks followed inside the tree; `None` if there
    /// is nothing, or something else.
    pub fn directory(&self, path: &Path) -> io::Result<Option<Directory>> {
        if path.as_os_str().is_empty() {
            return self.top().map(Some);
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let plain = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match fs::openat2(&self.dir, path, flags, Mode::empty(), plain) {
            Ok(dir) => return Ok(Some(Directory { dir, path: path.to_owned() })),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            // A symlink on the way, or no openat2: one step after the other.
            Err(Errno::LOOP | Errno::NOSYS | Errno::PERM | Errno::ACCESS | Errno::AGAIN | Errno::XDEV) => {}
            Err(error) => return Err(error.into()),
        }
        let Some((end, _)) = leads(walk::walk(&self.dir, path, true, walk::SymlinkPolicy::Followed))? else {
            return Ok(None);
        };
        let flags = flags | OFlags::NOFOLLOW;
        let dir = absent(fs::openat(&end.dir, end.name(), flags, Mode::empty()).map_err(Into::into))?;
        let path = end.path.strip_prefix("/").expect("a walk ends at an absolute path").to_owned();
        Ok(dir.map(|dir| Directory { dir, path }))
    }

    /// The regular file at `path`, symlinks followed inside the tree; `None` if there
    /// is none.
    pub fn file(&self, path: &Path) -> io::Result<Option<OpenFile>> {
        let Some((end, _)) = leads(walk::walk(&self.dir, path, true, walk::SymlinkPolicy::Followed))? else {
            return Ok(None);
        };
        let directory = Directory { dir: end.dir.as_fd().try_clone_to_owned()?, path: PathBuf::new() };
        Ok(directory.open(end.name())?.filter(|file| file.stat.kind == FileKind::File))
    }
}

impl Directory {
    /// What stands at `name`, a symlink as itself; the directory itself for `.`.
    pub fn node(&self, name: &OsStr) -> io::Result<Option<SubtreeNode>> {
        let raw = fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(Into::into);
        Ok(absent(raw)?.map(|raw| SubtreeNode::from_raw(&raw)))
    }

    /// Opens the regular file or directory at `name`; `None` if that is not what it is.
    pub fn open(&self, name: &OsStr) -> io::Result<Option<OpenFile>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let open = |flags| fs::openat(&self.dir, name, flags, Mode::empty());
        let file = match open(flags | OFlags::NOATIME) {
            // Only the owner may ask for that.
            Err(Errno::PERM) => open(flags),
            result => result,
        };
        let file = match file {
            Ok(file) => file,
            Err(Errno::LOOP | Errno::NOENT | Errno::NOTDIR | Errno::NXIO | Errno::NODEV) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let stat = Stat::from_raw(&fs::fstat(&file)?);
        let readable = matches!(stat.kind, FileKind::File | FileKind::Directory);
        Ok(readable.then_some(OpenFile { file, stat }))
    }

    /// Reads the regular file at `name`; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read, or is larger than `limit` bytes.
    pub fn read(&self, name: &OsStr, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.open(name)?.filter(|file| file.stat.kind == FileKind::File) else {
            return Ok(None);
        };
        let size = usize::try_from(file.stat.size.min(limit)).expect("limits fit into memory");
        let mut bytes = vec![0; size + 1];
        let mut length = 0;
        while length < bytes.len() {
            match file.read(&mut bytes[length..])? {
                0 => {
                    bytes.truncate(length);
                    return Ok(Some(bytes));
                }
                count => length += count,
            }
        }
        Err(limits::too_large(limit))
    }

    /// Gives the file or directory at `name` these permission bits, too, if it belongs to
    /// the user `owner`. Returns whether it lacked some, `None` if it is another's; with
    /// `dry_run` that is all it does. What is neither file nor directory lacks none.
    ///
    /// What is judged and what is changed is what was opened, whatever has the name by then.
    pub fn permit(&self, name: &OsStr, bits: u32, owner: u32, dry_run: bool) -> io::Result<Option<bool>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = match fs::openat(&self.dir, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(Some(false)),
            result => result?,
        };
        let stat = Stat::from_raw(&fs::fstat(&found)?);
        if !matches!(stat.kind, FileKind::File | FileKind::Directory) || stat.mode & bits == bits {
            return Ok(Some(false));
        }
        if stat.uid != owner {
            return Ok(None);
        }
        if !dry_run {
            set_mode(&found, Mode::from_raw_mode(stat.mode | bits))?;
        }
        Ok(Some(true))
    }

    /// Where the symlink at `name` points; `None` if it is not one.
    pub fn read_link(&self, name: &OsStr) -> io::Result<Option<OsString>> {
        match fs::readlinkat(&self.dir, name, Vec::new()) {
            Ok(target) => Ok(Some(OsString::from_vec(target.into_bytes()))),
            Err(Errno::INVAL | Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The directory at `name`, which must be one and no symlink.
    pub fn child(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = fs::openat(&self.dir, name, flags, Mode::empty())?;
        Ok(Self { dir, path: self.path.join(name) })
    }

    /// The extended attributes of what stands at `name`, a symlink or a device itself.
    pub fn attributes(&self, name: &OsStr) -> io::Result<Option<attributes::Attributes>> {
        // The kernel has no `llistxattr` that takes a directory's descriptor before 6.13.
        let path = Path::new("/proc/self/fd").join(self.dir.as_raw_fd().to_string()).join(name);
        attributes::all_of_link(&path)
    }

    /// Every name in it, sorted by bytes.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        self.for_each(|name| {
            names.push(name.to_owned());
            Ok(())
        })?;
        names.sort();
        Ok(names)
    }

    /// Calls `each` with every name in it, in the file system's order, until it fails.
    ///
    /// # Errors
    /// If it cannot be read, and what `each` returns.
    pub fn for_each(&self, mut each: impl FnMut(&OsStr) -> io::Result<()>) -> io::Result<()> {
        self.for_each_kind(|name, _| each(name))
    }

    /// [`Directory::for_each`], with whether it is a directory, where the file system
    /// tells that without a look.
    ///
    /// # Errors
    /// As [`Directory::for_each`].
    pub fn for_each_kind(
        &self,
        mut each: impl FnMut(&OsStr, Option<bool>) -> io::Result<()>,
    ) -> io::Result<()> {
        let opened = self.open(OsStr::new("."))?.ok_or(Errno::NOTDIR)?;
        for entry in fs::Dir::new(opened.file)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                let kind = entry.file_type();
                each(name, (kind != fs::FileType::Unknown).then_some(kind == fs::FileType::Directory))?;
            }
        }
        Ok(())
    }
}

impl OpenFile {
    /// Tells the kernel that it will be read from the start to the end.
    pub fn will_be_read(&self) {
        // A hint: where it is not heard, reading is slower and that is all.
        let _ = fs::fadvise(&self.file, 0, None, fs::Advice::Sequential);
    }

    /// Reads into `buffer`; 0 at the end.
    ///
    /// # Errors
    /// As `read(2)`.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match rustix::io::read(&self.file, &mut *buffer) {
                Ok(count) => return Ok(count),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Its extended attributes that this process may see; `None` if the file system has none.
    pub fn attributes(&self) -> io::Result<Option<attributes::Attributes>> {
        attributes::all(&self.file)
    }

    /// Its extended attribute `name`.
    ///
    /// # Errors
    /// If it cannot be read, for another reason than that there is none.
    pub fn attribute(&self, name: &CStr) -> io::Result<Option<Vec<u8>>> {
        match attributes::value(&self.file, name) {
            Ok(value) => Ok(Some(value)),
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl SubtreeNode {
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "types differ by architecture")]
    fn from_raw(raw: &fs::Stat) -> Self {
        let numbers = || (fs::major(raw.st_rdev as u64), fs::minor(raw.st_rdev as u64));
        let special = match fs::FileType::from_raw_mode(raw.st_mode) {
            fs::FileType::CharacterDevice => Some(Special::Character(numbers().0, numbers().1)),
            fs::FileType::BlockDevice => Some(Special::Block(numbers().0, numbers().1)),
            fs::FileType::Fifo => Some(Special::Fifo),
            fs::FileType::Socket => Some(Special::Socket),
            _ => None,
        };
        Self { stat: Stat::from_raw(raw), special, links: raw.st_nlink as u64 }
    }

    /// Whether it is the null device, which reads as an empty file.
    pub fn is_null(&self) -> bool {
        self.special == Some(Special::Character(1, 3))
    }

    /// Whether it is a whiteout: overlayfs takes such a device for "nothing is here".
    pub fn is_whiteout(&self) -> bool {
        self.special == Some(Special::Character(0, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_symlink_leads_out_of_a_subtree() {
        let scratch = tempfile::tempdir().unwrap();
        let tree = scratch.path().join("tree");
        fs_err::create_dir_all(tree.join("usr/lib")).unwrap();
        fs_err::create_dir_all(scratch.path().join("usr/lib64")).unwrap();
        std::os::unix::fs::symlink("usr/lib", tree.join("lib")).unwrap();
        std::os::unix::fs::symlink("/usr", tree.join("absolute")).unwrap();
        std::os::unix::fs::symlink("../usr", tree.join("outside")).unwrap();
        let root = Root::system().unwrap();
        let subtree = root.subtree(&tree).unwrap().unwrap();
        let resolved = |path: &str| subtree.directory(Path::new(path)).unwrap().map(|dir| dir.path);
        assert_eq!(resolved("lib"), Some(PathBuf::from("usr/lib")));
        assert_eq!(resolved("absolute/lib"), Some(PathBuf::from("usr/lib")));
        assert_eq!(resolved("outside/lib"), Some(PathBuf::from("usr/lib")));
        assert_eq!(resolved("outside/lib64"), None);
        assert_eq!(resolved("../usr/lib64"), None);
        assert_eq!(resolved("gone"), None);
    }

    #[test]
    fn a_fifo_is_not_waited_for_and_a_symlink_not_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let fifo = scratch.path().join("fifo");
        fs::mknodat(fs::CWD, &fifo, fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", scratch.path().join("link")).unwrap();
        let root = Root::system().unwrap();
        let top = root.subtree(scratch.path()).unwrap().unwrap().top().unwrap();
        assert!(top.open(OsStr::new("fifo")).unwrap().is_none());
        assert!(top.open(OsStr::new("link")).unwrap().is_none());
        assert_eq!(top.node(OsStr::new("fifo")).unwrap().unwrap().special, Some(Special::Fifo));
    }
}
