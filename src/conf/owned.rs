//! The entries that storagectl owns: what the array holds, with the marks.

use super::array::{Anchor, ArraySpans, CutItem};
use super::aside::RestoredDocument;
use super::document::{Document, Fault};
use super::edit;
use super::made::without_empty_array;
use super::mark::Mark;
use super::stores::{KEY, StoreList};
use super::{place, style};

/// An entry of the array with its mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedEntry {
    /// The path as the engine reads it, uncleaned.
    pub path: String,
    /// The declaration that it comes from; `None` for an entry of somebody else.
    pub mark: Option<Mark>,
}

/// The entries of the array with their marks; none if there is no array.
///
/// # Errors
/// As [`StoreList::of`].
pub fn listed(doc: &Document) -> Result<Vec<MarkedEntry>, Fault> {
    let Some(list) = StoreList::of(doc)? else {
        return Ok(Vec::new());
    };
    let array = ArraySpans::new(doc.text(), &list);
    let marks = (0..array.len()).map(|index| array.mark(index));
    Ok(list
        .entries
        .iter()
        .zip(marks)
        .map(|(entry, mark)| MarkedEntry { path: entry.path.clone(), mark })
        .collect())
}

/// Makes the array hold `wanted`, by taking marked entries out and putting marked
/// entries in. Entries without a mark stay as they are: those of `wanted` must be
/// those of the document, in their order. `None` if nothing changes.
///
/// # Errors
/// [`Fault`] if the document cannot be edited, or `wanted` lacks an entry without a mark.
pub fn arrange(doc: &Document, wanted: &[MarkedEntry]) -> Result<Option<Document>, Fault> {
    if listed(doc)? == wanted {
        return Ok(None);
    }
    let edit = |whole: RestoredDocument| {
        let all = with_asides(listed(&whole.doc)?.into_iter().zip(whole.aside).collect(), wanted);
        let (all, aside): (Vec<MarkedEntry>, Vec<bool>) = all.into_iter().unzip();
        let edited = RestoredDocument { doc: arrange_whole(&whole.doc, &all)?, aside }.without_asides()?;
        if listed(&edited)? == wanted {
            Ok(edited)
        } else {
            Err(Fault::internal("other marks would come out"))
        }
    };
    RestoredDocument::edit(doc, edit).and_then(without_empty_array).map(Some)
}

/// `wanted` with what is set aside in `all`, behind what it stands behind there.
fn with_asides(all: Vec<(MarkedEntry, bool)>, wanted: &[MarkedEntry]) -> Vec<(MarkedEntry, bool)> {
    let present: Vec<MarkedEntry> =
        all.iter().filter(|(_, aside)| !aside).map(|(entry, _)| entry.clone()).collect();
    let kept = kept(&present, wanted);
    let mut behind: Vec<Vec<MarkedEntry>> = vec![Vec::new(); wanted.len() + 1];
    let (mut seen, mut place) = (0, 0);
    for (entry, aside) in all {
        if aside {
            behind[place].push(entry);
            continue;
        }
        if let Some((_, new)) = kept.iter().find(|(old, _)| *old == seen) {
            place = new + 1;
        }
        seen += 1;
    }
    let mut out = Vec::new();
    for (place, asides) in behind.into_iter().enumerate() {
        out.extend(place.checked_sub(1).map(|index| (wanted[index].clone(), false)));
        out.extend(asides.into_iter().map(|entry| (entry, true)));
    }
    out
}

/// Arranges a document in which nothing is set aside.
fn arrange_whole(doc: &Document, wanted: &[MarkedEntry]) -> Result<Document, Fault> {
    let mut list = listed(doc)?;
    let theirs = |list: &[MarkedEntry]| {
        list.iter().filter(|entry| entry.mark.is_none()).map(|entry| entry.path.clone()).collect::<Vec<_>>()
    };
    if theirs(&list) != theirs(wanted) {
        return Err(Fault::internal("entries of others would change"));
    }
    let mut doc = match StoreList::of(doc)? {
        Some(_) => doc.clone(),
        None => with_empty_array(doc)?,
    };
    let kept = kept(&list, wanted);
    for index in (0..list.len()).rev().filter(|index| !kept.iter().any(|(old, _)| old == index)) {
        doc = edit::remove_at(&doc, index)?;
        list.remove(index);
    }
    for (index, entry) in wanted.iter().enumerate() {
        if list.get(index) != Some(entry) {
            doc = insert(&doc, index, entry)?;
            list.insert(index, entry.clone());
        }
    }
    Ok(doc)
}

/// The document without its marked entries.
pub fn without_marked(doc: &Document) -> Result<Document, Fault> {
    let theirs: Vec<MarkedEntry> = listed(doc)?.into_iter().filter(|entry| entry.mark.is_none()).collect();
    Ok(arrange(doc, &theirs)?.unwrap_or_else(|| doc.clone()))
}

/// The string items of the array with the comment behind each on its line, also
/// where the array holds attributes such as `{append=true}`.
///
/// # Errors
/// As [`Document::attributed_list`].
pub fn commented_items(doc: &Document) -> Result<Vec<(String, Option<String>)>, Fault> {
    let Some(list) = doc.attributed_list()? else {
        return Ok(Vec::new());
    };
    let (_, array) = doc.find(&KEY)?.expect("the list was just read from it");
    let array = array.as_array().expect("the list was just read from it");
    let spans: Vec<_> = array.iter().filter_map(toml_edit::Value::span).collect();
    let array = ArraySpans::of_spans(doc.text(), array.span().unwrap_or_default(), spans.iter().cloned());
    let comment = |start: usize| {
        let index = spans.iter().position(|span| span.start == start)?;
        array.copy(index).behind
    };
    Ok(list.items.into_iter().map(|(path, start)| (path, comment(start))).collect())
}

/// Pairs of indexes in `list` and in `wanted`, ascending, that hold the same. All
/// entries without a mark are among them.
fn kept(list: &[MarkedEntry], wanted: &[MarkedEntry]) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let mut from = 0;
    for (new, entry) in wanted.iter().enumerate() {
        // An entry of others is not passed by: it has to be kept itself.
        let reach =
            list[from..].iter().position(|other| other.mark.is_none()).map_or(list.len(), |at| from + at + 1);
        if let Some(at) = list[from..reach].iter().position(|other| other == entry) {
            pairs.push((from + at, new));
            from += at + 1;
        }
    }
    pairs
}

fn insert(doc: &Document, index: usize, entry: &MarkedEntry) -> Result<Document, Fault> {
    let mark = entry.mark.as_ref().ok_or_else(|| Fault::internal("an entry of others would be added"))?;
    let list = StoreList::of(doc)?.expect("the array was made before");
    let neighbour = list.entries.last().map(|last| &doc.text()[last.span.clone()]);
    let item = CutItem {
        raw: style::quote(&entry.path, neighbour),
        behind: Some(mark.text()),
        ..CutItem::default()
    };
    edit::insert_at(doc, &list, &item, &entry.path, Anchor::Before(index))
}

/// The document with an array that is empty, as it stays behind when the only
/// entry is removed.
pub(super) fn with_empty_array(doc: &Document) -> Result<Document, Fault> {
    const PROBE: &str = "/storagectl-probe";
    let item = CutItem::bare(style::quote(PROBE, None));
    let doc = edit::spliced(doc, place::new_array(doc, &item)?, &[PROBE.to_owned()])?;
    edit::remove_at(&doc, 0)
}
