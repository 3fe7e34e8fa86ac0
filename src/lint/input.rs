//! What the rules look at: every file that some engine reads, with what each
//! engine makes of them.

use std::path::{Path, PathBuf};

use crate::conf::{Document, Fault, Leaf, SetKey};
use crate::engine::Engines;
use crate::engine::{self, Cache, Environment, FileKind, Origin, Profile, Reading, View};
use crate::host::{Root, Stat};
use crate::problem::Problem;

/// A file that an engine reads.
#[derive(Debug)]
pub struct File {
    /// Its place in [`Input::files`].
    pub index: usize,
    /// The file, inside the tree.
    pub path: PathBuf,
    /// What part it has.
    pub kind: FileKind,
    /// Which engines read it.
    pub engines: Engines,
    /// Its text; what is not UTF-8 is replaced.
    pub text: String,
    /// The first byte that is not UTF-8.
    pub not_utf8: Option<usize>,
    /// The document, or why it cannot be read.
    pub doc: Result<Document, Fault>,
    /// Every key that it sets.
    pub keys: Vec<SetKey>,
    /// Whether it is the vendor's, or leads to a vendor's file.
    pub is_vendors: bool,
}

impl File {
    fn new(root: &Root, path: PathBuf, kind: FileKind, bytes: Vec<u8>) -> Self {
        let is_vendors =
            is_vendors(&path) || matches!(root.resolve(&path), Ok(behind) if is_vendors(&behind.path));
        let not_utf8 = std::str::from_utf8(&bytes).err().map(|error| error.valid_up_to());
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut file = Self {
            index: 0,
            path,
            kind,
            engines: Engines::NONE,
            text: String::new(),
            not_utf8,
            doc: Document::parse(""),
            keys: Vec::new(),
            is_vendors,
        };
        file.set_text(text);
        file
    }

    fn set_text(&mut self, text: String) {
        self.doc = Document::parse(text.as_str());
        self.keys = self.doc.as_ref().map(Document::set_keys).unwrap_or_default();
        self.text = text;
    }

    /// Whether it may be edited: it is the administrator's or a user's, and all of it is known.
    pub(super) fn is_editable(&self) -> bool {
        !self.is_vendors && self.not_utf8.is_none()
    }

    /// Whether it is a main file.
    pub(super) fn is_main(&self) -> bool {
        self.kind == FileKind::Main
    }

    /// The key with this dotted name.
    pub(super) fn key(&self, dotted: &str) -> Option<&SetKey> {
        let (mut keys, mut found) = (&self.keys, None);
        for part in dotted.split('.') {
            let key = keys.iter().find(|key| key.name.eq_ignore_ascii_case(part))?;
            keys = &key.inner;
            found = Some(key);
        }
        found
    }

    /// A key with a string for its value.
    pub(super) fn string(&self, dotted: &str) -> Option<(&SetKey, &str)> {
        let key = self.key(dotted)?;
        match &key.value {
            Leaf::String(text) => Some((key, text)),
            _ => None,
        }
    }

    /// The line on which byte `at` stands, counted from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.text.as_bytes()[..at.min(self.text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1
    }
}

/// What the rules look at.
#[derive(Debug)]
pub struct Input<'r> {
    /// The system or tree.
    pub root: &'r Root,
    /// Whose engines are asked about, and their variables.
    pub environment: Environment,
    /// The files that engines read: main files first, then drop-ins in their order.
    pub files: Vec<File>,
    /// What each engine makes of them.
    pub readings: Vec<Reading>,
    /// Whether the host's own files are read, and not one that was named.
    pub whole_host: bool,
    cache: Cache,
}

impl<'r> Input<'r> {
    /// Reads the files of a host as its engines would; those of one engine after
    /// the other, so that a file that stops one does not hide the rest. `config`
    /// is one file to look at instead.
    ///
    /// # Errors
    /// A [`Problem`] if a file cannot be read.
    pub fn read(root: &'r Root, environment: Environment, config: Option<&Path>) -> Result<Self, Problem> {
        let whole_host = config.is_none();
        let mut input = Self {
            root,
            environment,
            files: Vec::new(),
            readings: Vec::new(),
            whole_host,
            cache: Cache::default(),
        };
        if let Some(path) = config {
            let bytes = read(root, path)?.ok_or_else(|| {
                let error = rustix::io::Errno::NOENT.into();
                Problem::io("read", &root.show(path).display().to_string(), &error)
            })?;
            let mut file = File::new(root, path.to_owned(), FileKind::Main, bytes);
            file.engines = Engines::ALL;
            input.files.push(file);
        } else {
            for profile in Profile::ALL {
                input.take_files(profile)?;
            }
            // Main files first; within each part they stand in the order of reading.
            input.files.sort_by_key(|file| match file.kind {
                FileKind::Main => 0,
                FileKind::DropIn => 1,
                FileKind::Override | FileKind::Crio => 2,
            });
        }
        for (index, file) in input.files.iter_mut().enumerate() {
            file.index = index;
        }
        input.read_again();
        Ok(input)
    }

    /// The files that one engine reads. A file on which it stops is taken for an
    /// empty one, to see which come behind it.
    fn take_files(&mut self, profile: Profile) -> Result<(), Problem> {
        let mut emptied: Vec<PathBuf> = Vec::new();
        loop {
            let view = emptied.iter().fold(View::of(self.root, &self.cache), |view, path| {
                view.with(path.clone(), Some(String::new()))
            });
            let reading = engine::read(&view, &self.environment, profile);
            for read_file in reading.files.iter().filter(|file| file.kind != FileKind::Crio) {
                let known = self.files.iter().position(|file| file.path == read_file.path);
                let index = match known {
                    Some(index) => index,
                    None => {
                        let bytes = read(self.root, &read_file.path)?.unwrap_or_default();
                        self.files.push(File::new(self.root, read_file.path.clone(), read_file.kind, bytes));
                        self.files.len() - 1
                    }
                };
                self.files[index].engines = self.files[index].engines.or(Engines::one(profile));
            }
            match reading.failure.and_then(|failure| failure.place) {
                Some((path, _)) if !emptied.contains(&path) => emptied.push(path),
                _ => return Ok(()),
            }
        }
    }

    /// Replaces the text of a file, in memory.
    pub(super) fn set_text(&mut self, file: usize, text: String) {
        self.files[file].set_text(text);
        self.read_again();
    }

    fn read_again(&mut self) {
        self.readings = self.readings_with(None);
    }

    /// What engines make of the files, one of them with another text.
    fn readings_with(&self, replaced: Option<(&File, &str)>) -> Vec<Reading> {
        let environment =
            if self.whole_host { self.environment.clone() } else { self.naming(&self.files[0]) };
        let mut view = View::of(self.root, &self.cache);
        for file in self.files.iter().filter(|file| file.not_utf8.is_none()) {
            let text =
                replaced.filter(|(other, _)| other.index == file.index).map_or(file.text.as_str(), |it| it.1);
            view = view.with(file.path.clone(), Some(text.to_owned()));
        }
        Profile::ALL.into_iter().map(|profile| engine::read(&view, &environment, profile)).collect()
    }

    /// Whether every engine that starts still does if `file` has another text,
    /// and then sees the same stores, each once, and the same places.
    pub(super) fn keeps(&self, file: &File, text: String) -> bool {
        fn seen(reading: &Reading) -> Vec<String> {
            let mut paths: Vec<String> = Vec::new();
            for path in reading.stores.iter().map(|store| crate::conf::clean(&store.value)) {
                if !paths.contains(&path) {
                    paths.push(path);
                }
            }
            paths
        }
        let roots = |reading: &Reading| {
            [&reading.graphroot, &reading.runroot, &reading.imagestore]
                .map(|root| root.as_ref().map(|root| root.value.clone()))
        };
        let driver = |reading: &Reading| reading.driver.as_ref().map(|driver| driver.value.clone());
        let after = self.readings_with(Some((file, &text)));
        self.readings.iter().zip(&after).filter(|(before, _)| before.failure.is_none()).all(
            |(before, after)| {
                after.failure.is_none()
                    && seen(before) == seen(after)
                    && roots(before) == roots(after)
                    && (driver(before).is_none() || driver(before) == driver(after))
            },
        )
    }

    /// The environment in which engines read this one file.
    fn naming(&self, file: &File) -> Environment {
        const KEPT: [&str; 5] =
            ["HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "STORAGE_DRIVER", "STORAGE_OPTS"];
        let kept =
            KEPT.into_iter().filter_map(|name| Some((name, self.environment.variable(name)?.to_owned())));
        let named = ("CONTAINERS_STORAGE_CONF", file.path.to_string_lossy().into_owned());
        let variables = kept.chain([named]).map(|(name, value)| (name.to_owned(), value));
        Environment::new(self.environment.uid, variables)
    }

    /// What an engine makes of the files.
    pub(super) fn reading(&self, profile: Profile) -> &Reading {
        let found = self.readings.iter().find(|reading| reading.profile == profile);
        found.expect("every engine was asked")
    }

    /// The engines that take this key's value from this file: those that read the
    /// file, unless another file says something else later on.
    pub(super) fn counts(&self, file: &File, key: &SetKey) -> Engines {
        let name = key.dotted().to_ascii_lowercase();
        let line = file.line(key.span.start);
        let here = Origin::File { file: file.path.clone(), line };
        Engines::which(|profile| {
            let reading = self.reading(profile);
            let overridden =
                reading.failure.is_none() && reading.values.get(&name).is_some_and(|it| it.origin != here);
            file.engines.has(profile) && !overridden
        })
    }

    /// The storage driver that an engine is told to use.
    pub(super) fn driver(&self, profile: Profile) -> Option<&str> {
        self.reading(profile).driver.as_ref().map(|driver| driver.value.as_str())
    }

    /// What stands at a path, for a rule that says so if it cannot be found out.
    pub(super) fn stat(&self, path: &str) -> Result<Option<Stat>, Problem> {
        let path = Path::new(path);
        self.root.stat(path).map_err(Problem::cannot("look at", self.root.show(path).display()))
    }
}

/// Whether `path` belongs to the vendor: all below /usr but ostree's /usr/etc.
fn is_vendors(path: &Path) -> bool {
    path.starts_with("/usr") && !path.starts_with("/usr/etc") && !path.starts_with("/usr/local")
}

fn read(root: &Root, path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    let shown = root.show(path).display().to_string();
    match root.stat(path) {
        // A device behind a symlink, such as /dev/null, is an empty file to engines.
        Ok(Some(stat)) if stat.kind == crate::host::Kind::Other => Ok(Some(Vec::new())),
        _ => Ok(root.read(path).map_err(Problem::cannot("read", shown))?.map(|(bytes, _)| bytes)),
    }
}
