//! A host's files as they are, or as they would be after a plan.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Profile;
use super::access::{FileAt, UserAccess};
use super::environment::Environment;
use super::read_cache::ReadCache;
use super::reading::Reading;
use crate::limits;
use crate::sys::{FileKind, Root, Stat};

/// What decides what an engine reads and does, beside the files of the root.
#[derive(Debug)]
pub(super) struct Question {
    planned: BTreeMap<PathBuf, Option<Rc<[u8]>>>,
    vendor_only: bool,
    expected: Vec<String>,
    environment: Environment,
    profile: Profile,
}

/// The files of a root, some of them replaced by what is planned; or what is
/// planned for a host that does not exist yet, and nothing else.
#[derive(Debug, Clone)]
pub struct View<'a> {
    root: Option<&'a Root>,
    pub(super) cache: &'a ReadCache,
    planned: BTreeMap<PathBuf, Option<Rc<[u8]>>>,
    expected: Vec<String>,
    vendor_only: bool,
    access: Rc<UserAccess>,
}

impl<'a> View<'a> {
    /// The files as they are.
    pub fn of(root: &'a Root, cache: &'a ReadCache) -> Self {
        Self { root: Some(root), ..Self::of_nothing(cache) }
    }

    /// A host that has no file but those that are planned.
    pub fn of_nothing(cache: &'a ReadCache) -> Self {
        Self {
            root: None,
            cache,
            planned: BTreeMap::new(),
            expected: Vec::new(),
            vendor_only: false,
            access: Rc::default(),
        }
    }

    /// The administrator's directory: /etc, or /usr/etc in an ostree tree without it.
    pub(super) fn etc(&self) -> PathBuf {
        let find = || self.root.and_then(|root| super::settings::etc(root).ok());
        let mut etc = self.cache.etc.borrow_mut();
        etc.get_or_insert_with(|| find().unwrap_or_else(|| PathBuf::from("/etc"))).clone()
    }

    /// The same with one file planned to hold `text`, or to be gone.
    pub fn with(mut self, path: PathBuf, text: Option<String>) -> Self {
        self.planned.insert(path, text.map(|text| text.into_bytes().into()));
        self
    }

    /// What `find` says of this view, an environment and an engine, unless that has been asked
    /// before: `expected` are the stores that count as there.
    fn asked_once<T: Any>(
        &self,
        environment: &Environment,
        profile: Profile,
        expected: &[String],
        find: impl FnOnce() -> T,
    ) -> Rc<T> {
        let is_it = |other: &Question| {
            other.profile == profile
                && other.vendor_only == self.vendor_only
                && other.expected == expected
                && other.environment == *environment
                && other.planned == self.planned
        };
        let known = |answers: &Vec<(Question, Rc<dyn Any>)>| {
            let mut alike = answers.iter().filter(|(other, _)| is_it(other));
            alike.find_map(|(_, answer)| Rc::clone(answer).downcast::<T>().ok())
        };
        if let Some(answer) = known(&self.cache.answers.borrow()) {
            return answer;
        }
        let answer = Rc::new(find());
        let question = Question {
            planned: self.planned.clone(),
            vendor_only: self.vendor_only,
            expected: expected.to_owned(),
            environment: environment.clone(),
            profile,
        };
        self.cache.answers.borrow_mut().push((question, Rc::clone(&answer) as Rc<dyn Any>));
        answer
    }

    /// What an engine reads, by `read`, unless that has been asked before.
    pub(super) fn read_once(
        &self,
        environment: &Environment,
        profile: Profile,
        read: impl FnOnce() -> Reading,
    ) -> Rc<Reading> {
        self.asked_once(environment, profile, &[], read)
    }

    /// What an engine does, by `judge`, unless that has been asked before.
    pub fn judged_once<T: Any>(
        &self,
        environment: &Environment,
        profile: Profile,
        judge: impl FnOnce() -> T,
    ) -> Rc<T> {
        self.asked_once(environment, profile, &self.expected, judge)
    }

    /// The same as this user finds it, who may not read everything.
    pub fn seen_by(&self, environment: &Environment) -> Self {
        Self { access: Rc::new(UserAccess::new(self.root, self.cache, environment)), ..self.clone() }
    }

    /// Whether what a user may is limited by modes: this is not root's view.
    pub fn is_limited(&self) -> bool {
        self.access.is_limited()
    }

    /// What the user finds at a path, plans apart, symlinks followed. Of a host that does not
    /// exist yet, nothing.
    pub fn find(&self, path: &Path) -> FileAt {
        self.root.map_or(FileAt::Nothing, |root| self.access.find(root, self.cache, path))
    }

    /// Whether the user may search a directory.
    pub fn may_search(&self, path: &Path, stat: &Stat) -> bool {
        self.root.is_none_or(|root| self.access.may_search(root, path, stat))
    }

    /// Whether the user may read a file, or the names in a directory.
    pub fn may_read(&self, path: &Path, stat: &Stat) -> bool {
        self.root.is_none_or(|root| self.access.may_read(root, path, stat))
    }

    /// Whether the user may create something in a directory.
    pub fn may_create_in(&self, path: &Path, stat: &Stat) -> bool {
        self.root.is_none_or(|root| self.access.may_create_in(root, self.cache, path, stat))
    }

    /// Whether the file system at `path` is mounted read-only; not, if that cannot be told.
    pub fn is_read_only(&self, path: &Path) -> bool {
        self.root.is_some_and(|root| self.cache.is_read_only(root, path))
    }

    /// `path` with its symlinks resolved as far as it exists.
    pub fn resolved(&self, path: &Path) -> PathBuf {
        let Some(root) = self.root else {
            return path.to_owned();
        };
        self.cache.real.get_or(path, || root.real(path))
    }

    /// Whether the user may create `path`, or what is missing above it.
    pub fn may_create(&self, path: &Path) -> bool {
        for here in path.ancestors().skip(1) {
            match self.find(here) {
                FileAt::Thing(stat) => return self.may_create_in(here, &stat),
                FileAt::Closed(_) => return false,
                FileAt::Nothing => {}
            }
        }
        // Of a host that is not there yet, what is above is root's.
        !self.is_limited()
    }

    /// The way to a path, and what stands there. That there is nothing because something on
    /// the way is no directory, is another thing to engines than that there is nothing.
    ///
    /// # Errors
    /// What the user's engine would be told.
    fn look(&self, path: &Path) -> io::Result<Option<Stat>> {
        let Some(root) = self.root else {
            return Ok(None);
        };
        let stat = self.cache.stat(root, path)?;
        if stat.is_none() || self.is_limited() {
            let (dir, known) =
                (path.parent().unwrap_or(path), &self.cache.ways[usize::from(self.is_limited())]);
            let ask = || self.access.way(root, self.cache, path).err().map(|error| error.kind());
            if let Some(kind) = known.get_or(dir, ask) {
                return Err(kind.into());
            }
        }
        Ok(stat)
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
    pub(super) fn read(&self, path: &Path) -> io::Result<Option<Rc<[u8]>>> {
        self.read_up_to(path, limits::DOCUMENT)
    }

    fn read_up_to(&self, path: &Path, limit: u64) -> io::Result<Option<Rc<[u8]>>> {
        if let Some(planned) = self.planned.get(path) {
            return Ok(planned.clone());
        }
        if self.is_hidden(path) {
            return Ok(None);
        }
        if !self.is_limited()
            && let Some(bytes) = self.cache.files.get(path)
        {
            return Ok(bytes);
        }
        let stat = self.look(path)?;
        let (Some(root), Some(stat)) = (self.root, stat) else {
            return Ok(self.cache.files.keep(path, None));
        };
        if !self.may_read(path, &stat) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if let Some(bytes) = self.cache.files.get(path) {
            return Ok(bytes);
        }
        let bytes = match stat.kind {
            FileKind::Other => Some(Rc::default()),
            _ => self.cache.noting(path, root.read_up_to(path, limit))?.map(|(bytes, _)| bytes.into()),
        };
        Ok(self.cache.files.keep(path, bytes))
    }

    /// The text of a file of lines that is there and may be read.
    pub fn text(&self, path: &Path) -> Option<String> {
        let bytes = self.read_up_to(path, limits::LINES).ok()??;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// `path` without symlinks, if it exists.
    pub(super) fn real_path(&self, path: &Path) -> Option<PathBuf> {
        self.look(path).ok()??;
        let root = self.root?;
        let resolve = || self.cache.noting(path, root.resolve(path)).ok().map(|resolved| resolved.path);
        self.cache.resolved.get_or(path, resolve)
    }

    /// The user's home directory.
    pub(super) fn home(&self, environment: &Environment) -> Option<String> {
        match (environment.filled("HOME"), self.root) {
            (Some(home), _) => Some(home.to_owned()),
            (None, Some(root)) => environment.home(|file| self.cache.text(root, file)),
            (None, None) => None,
        }
    }

    /// What `look` finds out about a store, as an engine with this storage driver has it and
    /// whoever runs it: once for all readers. `None` on a host that is not there yet.
    pub fn once<T: Any>(
        &self,
        store: &Path,
        driver: &str,
        look: impl FnOnce(&Root, &Path, &str) -> T,
    ) -> Option<Rc<T>> {
        let root = self.root?;
        let mut known = self.cache.known.borrow_mut();
        let entry = known.entry((TypeId::of::<T>(), store.to_owned(), driver.to_owned()));
        let found = Rc::clone(entry.or_insert_with(|| Rc::new(look(root, store, driver))));
        Some(found.downcast().expect("its type is a part of the key"))
    }

    /// The driver that the storage at `graphroot` was made with, if there is one.
    pub fn driver_in_use(&self, graphroot: &Path) -> Option<String> {
        let root = self.root?;
        super::settings::made_with(graphroot, |path| matches!(self.cache.stat(root, path), Ok(Some(_))))
    }

    /// The names in a directory; none if it cannot be read.
    pub(super) fn entries(&self, dir: &Path) -> Vec<String> {
        let may = |root: &&Root| match self.find(dir) {
            FileAt::Thing(stat) => self.access.may_read(root, dir, &stat),
            FileAt::Nothing | FileAt::Closed(_) => false,
        };
        let names = self
            .root
            .filter(may)
            .and_then(|root| self.cache.noting(dir, root.list(dir)).ok().flatten())
            .unwrap_or_default();
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
        for path in
            self.cache.noting(dir, root.list(dir))?.unwrap_or_default().into_iter().map(|name| dir.join(name))
        {
            // A symlink is a file to it, whatever it leads to.
            let at = root.resolve_link(&path)?;
            match root.stat_link(&at)? {
                Some(stat) if stat.kind == FileKind::Directory => self.walk_root(&path, files)?,
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
            None => match self.cache.files.get(path).filter(|_| !self.is_limited()) {
                Some(bytes) => Ok(bytes.is_some()),
                None => Ok(self.look(path)?.is_some()),
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
        let mut names = Vec::new();
        let Some(root) = self.root else {
            return Ok(names);
        };
        match self.look(dir)? {
            None => return Ok(names),
            Some(stat) if stat.kind != FileKind::Directory => return Err(io::ErrorKind::NotADirectory.into()),
            Some(stat) if !self.may_read(dir, &stat) || !self.may_search(dir, &stat) => {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            Some(_) => {}
        }
        if let Some(names) = self.cache.directories.get(dir) {
            return Ok(names);
        }
        for name in self.cache.noting(dir, root.list(dir))?.unwrap_or_default() {
            let path = dir.join(&name);
            let Ok(name) = name.into_string() else {
                continue;
            };
            let at = root.resolve_link(&path)?;
            let is_dir = root.stat_link(&at)?.is_some_and(|stat| stat.kind == FileKind::Directory);
            if !is_dir {
                names.push(name);
            }
        }
        Ok(self.cache.directories.keep(dir, names))
    }
}
