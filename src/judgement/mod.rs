//! What an engine does on a host, for one user: the only place that knows.
//!
//! [`judge`] answers for a [`View`] of a host (as it is, or with planned files laid over
//! it), an engine and a user what the engine reads, and whether it works, works with loss
//! or stops, each [`Reason`] with its stable name, its place and what helps. `plan` refuses
//! what makes it worse for anybody, `lint`, `doctor`, the lists and `generate` show it, and
//! none of them decides anything of the kind by itself.
//!
//! Three steps, as in an engine: its configuration is read ([`crate::engine::read`]), the
//! storage driver is handed its options (`options`), and the storage is opened: the
//! additional stores (`stores`, `content`) and the engine's own directories (`roots`).
//! tests/real/compare holds the first two against the engines' own code on generated hosts,
//! tests/real/judged the third.

mod content;
mod go;
mod options;
mod reader;
mod relation;
mod roots;
mod stores;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::conf::{Essentials, schema};
use crate::engine::{
    self, DriverOption, Effect, Environment, Profile, Reading, Reason, Sourced, ValueOrigin, View,
};
use crate::sys::Root;
pub use content::RUN;
pub use reader::{Identity, Reader, gather, names, readers, sentence};
pub use relation::{Relation, relations};
pub use stores::or_remove;

/// How well an engine works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// As it should.
    Works,
    /// Not every command, or not with everything that was meant.
    WorksWithLoss,
    /// No command.
    Stops,
}

/// What an engine does, and why.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// What it reads.
    pub reading: Rc<Reading>,
    /// The storage driver that it uses, or the usual one where it is set to none that there is.
    pub driver: String,
    /// Why it stops or loses something; none if it works.
    pub reasons: Vec<Reason>,
}

impl Judgement {
    /// How well the engine works.
    pub fn outcome(&self) -> Health {
        match self.stop() {
            Some(_) => Health::Stops,
            None if self.reasons.is_empty() => Health::Works,
            None => Health::WorksWithLoss,
        }
    }

    /// Whether it stops.
    pub fn stops(&self) -> bool {
        self.stop().is_some()
    }

    /// The first reason for which it stops.
    pub fn stop(&self) -> Option<&Reason> {
        self.reasons.iter().find(|reason| reason.effect == Effect::Stops)
    }

    /// Where the engine keeps its own images.
    pub fn own_storage(&self) -> OwnStorage {
        let filled = |value: &Option<Sourced<String>>| {
            let text = value.as_ref().map(|value| value.value.as_str()).filter(|text| !text.is_empty());
            text.map(|text| PathBuf::from(path_of(text)))
        };
        OwnStorage {
            driver: self.driver.clone(),
            graphroot: filled(&self.reading.graphroot)
                .unwrap_or_else(|| PathBuf::from(roots::graphroot(&self.reading))),
            imagestore: filled(&self.reading.imagestore),
            runroot: filled(&self.reading.runroot),
        }
    }

    /// What is wrong with the store at `path`, cleaned.
    pub fn about<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Reason> {
        self.reasons.iter().filter(move |reason| reason.store.as_deref() == Some(path))
    }
}

/// An engine's own storage; its paths are cleaned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnStorage {
    /// The storage driver.
    pub driver: String,
    /// Where containers are kept, and images if `imagestore` is not set.
    pub graphroot: PathBuf,
    /// Where images are kept instead.
    pub imagestore: Option<PathBuf>,
    /// Where running containers are kept track of.
    pub runroot: Option<PathBuf>,
}

impl OwnStorage {
    /// The directories in which images may be: those of the image store count first.
    pub fn parts(&self) -> impl Iterator<Item = &Path> {
        self.imagestore.iter().chain([&self.graphroot]).map(PathBuf::as_path)
    }
}

/// What the rules look at.
struct Case<'a> {
    view: &'a View<'a>,
    reading: &'a Reading,
    /// The driver that the engine uses.
    driver: &'a str,
    environment: &'a Environment,
}

impl Case<'_> {
    fn profile(&self) -> Profile {
        self.reading.profile
    }

    fn root(&self) -> Option<&Root> {
        self.view.root()
    }
}

/// What the engine of `profile` does on this host for the user of `environment`.
pub fn judge(view: &View<'_>, environment: &Environment, profile: Profile) -> Rc<Judgement> {
    view.judged_once(environment, profile, || {
        let view = &view.seen_by(environment);
        let reading = engine::read(view, environment, profile);
        let mut reasons = reading.reasons.clone();
        let driver = roots::driver(view, &reading);
        let case = Case { view, reading: &reading, driver: &driver, environment };
        options::check(&case, &mut reasons);
        let driver = or_usual(&driver);
        let case = Case { view, reading: &reading, driver: &driver, environment };
        stores::check(&case, &mut reasons);
        roots::check(&case, &mut reasons);
        Judgement { driver, reasons, reading }
    })
}

/// The driver with which an engine goes on once it has one that there is.
fn or_usual(driver: &str) -> String {
    match schema::DRIVERS.contains(&driver) {
        true => driver.to_owned(),
        false => Essentials::default().driver,
    }
}

/// What would be wrong with the store at `path`, cleaned, if it were listed.
pub fn judge_store(view: &View<'_>, environment: &Environment, profile: Profile, path: &str) -> Vec<Reason> {
    let view = &view.seen_by(environment);
    let mut reading = Reading::clone(&engine::read(view, environment, profile));
    let driver = or_usual(&roots::driver(view, &reading));
    let key = if profile.is_modern() { "imagestore".to_owned() } else { format!("{driver}.imagestore") };
    let value = Sourced { value: path.to_owned(), origin: ValueOrigin::Default };
    reading.stores = vec![value.clone()];
    reading.options =
        vec![DriverOption { key, value, set_by: "storage.options.additionalimagestores".to_owned() }];
    let case = Case { view, reading: &reading, driver: &driver, environment };
    let mut reasons = Vec::new();
    options::check(&case, &mut reasons);
    stores::check(&case, &mut reasons);
    reasons.retain(|reason| reason.store.as_deref() == Some(path));
    reasons
}

/// The path of an option's value as the driver takes it.
fn path_of(value: &str) -> String {
    crate::conf::clean_path(value)
}

/// What `path` is, for a user who may follow it.
fn shown(view: &View<'_>, path: &Path) -> String {
    view.root().map_or_else(|| path.display().to_string(), |root| root.show(path).display().to_string())
}
