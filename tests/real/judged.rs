//! What engines do with a host, and what storagectl says and does there: one test a
//! rule, each against the engine in which the rule was seen.
//!
//! An engine that works before a command of ours works after it, for root and for every
//! user; where that cannot be, the command refuses. What stops an engine is said by
//! check-config. The tests look at exit statuses and names of findings, not at words.

mod containers;
mod drivers;
pub(crate) mod engine;
mod entries;
pub(crate) mod host;
mod installed;
mod options;
mod report;
mod scriptlets;
mod unreadable;
mod users;

use crate::support::IMAGE;

/// Root's directories, in a main file that every engine reads.
pub(crate) const MAIN: &str = "[storage]\n\
    driver = \"overlay\"\n\
    runroot = \"/run/containers/storage\"\n\
    graphroot = \"/var/lib/containers/storage\"\n";

/// The main file.
pub(crate) const CONF: &str = "/etc/containers/storage.conf";

/// Where most tests have their store.
pub(crate) const STORE: &str = "/srv/app";

/// A text that lists these stores, as they stand in the array.
fn list(stores: &str) -> String {
    format!("[storage.options]\nadditionalimagestores = [{stores}]\n")
}

/// [`MAIN`] with a list.
pub(crate) fn main_with(stores: &str) -> String {
    format!("{MAIN}\n{}", list(stores))
}

/// What an engine lists if it sees the image of a store once.
fn served() -> Result<Vec<String>, String> {
    Ok(vec![format!("{IMAGE} true")])
}

/// What an engine lists if it starts and sees no image.
fn nothing() -> Result<Vec<String>, String> {
    Ok(Vec::new())
}
