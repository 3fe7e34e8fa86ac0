//! Something that is wrong, with what a person needs to mend it.

mod ids;
mod place;
mod series;
mod several;
mod severity;
mod shell;

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::conf::Fault;

pub use ids::IDS;
pub use place::Place;
pub use series::{quoted_series, series};
pub use several::Several;
pub use severity::Severity;
pub use shell::{shell_word, single_quoted};

/// A problem: what, where, and what helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its stable name, such as `store-missing`; the man page lists them.
    pub id: &'static str,
    /// What is wrong, with things in backticks, without a full stop.
    pub message: String,
    /// The one command or change that helps.
    pub hint: String,
    /// Where it stands, if it stands in a file.
    pub place: Option<Box<Place>>,
}

impl Problem {
    /// A problem that stands in no file.
    pub fn new(id: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        debug_assert!(ids::is_known(id), "`{id}` is not in the table of problems");
        Self { id, message: message.into(), hint: hint.into(), place: None }
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
                                followed, as in a store; mend or remove it";
                    ("symlink-loop", hint)
                }
                _ => ("io", "see to what the system says and try again"),
            },
        };
        Self::new(id, format!("cannot {doing} `{path}`: {}", words(error)), hint)
    }

    /// A fault of a document, in the file that the document was read from.
    pub fn at(fault: Fault, file: PathBuf, text: &str) -> Self {
        debug_assert!(ids::is_known(fault.id), "`{}` is not in the table of problems", fault.id);
        let place = Some(Box::new(Place::new(file, text, fault.span)));
        Self { id: fault.id, message: fault.message, hint: fault.hint, place }
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
