//! The three settings without which older engines stop.

use toml_edit::Item;

use super::document::{Document, Fault, find_key};
use super::edit::forget;
use super::place;
use super::splice::Splice;
use super::style;
use crate::hex::sha256;

/// The settings that engines before podman 5 need as soon as a storage.conf exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Essentials {
    /// The storage driver, such as `overlay`.
    pub driver: String,
    /// Where running containers are kept track of; `None` for a normal user, whose
    /// engines know.
    pub runroot: Option<String>,
    /// The engine's own storage; `None` for a normal user.
    pub graphroot: Option<String>,
}

impl Default for Essentials {
    /// What root's engines use where nothing is configured.
    fn default() -> Self {
        Self {
            driver: "overlay".to_owned(),
            runroot: Some("/run/containers/storage".to_owned()),
            graphroot: Some("/var/lib/containers/storage".to_owned()),
        }
    }
}

impl Essentials {
    fn pairs(&self) -> Vec<(&'static str, &str)> {
        [
            ("driver", Some(self.driver.as_str())),
            ("runroot", self.runroot.as_deref()),
            ("graphroot", self.graphroot.as_deref()),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
    }
}

/// The name of the drop-in with [`OWN_ROOTS`], before all others: whoever sets something else
/// for users means it.
pub const OWN_ROOTS_NAME: &str = "00-storagectl.conf";

/// A drop-in that leaves normal users their own directories.
///
/// podman 4 stops on a main file without `graphroot` and `runroot`; podman 6 applies those of
/// the system to normal users, who may not write there, unless they are empty in a drop-in
/// for users (seen with podman 6.0; Alpine ships that).
pub const OWN_ROOTS: &str = "\
# Written by storagectl: storage.conf has the directories of root's engines, which older
# engines need there. podman 6 applies them to normal users, too, unless they are empty here.
[storage]
graphroot = \"\"
runroot = \"\"
";

/// Above the settings in a file that is made with them.
const WHY: &str = "# Engines before podman 5 stop without driver, runroot and graphroot.";

/// Above the settings in a file that was there, and goes back to what it was. A digest of the
/// lines follows.
pub(super) const MADE: &str =
    "# storagectl: added for engines before podman 5, which stop without it (sha256 ";

/// How much of a digest tells whether somebody has changed the lines.
const DIGITS: usize = 12;

/// Gives a document that holds no setting at all driver, runroot and graphroot:
/// an empty file, or one of comments only, stops podman 4 (`runroot must be set`).
/// If the file is `created` now, so that engines read it for the first time, it
/// is given those of the three that it lacks. `None` if it needs nothing.
///
/// # Errors
/// A [`Fault`] if `storage` is not a table.
pub fn add_essentials(
    doc: &Document,
    essentials: &Essentials,
    created: bool,
) -> Result<Option<Document>, Fault> {
    let text = doc.text();
    let mut missing = Vec::new();
    for (key, value) in essentials.pairs() {
        if doc.find(&["storage", key])?.is_none() {
            missing.push((key, value));
        }
    }
    if missing.is_empty() || !(created || doc.is_blank()) {
        return Ok(None);
    }
    let header = match find_key(doc.root(), "storage")?.map(|(_, item)| item) {
        Some(Item::Table(table)) if !table.is_dotted() => table.span().filter(|_| !table.is_implicit()),
        // Dotted keys or an inline table: this file has settings, and no place for a header.
        Some(_) => return Ok(None),
        None => None,
    };
    let newline = style::newline(text, 0);
    let indent = header.as_ref().map_or("", |span| style::indentation(text, span.start));
    let settings: String = missing
        .iter()
        .map(|(key, value)| format!("{indent}{key} = {}{newline}", style::quote(value, None)))
        .collect();
    // What came along: nothing, a header, or a header and blank lines.
    let keys = |along: usize| {
        let why = match (created, &essentials.runroot) {
            (true, None) => None,
            (true, Some(_)) => Some(WHY.to_owned()),
            (false, _) => Some(format!("{MADE}{})", &sha256(format!("{along}{settings}"))[..DIGITS])),
        };
        let why = why.map(|why| format!("{indent}{why}{newline}")).unwrap_or_default();
        format!("{why}{settings}")
    };
    let section = |along: usize| format!("[storage]{newline}{}", keys(along));
    let splice = match &header {
        Some(span) => place::insert_lines(doc, style::next_line(text, span.end), keys(0)),
        None => match new_header_place(doc) {
            HeaderPlace::Attached(at) => place::insert_lines(doc, at, section(1)),
            HeaderPlace::Free(at) => place::insert_section(doc, at, |blanks| section(2 + blanks)),
        },
    };
    let after = Document::parse(Splice::apply(text, vec![splice]))?;
    let (mut old, mut new) = (doc.to_leaf(), after.to_leaf());
    for (key, _) in essentials.pairs() {
        forget(&mut old, &["storage", key]);
        forget(&mut new, &["storage", key]);
    }
    if old != new {
        return Err(Fault::internal("another setting would change"));
    }
    Ok(Some(after))
}

/// Where a new header goes.
enum HeaderPlace {
    /// Directly below its commented-out twin.
    Attached(usize),
    /// As a paragraph of its own.
    Free(usize),
}

fn commented_header(line: &str) -> bool {
    line.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n'])
        .strip_prefix('#')
        .is_some_and(|rest| rest.trim() == "[storage]")
}

/// Where a new `[storage]` header goes: below a commented-out one, else before
/// the paragraph of a commented-out example of the array, else before the first
/// header, else at the end.
fn new_header_place(doc: &Document) -> HeaderPlace {
    let text = doc.text();
    let first_header = doc.headers().first().map(|header| place::comment_start(doc, header.start));
    let end = first_header.unwrap_or(text.len());
    let mut at = 0;
    while at < end {
        let next = style::next_line(text, at);
        if commented_header(&text[at..next]) {
            return HeaderPlace::Attached(next);
        }
        at = next;
    }
    HeaderPlace::Free(match place::example(doc, 0, end) {
        Some(example) => place::comment_start(doc, example.start),
        None => end,
    })
}
