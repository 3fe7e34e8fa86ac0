//! Adding, placing and removing stores: document in, document out.
//!
//! Each function returns a document in which the array holds what was asked for
//! and every other byte is as before; [`spliced`] proves it of the values.

use super::array::{Anchor, ArraySpans, CutItem};
use super::beside_ours::edited_beside_ours;
use super::document::{Document, Fault, Leaf};
use super::key_case::is_same;
use super::made::without_empty_array;
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
/// cleaned. `None` if all stand where they should.
///
/// # Errors
/// [`EditError`] if the document cannot be edited or names no such neighbour.
pub fn add(doc: &Document, paths: &[String], position: &Position) -> Result<Option<Document>, EditError> {
    let mut wanted: Vec<String> = Vec::new();
    for path in paths.iter().map(|path| clean(path)) {
        if !wanted.contains(&path) {
            wanted.push(path);
        }
    }
    let listed: Vec<String> = StoreList::paths(doc)?.iter().map(|path| clean(path)).collect();
    let beside = match position {
        Position::Before(other) | Position::After(other) => clean(other),
        _ => String::new(),
    };
    if !beside.is_empty() && (!listed.contains(&beside) || wanted.contains(&beside)) {
        return Err(EditError::NotListed(beside));
    }
    if stands(&listed, &wanted, position) {
        return Ok(None);
    }
    let order: Vec<&String> = match position {
        Position::Any => wanted.iter().filter(|path| !listed.contains(path)).collect(),
        Position::Last | Position::Before(_) => wanted.iter().collect(),
        Position::First | Position::After(_) => wanted.iter().rev().collect(),
    };
    let mut edited: Option<Document> = None;
    for path in order {
        let target = |list: &[String]| match position {
            Position::Any | Position::Last => LAST,
            Position::First => Anchor::Before(0),
            Position::Before(_) => Anchor::Before(index_of(list, &beside)),
            Position::After(_) => Anchor::Behind(index_of(list, &beside)),
        };
        edited = Some(put(edited.as_ref().unwrap_or(doc), path, target)?);
    }
    Ok(edited.map(|edited| edited_beside_ours(doc, edited)).transpose()?)
}

/// What [`add`] makes of a list of cleaned paths.
///
/// # Errors
/// As [`add`].
pub fn add_to_list(list: &[String], paths: &[String], position: &Position) -> Result<Vec<String>, EditError> {
    let items: Vec<String> = list.iter().map(|path| style::quote(path, None)).collect();
    let doc =
        Document::parse(format!("[storage.options]\nadditionalimagestores = [{}]\n", items.join(", ")))?;
    let edited = add(&doc, paths, position)?;
    Ok(StoreList::paths(edited.as_ref().unwrap_or(&doc))?)
}

/// Removes every entry whose path as the engine reads it satisfies `gone`, with
/// the comments that belong to it; and with the last entry what was made for it.
/// `None` if there is none.
pub fn remove(doc: &Document, gone: impl Fn(&str) -> bool) -> Result<Option<Document>, Fault> {
    let apart = |edited| without_empty_array(edited_beside_ours(doc, edited)?);
    remove_entries(doc, gone)?.map(apart).transpose()
}

pub(super) fn remove_entries(doc: &Document, gone: impl Fn(&str) -> bool) -> Result<Option<Document>, Fault> {
    let mut edited: Option<Document> = None;
    loop {
        let doc = edited.as_ref().unwrap_or(doc);
        let Some(list) = StoreList::of(doc)? else {
            return Ok(edited);
        };
        let Some(index) = list.entries.iter().position(|entry| gone(&entry.path)) else {
            return Ok(edited);
        };
        edited = Some(remove_at(doc, index)?);
    }
}

/// Removes the entry at `index`, which must be there.
pub(super) fn remove_at(doc: &Document, index: usize) -> Result<Document, Fault> {
    let list = StoreList::of(doc)?.expect("the entry is in the array");
    let splices = ArraySpans::new(doc.text(), &list).remove(index);
    let mut wanted: Vec<String> = list.entries.into_iter().map(|entry| entry.path).collect();
    wanted.remove(index);
    spliced(doc, splices, &wanted)
}

/// The first item with this path, as the engine reads it, with the comments that
/// belong to it.
pub fn copy(doc: &Document, path: &str) -> Result<Option<CutItem>, Fault> {
    let Some(list) = StoreList::of(doc)? else {
        return Ok(None);
    };
    let index = list.entries.iter().position(|entry| entry.path == path);
    Ok(index.map(|index| ArraySpans::new(doc.text(), &list).copy(index)))
}

/// Puts an item that was cut out back behind the entry `behind`, or first.
pub fn restore(doc: &Document, item: &CutItem, behind: Option<&str>) -> Result<Document, Fault> {
    insert(doc, item, |list| match behind {
        None => Anchor::Before(0),
        Some(other) => list.iter().position(|path| path == other).map_or(LAST, Anchor::Behind),
    })
}

/// Behind all others.
const LAST: Anchor = Anchor::Behind(usize::MAX);

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
pub(super) fn put(
    doc: &Document,
    path: &str,
    target: impl Fn(&[String]) -> Anchor,
) -> Result<Document, Fault> {
    let Some(list) = StoreList::of(doc)? else {
        return insert(doc, &CutItem::bare(style::quote(path, None)), target);
    };
    let array = ArraySpans::new(doc.text(), &list);
    match list.entries.iter().position(|entry| entry.clean() == path) {
        Some(index) => {
            let item = array.copy(index);
            let rest = remove_entries(doc, |other| clean(other) == path)?;
            insert(rest.as_ref().unwrap_or(doc), &item, target)
        }
        None => {
            let neighbour = array.len().checked_sub(1).map(|last| array.raw(last));
            insert(doc, &CutItem::bare(style::quote(path, neighbour)), target)
        }
    }
}

fn insert(doc: &Document, item: &CutItem, target: impl Fn(&[String]) -> Anchor) -> Result<Document, Fault> {
    let line = Document::parse(format!("x = {}\n", item.raw))?;
    let value = line.string(&["x"])?.unwrap_or_default();
    let Some(list) = StoreList::of(doc)? else {
        return spliced(doc, place::new_array(doc, item)?, &[value]);
    };
    let cleaned: Vec<String> = list.entries.iter().map(super::StoreEntry::clean).collect();
    insert_at(doc, &list, item, &value, target(&cleaned))
}

/// Puts `item`, which reads as `value`, into the array beside the entry that `anchor` names.
pub(super) fn insert_at(
    doc: &Document,
    list: &StoreList,
    item: &CutItem,
    value: &str,
    anchor: Anchor,
) -> Result<Document, Fault> {
    let key_indent = style::indentation(doc.text(), list.span.start);
    let splices = ArraySpans::new(doc.text(), list).insert(anchor, item, key_indent);
    let mut wanted: Vec<String> = list.entries.iter().map(|entry| entry.path.clone()).collect();
    wanted.insert(anchor.index(wanted.len()), value.to_owned());
    spliced(doc, splices, &wanted)
}

/// Applies `splices` and proves the post-condition of every edit: the array
/// holds `wanted`, and every other value is as it was.
pub(super) fn spliced(before: &Document, splices: Vec<Splice>, wanted: &[String]) -> Result<Document, Fault> {
    let after = Splice::apply(before.text(), splices);
    let doc = Document::parse(after).map_err(|fault| Fault::internal(&fault.message))?;
    if StoreList::paths(&doc)? != wanted {
        return Err(Fault::internal("the result would be another list of stores"));
    }
    let (mut old, mut new) = (before.to_leaf(), doc.to_leaf());
    forget(&mut old, &KEY);
    forget(&mut new, &KEY);
    if old != new {
        return Err(Fault::internal("another setting would change"));
    }
    Ok(doc)
}

/// Removes the value at `path`, and tables on the way that are empty then.
pub(super) fn forget(leaf: &mut Leaf, path: &[&str]) {
    let Leaf::Table(table) = leaf else {
        return;
    };
    let Some((name, rest)) = path.split_first() else {
        return;
    };
    let Some(key) = table.keys().find(|key| is_same(key, name)).cloned() else {
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
