//! What stands on the disk, held against the headers of the tar stream.
//!
//! Mirrors how engines unpack (`Unpack` in pkg/archive/archive.go, `UnpackLayer` in
//! diff.go, the overlay driver's whiteouts in archive_linux.go).

use std::collections::HashSet;
use std::ffi::{CStr, OsStr, OsString};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::issues::{FileDifference, Issues};
use super::layer::split;
use super::values::mask_of;
use super::walk::equal;
use crate::store::IdMap;
use crate::sys::{Directory, FileKind, OpenFile, Special, Subtree, SubtreeNode};
use crate::tar::{EntryKind as Entry, Header, clean_path};

/// How a layer was unpacked.
pub(super) struct UnpackedBy<'a> {
    /// Only its own files are there, and whiteouts hide what is below; otherwise it is
    /// a whole tree, with the files of all layers below it.
    pub(super) overlay: bool,
    /// The tree of the layer below, if there is one and this is not overlay.
    pub(super) parent: Option<&'a Subtree>,
    /// Whether owners are those of the stream: not so in the store of a normal user.
    pub(super) owners: bool,
    /// Whether it was pulled in parts, by an engine that makes no devices or FIFOs then, and gives
    /// symlinks and most directories no times (`ApplyDiff` in pkg/chunked/storage_linux.go).
    pub(super) in_parts: bool,
    /// Whether this process sees all extended attributes.
    pub(super) privileged: bool,
    /// How user ids are mapped.
    pub(super) uidmap: &'a [IdMap],
    /// How group ids are mapped.
    pub(super) gidmap: &'a [IdMap],
    /// The mode of the root of the layer below.
    pub(super) root_mode: Option<u32>,
}

impl UnpackedBy<'_> {
    /// Whether a directory hides what is below it from the engines of the store's owner, and
    /// from those of others: root's overlay reads one attribute, and a normal user's another.
    /// Nothing where this process may not look.
    pub(super) fn is_opaque(&self, directory: &OpenFile) -> (Option<bool>, Option<bool>) {
        let says = |name| directory.attribute(name).is_ok_and(|value| value.as_deref() == Some(b"y"));
        let (of_root, of_users) = (self.privileged.then(|| says(OF_ROOT)), Some(says(OF_USERS)));
        if self.owners { (of_root, of_users) } else { (of_users, of_root) }
    }
}

/// How many differences are kept until the end, where a later entry may take them back.
const KEPT: usize = 1000;

/// What makes a directory opaque for root's engines.
const OF_ROOT: &CStr = c"trusted.overlay.opaque";

/// The same for normal users' engines, without a mount program.
const OF_USERS: &CStr = c"user.overlay.opaque";

/// The mode of a layer's root as engines make it.
const ENGINES_ROOT: u32 = 0o555;

/// What is said of one file.
struct FileIssue {
    way: FileDifference,
    path: OsString,
    detail: String,
    inode: Option<(u64, u64)>,
}

pub(super) struct Comparison<'a> {
    tree: &'a Subtree,
    pub(super) layout: &'a UnpackedBy<'a>,
    hasher: RandomState,
    /// Hashes of the paths of all entries.
    pub(super) entries: HashSet<u64>,
    /// Of directories that hide what is below.
    pub(super) opaque: HashSet<u64>,
    /// Of what was removed from the layer below.
    pub(super) removed: HashSet<u64>,
    /// Whiteouts that were not found: a later entry may stand in their place.
    unseen: Vec<(u64, OsString)>,
    kept: Vec<FileIssue>,
    pub(super) issues: Issues,
    /// The directory of the last entry, by the name it was looked up by.
    directory: Option<(PathBuf, Option<Directory>)>,
    /// Whether there was an entry for the root.
    has_root: bool,
    /// The file of the last entry, by its name.
    file: Option<(OsString, OpenFile)>,
    /// Copies of files that were hard links.
    split_links: Vec<(OsString, OsString)>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(tree: &'a Subtree, layout: &'a UnpackedBy<'a>) -> Self {
        Self {
            tree,
            layout,
            hasher: RandomState::new(),
            entries: HashSet::new(),
            opaque: HashSet::new(),
            removed: HashSet::new(),
            unseen: Vec::new(),
            kept: Vec::new(),
            issues: Issues::default(),
            directory: None,
            has_root: false,
            file: None,
            split_links: Vec::new(),
        }
    }

    /// A path as a number. The key is new for each layer, so that nobody can choose
    /// a name that has another's.
    pub(super) fn hash(&self, path: &Path) -> u64 {
        self.hasher.hash_one(path.as_os_str().as_bytes())
    }

    /// The directory at `path`, which is mostly that of the entry before.
    fn open_directory(&mut self, path: &Path) -> io::Result<Option<&Directory>> {
        if self.directory.as_ref().is_none_or(|(last, _)| last != path) {
            self.directory = Some((path.to_owned(), self.tree.directory(path)?));
        }
        Ok(self.directory.as_ref().and_then(|(_, directory)| directory.as_ref()))
    }

    pub(super) fn differs(
        &mut self,
        way: FileDifference,
        path: &OsStr,
        detail: String,
        node: Option<&SubtreeNode>,
    ) {
        if self.kept.len() < KEPT {
            let inode = node.map(|node| node.stat.id);
            self.kept.push(FileIssue { way, path: path.to_owned(), detail, inode });
        } else {
            self.issues.put(way, path, detail);
        }
    }

    /// Something about a file that no later entry takes back.
    pub(super) fn issue(&mut self, way: FileDifference, path: &OsStr) {
        self.issues.put(way, path, String::new());
    }

    /// The content of a file is missing, whatever its header was.
    pub(super) fn gone(&mut self, name: &OsStr) {
        let cleaned = clean_path(name).unwrap_or_else(|| name.to_owned());
        let told = |difference: &FileIssue| {
            difference.path == cleaned
                && matches!(difference.way, FileDifference::Missing | FileDifference::Type)
        };
        match self.kept.iter_mut().find(|difference| told(difference)) {
            Some(difference) if difference.way == FileDifference::Missing => {
                difference.way = FileDifference::MissingContent;
            }
            Some(_) => self.issue(FileDifference::Content, &cleaned),
            None => self.issue(FileDifference::MissingContent, &cleaned),
        }
    }

    /// The file whose content comes next.
    pub(super) fn content(&mut self, name: &OsStr) -> io::Result<Option<OpenFile>> {
        if let Some((last, file)) = self.file.take()
            && last == name
        {
            return Ok(Some(file));
        }
        let Some(path) = clean_path(name) else {
            return Ok(None);
        };
        let (parent, base) = split(&path);
        let (parent, base) = (parent.to_owned(), base.to_owned());
        let Some(directory) = self.open_directory(&parent)? else {
            return Ok(None);
        };
        if let Some(file) = directory.open(&base)?.filter(|file| file.stat.kind == FileKind::File) {
            return Ok(Some(file));
        }
        if directory.read_link(&base)?.is_none() {
            return Ok(None);
        }
        // Engines follow a symlink that stands in a file's place; here it leads to
        // nothing outside of the layer.
        self.tree.file(Path::new(&path))
    }

    /// An entry of the stream.
    pub(super) fn header(&mut self, header: Header) -> io::Result<()> {
        self.file = None;
        let Some(path) = clean_path(&header.name) else {
            self.differs(FileDifference::Missing, &header.name, "leads out of the layer".to_owned(), None);
            return Ok(());
        };
        if path.is_empty() {
            return self.root(&header);
        }
        let (parent, base) = split(&path);
        let (parent, base) = (parent.to_owned(), base.to_owned());
        let Some(directory) = self.open_directory(&parent)? else {
            if base.as_bytes().starts_with(b".wh.") {
                // A whiteout below a whiteout: engines leave it out.
                return Ok(());
            }
            self.differs(FileDifference::Missing, &path, String::new(), None);
            return Ok(());
        };
        let real = directory.path.clone();
        if let Some(hidden) = base.as_bytes().strip_prefix(b".wh.") {
            let hidden = OsStr::from_bytes(hidden).to_owned();
            return self.whiteout(&real, &base, &hidden);
        }
        let node = directory.node(&base)?;
        let key = self.hash(&real.join(&base));
        self.entries.insert(key);
        let Some(node) = node else {
            let is_left_out = match header.kind {
                // A normal user's engine cannot make them.
                Entry::Character | Entry::Block => !self.layout.owners || self.layout.in_parts,
                Entry::Fifo => self.layout.in_parts,
                _ => false,
            };
            if !is_left_out {
                self.differs(FileDifference::Missing, &path, String::new(), None);
            }
            return Ok(());
        };
        if header.kind == Entry::HardLink {
            let opened = if node.stat.kind == FileKind::File {
                directory_of(&self.directory).open(&base)?
            } else {
                None
            };
            return self.hard_link(&header, &path, &node, opened.as_ref());
        }
        self.attributes(&header, &path, &parent, &base, &node)
    }

    fn root(&mut self, header: &Header) -> io::Result<()> {
        let top = self.tree.top()?;
        self.has_root = true;
        if let (Entry::Directory, Some(node)) = (header.kind, top.node(OsStr::new("."))?) {
            // An engine that unpacks a stream passes over this entry (`Unpack` in
            // pkg/archive/archive.go), and leaves what it made (`defaultPerms`).
            if node.stat.mode == ENGINES_ROOT && (node.stat.uid, node.stat.gid) == (0, 0) {
                return Ok(());
            }
            let found = match top.open(OsStr::new("."))? {
                Some(file) => file.attributes()?,
                None => None,
            };
            self.values(header, OsStr::new("."), &node, found.as_ref());
        }
        Ok(())
    }

    /// `.wh.NAME` says that NAME is gone, `.wh..wh..opq` that all of a directory is.
    fn whiteout(&mut self, real: &Path, base: &OsStr, hidden: &OsStr) -> io::Result<()> {
        // A driver with a mount program keeps it as it is in the stream.
        let kept = real.join(base);
        let key = self.hash(&kept);
        let directory = directory_of(&self.directory);
        let as_is = self.layout.overlay && directory.node(base)?.is_some();
        if base == ".wh..wh..opq" {
            let top = if as_is || !self.layout.overlay { None } else { directory.open(OsStr::new("."))? };
            let (own, others) = match top {
                Some(top) => self.layout.is_opaque(&top),
                None => (None, None),
            };
            let dir_key = self.hash(real);
            self.opaque.insert(dir_key);
            if as_is {
                self.entries.insert(key);
            }
            if own == Some(false) {
                self.issues.put(
                    FileDifference::WhiteoutMissing,
                    real.as_os_str(),
                    "is not opaque".to_owned(),
                );
            } else if others == Some(false) {
                self.issues.put(FileDifference::WhiteoutMissingForOthers, real.as_os_str(), String::new());
            }
            return Ok(());
        }
        let target = real.join(hidden);
        let node = directory.node(hidden)?;
        let hidden_key = self.hash(&target);
        if as_is {
            self.entries.insert(key);
        } else if !self.layout.overlay {
            self.removed.insert(hidden_key);
        } else if node.is_some_and(|node| node.is_whiteout()) {
            self.entries.insert(hidden_key);
        } else if self.unseen.len() < KEPT {
            self.unseen.push((hidden_key, target.into_os_string()));
        }
        Ok(())
    }

    /// A hard link is the file that it leads to: what its header says counts for both.
    fn hard_link(
        &mut self,
        header: &Header,
        path: &OsStr,
        node: &SubtreeNode,
        file: Option<&OpenFile>,
    ) -> io::Result<()> {
        let Some(target) = clean_path(&header.target) else {
            return Ok(());
        };
        self.kept.retain(|difference| {
            difference.inode != Some(node.stat.id)
                || !matches!(
                    difference.way,
                    FileDifference::Mode
                        | FileDifference::Owner
                        | FileDifference::Time
                        | FileDifference::TimeOfOther
                )
        });
        let (parent, base) = split(&target);
        let linked = match self.tree.directory(parent)? {
            Some(directory) => directory.node(base)?,
            None => None,
        };
        match linked {
            Some(linked) if linked.stat.id == node.stat.id => {}
            Some(linked) if linked.stat.kind == FileKind::File && node.stat.kind == FileKind::File => {
                // Carried by something that knows no hard links. Whether the copy is
                // one is seen at the end.
                if self.split_links.len() < KEPT {
                    self.split_links.push((target.clone(), path.to_owned()));
                }
            }
            Some(linked) if linked.stat.kind == node.stat.kind => {}
            _ => self.differs(
                FileDifference::Type,
                path,
                format!("is not a link to `{}`", target.to_string_lossy()),
                Some(node),
            ),
        }
        if node.stat.kind == FileKind::Symlink {
            return Ok(());
        }
        let found = match file {
            Some(file) => file.attributes()?,
            None => None,
        };
        self.values(header, path, node, found.as_ref());
        Ok(())
    }

    /// What is not a link.
    fn attributes(
        &mut self,
        header: &Header,
        path: &OsStr,
        parent: &Path,
        base: &OsStr,
        node: &SubtreeNode,
    ) -> io::Result<()> {
        let directory = self.open_directory(parent)?.expect("it was opened for its node");
        let link = if header.kind == Entry::Symlink { directory.read_link(base)? } else { None };
        let opens = matches!(node.stat.kind, FileKind::File | FileKind::Directory);
        let file = if opens { directory.open(base)? } else { None };
        let found = match &file {
            Some(file) => file.attributes()?,
            None => None,
        };
        let masked = found.as_ref().and_then(mask_of);
        let (major, minor) = header.device;
        let wrong = match (header.kind, node.stat.kind, node.special) {
            (Entry::File, FileKind::File, _)
            | (Entry::Directory, FileKind::Directory, _)
            | (Entry::Fifo, _, Some(Special::Fifo)) => None,
            (Entry::Symlink, FileKind::Symlink, _) => {
                link.filter(|link| *link != header.target).map(|link| {
                    format!(
                        "leads to `{}` instead of `{}`",
                        link.to_string_lossy(),
                        header.target.to_string_lossy()
                    )
                })
            }
            (Entry::Character, _, Some(special)) if special == Special::Character(major, minor) => None,
            (Entry::Block, _, Some(special)) if special == Special::Block(major, minor) => None,
            // `force_mask` makes files of what is none.
            (Entry::Character | Entry::Block | Entry::Fifo, FileKind::File, _) if masked.is_some() => None,
            _ => Some(format!("is {} instead of {}", what(node), expected(header))),
        };
        if let Some(detail) = wrong {
            self.differs(FileDifference::Type, path, detail, Some(node));
            return Ok(());
        }
        if header.kind == Entry::File && header.size == 0 && node.stat.size != 0 {
            let detail = format!("has {} bytes instead of none", node.stat.size);
            self.differs(FileDifference::Copy, path, detail, Some(node));
        }
        self.values(header, path, node, found.as_ref());
        if header.kind == Entry::File
            && header.size > 0
            && let Some(file) = file.filter(|file| file.stat.kind == FileKind::File)
        {
            self.file = Some((header.name.clone(), file));
        }
        Ok(())
    }

    /// What is on the disk and in no entry, and the end of the account.
    pub(super) fn finish(mut self, complete: bool, buffer: &mut [u8]) -> io::Result<Issues> {
        for (key, path) in std::mem::take(&mut self.unseen) {
            if !self.entries.contains(&key) {
                self.issues.put(FileDifference::WhiteoutMissing, &path, String::new());
            }
        }
        for (one, other) in std::mem::take(&mut self.split_links) {
            if !self.same_content(&one, &other, buffer)? {
                self.issues.put(FileDifference::Copy, &other, String::new());
            }
        }
        if complete {
            let top = self.tree.top()?;
            self.root_without_entry(&top)?;
            self.walk(&top, (0, true), buffer)?;
        }
        for difference in std::mem::take(&mut self.kept) {
            self.issues.put(difference.way, &difference.path, difference.detail);
        }
        Ok(self.issues)
    }

    /// The root has the mode of the one below, if the stream says nothing else; the first
    /// layer's that of engines. Nobody else may write to it, and everybody may enter it.
    fn root_without_entry(&mut self, top: &Directory) -> io::Result<()> {
        let Some(node) = top.node(OsStr::new("."))?.filter(|_| !self.has_root) else {
            return Ok(());
        };
        let open = top.open(OsStr::new("."))?;
        if open.is_some_and(|open| {
            open.attributes().is_ok_and(|found| found.as_ref().and_then(mask_of).is_some())
        }) {
            return Ok(());
        }
        let mode = node.stat.mode;
        let way = match self.layout.root_mode {
            _ if mode == ENGINES_ROOT => return Ok(()),
            Some(below) if mode == below => return Ok(()),
            None if mode & 0o022 == 0 && mode & 0o055 == 0o055 => FileDifference::RootMode,
            _ => FileDifference::Mode,
        };
        self.issues.put(way, OsStr::new("."), format!("{mode:04o}"));
        Ok(())
    }

    fn same_content(&self, one: &OsStr, other: &OsStr, buffer: &mut [u8]) -> io::Result<bool> {
        let open = |path: &OsStr| -> io::Result<Option<OpenFile>> {
            let (parent, base) = split(path);
            match self.tree.directory(parent)? {
                Some(directory) => directory.open(base),
                None => Ok(None),
            }
        };
        match (open(one)?, open(other)?) {
            (Some(one), Some(other)) => equal(&one, &other, buffer),
            _ => Ok(false),
        }
    }
}

/// The directory that the caller has opened.
fn directory_of(opened: &Option<(PathBuf, Option<Directory>)>) -> &Directory {
    let directory = opened.as_ref().and_then(|(_, directory)| directory.as_ref());
    directory.expect("an entry's directory is opened first")
}

fn what(node: &SubtreeNode) -> &'static str {
    match (node.stat.kind, node.special) {
        (FileKind::File, _) => "a file",
        (FileKind::Directory, _) => "a directory",
        (FileKind::Symlink, _) => "a symlink",
        (_, Some(Special::Character(0, 0))) => "a whiteout",
        (_, Some(Special::Character(..) | Special::Block(..))) => "a device",
        (_, Some(Special::Fifo)) => "a FIFO",
        (_, Some(Special::Socket) | None) => "a socket",
    }
}

fn expected(header: &Header) -> &'static str {
    match header.kind {
        Entry::File => "a file",
        Entry::HardLink => "a link",
        Entry::Symlink => "a symlink",
        Entry::Character | Entry::Block => "that device",
        Entry::Directory => "a directory",
        Entry::Fifo => "a FIFO",
    }
}
