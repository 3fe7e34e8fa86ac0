//! Changing storage configuration: snapshot, pure edit, plan, verify, and then
//! show or commit.
//!
//! Everything that writes storage configuration makes a [`Plan`]. A dry run is a
//! run that stops before the commit; there is no second code path.

mod add;
mod apply;
mod commit;
mod copy;
mod directory;
mod drop_in;
mod finish;
mod generations;
mod host;
mod list;
mod moved;
mod rebase;
mod refuse;
mod relist;
mod remove;
mod roots;
mod single_users;
mod snapshot;
mod users;
mod verify;

pub use add::{AddOptions, add_stores};
pub use apply::{ApplyOptions, apply, set_aside};
pub use commit::{CommitMode, PlanOutcome, rewrite};
pub use copy::{TextSource, VendorCopy};
pub use generations::ServedEngines;
pub use host::Host;
pub use list::{ListedStore, StoreState, driver_in_force, list_stores};
pub use refuse::{is_managed, refuse_own_storage};
pub use relist::{RemovedEntry, relist_store, taken_entry};
pub use remove::{RemoveOptions, remove_stores};
pub use snapshot::Snapshot;
pub use users::{User, users};

use std::path::PathBuf;

use crate::problem::{Problem, Severity};

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// A regular file with this text.
    Text(String),
    /// A symlink with this target.
    Link(String),
    /// It goes.
    Nothing,
}

/// One file that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The file, inside the tree.
    pub path: PathBuf,
    /// Its text before; `None` if there was no such file.
    pub before: Option<String>,
    /// The file that it is made from, if it is a copy of another one, and that one's text.
    pub original: Option<(PathBuf, String)>,
    /// What it becomes.
    pub after: After,
}

impl FileChange {
    /// The id of the normal user that the file is for, if it is for one alone.
    pub fn user(&self) -> Option<&str> {
        let dir = self.path.parent()?;
        let of_users = dir.parent()?.ends_with("storage.rootless.conf.d");
        dir.file_name().filter(|_| of_users)?.to_str()
    }

    /// The change as a unified diff with three lines of context. A file that is
    /// made from a copy is compared with what it was copied from.
    pub fn diff(&self, host: &Host) -> String {
        let nothing = || ("/dev/null".to_owned(), "");
        let (old, before) = match (&self.before, &self.original) {
            (Some(text), _) => (host.show(&self.path), text.as_str()),
            (None, Some((file, text))) => (host.show(file), text.as_str()),
            (None, None) => nothing(),
        };
        let (new, after) = match &self.after {
            After::Text(text) => (host.show(&self.path), text.as_str()),
            After::Link(_) | After::Nothing => nothing(),
        };
        similar::TextDiff::from_lines(before, after).unified_diff().header(&old, &new).to_string()
    }
}

/// What was asked for one store, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub enum StoreResult {
    /// It is listed now.
    Added,
    /// It was listed and stands elsewhere now.
    Moved,
    /// It was listed already.
    Listed {
        /// The entry by which it is listed, if that is another name of the directory.
        #[serde(skip_serializing_if = "Option::is_none")]
        alias: Option<String>,
    },
    /// It is not listed any more.
    Removed,
    /// It was not listed.
    Absent,
    /// It is still there, so it stays listed.
    Kept,
    /// It is declared, but cannot be listed now.
    Skipped {
        /// A stable name of the reason.
        id: &'static str,
        /// The reason, and what helps.
        reason: String,
    },
    /// It is declared, but its condition is not met.
    Unmet {
        /// What is not as the condition wants it.
        reason: String,
    },
    /// It is declared and sealed, and this system does not run: it is mounted and listed
    /// when it does.
    AtBoot {
        /// The file that is mounted.
        sealed: String,
    },
    /// Nobody owns its entry and its directory is gone: the entry is a comment now.
    SetAside,
    /// It was set aside and is listed again.
    PutBack,
}

/// A message that belongs to a plan, beside what happens to each store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Something that the plan does first.
    First(String),
    /// Something that the plan does in the end.
    Then(String),
    /// Something that the plan leaves as it is, and why.
    Stays(String),
    /// Something that is wrong and does not stop the plan.
    Warning(Problem),
}

impl Note {
    /// Something that is wrong and does not stop the plan, and what helps.
    fn warning(id: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Warning(Problem::new(id, message, hint).with(Severity::Warning))
    }
}

/// What shall happen, computed without touching the disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The files that change; none if all is as it should be.
    pub changes: Vec<FileChange>,
    /// The directories that become image stores before the files change, and for which driver.
    pub inits: Vec<(PathBuf, String)>,
    /// Each store that was asked for.
    pub stores: Vec<(String, StoreResult)>,
    /// What else there is to say.
    pub notes: Vec<Note>,
}

impl Plan {
    /// Whether committing the plan changes anything.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.inits.is_empty()
    }
}
