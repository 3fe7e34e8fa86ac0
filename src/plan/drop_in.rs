//! Our own drop-in: the file by which engines that read drop-ins see what another
//! drop-in would hide from them.
//!
//! It holds as little as it can: what is missing behind the others, or the whole
//! list. Comments say whose an entry is: a mark, as in the main file, if a
//! declaration's; "listed elsewhere too" if the whole list is here only for its
//! order; nothing if an administrator added it. What the whole list leaves out is
//! said in a comment as well, so that a store which somebody lists later is known
//! from one that was taken off, and what normal users cannot use from both.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::directory;
use super::generations::ListChange;
use super::host::Host;
use super::single_users::{self, OwnFiles};
use super::{After, FileChange};
use crate::conf::{self, Document, Mark, clean, quoted};
use crate::engine::{FileRole, ReadFile, Reading, View};
use crate::judgement::Identity;
use crate::problem::Problem;

/// The names of our own drop-in: the first that is read behind all others that
/// set the array.
const NAMES: [&str; 3] = ["99-storagectl.conf", "zz-storagectl.conf", "~storagectl.conf"];

const HEAD: &str = "# Written by storagectl, for engines that read drop-ins.\n";
/// How the whole list ends: what other files list does not count.
const WHOLE: &str = "  {append=false},\n]\n";
/// How a list ends that is added to what other files list.
const MORE: &str = "  {append=true},\n]\n";
const ELSEWHERE: &str = "# listed elsewhere too";
const LEFT_OUT: &str = "# taken off: ";
const MISSING: &str = "# missing at boot: ";
const CLOSED: &str = "# not for normal users: ";

/// Whether a file may set the list: its text names the key.
pub(super) fn names_list(file: &ReadFile) -> bool {
    file.text.to_ascii_lowercase().contains("additionalimagestores")
}

/// The drop-in, other than our own, that sets the list last in `reading`.
pub(super) fn hides_main<'a>(reading: &'a Reading, own: &OwnDropIn) -> Option<&'a Path> {
    let sets = |file: &&ReadFile| file.kind == FileRole::DropIn && !own.is_at(&file.path) && names_list(file);
    reading.files.iter().rfind(sets).map(|file| file.path.as_path())
}

/// An entry of our own drop-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DropInEntry {
    /// The store, cleaned.
    pub(super) path: String,
    /// The comment behind it.
    pub(super) comment: Option<String>,
}

impl DropInEntry {
    /// Whose it is, if it is for a declaration.
    pub(super) fn mark(&self) -> Option<Mark> {
        self.comment.as_deref().and_then(Mark::parse)
    }

    /// Whether it stands here only for the order of the list.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.comment.as_deref() == Some(ELSEWHERE)
    }
}

/// Our own drop-in as one reader finds it: where it is or would be, and what it holds.
#[derive(Debug, Clone)]
pub(super) struct OwnDropIn {
    /// Where it is.
    pub(super) path: Option<PathBuf>,
    pub(super) text: Option<String>,
    /// The place for all readers; `None` if others have all names that it may have.
    shared: Option<PathBuf>,
    /// The place for this reader alone, which hides the other by its name.
    pub(super) alone: Option<PathBuf>,
}

impl OwnDropIn {
    /// The one that this reader finds, or the place for a new one beside those that the
    /// modern generation reads now.
    ///
    /// The same name in the directory for root or for users hides the shared one.
    pub(super) fn find(host: &Host, now: &Reading, identity: Identity) -> Result<Self, Problem> {
        let [dir, of_root, of_users] = host.drop_in_dirs();
        let alone_dir = match identity {
            Identity::Root => Some(of_root.clone()),
            Identity::OrdinaryUser => Some(of_users.clone()),
            Identity::ThisUser => None,
        };
        let place = |name: &str| (dir.join(name), alone_dir.as_ref().map(|dir| dir.join(name)));
        for name in NAMES {
            let (shared, alone) = place(name);
            for path in alone.clone().into_iter().chain([shared.clone()]) {
                if let Some(text) = own_text(host, &path)? {
                    return Ok(Self { path: Some(path), text: Some(text), shared: Some(shared), alone });
                }
            }
        }
        let dirs = if alone_dir.is_some() { vec![&dir, &of_root, &of_users] } else { vec![&dir] };
        let (shared, alone) = free_name(host, now, &dirs)?.map(place).unzip();
        Ok(Self { path: None, text: None, shared, alone: alone.flatten() })
    }

    /// Whether this is one of its places.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        [&self.shared, &self.alone].into_iter().flatten().any(|place| place == path)
    }

    /// The stores that drop-ins of others list, whether engines see them or not.
    pub(super) fn others(&self, reading: &Reading) -> Vec<String> {
        let others = |file: &&ReadFile| file.kind == FileRole::DropIn && !self.is_at(&file.path);
        let docs =
            reading.files.iter().filter(others).filter_map(|file| Document::parse(file.text.as_ref()).ok());
        docs.flat_map(|doc| conf::commented_items(&doc).unwrap_or_default())
            .map(|(path, _)| clean(&path))
            .collect()
    }

    /// Whether it is for normal users.
    fn is_of_users(&self, host: &Host) -> bool {
        let [_, _, dir] = host.drop_in_dirs();
        self.alone.as_ref().is_some_and(|alone| alone.starts_with(dir))
    }

    /// Why it cannot be made, if it is not there and others have all of its names.
    pub(super) fn refused(&self) -> Option<Problem> {
        self.shared.is_none().then(|| {
            Problem::new(
                "store-unseen",
                format!("drop-ins named `{}` exist, and none is storagectl's", NAMES.join("`, `")),
                "rename one of them; `--engine legacy` leaves podman 6 out",
            )
        })
    }

    /// The same with another text.
    pub(super) fn holding(&self, text: Option<String>) -> Self {
        Self { text, ..self.clone() }
    }

    /// The host as this reader finds it if the drop-in held `text`.
    pub(super) fn view<'a>(&self, host: &'a Host, text: Option<&str>) -> View<'a> {
        let view = host.view();
        let Some(shared) = self.shared.clone().filter(|_| self.text.is_some() || text.is_some()) else {
            // Nothing is there, and nothing comes: what was asked of the host counts.
            return view;
        };
        let view = view.with(shared, text.map(str::to_owned));
        match &self.alone {
            Some(alone) if self.text.is_some() => view.with(alone.clone(), None),
            _ => view,
        }
    }

    /// The entries that it holds; none if it cannot be parsed.
    pub(super) fn items(&self) -> Vec<DropInEntry> {
        let text = self.text.clone().unwrap_or_default();
        let items = Document::parse(text).ok().and_then(|doc| conf::commented_items(&doc).ok());
        let item = |(path, comment): (String, Option<String>)| DropInEntry { path: clean(&path), comment };
        items.unwrap_or_default().into_iter().map(item).collect()
    }

    /// Whose its entry for `path` is, if it says so.
    pub(super) fn mark(&self, path: &str) -> Option<Mark> {
        self.items().into_iter().find(|item| item.path == path)?.mark()
    }

    /// Whether it lists `path` for nobody's declaration.
    pub(super) fn lists_by_hand(&self, path: &str) -> bool {
        self.items().iter().any(|item| item.path == path && !item.is_elsewhere() && item.mark().is_none())
    }

    /// The stores that it takes off, for as long as they are listed elsewhere.
    pub(super) fn taken_off(&self) -> Vec<String> {
        self.noted(LEFT_OUT)
    }

    /// The stores that it leaves out until they are there again.
    pub(super) fn missing(&self) -> Vec<String> {
        self.noted(MISSING)
    }

    /// The stores that it leaves out since normal users cannot use them.
    pub(super) fn closed(&self) -> Vec<String> {
        self.noted(CLOSED)
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
    /// missing behind the others, everything. What normal users cannot use (`closed`) is
    /// named where it is left out. `of_main` has the comments behind entries of the main file
    /// that are a declaration's.
    pub(super) fn candidates(
        &self,
        without: &[String],
        goal: &[String],
        closed: &[String],
        change: &ListChange<'_>,
        of_main: &BTreeMap<String, String>,
    ) -> Vec<Option<String>> {
        if self.shared.is_none() {
            return vec![None];
        }
        let items = self.items();
        let comment = |path: &String| match change.comment {
            Some(comment) => comment(self, path),
            None => match items.iter().find(|item| item.path == **path && !item.is_elsewhere()) {
                Some(item) => item.comment.clone(),
                None => of_main.get(path).cloned(),
            },
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
            let prefix = match comes_back {
                true => MISSING,
                false if closed.contains(path) => CLOSED,
                false => LEFT_OUT,
            };
            format!("  {prefix}{}\n", quoted(path))
        });
        let as_is = change.comment.is_none()
            || items.iter().all(|item| without.contains(&item.path) || item.comment == comment(&item.path));
        let mut candidates = Vec::new();
        // Nobody's entry is in it, and nothing is noted.
        let is_spent = items.iter().all(DropInEntry::is_elsewhere)
            && self.taken_off().is_empty()
            && self.missing().is_empty();
        if is_spent {
            candidates.push(None);
        }
        if as_is {
            candidates.push(self.text.clone());
        }
        candidates.extend([
            None,
            Some(list(&missing, MORE)),
            Some(list(&all, &(out.collect::<String>() + WHOLE))),
        ]);
        candidates
    }

    /// The changes of files that give every reader its text: one file for all if all get the
    /// same under one name, else one for each that gets any.
    pub(super) fn changes(
        host: &Host,
        texts: &[(&Self, Option<String>)],
    ) -> Result<Vec<FileChange>, Problem> {
        let Some(((first, text), others)) = texts.split_first() else {
            return Ok(Vec::new());
        };
        let alike = others.iter().all(|(own, other)| other == text && own.shared == first.shared);
        let mut wanted = Vec::new();
        for (own, text) in texts {
            if let Some(shared) = &own.shared
                && !wanted.iter().any(|(path, _)| path == shared)
            {
                wanted.push((shared.clone(), text.clone().filter(|_| alike)));
            }
            wanted.extend(own.alone.iter().map(|path| (path.clone(), text.clone().filter(|_| !alike))));
        }
        let mut changes = Vec::new();
        for (path, after) in wanted {
            changes.extend(file_change(host, path, after)?);
        }
        // What comes is written before what goes: nobody loses a store in between.
        changes.sort_by_key(|change| change.after == After::Nothing);
        let of_users = texts.iter().find(|(own, _)| own.is_of_users(host));
        if let Some((shared, text)) = of_users.and_then(|(own, text)| Some((own.shared.as_ref()?, text))) {
            let users = match text {
                Some(text) if text.ends_with(WHOLE) => single_users::with_own_file(host, |_| true),
                _ => OwnFiles::default(),
            };
            let name = shared.file_name().and_then(OsStr::to_str).unwrap_or_default();
            let (hide, show) = single_users::hide(host, name, &users, "which stores there are")?;
            changes.splice(0..0, hide);
            changes.extend(show);
        }
        Ok(changes)
    }
}

/// The name for a new one of ours in any of these directories: behind all drop-ins that set the list,
/// and not in the place of what others have made. `None` if they have made all of them.
///
/// It is one for all who read the host: a file for all of them takes the place of those for some, which
/// would be left beside it under another name if that is stopped half-way.
fn free_name(host: &Host, now: &Reading, dirs: &[&PathBuf]) -> Result<Option<&'static str>, Problem> {
    let (mut taken, mut ours) = (Vec::new(), Vec::new());
    for name in NAMES {
        for path in dirs.iter().map(|dir| dir.join(name)) {
            if own_text(host, &path)?.is_some() {
                ours.push(name);
            } else if matches!(host.root.stat(&path), Ok(Some(_))) {
                taken.push(name);
            }
        }
    }
    let readers = host.readers().into_iter().filter(|reader| reader.profile.is_modern());
    let readings: Vec<_> = readers.map(|reader| reader.read(&host.view())).collect();
    let last = readings
        .iter()
        .flat_map(|reading| &reading.files)
        .chain(&now.files)
        .filter(|file| names_list(file) && !file.text.starts_with(HEAD))
        .filter_map(|file| file.path.file_name()?.to_str())
        .filter(|name| *name != "storage.conf")
        .max()
        .unwrap_or_default();
    // One of the same name hides the others, wherever it is.
    let is_taken = |name: &str| {
        let [.., of_users] = host.drop_in_dirs();
        taken.contains(&name)
            || now.files.iter().any(|file| file.path.ends_with(name))
            || (dirs.contains(&&of_users) && single_users::hide_others(host, &of_users, name))
    };
    let mut free = ours.into_iter().chain(NAMES).filter(|name| !is_taken(name));
    Ok(free.clone().find(|name| *name > last).or_else(|| free.next()))
}

/// What the file at `path` holds if it is ours, without the line about its directory.
fn own_text(host: &Host, path: &Path) -> Result<Option<String>, Problem> {
    let read = host.root.read(path).map_err(host.cannot("read", path))?;
    let text = read.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned());
    let text = text.map(|text| directory::split(&text).0.to_owned());
    // What somebody made their own stays theirs.
    Ok(text.filter(|text| text.starts_with(HEAD)))
}

/// The change that makes a file of ours hold `after`, if it does not, with a line about the
/// directory that was or is made for it.
pub(super) fn file_change(
    host: &Host,
    path: PathBuf,
    after: Option<String>,
) -> Result<Option<FileChange>, Problem> {
    let read = host.root.read(&path).map_err(host.cannot("read", &path))?;
    let before = read.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned());
    let (text, made) = before.as_deref().map(directory::split).unzip();
    if text == after.as_deref() {
        return Ok(None);
    }
    let made = match made {
        Some(made) => made.map(Path::to_owned),
        None => directory::made_for(host, &path).map_err(host.cannot("look at", &path))?,
    };
    let after =
        after.map_or(After::Nothing, |text| After::Text(directory::with_line(&text, made.as_deref())));
    Ok(Some(FileChange { path, before, original: None, after }))
}

fn list(items: &[(String, Option<String>)], rest: &str) -> String {
    let mut text = format!("{HEAD}[storage.options]\nadditionalimagestores = [\n");
    for (raw, comment) in items {
        let comment = comment.as_ref().map(|comment| format!(" {comment}")).unwrap_or_default();
        text += &format!("  {raw},{comment}\n");
    }
    text + rest
}
