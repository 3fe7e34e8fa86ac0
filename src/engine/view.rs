//! A host's files as they are, or as they would be after a plan.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::environment::Environment;
use crate::conf::{Document, Fault};
use crate::host::{Kind, Root, Stat};

/// What was read and parsed before: several engines read the same files, before
/// and after a plan.
#[derive(Debug, Default)]
pub struct Cache {
    documents: RefCell<BTreeMap<String, Result<Rc<Document>, Fault>>>,
    files: RefCell<BTreeMap<PathBuf, Option<Vec<u8>>>>,
    directories: RefCell<BTreeMap<PathBuf, Vec<String>>>,
}

impl Cache {
    /// Forgets what files hold: from now on they are read anew.
    pub fn forget_files(&self) {
        self.files.borrow_mut().clear();
        self.directories.borrow_mut().clear();
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

/// The files of a root, some of them replaced by what is planned; or what is
/// planned for a host that does not exist yet, and nothing else.
#[derive(Debug, Clone)]
pub struct View<'a> {
    root: Option<&'a Root>,
    pub(super) cache: &'a Cache,
    planned: BTreeMap<PathBuf, Option<String>>,
    expected: Vec<String>,
    vendor_only: bool,
}

impl<'a> View<'a> {
    /// The files as they are.
    pub fn of(root: &'a Root, cache: &'a Cache) -> Self {
        Self { root: Some(root), cache, planned: BTreeMap::new(), expected: Vec::new(), vendor_only: false }
    }

    /// A host that has no file but those that are planned.
    pub fn of_nothing(cache: &'a Cache) -> Self {
        Self { root: None, cache, planned: BTreeMap::new(), expected: Vec::new(), vendor_only: false }
    }

    /// The administrator's directory: /etc, or /usr/etc in an ostree tree without it.
    pub(super) fn etc(&self) -> PathBuf {
        let etc = self.root.and_then(|root| super::settings::etc(root).ok());
        etc.unwrap_or_else(|| PathBuf::from("/etc"))
    }

    /// The same with one file planned to hold `text`, or to be gone.
    pub fn with(mut self, path: PathBuf, text: Option<String>) -> Self {
        self.planned.insert(path, text);
        self
    }

    /// The host as the vendor ships it: without what is the administrator's.
    pub fn of_vendor(mut self) -> Self {
        self.vendor_only = true;
        self
    }

    /// Whether a path is left out of this view.
    fn is_hidden(&self, path: &Path) -> bool {
        self.vendor_only && !path.starts_with("/usr/share")
    }

    /// The same with stores, by their cleaned paths, that are made before any engine looks,
    /// and are as they should be then.
    pub fn expecting(mut self, stores: impl IntoIterator<Item = String>) -> Self {
        self.expected.extend(stores);
        self
    }

    /// Whether a store is there, and as it should be, before any engine looks.
    pub fn is_expected(&self, path: &str) -> bool {
        self.expected.iter().any(|expected| expected == path)
    }

    /// The system or tree; `None` for a host that does not exist yet.
    pub fn root(&self) -> Option<&'a Root> {
        self.root
    }

    /// Whether a path lies in what is this user's own, whether it is there or not.
    pub fn is_of_user(&self, path: &str, environment: &Environment) -> bool {
        let path = Path::new(path);
        let home = self.home(environment).filter(|home| home.len() > 1);
        home.is_some_and(|home| path.starts_with(home)) || path.starts_with(environment.runtime_dir())
    }

    /// The bytes of a file; `None` if there is nothing. A device, such as
    /// /dev/null behind a symlink, is an empty file.
    pub(super) fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        if let Some(planned) = self.planned.get(path) {
            return Ok(planned.clone().map(String::into_bytes));
        }
        if self.is_hidden(path) {
            return Ok(None);
        }
        if let Some(bytes) = self.cache.files.borrow().get(path) {
            return Ok(bytes.clone());
        }
        let Some(root) = self.root else {
            return Ok(None);
        };
        let bytes = match root.read(path) {
            Err(_) if root.stat(path)?.is_some_and(|stat| stat.kind == Kind::Other) => Some(Vec::new()),
            read => read?.map(|(bytes, _)| bytes),
        };
        self.cache.files.borrow_mut().insert(path.to_owned(), bytes.clone());
        Ok(bytes)
    }

    /// What `path` is, plans apart, symlinks followed; `None` if there is nothing.
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.root.map_or(Ok(None), |root| root.stat(path))
    }

    /// `path` without symlinks, if it exists.
    pub(super) fn real_path(&self, path: &Path) -> Option<PathBuf> {
        self.stat(path).ok()??;
        Some(self.root?.resolve(path).ok()?.path)
    }

    /// The user's home directory.
    pub(super) fn home(&self, environment: &Environment) -> Option<String> {
        match (environment.filled("HOME"), self.root) {
            (Some(home), _) => Some(home.to_owned()),
            (None, Some(root)) => environment.home(root),
            (None, None) => None,
        }
    }

    /// The driver that the storage at `graphroot` was made with, if there is one.
    pub fn driver_in_use(&self, graphroot: &Path) -> Option<String> {
        super::driver_in_use(self.root?, graphroot)
    }

    /// The names in a directory; none if it cannot be read.
    pub(super) fn entries(&self, dir: &Path) -> Vec<String> {
        let names = self.root.and_then(|root| root.list(dir).ok().flatten()).unwrap_or_default();
        names.into_iter().filter_map(|name| name.into_string().ok()).collect()
    }

    /// Every file below `dir`, whatever its name, in the order of a walk.
    pub(super) fn walk(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        self.walk_root(dir, &mut files)?;
        files.retain(|path| !self.planned.contains_key(path));
        let planned = self.planned.iter().filter(|(path, text)| text.is_some() && path.starts_with(dir));
        files.extend(planned.map(|(path, _)| path.clone()));
        // By components, as a walk goes.
        files.sort();
        Ok(files)
    }

    fn walk_root(&self, dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
        let Some(root) = self.root.filter(|_| !self.is_hidden(dir)) else {
            return Ok(());
        };
        for path in root.list(dir)?.unwrap_or_default().into_iter().map(|name| dir.join(name)) {
            // A symlink is a file to it, whatever it leads to.
            let at = root.resolve_link(&path)?;
            match root.stat_link(&at)? {
                Some(stat) if stat.kind == Kind::Directory => self.walk_root(&path, files)?,
                Some(_) => files.push(path),
                None => {}
            }
        }
        Ok(())
    }

    /// Whether there is something at `path`, symlinks followed.
    pub fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.planned.get(path) {
            Some(planned) => Ok(planned.is_some()),
            None if self.is_hidden(path) => Ok(false),
            None => match self.cache.files.borrow().get(path) {
                Some(bytes) => Ok(bytes.is_some()),
                None => Ok(self.stat(path)?.is_some()),
            },
        }
    }

    /// The names in a directory that are not directories themselves, sorted by
    /// their bytes; empty if there is no directory.
    pub(super) fn files_in(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = self.names_in(dir)?;
        names.retain(|name| !self.planned.contains_key(&dir.join(name)));
        let planned = self.planned.iter().filter(|(path, text)| text.is_some() && path.parent() == Some(dir));
        names.extend(planned.filter_map(|(path, _)| Some(path.file_name()?.to_str()?.to_owned())));
        names.sort();
        Ok(names)
    }

    /// The same without what is planned.
    fn names_in(&self, dir: &Path) -> io::Result<Vec<String>> {
        if self.is_hidden(dir) {
            return Ok(Vec::new());
        }
        if let Some(names) = self.cache.directories.borrow().get(dir) {
            return Ok(names.clone());
        }
        let mut names = Vec::new();
        let Some(root) = self.root else {
            return Ok(names);
        };
        if root.stat(dir)?.is_some_and(|stat| stat.kind != Kind::Directory) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        for name in root.list(dir)?.unwrap_or_default() {
            let path = dir.join(&name);
            let Ok(name) = name.into_string() else {
                continue;
            };
            let at = root.resolve_link(&path)?;
            let is_dir = root.stat_link(&at)?.is_some_and(|stat| stat.kind == Kind::Directory);
            if !is_dir {
                names.push(name);
            }
        }
        self.cache.directories.borrow_mut().insert(dir.to_owned(), names.clone());
        Ok(names)
    }
}
