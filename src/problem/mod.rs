//! Something that is wrong or worth knowing, with what a person needs to mend it: what ends a
//! command, and what a check finds.

mod engines;
mod ids;
mod place;
mod profile;
mod series;
mod several;
mod severity;
mod shell;
mod size;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::conf::Fault;

pub use engines::Engines;
pub use ids::IDS;
pub use place::Place;
pub use profile::Profile;
pub use series::{quoted_series, series};
pub use several::Several;
pub use severity::Severity;
pub use shell::{shell_word, single_quoted};
pub(crate) use size::{size, total};

/// A problem: how bad it is, what, where, what comes of it, and what helps.
///
/// Rooms that check keep what is theirs alone (a fix, a layer) beside it. It is told by one piece,
/// `cli::told`, and as JSON has one shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its stable name, such as `store-missing`; the man page lists them.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, with things in backticks, without a full stop.
    pub message: String,
    /// What comes of it, as a sentence; empty if that is not known, or plain.
    pub effect: String,
    /// Which engines it concerns.
    pub engines: Engines,
    /// Which of them stop because of it.
    pub stops: Engines,
    /// Which of those of normal users do.
    pub stops_users: Engines,
    /// The one command or change that helps.
    pub hint: String,
    /// Where it stands, if it stands in a file.
    pub place: Option<Box<Place>>,
}

impl Problem {
    /// A problem that stands in no file.
    pub fn new(id: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        debug_assert!(ids::is_known(id), "`{id}` is not in the table of problems");
        Self::found(id, Severity::Error, message, hint)
    }

    /// What a check found; its rule is in the table of that check.
    pub fn found(
        id: &'static str,
        severity: Severity,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            id,
            severity,
            message: message.into(),
            effect: String::new(),
            engines: Engines::NONE,
            stops: Engines::NONE,
            stops_users: Engines::NONE,
            hint: hint.into(),
            place: None,
        }
    }

    /// The same, this bad.
    pub fn with(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// The same about a file as a whole, or a directory, as the person named it.
    pub fn about(self, file: impl Into<PathBuf>) -> Self {
        Self { place: Some(Box::new(Place::whole(file.into()))), ..self }
    }

    /// The same with what comes of it.
    pub fn because(self, effect: impl Into<String>) -> Self {
        Self { effect: effect.into(), ..self }
    }

    /// The file or directory that it is about.
    pub fn file(&self) -> Option<&Path> {
        self.place.as_deref().map(|place| place.file.as_path())
    }

    /// [`Problem::io`] for `map_err`.
    pub fn cannot<P: fmt::Display>(doing: &'static str, path: P) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::io(doing, &path.to_string(), &error)
    }

    /// What the system answered when something was done to `path`: "cannot `doing` `path`: …".
    pub fn io(doing: &str, path: &str, error: &io::Error) -> Self {
        let (id, hint) = match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem => {
                ("read-only", "do it where the system's image is built, or remount the file system writable")
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                ("disk-full", "free some space and try again")
            }
            io::ErrorKind::PermissionDenied if rustix::process::geteuid().is_root() => (
                "permission",
                "even root may not: see `lsattr` for an immutable file, or the audit log of SELinux",
            ),
            io::ErrorKind::PermissionDenied => {
                ("permission", "run it as the owner of that file, usually root")
            }
            io::ErrorKind::IsADirectory => {
                ("not-a-file", "give the file itself, not the directory that it is in")
            }
            io::ErrorKind::NotADirectory => {
                ("not-a-directory", "something on the way there is a file; move it away")
            }
            io::ErrorKind::NotFound => ("missing", "create it first, or give another path"),
            _ => match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
                Some(rustix::io::Errno::LOOP) => {
                    let hint = "a symlink on the way leads back to itself, or stands where none is \
                                followed, as in a store; fix or remove it";
                    ("symlink-loop", hint)
                }
                _ => ("io", "fix what the system reports and try again"),
            },
        };
        Self::new(id, format!("cannot {doing} `{path}`: {}", words(error)), hint)
    }

    /// A fault of a document, in the file that the document was read from.
    pub fn at(fault: Fault, file: PathBuf, text: &str) -> Self {
        debug_assert!(ids::is_known(fault.id), "`{}` is not in the table of problems", fault.id);
        let place = Some(Box::new(Place::new(file, text, fault.span)));
        Self { place, ..Self::found(fault.id, Severity::Error, fault.message, fault.hint) }
    }
}

impl Serialize for Problem {
    /// The one shape: all keys are always there, and null where there is nothing to say.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place = self.place.as_deref();
        let (line, column) = place.and_then(Place::position).unzip();
        let list = |engines: Engines| engines.list().collect::<Vec<_>>();
        let mut problem = serializer.serialize_struct("Problem", 11)?;
        problem.serialize_field("id", self.id)?;
        problem.serialize_field("severity", &self.severity)?;
        problem.serialize_field("message", &self.message)?;
        problem.serialize_field("file", &place.map(|place| place.file.display().to_string()))?;
        problem.serialize_field("line", &line)?;
        problem.serialize_field("column", &column)?;
        problem.serialize_field("engines", &list(self.engines))?;
        problem.serialize_field("stops", &list(self.stops))?;
        problem.serialize_field("stops_users", &list(self.stops_users))?;
        problem.serialize_field("effect", &Some(&self.effect).filter(|effect| !effect.is_empty()))?;
        problem.serialize_field("hint", &self.hint)?;
        problem.end()
    }
}

/// What the system says, without its number.
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}
