//! What a package holds: a tree on the disk, and what each file in it shall be.
//!
//! The tree is made by whoever packs, so in it everything is theirs and can be read and
//! written by them; devices are not in it. Owners, permissions, capabilities and devices
//! stand in the list for `%files`. Times are those of the tree.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::file_line::{self, UnlistedFile};
use super::owners::Owners;
use crate::problem::Problem;
use crate::sealed::OF_OTHERS;
use crate::sys::{DirectoryWriter, NewFile, Root, SpecialFile};

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TreeEntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symlink with this target.
    Symlink(Vec<u8>),
    /// Another name of the entry with this path, which is no hard link itself.
    HardLink(Vec<u8>),
    /// A device: `c` or `b`, major and minor number. It is not in the tree.
    Device(char, u32, u32),
    /// A FIFO.
    Fifo,
}

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TreeEntry {
    pub(super) what: TreeEntryKind,
    /// Permission bits, with setuid, setgid and sticky.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// In the words of cap_from_text(3).
    pub(super) capabilities: Option<String>,
    /// Seconds since 1970 and nanoseconds.
    pub(super) mtime: (i64, u32),
}

impl TreeEntry {
    /// Something that belongs to root.
    pub(super) fn of_root(what: TreeEntryKind, mode: u32, seconds: i64) -> Self {
        Self { what, mode, uid: 0, gid: 0, capabilities: None, mtime: (seconds, 0) }
    }
}

/// Such a tree.
pub(super) struct PackageTree {
    writer: DirectoryWriter,
    dir: PathBuf,
    entries: BTreeMap<Vec<u8>, TreeEntry>,
    owners: Owners,
    /// Directories that are there and in no list.
    unlisted: Vec<Vec<u8>>,
    /// The time of what has no other, in seconds since 1970.
    time: i64,
}

impl PackageTree {
    /// Begins a tree in the empty directory `dir` of this system.
    pub(super) fn new(dir: &Path, time: i64) -> io::Result<Self> {
        let writer = Root::system()?.directory_writer(dir)?;
        let (entries, unlisted) = (BTreeMap::new(), Vec::new());
        Ok(Self { writer, dir: dir.to_owned(), entries, owners: Owners::default(), unlisted, time })
    }

    /// The directory of the tree.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The place of `path` on the disk.
    pub(super) fn on_disk(&self, path: &str) -> PathBuf {
        self.dir.join(path.trim_start_matches('/'))
    }

    pub(super) fn owners(&self) -> &Owners {
        &self.owners
    }

    pub(super) fn time(&self) -> i64 {
        self.time
    }

    pub(super) fn entries(&self) -> &BTreeMap<Vec<u8>, TreeEntry> {
        &self.entries
    }

    /// Makes the directories above `path`. Those that no other package has are listed.
    pub(super) fn add_parents(&mut self, path: &[u8]) -> io::Result<()> {
        for (at, _) in path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/') {
            let dir = &path[..at];
            if self.entries.contains_key(dir) || self.unlisted.iter().any(|other| other == dir) {
                continue;
            }
            self.writer.create_directory(&dir[1..])?;
            if OF_OTHERS.iter().any(|system| system.as_bytes() == dir) {
                self.unlisted.push(dir.to_vec());
            } else {
                self.list(dir, TreeEntry::of_root(TreeEntryKind::Directory, 0o755, self.time));
            }
        }
        Ok(())
    }

    fn list(&mut self, path: &[u8], entry: TreeEntry) {
        self.owners.add(entry.uid, entry.gid);
        self.entries.insert(path.to_vec(), entry);
    }

    /// Adds what has no content. The directory above it must be there. A directory that is
    /// there gets what `entry` says.
    pub(super) fn add(&mut self, path: &[u8], mut entry: TreeEntry) -> io::Result<()> {
        let name = &path[1..];
        match &entry.what {
            TreeEntryKind::Directory if self.entries.contains_key(path) => {}
            TreeEntryKind::Directory => self.writer.create_directory(name)?,
            TreeEntryKind::Symlink(target) => {
                self.writer.create_special(name, SpecialFile::Symlink(target))?;
                self.writer.set_time(name, entry.mtime)?;
            }
            TreeEntryKind::HardLink(target) => {
                self.writer.hard_link(name, &target[1..])?;
                // RPM keeps what both are in one place, as a file system does.
                if let Some(first) = self.entries.get(target) {
                    let what = match &first.what {
                        TreeEntryKind::HardLink(first) => TreeEntryKind::HardLink(first.clone()),
                        TreeEntryKind::Symlink(target) => TreeEntryKind::Symlink(target.clone()),
                        _ => entry.what,
                    };
                    entry = TreeEntry { what, ..first.clone() };
                }
            }
            TreeEntryKind::Fifo => {
                self.writer.create_special(name, SpecialFile::Fifo)?;
                self.writer.set_time(name, entry.mtime)?;
            }
            TreeEntryKind::Device(..) => {}
            TreeEntryKind::File => unreachable!("a file is begun, written and ended"),
        }
        self.list(path, entry);
        Ok(())
    }

    /// Begins a file, which must be ended.
    pub(super) fn begin_file(&mut self, path: &[u8]) -> io::Result<NewFile> {
        self.writer.create_file(&path[1..])
    }

    /// Ends the file that was begun at `path`, or made there by another program.
    ///
    /// # Errors
    /// If its time cannot be set.
    pub(super) fn end_file(&mut self, path: &[u8], entry: TreeEntry) -> io::Result<()> {
        self.writer.set_time(&path[1..], entry.mtime)?;
        self.list(path, entry);
        Ok(())
    }

    /// Moves a file that was begun to another name, under which it is ended.
    pub(super) fn rename(&mut self, path: &[u8], to: &[u8]) -> io::Result<()> {
        self.writer.move_over(&path[1..], &to[1..])
    }

    /// Adds a file of root with this text, and the directories above it.
    pub(super) fn add_text(&mut self, path: &str, mode: u32, text: &[u8]) -> io::Result<()> {
        let path = path.as_bytes();
        self.add_parents(path)?;
        self.begin_file(path)?.write(text)?;
        self.end_file(path, TreeEntry::of_root(TreeEntryKind::File, mode, self.time))
    }

    /// Ends the tree: directories get their times. Returns the lines of `%files`.
    ///
    /// # Errors
    /// What cannot be listed, or the system's answer.
    pub(super) fn finish(&mut self) -> Result<String, Unfinished> {
        let lines = file_line::lines(&self.entries).map_err(Unfinished::UnlistedFile)?;
        for (path, entry) in self.entries.iter().rev() {
            if entry.what == TreeEntryKind::Directory {
                self.writer.set_time(&path[1..], entry.mtime).map_err(Unfinished::Io)?;
            }
        }
        Ok(lines)
    }
}

/// Why a tree cannot be ended.
pub(super) enum Unfinished {
    /// These paths cannot be listed.
    UnlistedFile(Vec<(Vec<u8>, UnlistedFile)>),
    /// The system's answer.
    Io(io::Error),
}

/// The problem of a tree that cannot be written.
pub(super) fn unwritten(contents: &PackageTree) -> impl FnOnce(io::Error) -> Problem + use<> {
    Problem::cannot("write to", contents.dir.display().to_string())
}

/// `path` for a message.
pub(super) fn shown(path: &[u8]) -> String {
    Path::new(std::ffi::OsStr::from_bytes(path)).display().to_string().escape_debug().to_string()
}
