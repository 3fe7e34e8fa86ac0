//! Who reads a host: an engine, run by somebody.

use std::fmt;
use std::rc::Rc;

use super::{Judgement, judge};
use crate::engine::{self, Effect, Engines, Environment, Profile, Reading, Reason, View};

/// Who runs an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// root.
    Root,
    /// A normal user of whom nothing is known, without configuration of their own.
    OrdinaryUser,
    /// The user who runs this process, or was named.
    ThisUser,
}

/// An engine, run by somebody.
#[derive(Debug, Clone)]
pub struct Reader {
    /// The engine.
    pub profile: Profile,
    /// Who runs it.
    pub identity: Identity,
    /// With what it is started.
    pub environment: Environment,
}

impl Reader {
    /// What it does on this host.
    pub fn judge(&self, view: &View<'_>) -> Rc<Judgement> {
        judge(view, &self.environment, self.profile)
    }

    /// What it reads on this host.
    pub fn read(&self, view: &View<'_>) -> Rc<Reading> {
        engine::read(view, &self.environment, self.profile)
    }

    /// Whether it is a normal user's of whom nothing is known, and not the one of root or of the
    /// user who is meant.
    pub fn is_of_users(&self) -> bool {
        self.identity == Identity::OrdinaryUser
    }
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = Engines::one(self.profile);
        match self.identity {
            Identity::Root | Identity::ThisUser => write!(f, "{engine}"),
            Identity::OrdinaryUser => write!(f, "{engine} of normal users"),
        }
    }
}

/// Who reads a host with these engines, run as `environment` has it.
///
/// podman 6 applies the files of the system to every normal user, so that user is asked, too.
/// Older engines take nothing of them but the driver.
pub fn readers(engines: Engines, environment: &Environment) -> Vec<Reader> {
    if environment.is_rootless() {
        // CRI-O is root's.
        let engines = engines.without(Engines::one(Profile::Crio));
        let reader =
            |profile| Reader { profile, identity: Identity::ThisUser, environment: environment.clone() };
        return engines.list().map(reader).collect();
    }
    let reader = |profile| Reader { profile, identity: Identity::Root, environment: environment.clone() };
    let mut readers: Vec<Reader> = engines.list().map(reader).collect();
    // Who names one file with a variable does so alone.
    if engines.has(Profile::Podman6) && environment.filled("CONTAINERS_STORAGE_CONF").is_none() {
        readers.push(Reader {
            profile: Profile::Podman6,
            identity: Identity::OrdinaryUser,
            environment: Environment::ordinary_user(),
        });
    }
    readers
}

/// Puts a reason to those that are like it, with who has it.
pub fn gather(all: &mut Vec<(Reason, Vec<Reader>)>, reader: &Reader, reason: &Reason) {
    match all.iter_mut().find(|(other, _)| other.is_like(reason)) {
        Some((_, readers)) => readers.push(reader.clone()),
        None => all.push((reason.clone(), vec![reader.clone()])),
    }
}

/// What these do, as a sentence: "podman 6 of normal users stops with an error, whatever the
/// command".
pub fn sentence(readers: &[Reader], effect: Effect) -> String {
    let (system, users) = engines(readers);
    let all = system.or(users);
    effect.of(all).replacen(&all.to_string(), &names(readers), 1)
}

/// Who these are: "podman 4 and podman 6 of normal users".
pub fn names(readers: &[Reader]) -> String {
    match engines(readers) {
        (Engines::NONE, users) => format!("{users} of normal users"),
        (system, Engines::NONE) => system.to_string(),
        (system, users) => format!("{system} and {users} of normal users"),
    }
}

/// The engines of root, or of the user who is meant, and those of normal users that are not
/// among them.
fn engines(readers: &[Reader]) -> (Engines, Engines) {
    let of = |users: bool| {
        let these = readers.iter().filter(|reader| reader.is_of_users() == users);
        these.map(|reader| reader.profile).collect::<Engines>()
    };
    let system = of(false);
    (system, of(true).without(system))
}
