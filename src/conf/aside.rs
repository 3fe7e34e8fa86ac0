//! Entries that are set aside: commented out while what they name is not there.
//!
//! An entry is set aside by insertions only, and putting it back takes out what
//! was inserted: one that has its line to itself gets [`WHOLE_LINE`] before it, one
//! that shares it moves to a line of its own behind [`FROM_THIS_LINE`], whose line
//! breaks go with it again. The comma behind an entry is set aside with it, or in
//! lists whose lines start with commas the one before it: one comma at an end of
//! what stays would be one too many for TOML 1.0, or two in a row.
//!
//! Everything that is done while entries are set aside happens to the document in
//! which they are put back, and then the same ones are set aside again. So bytes
//! come back whatever was done in between and in whatever order.

use std::ops::Range;

use super::array::ArraySpans;
use super::document::{Document, Fault};
use super::edit::spliced;
use super::splice::Splice;
use super::stores::{StoreEntry, StoreList};
use super::{style, toml11};

/// Before what has its line to itself.
pub(super) const WHOLE_LINE: &str = "# storagectl: missing at boot: ";
/// Before what shares its line with others.
pub(super) const FROM_THIS_LINE: &str = "# storagectl: missing at boot, from this line: ";

/// An entry that is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// The path as the engine would read it, unescaped.
    pub path: String,
    /// Its line, counted from 1.
    pub line: usize,
}

/// Comments out every entry whose path as the engine reads it satisfies `gone`,
/// but for those that are written over several lines. `None` if there is none.
pub fn set_aside(doc: &Document, gone: impl Fn(&str) -> bool) -> Result<Option<Document>, Fault> {
    let Some(list) = StoreList::of(doc)? else {
        return Ok(None);
    };
    let goes = |text: &str, entry: &StoreEntry| !text[entry.span.clone()].contains('\n') && gone(&entry.path);
    if !list.entries.iter().any(|entry| goes(doc.text(), entry)) {
        return Ok(None);
    }
    RestoredDocument::edit(doc, |mut whole| {
        let list = StoreList::of(&whole.doc)?.expect("it has the array of the document");
        for (entry, aside) in list.entries.iter().zip(&mut whole.aside) {
            *aside |= goes(whole.doc.text(), entry);
        }
        whole.without_asides()
    })
    .map(Some)
}

/// The entries that are set aside, in the order of the text.
pub fn asides(doc: &Document) -> Result<Vec<Aside>, Fault> {
    let Some(list) = StoreList::of(doc)? else {
        return Ok(Vec::new());
    };
    let comments = aside_comments(&ArraySpans::new(doc.text(), &list));
    let aside =
        |piece: AsideComment| Some(Aside { line: doc.line(piece.comment.start), path: piece.item?.path });
    Ok(comments.into_iter().filter_map(aside).collect())
}

/// Puts those entries back whose path satisfies `back`. `None` if there is none.
pub fn put_back(doc: &Document, back: impl Fn(&str) -> bool) -> Result<Option<Document>, Fault> {
    if !asides(doc)?.iter().any(|aside| back(&aside.path)) {
        return Ok(None);
    }
    let mut whole = RestoredDocument::of(doc)?;
    let list = StoreList::of(&whole.doc)?.expect("it has the array of the document");
    for (entry, aside) in list.entries.iter().zip(&mut whole.aside) {
        *aside = *aside && !back(&entry.path);
    }
    whole.without_asides().map(Some)
}

/// A document in which no entry is set aside, and which ones were.
pub(super) struct RestoredDocument {
    pub(super) doc: Document,
    /// For each entry, whether it is to be set aside.
    pub(super) aside: Vec<bool>,
}

impl RestoredDocument {
    /// What `edit` makes of `doc` with everything put back. Where a file is such that
    /// this does not do, what is set aside counts as comments.
    pub(super) fn edit(
        doc: &Document,
        edit: impl Fn(Self) -> Result<Document, Fault>,
    ) -> Result<Document, Fault> {
        if asides(doc)?.is_empty() {
            return edit(Self::as_it_is(doc)?);
        }
        Self::of(doc).and_then(&edit).or_else(|_| edit(Self::as_it_is(doc)?))
    }

    fn as_it_is(doc: &Document) -> Result<Self, Fault> {
        Ok(Self { doc: doc.clone(), aside: vec![false; StoreList::paths(doc)?.len()] })
    }

    /// Puts everything back that is set aside in `doc`, which has an array. Where
    /// somebody has edited beside it, commas may be missing then, or be too many.
    fn of(doc: &Document) -> Result<Self, Fault> {
        let list = StoreList::of(doc)?.expect("there is an array with entries set aside");
        let array = ArraySpans::new(doc.text(), &list);
        let comments = aside_comments(&array);
        let splices = array.put_back(&comments);
        let moved = |at: usize| {
            let gone =
                splices.iter().filter(|splice| splice.range.end <= at).map(|splice| splice.range.len());
            at - gone.sum::<usize>()
        };
        let present = list.entries.iter().map(|entry| (&entry.span, &entry.path, false));
        let items = comments.iter().filter_map(|piece| piece.item.as_ref());
        let mut all: Vec<_> = present.chain(items.map(|item| (&item.span, &item.path, true))).collect();
        all.sort_by_key(|(span, ..)| span.start);
        let spans = all.iter().map(|(span, ..)| moved(span.start)..moved(span.start) + span.len());
        let array = moved(list.span.start)..moved(list.span.end);
        let text = Splice::apply(doc.text(), splices.clone());
        let mended = Splice::apply(&text, ArraySpans::of_spans(&text, array, spans).mend_commas());
        let whole = Document::parse(mended).map_err(|fault| Fault::internal(&fault.message))?;
        if !StoreList::paths(&whole)?.iter().eq(all.iter().map(|(_, path, _)| *path)) {
            return Err(Fault::internal("what is set aside could not be put back"));
        }
        let aside = all.iter().map(|(.., aside)| *aside).collect();
        Ok(Self { doc: whole, aside })
    }

    /// The document with its entries set aside.
    pub(super) fn without_asides(&self) -> Result<Document, Fault> {
        if !self.aside.contains(&true) {
            return Ok(self.doc.clone());
        }
        let list = StoreList::of(&self.doc)?.expect("there are entries to be set aside");
        let splices = ArraySpans::new(self.doc.text(), &list).set_aside(&self.aside);
        let others = list.entries.iter().zip(&self.aside).filter(|(_, aside)| !**aside);
        let wanted: Vec<String> = others.map(|(entry, _)| entry.path.clone()).collect();
        let doc = spliced(&self.doc, splices, &wanted)?;
        let again = Self::of(&doc)?;
        if again.doc.text() != self.doc.text() || again.aside != self.aside {
            return Err(Fault::internal("what is set aside could not be put back"));
        }
        Ok(doc)
    }
}

/// A comment that holds something which is set aside.
pub(super) struct AsideComment {
    pub(super) comment: Range<usize>,
    /// Where that starts.
    pub(super) content: usize,
    pub(super) whole_line: bool,
    /// The entry; a comma may have a comment to itself.
    pub(super) item: Option<AsideItem>,
}

/// An entry in a comment.
pub(super) struct AsideItem {
    path: String,
    span: Range<usize>,
}

fn aside_comments(array: &ArraySpans<'_>) -> Vec<AsideComment> {
    let text = array.text();
    let lines = array.comments().iter().filter(|comment| style::starts_line(text, comment.start));
    lines.filter_map(|comment| piece(text, comment.clone())).collect()
}

/// Reads a comment: a comma, an entry, a comma, a comment, as far as they are there.
fn piece(text: &str, comment: Range<usize>) -> Option<AsideComment> {
    let whole = &text[comment.clone()];
    let (rest, whole_line) = match whole.strip_prefix(WHOLE_LINE) {
        Some(rest) => (rest, true),
        None => (whole.strip_prefix(FROM_THIS_LINE)?, false),
    };
    let blank = [' ', '\t'];
    let content = comment.end - rest.len();
    let (leading, rest) = comma(rest);
    let mut item = None;
    let mut rest = rest;
    if rest.starts_with(['"', '\'']) {
        let start = comment.end - rest.len();
        let end = start + toml11::string_len(rest);
        let path = Document::parse(format!("x = {}\n", &text[start..end])).ok()?.string(&["x"]).ok()??;
        item = Some(AsideItem { path, span: start..end });
        rest = &text[end..comment.end];
    }
    let (trailing, rest) = comma(rest.trim_start_matches(blank));
    let behind = rest.trim_start_matches(blank);
    let ends = behind.is_empty() || whole_line && behind.starts_with('#');
    // What has no entry is one comma.
    if !ends || item.is_none() && leading == trailing {
        return None;
    }
    Some(AsideComment { comment, content, whole_line, item })
}

fn comma(rest: &str) -> (bool, &str) {
    match rest.strip_prefix(',') {
        Some(behind) => (true, behind.trim_start_matches([' ', '\t'])),
        None => (false, rest),
    }
}
