//! Our own drop-in: the file by which engines that read drop-ins see what another
//! drop-in would hide from them.
//!
//! It holds as little as it can: what is missing behind the others, or the whole
//! list. Comments say whose an entry is: a mark, as in the main file, if a
//! declaration's; "listed elsewhere too" if the whole list is here only for its
//! order; nothing if an administrator added it. What the whole list leaves out is
//! said in a comment as well, so that a store which somebody lists later is known
//! from one that was taken off.

use std::path::{Path, PathBuf};

use super::generations::Change;
use super::snapshot::Host;
use super::{After, FileChange};
use crate::conf::{self, Document, clean, quoted};
use crate::engine::{FileKind, ReadFile, Reading, View};
use crate::problem::Problem;

/// The names of our own drop-in: the first that is read behind all others that
/// set the array.
const NAMES: [&str; 3] = ["99-storagectl.conf", "zz-storagectl.conf", "~storagectl.conf"];

const HEAD: &str = "# Written by storagectl, for engines that read drop-ins.\n";
const ELSEWHERE: &str = "# listed elsewhere too";
const LEFT_OUT: &str = "# taken off: ";
const MISSING: &str = "# missing at boot: ";

/// Whether a file may set the list: its text names the key.
pub(super) fn names_list(file: &ReadFile) -> bool {
    file.text.to_ascii_lowercase().contains("additionalimagestores")
}

/// The drop-in, other than our own, that sets the list last in `reading`.
pub(super) fn hides_main<'a>(reading: &'a Reading, own: &Path) -> Option<&'a Path> {
    let sets = |file: &&ReadFile| file.kind == FileKind::DropIn && file.path != own && names_list(file);
    reading.files.iter().rfind(sets).map(|file| file.path.as_path())
}

/// An entry of our own drop-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// The store, cleaned.
    pub(super) path: String,
    /// The comment behind it.
    pub(super) comment: Option<String>,
}

impl Item {
    /// Whether it stands here only for the order of the list.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.comment.as_deref() == Some(ELSEWHERE)
    }
}

/// Where our own drop-in is or would be, and what it holds.
pub(super) struct OwnDropIn {
    pub(super) path: PathBuf,
    pub(super) text: Option<String>,
}

impl OwnDropIn {
    /// The one that is there, or the place for a new one beside those that the
    /// modern generation reads now.
    pub(super) fn find(host: &Host, now: &Reading) -> Result<Self, Problem> {
        let dir = host.drop_in_dir();
        for name in NAMES {
            let path = dir.join(name);
            let read = host.root.read(&path).map_err(host.cannot("read", &path))?;
            if let Some((bytes, _)) = read {
                return Ok(Self { path, text: Some(String::from_utf8_lossy(&bytes).into_owned()) });
            }
        }
        let last = now
            .files
            .iter()
            .filter(|file| names_list(file))
            .filter_map(|file| file.path.file_name()?.to_str())
            .filter(|name| *name != "storage.conf")
            .max()
            .unwrap_or_default();
        let name = NAMES.into_iter().find(|name| *name > last).unwrap_or(NAMES[2]);
        Ok(Self { path: dir.join(name), text: None })
    }

    pub(super) fn view<'a>(&self, host: &'a Host, text: Option<&str>) -> View<'a> {
        host.view().with(self.path.clone(), text.map(str::to_owned))
    }

    /// The entries that it holds; none if it cannot be parsed.
    pub(super) fn items(&self) -> Vec<Item> {
        let text = self.text.clone().unwrap_or_default();
        let items = Document::parse(text).ok().and_then(|doc| conf::commented_items(&doc).ok());
        let item = |(path, comment): (String, Option<String>)| Item { path: clean(&path), comment };
        items.unwrap_or_default().into_iter().map(item).collect()
    }

    /// The stores that it takes off, for as long as they are listed elsewhere.
    pub(super) fn taken_off(&self) -> Vec<String> {
        self.noted(LEFT_OUT)
    }

    /// The stores that it leaves out until they are there again.
    pub(super) fn missing(&self) -> Vec<String> {
        self.noted(MISSING)
    }

    fn noted(&self, prefix: &str) -> Vec<String> {
        let lines = self.text.as_deref().unwrap_or_default().lines();
        let quoted = lines.filter_map(|line| line.trim().strip_prefix(prefix));
        quoted
            .filter_map(|raw| Document::parse(format!("x = {raw}\n")).ok()?.string(&["x"]).ok()?)
            .map(|path| clean(&path))
            .collect()
    }

    /// What the file could hold, the least first: what it holds, nothing, what is
    /// missing behind the others, everything.
    pub(super) fn candidates(
        &self,
        without: &[String],
        goal: &[String],
        change: &Change<'_>,
    ) -> Vec<Option<String>> {
        let items = self.items();
        let comment = |path: &String| match change.comment {
            Some(comment) => comment(path),
            None => items.iter().find(|item| item.path == **path && !item.is_elsewhere())?.comment.clone(),
        };
        let line = |path: &String| (quoted(path), comment(path));
        let missing: Vec<_> = goal.iter().filter(|path| !without.contains(path)).map(line).collect();
        let all: Vec<_> = goal
            .iter()
            .map(|path| match without.contains(path) {
                true => (quoted(path), Some(ELSEWHERE.to_owned())),
                false => line(path),
            })
            .collect();
        let missing_before = if change.comment.is_none() { self.missing() } else { Vec::new() };
        let out = without.iter().filter(|path| !goal.contains(path)).map(|path| {
            let comes_back = change.missing.contains(path) || missing_before.contains(path);
            let prefix = if comes_back { MISSING } else { LEFT_OUT };
            format!("  {prefix}{}\n", quoted(path))
        });
        let as_is = change.comment.is_none()
            || items.iter().all(|item| without.contains(&item.path) || item.comment == comment(&item.path));
        let mut candidates = Vec::new();
        // Nobody's entry is in it, and nothing is noted.
        let is_spent =
            items.iter().all(Item::is_elsewhere) && self.taken_off().is_empty() && self.missing().is_empty();
        if change.comment.is_some() && is_spent {
            candidates.push(None);
        }
        if as_is {
            candidates.push(self.text.clone());
        }
        candidates.extend([
            None,
            Some(list(&missing, true, "")),
            Some(list(&all, false, &out.collect::<String>())),
        ]);
        candidates
    }

    pub(super) fn change(&self, text: Option<String>) -> Option<FileChange> {
        if text == self.text {
            return None;
        }
        Some(FileChange {
            path: self.path.clone(),
            before: self.text.clone(),
            original: None,
            after: text.map_or(After::Nothing, After::Text),
        })
    }
}

fn list(items: &[(String, Option<String>)], append: bool, left_out: &str) -> String {
    let mut text = format!("{HEAD}[storage.options]\nadditionalimagestores = [\n");
    for (raw, comment) in items {
        let comment = comment.as_ref().map(|comment| format!(" {comment}")).unwrap_or_default();
        text += &format!("  {raw},{comment}\n");
    }
    text + left_out + &format!("  {{append={append}}},\n]\n")
}
