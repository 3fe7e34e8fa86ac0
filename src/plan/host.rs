//! A host: a tree, the file in it that is edited, and who reads it.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::conf::{Document, Essentials};
use crate::declare::{Declarations, SearchPath, declarations};
use crate::engine::{
    self, Effect, Engines, Environment, InstalledProgram, Profile, ReadCache, Reading, View,
};
use crate::judgement::{Identity, Judgement, Reader, judge, readers};
use crate::problem::Problem;
use crate::sys::{Root, crio_runs, printed_version};

/// Where storagectl works: a tree, and which file in it.
#[derive(Debug)]
pub struct Host {
    /// The running system or the tree under `--root`.
    pub root: Root,
    /// One file to use instead of the host's main file, inside the tree.
    pub config: Option<PathBuf>,
    /// What was parsed before.
    pub(super) cache: ReadCache,
    engines: OnceCell<Engines>,
    installed: OnceCell<Engines>,
    /// What was read of the programs of engines, tens of megabytes each.
    programs: OnceCell<Vec<InstalledProgram>>,
    /// Root's own, once it was looked for.
    main_file: OnceCell<PathBuf>,
}

/// Where the modern generation looks for drop-ins.
const DROP_INS: [&str; 6] = [
    "/etc/containers/storage.conf.d",
    "/etc/containers/storage.rootful.conf.d",
    "/etc/containers/storage.rootless.conf.d",
    "/usr/share/containers/storage.conf.d",
    "/usr/share/containers/storage.rootful.conf.d",
    "/usr/share/containers/storage.rootless.conf.d",
];

impl Host {
    /// A host.
    pub fn new(root: Root, config: Option<PathBuf>) -> Self {
        Self {
            root,
            config,
            cache: ReadCache::default(),
            engines: OnceCell::new(),
            installed: OnceCell::new(),
            programs: OnceCell::new(),
            main_file: OnceCell::new(),
        }
    }

    /// Keeps a document whose text is planned, since engines are going to read it.
    pub(super) fn cache_document(&self, doc: Document) {
        self.cache.keep(doc);
    }

    /// Forgets what was read: from now on files are read as they have become.
    pub fn forget_files(&self) {
        self.cache.forget_files();
    }

    /// Refuses to rely on what was read while the disk or the system failed.
    pub(super) fn is_reliable(&self) -> Result<(), Problem> {
        self.cache.is_reliable().map_err(|(path, error)| Problem::io("look at", &self.show(&path), &error))
    }

    /// The host's files as they are.
    pub fn view(&self) -> View<'_> {
        View::of(&self.root, &self.cache)
    }

    /// The host as it is, as the engine of `profile` reads it.
    pub fn reading(&self, profile: Profile) -> Rc<Reading> {
        engine::read(&self.view(), &self.environment(), profile)
    }

    /// What the engine of `profile` does on the host as it is.
    pub fn judge(&self, profile: Profile) -> Rc<Judgement> {
        judge(&self.view(), &self.environment(), profile)
    }

    /// The environment of this process, as engines that it starts would have it.
    pub fn environment_of_process(&self) -> Environment {
        match &self.config {
            Some(file) => Environment::of_process().naming(file),
            None => Environment::of_process(),
        }
    }

    /// The engines that are installed. Those that do not say what they are built with are
    /// asked for their version, unless this is a tree.
    pub fn programs(&self) -> io::Result<Vec<InstalledProgram>> {
        let mut programs = self.programs_unasked()?.to_vec();
        if !self.root.is_tree() {
            for program in programs.iter_mut().filter(|program| !program.is_identified()) {
                program.version = printed_version(&program.path);
            }
        }
        Ok(programs)
    }

    /// The engines that are installed, as far as their files say what they are.
    pub fn programs_unasked(&self) -> io::Result<&[InstalledProgram]> {
        if let Some(programs) = self.programs.get() {
            return Ok(programs);
        }
        let programs = engine::installed(&self.root)?;
        Ok(self.programs.get_or_init(|| programs))
    }

    /// The engines that are there or may be, if these programs are installed; and whether
    /// CRI-O is there. One that does not say what it is, since nobody has asked or since it stops even
    /// then, may be several.
    pub fn engines_of(&self, programs: &[InstalledProgram]) -> (Engines, bool) {
        let may_be = |program: &InstalledProgram| match program.is_identified() {
            true => Engines::one(program.profile()),
            false => program.candidates(),
        };
        let installed = self.with_running(programs.iter().map(may_be).collect());
        (self.or_possible(installed), installed.has(Profile::Crio))
    }

    /// The engines that are there or may be, by asking those that do not say. This starts
    /// them, which takes a moment.
    pub fn engines_asked(&self) -> Engines {
        self.programs().map_or(Engines::ALL, |programs| self.engines_of(&programs).0)
    }

    /// The engines that are there or may be. Where that cannot be told, all may be.
    pub fn engines(&self) -> Engines {
        *self.engines.get_or_init(|| self.or_possible(self.installed()))
    }

    /// Whether it is known which engines this host has.
    pub fn knows_engines(&self) -> bool {
        !self.installed().is_empty()
    }

    fn installed(&self) -> Engines {
        *self.installed.get_or_init(|| {
            let present = engine::present(&self.root).unwrap_or(Engines::NONE);
            // What would be made for engines that are not there is worth reading all of the
            // programs which do not say what they are.
            let is_sure = !(present.has(Profile::Podman6) && present.has(Profile::Podman4));
            let exact = (!is_sure).then(|| self.programs_unasked().ok()).flatten();
            let exact = exact.map(|programs| programs.iter().map(InstalledProgram::candidates).collect());
            self.with_running(exact.unwrap_or(present))
        })
    }

    /// The engines with one that runs: it is there, wherever its program is.
    fn with_running(&self, installed: Engines) -> Engines {
        let crio = Engines::one(Profile::Crio);
        match () {
            // CRI-O is root's.
            () if self.is_rootless() => installed.without(crio),
            () if !self.root.is_tree() && !installed.has(Profile::Crio) && crio_runs() => installed.or(crio),
            () => installed,
        }
    }

    /// These engines, or those that the host may get if it has none: all that work with the
    /// vendor's files as they were shipped.
    fn or_possible(&self, installed: Engines) -> Engines {
        let all = match self.is_rootless() {
            true => Engines::ALL.without(Engines::one(Profile::Crio)),
            false => Engines::ALL,
        };
        if !installed.is_empty() {
            return installed;
        }
        let view = self.view().of_vendor();
        if !view.exists(Path::new(engine::VENDOR_FILE)).unwrap_or(false) {
            return all;
        }
        let stopped = readers(all, &Environment::new(0, []))
            .into_iter()
            // What its stores are like now is another matter.
            .filter(|reader| {
                reader
                    .judge(&view)
                    .reasons
                    .iter()
                    .any(|reason| reason.effect == Effect::Stops && reason.store.is_none())
            })
            .map(|reader| reader.profile);
        // Who has drop-ins has an engine that reads them.
        let drop_in =
            |dir: &&str| matches!(self.root.list(Path::new(dir)), Ok(Some(names)) if !names.is_empty());
        let drops = DROP_INS.iter().any(drop_in);
        let stopped = stopped.filter(|profile| !(drops && profile.is_modern()));
        match all.without(stopped.collect()) {
            Engines::NONE => all,
            engines => engines,
        }
    }

    /// Who reads this host: the engines that are there or may be, for root and for normal
    /// users, or for the user whose configuration this is.
    pub fn readers(&self) -> Vec<Reader> {
        readers(self.engines(), &self.environment())
    }

    /// The same without ordinary users: root, or the user whose configuration this is.
    pub fn own_readers(&self) -> Vec<Reader> {
        let mut readers = self.readers();
        readers.retain(|reader| !reader.is_of_users());
        readers
    }

    /// Whether everybody's engine that works as things are works with this view, too.
    pub(super) fn goes_on_working(&self, view: &View<'_>) -> bool {
        self.readers().iter().all(|reader| reader.judge(&self.view()).stops() || !reader.judge(view).stops())
    }

    /// The storage driver that this host's engines use; where they differ, the newest podman.
    pub fn driver(&self) -> String {
        self.driver_of(Engines::ALL)
    }

    /// The storage driver of the first of these engines that works here, or else may: the
    /// newest podman, since its database keeps it from any other, and last CRI-O.
    fn driver_of(&self, engines: Engines) -> String {
        let mut own = self.own_readers();
        own.retain(|reader| engines.has(reader.profile));
        own.sort_by_key(|reader| (reader.profile == Profile::Crio, Reverse(reader.profile)));
        let mut judged = own.iter().map(|reader| reader.judge(&self.view()));
        let first = judged.next();
        let works = first.iter().cloned().chain(judged).find(|judged| !judged.stops());
        works.or(first).map_or_else(|| Essentials::default().driver, |judged| judged.driver.clone())
    }

    /// The main file's path inside the tree.
    pub fn main_file(&self) -> anyhow::Result<PathBuf> {
        match &self.config {
            Some(path) => Ok(path.clone()),
            None if self.is_rootless() => {
                Ok(self.user_dir("XDG_CONFIG_HOME", ".config")?.join("containers/storage.conf"))
            }
            None => match self.main_file.get() {
                Some(path) => Ok(path.clone()),
                None => {
                    let found = engine::main_file(&self.root);
                    let found = found.map_err(Problem::cannot("look for", "/etc/containers/storage.conf"))?;
                    Ok(self.main_file.get_or_init(|| found).clone())
                }
            },
        }
    }

    /// A directory of the user who runs this: the one that `variable` names, else the usual
    /// one below the home directory.
    fn user_dir(&self, variable: &str, usual: &str) -> Result<PathBuf, Problem> {
        let environment = self.environment();
        if let Some(dir) = environment.filled(variable) {
            return Ok(PathBuf::from(dir));
        }
        let home = environment.home(|file| self.view().text(file)).ok_or_else(|| {
            Problem::new(
                "missing",
                "this user has no home directory",
                "set HOME, or name a file with `--config`",
            )
        })?;
        Ok(Path::new(&home).join(usual))
    }

    /// Where what this program remembers is kept: the system's, or of the user who runs this.
    ///
    /// # Errors
    /// A [`Problem`] if a user has no home directory.
    pub fn state_dir(&self) -> Result<PathBuf, Problem> {
        match self.is_rootless() {
            true => Ok(self.user_dir("XDG_STATE_HOME", ".local/state")?.join("storagectl")),
            false => Ok(PathBuf::from("/var/lib/storagectl")),
        }
    }

    /// Where the stores are declared that this configuration is to list.
    ///
    /// # Errors
    /// A [`Problem`] if the tree cannot be looked at, or a user has no home directory.
    pub fn search_path(&self) -> Result<SearchPath, Problem> {
        if !self.is_rootless() {
            return SearchPath::of_system(&self.root).map_err(Problem::cannot("look at", "/etc"));
        }
        let environment = self.environment();
        let runtime = environment.filled("XDG_RUNTIME_DIR").map(Path::new);
        let data = self.user_dir("XDG_DATA_HOME", ".local/share")?;
        Ok(SearchPath::of_user(&data, runtime, &self.user_dir("XDG_CONFIG_HOME", ".config")?))
    }

    /// What is declared for this configuration.
    ///
    /// # Errors
    /// If a directory cannot be read. A file that cannot is a mistake among others.
    pub fn declarations(&self) -> anyhow::Result<Declarations> {
        declarations(&self.root, &self.search_path()?)
    }

    /// What older engines need in a main file: podman 4 the directories, which a normal
    /// user's engines know, and all of them the driver that they use now.
    pub fn essentials(&self) -> Essentials {
        let legacy = self.engines().and(Engines::LEGACY);
        let driver = self.driver_of(if legacy.is_empty() { Engines::ALL } else { legacy });
        let mut essentials = Essentials { driver, ..Essentials::default() };
        if self.is_rootless() || !self.engines().has(Profile::Podman4) {
            essentials.runroot = None;
            essentials.graphroot = None;
        }
        essentials
    }

    /// What to say if something cannot be done to `path`, for `map_err`.
    pub fn cannot(&self, doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Problem {
        Problem::cannot(doing, self.show(path))
    }

    /// The environment in which this host's engines run: root's, without what the
    /// shell of this process happens to have set, or this user's own.
    ///
    /// Where one file was named, engines read that one.
    pub fn environment(&self) -> Environment {
        let own = if self.is_rootless() { Environment::of_process() } else { Environment::new(0, []) };
        match &self.config {
            Some(file) => own.naming(file),
            None => own,
        }
    }

    /// Whose engines are meant, ordinary users apart.
    pub(super) fn identity(&self) -> Identity {
        if self.is_rootless() { Identity::ThisUser } else { Identity::Root }
    }

    /// Whether this is a normal user's own configuration.
    pub fn is_rootless(&self) -> bool {
        !self.root.is_tree() && !rustix::process::geteuid().is_root()
    }

    /// Where our own drop-in is.
    pub(super) fn drop_in_dir(&self) -> PathBuf {
        let main = self.main_file().unwrap_or_else(|_| "/etc/containers/storage.conf".into());
        main.with_file_name("storage.conf.d")
    }

    /// The directories for drop-ins: for all, for root, and for normal users.
    pub(super) fn drop_in_dirs(&self) -> [PathBuf; 3] {
        let dir = self.drop_in_dir();
        ["", "rootful.", "rootless."].map(|kind| dir.with_file_name(format!("storage.{kind}conf.d")))
    }

    /// The stores that the modern generation sees on this host.
    pub(super) fn seen_by_modern(&self) -> Vec<String> {
        if self.config.is_some() {
            return Vec::new();
        }
        self.reading(Profile::Podman6).stores.iter().map(|store| store.value.clone()).collect()
    }

    /// A path of the tree as a person outside would name it.
    pub fn show(&self, path: &Path) -> String {
        self.root.show(path).display().to_string()
    }
}
