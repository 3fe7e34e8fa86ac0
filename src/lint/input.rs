//! What the rules look at: every file that some engine reads, with what each
//! engine makes of them.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::conf::schema::SchemaKey;
use crate::conf::{Document, Fault, Leaf, SetKey};
use crate::engine::{self, Engines, FileRole, Profile, Reading, Reason, ValueOrigin};
use crate::judgement::{Judgement, Reader, readers};
use crate::plan::Host;
use crate::problem::Problem;
use crate::sys::{Root, Stat};

/// A file that an engine reads.
#[derive(Debug)]
pub struct LintFile {
    /// Its place in [`LintInput::files`].
    pub index: usize,
    /// The file, inside the tree.
    pub path: PathBuf,
    /// What part it has.
    pub kind: FileRole,
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

impl LintFile {
    fn new(root: &Root, path: PathBuf, kind: FileRole, bytes: Vec<u8>) -> Self {
        let is_vendors = engine::is_vendor_path(&path)
            || matches!(root.resolve(&path), Ok(behind) if engine::is_vendor_path(&behind.path));
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
        self.kind == FileRole::Main
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
pub struct LintInput<'h> {
    pub(super) host: &'h Host,
    /// The system or tree.
    pub root: &'h Root,
    /// The files that engines read: main files first, then drop-ins in their order.
    pub files: Vec<LintFile>,
    /// Whose engines are asked.
    readers: Vec<Reader>,
    /// What each of them does.
    pub(super) judgements: Vec<Rc<Judgement>>,
    /// Whether the engines that are asked are those that the host has, or were named.
    knows_engines: bool,
    /// Whether the host's own files are read, and not one that was named.
    pub whole_host: bool,
}

impl<'h> LintInput<'h> {
    /// Reads the files of a host as these engines would, or those that it has or may have.
    pub fn read(host: &'h Host, engines: Option<Engines>) -> Result<Self, Problem> {
        let knows_engines = engines.is_some() || host.knows_engines();
        let engines = engines.unwrap_or_else(|| host.engines_asked());
        let root = &host.root;
        if let Some(path) = &host.config
            && read(root, path)?.is_none()
        {
            let error = rustix::io::Errno::NOENT.into();
            return Err(Problem::io("read", &root.show(path).display().to_string(), &error));
        }
        let readers = readers(engines, &host.environment());
        let whole_host = host.config.is_none();
        let mut input = Self {
            host,
            root,
            files: Vec::new(),
            readers,
            judgements: Vec::new(),
            knows_engines,
            whole_host,
        };
        input.judgements = input.judgements_with(None);
        let read_by: Vec<(Profile, PathBuf, FileRole)> = input
            .judgements
            .iter()
            .flat_map(|it| {
                it.reading.files.iter().map(|file| (it.reading.profile, file.path.clone(), file.kind))
            })
            .filter(|(_, _, kind)| *kind != FileRole::Crio)
            .collect();
        for (profile, path, kind) in read_by {
            let index = match input.files.iter().position(|file| file.path == path) {
                Some(index) => index,
                None => {
                    let bytes = read(root, &path)?.unwrap_or_default();
                    input.files.push(LintFile::new(root, path, kind, bytes));
                    input.files.len() - 1
                }
            };
            input.files[index].engines = input.files[index].engines.or(Engines::one(profile));
        }
        // Main files first; within each part they stand in the order of reading.
        input.files.sort_by_key(|file| match file.kind {
            FileRole::Main => 0,
            FileRole::DropIn => 1,
            FileRole::Override | FileRole::Crio => 2,
        });
        for (index, file) in input.files.iter_mut().enumerate() {
            file.index = index;
        }
        Ok(input)
    }

    /// Who is asked, each with what becomes of it.
    pub(super) fn judged(&self) -> impl Iterator<Item = (&Reader, &Judgement)> {
        self.readers.iter().zip(self.judgements.iter().map(Rc::as_ref))
    }

    /// The engines that are asked.
    pub(super) fn engines(&self) -> Engines {
        self.readers.iter().map(|reader| reader.profile).collect()
    }

    /// Replaces the text of a file, in memory.
    pub(super) fn set_text(&mut self, file: usize, text: String) {
        self.files[file].set_text(text);
        self.judgements = self.judgements_with(None);
    }

    /// What engines make of the files, one of them with another text.
    fn judgements_with(&self, replaced: Option<(&LintFile, &str)>) -> Vec<Rc<Judgement>> {
        let mut view = self.host.view();
        for file in self.files.iter().filter(|file| file.not_utf8.is_none()) {
            let text =
                replaced.filter(|(other, _)| other.index == file.index).map_or(file.text.as_str(), |it| it.1);
            view = view.with(file.path.clone(), Some(text.to_owned()));
        }
        self.readers.iter().map(|reader| reader.judge(&view)).collect()
    }

    /// Whether everybody whose engine works has one that works if `file` has another text,
    /// and then sees the same stores, each once, and the same places.
    pub(super) fn keeps_working(&self, file: &LintFile, text: &str) -> bool {
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
        let after = self.judgements_with(Some((file, text)));
        self.judgements.iter().zip(&after).filter(|(before, _)| !before.stops()).all(|(before, after)| {
            !after.stops()
                && seen(&before.reading) == seen(&after.reading)
                && roots(&before.reading) == roots(&after.reading)
                && before.driver == after.driver
        })
    }

    /// Whether the host may have only engines that work in spite of a reason which these have:
    /// it is not known which it has, and others read the same file.
    pub(super) fn may_not_concern(&self, reason: &Reason, with_it: &[&Reader]) -> bool {
        let has = |reader: &Reader| {
            let same =
                |other: &&&Reader| other.profile == reader.profile && other.identity == reader.identity;
            with_it.iter().any(|other| same(&other))
        };
        let reads = |judgement: &Judgement| match &reason.place {
            Some(site) => judgement.reading.files.iter().any(|file| file.path == site.file),
            None => true,
        };
        let spared = |(reader, judgement): (&Reader, &Judgement)| {
            !reader.is_of_users() && reads(judgement) && !has(reader)
        };
        !self.knows_engines && self.judged().any(spared)
    }

    /// What an engine of root, or of the user whose files these are, makes of the files, if
    /// it is asked.
    pub(super) fn reading(&self, profile: Profile) -> Option<&Reading> {
        let this = |(reader, _): &(&Reader, &Judgement)| reader.profile == profile && !reader.is_of_users();
        self.judged().find(this).map(|(_, judgement)| judgement.reading.as_ref())
    }

    /// The engines that take this key's value from this file: those that read the
    /// file and know the key, unless another file says something else later on.
    pub(super) fn deciding_engines(&self, file: &LintFile, known: &SchemaKey, key: &SetKey) -> Engines {
        let name = key.dotted().to_ascii_lowercase();
        let here = |origin: &ValueOrigin| {
            origin.site().is_some_and(|site| site.file == file.path && site.span.start == key.span.start)
        };
        Engines::which(|profile| {
            let overridden = self.reading(profile).and_then(|reading| reading.values.get(&name));
            let is_read = file.engines.has(profile) && known.is_known_to(profile.library());
            is_read && overridden.is_none_or(|it| here(&it.origin))
        })
    }

    /// What stands at a path, for a rule that says so if it cannot be found out.
    pub(super) fn stat(&self, path: &str) -> Result<Option<Stat>, Problem> {
        let path = Path::new(path);
        self.root.stat(path).map_err(Problem::cannot("look at", self.root.show(path).display()))
    }
}

fn read(root: &Root, path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    let shown = root.show(path).display().to_string();
    match root.stat(path) {
        // A device behind a symlink, such as /dev/null, is an empty file to engines.
        Ok(Some(stat)) if stat.kind == crate::sys::FileKind::Other => Ok(Some(Vec::new())),
        _ => Ok(root.read(path).map_err(Problem::cannot("read", shown))?.map(|(bytes, _)| bytes)),
    }
}
