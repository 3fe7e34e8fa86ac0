//! Adding, placing and removing stores: text in, text out.
//!
//! Each function returns text in which the array holds what was asked for and
//! every other byte is as before; [`check`] proves both by parsing the result.

use super::array::{Anatomy, Anchor, Cut};
use super::document::{Document, Fault, Leaf};
use super::place;
use super::splice::Splice;
use super::stores::{KEY, StoreList, clean};
use super::style;

/// Where a store goes. The order decides which store serves an image that
/// several have: the first one that has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Position {
    /// Behind what is listed; a store that is listed already stays where it is.
    #[default]
    Any,
    /// Before all others.
    First,
    /// Behind all others.
    Last,
    /// Somewhere before this store; directly before it if it has to be placed.
    Before(String),
    /// Somewhere behind this store; directly behind it if it has to be placed.
    After(String),
}

/// Why an edit is not possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditError {
    /// The document is not what it must be.
    Fault(Fault),
    /// The store that another one should stand before or behind is not listed.
    NotListed(String),
}

impl From<Fault> for EditError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Adds `paths`, in this order, at `position`. Paths are compared and written
/// cleaned. The text comes back unchanged if all stand where they should.
///
/// # Errors
/// [`EditError`] if the document cannot be edited or names no such neighbour.
pub fn add(text: &str, paths: &[String], position: &Position) -> Result<String, EditError> {
    let mut wanted: Vec<String> = Vec::new();
    for path in paths.iter().map(|path| clean(path)) {
        if !wanted.contains(&path) {
            wanted.push(path);
        }
    }
    let listed = listed(text)?;
    if let Position::Before(other) | Position::After(other) = position {
        let other = clean(other);
        if !listed.contains(&other) || wanted.contains(&other) {
            return Err(EditError::NotListed(other));
        }
    }
    if stands(&listed, &wanted, position) {
        return Ok(text.to_owned());
    }
    let mut out = text.to_owned();
    match position {
        Position::Any => {
            for path in wanted.iter().filter(|path| !listed.contains(path)) {
                out = put(&out, path, |_| LAST)?;
            }
        }
        Position::Last => {
            for path in &wanted {
                out = put(&out, path, |_| LAST)?;
            }
        }
        Position::First => {
            for path in wanted.iter().rev() {
                out = put(&out, path, |_| Anchor::Before(0))?;
            }
        }
        Position::Before(other) => {
            let other = clean(other);
            for path in &wanted {
                out = put(&out, path, |list| Anchor::Before(index_of(list, &other)))?;
            }
        }
        Position::After(other) => {
            let other = clean(other);
            for path in wanted.iter().rev() {
                out = put(&out, path, |list| Anchor::Behind(index_of(list, &other)))?;
            }
        }
    }
    Ok(out)
}

/// Removes every entry whose path as the engine reads it satisfies `gone`, with
/// the comments that belong to it.
///
/// # Errors
/// [`Fault`] if the document cannot be edited.
pub fn remove(text: &str, gone: impl Fn(&str) -> bool) -> Result<String, Fault> {
    let mut out = text.to_owned();
    loop {
        let doc = Document::parse(out.as_str())?;
        let Some(list) = StoreList::of(&doc)? else {
            return Ok(out);
        };
        let Some(index) = list.entries.iter().position(|entry| gone(&entry.path)) else {
            return Ok(out);
        };
        out = Splice::apply(doc.text(), Anatomy::new(doc.text(), &list).remove(index));
        check(&doc, &out, &without(&list, index))?;
    }
}

/// The first item with this path, as the engine reads it, with the comments that
/// belong to it.
///
/// # Errors
/// [`Fault`] if the document cannot be edited.
pub fn copy(doc: &Document, path: &str) -> Result<Option<Cut>, Fault> {
    let Some(list) = StoreList::of(doc)? else {
        return Ok(None);
    };
    let index = list.entries.iter().position(|entry| entry.path == path);
    Ok(index.map(|index| Anatomy::new(doc.text(), &list).copy(index)))
}

/// Puts an item that was cut out back behind the entry `behind`, or first.
///
/// # Errors
/// [`Fault`] if the document cannot be edited.
pub fn restore(text: &str, item: &Cut, behind: Option<&str>) -> Result<String, Fault> {
    insert(text, item, |list| match behind {
        None => Anchor::Before(0),
        Some(other) => list.iter().position(|path| path == other).map_or(LAST, Anchor::Behind),
    })
}

/// Behind all others.
const LAST: Anchor = Anchor::Behind(usize::MAX);

fn listed(text: &str) -> Result<Vec<String>, Fault> {
    let doc = Document::parse(text)?;
    Ok(StoreList::paths(&doc)?.iter().map(|path| clean(path)).collect())
}

fn index_of(list: &[String], path: &str) -> usize {
    list.iter().position(|other| other == path).unwrap_or(list.len())
}

/// Whether `wanted` stand in `listed` as `position` asks.
fn stands(listed: &[String], wanted: &[String], position: &Position) -> bool {
    let places: Option<Vec<usize>> =
        wanted.iter().map(|path| listed.iter().position(|other| other == path)).collect();
    let Some(places) = places else {
        return false;
    };
    let in_order = places.is_sorted();
    match position {
        Position::Any => true,
        Position::First => listed.starts_with(wanted),
        Position::Last => listed.ends_with(wanted),
        Position::Before(other) => {
            in_order && places.last().is_none_or(|&last| last < index_of(listed, &clean(other)))
        }
        Position::After(other) => {
            in_order && places.first().is_none_or(|&first| first > index_of(listed, &clean(other)))
        }
    }
}

/// Takes `path` out, if it is there, and puts it where `target` says for the
/// remaining list.
fn put(text: &str, path: &str, target: impl Fn(&[String]) -> Anchor) -> Result<String, Fault> {
    let doc = Document::parse(text)?;
    let mut item = None;
    let mut quoting = None;
    if let Some(list) = StoreList::of(&doc)? {
        let anatomy = Anatomy::new(text, &list);
        item = list.entries.iter().position(|entry| entry.clean() == path).map(|index| anatomy.copy(index));
        quoting = (anatomy.len() > 0).then(|| anatomy.raw(anatomy.len() - 1).to_owned());
    }
    let item = item.unwrap_or_else(|| Cut::bare(style::quote(path, quoting.as_deref())));
    let rest = remove(text, |other| clean(other) == path)?;
    insert(&rest, &item, target)
}

fn insert(text: &str, item: &Cut, target: impl Fn(&[String]) -> Anchor) -> Result<String, Fault> {
    let doc = Document::parse(text)?;
    let value = Document::parse(format!("x = {}\n", item.raw))
        .and_then(|line| line.string(&["x"]))?
        .unwrap_or_default();
    let Some(list) = StoreList::of(&doc)? else {
        let out = Splice::apply(text, place::new_array(&doc, item)?);
        check(&doc, &out, &[value])?;
        return Ok(out);
    };
    let cleaned: Vec<String> = list.entries.iter().map(super::Entry::clean).collect();
    let anchor = target(&cleaned);
    let key_indent = style::indentation(text, list.span.start);
    let out = Splice::apply(text, Anatomy::new(text, &list).insert(anchor, item, key_indent));
    let mut wanted: Vec<String> = list.entries.into_iter().map(|entry| entry.path).collect();
    wanted.insert(anchor.index(cleaned.len()), value);
    check(&doc, &out, &wanted)?;
    Ok(out)
}

fn without(list: &StoreList, index: usize) -> Vec<String> {
    let mut paths: Vec<String> = list.entries.iter().map(|entry| entry.path.clone()).collect();
    paths.remove(index);
    paths
}

/// The post-condition of every edit: the array holds `wanted`, and every other
/// value is as it was.
fn check(before: &Document, after: &str, wanted: &[String]) -> Result<(), Fault> {
    let doc = Document::parse(after).map_err(|fault| Fault::internal(&fault.message))?;
    if StoreList::paths(&doc)? != wanted {
        return Err(Fault::internal("another list of stores would come out"));
    }
    let (mut old, mut new) = (before.to_leaf(), doc.to_leaf());
    forget(&mut old, &KEY);
    forget(&mut new, &KEY);
    if old != new {
        return Err(Fault::internal("another setting would change"));
    }
    Ok(())
}

/// Removes the value at `path`, and tables on the way that are empty then.
pub(super) fn forget(leaf: &mut Leaf, path: &[&str]) {
    let Leaf::Table(table) = leaf else {
        return;
    };
    let Some((name, rest)) = path.split_first() else {
        return;
    };
    let Some(key) = table.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned() else {
        return;
    };
    if rest.is_empty() {
        table.remove(&key);
        return;
    }
    let child = table.get_mut(&key).expect("the key was just found");
    forget(child, rest);
    if matches!(child, Leaf::Table(inner) if inner.is_empty()) {
        table.remove(&key);
    }
}
