//! What was read of a host before, so that it is read once.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::view::Question;
use crate::conf::{Document, Fault};
use crate::limits;
use crate::sys::{Root, Stat, TrailStep};

/// What is known by paths. They are compared by their bytes, which is several times faster than
/// by their components.
#[derive(Debug)]
pub(super) struct ByPath<T>(RefCell<HashMap<OsString, T>>);

impl<T> Default for ByPath<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T: Clone> ByPath<T> {
    pub(super) fn get(&self, path: &Path) -> Option<T> {
        self.0.borrow().get(path.as_os_str()).cloned()
    }

    /// What is known, or what `find` finds, which is kept.
    pub(super) fn get_or(&self, path: &Path, find: impl FnOnce() -> T) -> T {
        self.get(path).unwrap_or_else(|| self.keep(path, find()))
    }

    /// Keeps `value`, and gives it back.
    pub(super) fn keep(&self, path: &Path, value: T) -> T {
        self.0.borrow_mut().insert(path.into(), value.clone());
        value
    }

    fn forget(&self) {
        self.0.borrow_mut().clear();
    }
}

/// The bytes of a file, and the text that they are.
type BytesAndText = (Rc<[u8]>, Rc<str>);

/// A type, a directory, and a storage driver.
type StoreCacheKey = (TypeId, PathBuf, String);

/// What was read and parsed before: several engines read the same files, before
/// and after a plan.
#[derive(Debug, Default)]
pub struct ReadCache {
    documents: RefCell<BTreeMap<String, Result<Rc<Document>, Fault>>>,
    pub(super) files: ByPath<Option<Rc<[u8]>>>,
    pub(super) texts: RefCell<Vec<BytesAndText>>,
    pub(super) directories: ByPath<Vec<String>>,
    /// What is wrong with the way to what is in a directory, for root and for users: one of
    /// the latter is asked about in one process.
    pub(super) ways: [ByPath<Option<io::ErrorKind>>; 2],
    stats: ByPath<Option<Stat>>,
    trails: ByPath<Rc<Vec<TrailStep>>>,
    pub(super) resolved: ByPath<Option<PathBuf>>,
    /// The same with paths that do not exist, as far as they do.
    pub(super) real: ByPath<PathBuf>,
    read_only: ByPath<bool>,
    /// What was found out about a directory, for engines with a storage driver.
    pub(super) known: RefCell<HashMap<StoreCacheKey, Rc<dyn Any>>>,
    pub(super) etc: RefCell<Option<PathBuf>>,
    /// What engines read and do, with what decides it.
    pub(super) answers: RefCell<Vec<(Question, Rc<dyn Any>)>>,
    /// What kept from looking at something, and nothing is known of what is there.
    failure: RefCell<Option<(PathBuf, i32)>>,
}

impl ReadCache {
    /// Forgets what files hold: from now on they are read anew.
    pub fn forget_files(&self) {
        self.files.forget();
        self.texts.borrow_mut().clear();
        self.directories.forget();
        self.ways.iter().for_each(ByPath::forget);
        self.stats.forget();
        self.trails.forget();
        self.resolved.forget();
        self.real.forget();
        self.read_only.forget();
        self.answers.borrow_mut().clear();
        self.known.borrow_mut().clear();
        *self.etc.borrow_mut() = None;
        *self.failure.borrow_mut() = None;
    }

    /// The first thing that could not be looked at since files were forgotten, because of the
    /// disk or the system: what was judged may be another time, and is not to be relied on.
    pub fn is_reliable(&self) -> Result<(), (PathBuf, io::Error)> {
        match self.failure.borrow().as_ref() {
            Some((path, errno)) => Err((path.clone(), io::Error::from_raw_os_error(*errno))),
            None => Ok(()),
        }
    }

    /// Remembers an error that is about the disk or the system, not about what is there.
    pub(super) fn noting<T>(&self, path: &Path, result: io::Result<T>) -> io::Result<T> {
        use rustix::io::Errno;
        const OF_SYSTEM: [Errno; 6] =
            [Errno::IO, Errno::NOMEM, Errno::MFILE, Errno::NFILE, Errno::STALE, Errno::UCLEAN];
        if let Err(error) = &result
            && let Some(errno) = Errno::from_io_error(error).filter(|errno| OF_SYSTEM.contains(errno))
        {
            self.failure.borrow_mut().get_or_insert_with(|| (path.to_owned(), errno.raw_os_error()));
        }
        result
    }

    /// What stands at a path, symlinks followed.
    pub(super) fn stat(&self, root: &Root, path: &Path) -> io::Result<Option<Stat>> {
        if let Some(stat) = self.stats.get(path) {
            return Ok(stat);
        }
        // In what is not there, nothing is.
        let is_in_nothing = |dir: &Path| matches!(self.stats.get(dir), Some(None));
        let stat = match path.parent().is_some_and(is_in_nothing) {
            true => None,
            false => self.noting(path, root.stat(path))?,
        };
        Ok(self.stats.keep(path, stat))
    }

    /// [`Root::trail`].
    pub(super) fn trail(&self, root: &Root, path: &Path) -> io::Result<Rc<Vec<TrailStep>>> {
        if let Some(trail) = self.trails.get(path) {
            return Ok(trail);
        }
        let trail = Rc::new(self.noting(path, root.trail(path))?);
        Ok(self.trails.keep(path, trail))
    }

    /// Whether the file system at `path` is mounted read-only; not, if that cannot be told.
    pub(super) fn is_read_only(&self, root: &Root, path: &Path) -> bool {
        self.read_only.get_or(path, || root.is_read_only(path).unwrap_or(false))
    }

    /// The text of a file of root's, if it is there and can be read.
    pub(super) fn text(&self, root: &Root, path: &Path) -> Option<String> {
        let bytes = match self.files.get(path) {
            Some(bytes) => bytes,
            None => {
                let read = root.read_up_to(path, limits::LINES);
                let bytes = self.noting(path, read).ok()?.map(|(bytes, _)| bytes.into());
                self.files.keep(path, bytes)
            }
        };
        Some(String::from_utf8_lossy(&bytes?).into_owned())
    }

    /// The text that these bytes of a file are, in which U+FFFD stands for what is not UTF-8.
    pub(super) fn lossy(&self, bytes: &Rc<[u8]>) -> Rc<str> {
        let mut texts = self.texts.borrow_mut();
        if let Some((_, text)) = texts.iter().find(|(other, _)| Rc::ptr_eq(other, bytes)) {
            return Rc::clone(text);
        }
        // Nearly all are UTF-8, which is found out several times faster than where they are not.
        let text: Rc<str> = match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => String::from_utf8_lossy(bytes).into(),
        };
        texts.push((Rc::clone(bytes), Rc::clone(&text)));
        text
    }

    /// Keeps a document whose text is going to be read.
    pub fn keep(&self, doc: Document) {
        self.documents.borrow_mut().insert(doc.text().to_owned(), Ok(Rc::new(doc)));
    }

    /// Parses a text.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse(&self, text: &str) -> Result<Rc<Document>, Fault> {
        if let Some(parsed) = self.documents.borrow().get(text) {
            return parsed.clone();
        }
        let parsed = Document::parse(text).map(Rc::new);
        self.documents.borrow_mut().insert(text.to_owned(), parsed.clone());
        parsed
    }
}
