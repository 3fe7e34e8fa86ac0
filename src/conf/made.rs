//! What storagectl has made around its entries, and takes away with the last of them: the
//! array, its table, the settings that older engines need.
//!
//! What was made says so in a comment, and how much came with it: the number of blanks before
//! the comment, or a digest of the lines. That makes every insertion another text, so what
//! stood there before is the one text from which making it again gives this one. Nothing is
//! taken away that others have joined.

use std::ops::Range;

use super::document::{Document, Fault};
use super::edit;
use super::essentials::{Essentials, MADE, add_essentials};
use super::owned::with_empty_array;
use super::place::line_end_outside;
use super::splice::Splice;
use super::stores::StoreList;
use super::style;

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// The array, in a table that was there.
    Array,
    /// The array and its table.
    Table,
}

impl Made {
    fn words(self) -> &'static str {
        match self {
            Self::Array => "# storagectl: added this array",
            Self::Table => "# storagectl: added this table",
        }
    }

    /// The comment; `blanks` says what came along.
    pub(super) fn mark(self, blanks: usize) -> String {
        format!(" {}{}", " ".repeat(blanks), self.words())
    }
}

/// The comment that says that the array was made, with the blanks before it.
fn mark_of(doc: &Document, list: &StoreList) -> Option<(Made, Range<usize>)> {
    let text = doc.text();
    let line = text[..line_end_outside(doc, list.span.end)?].trim_end_matches([' ', '\t']);
    let found = [Made::Array, Made::Table].into_iter().find(|made| line.ends_with(made.words()))?;
    let start = line[..line.len() - found.words().len()].trim_end_matches(' ').len();
    (start >= list.span.end && text[start..].starts_with(' ')).then_some((found, start..line.len()))
}

/// The document without the comments that say what was made: it is somebody's own then.
pub fn as_own(doc: &Document) -> Result<Document, Fault> {
    let mark = StoreList::of(doc)?.and_then(|list| mark_of(doc, &list));
    match mark {
        Some((_, mark)) => Document::parse(Splice::apply(doc.text(), vec![Splice::delete(mark)])),
        None => Ok(doc.clone()),
    }
}

/// The document without an array that was made and holds nothing any more, nor its table if
/// that was made with it and holds nothing else.
pub(super) fn without_empty_array(doc: Document) -> Result<Document, Fault> {
    let text = doc.text();
    let Some(list) = StoreList::of(&doc)?.filter(|list| list.entries.is_empty()) else {
        return Ok(doc);
    };
    let inside = &text[list.span.start + 1..list.span.end - 1];
    let Some((made, mark)) = mark_of(&doc, &list).filter(|_| inside.trim().is_empty()) else {
        return Ok(doc);
    };
    let first = style::line_start(text, list.span.start);
    let lines = first..style::next_line(text, mark.end);
    let header = doc.headers().iter().find(|header| style::next_line(text, header.end) == first);
    let with_header = header
        .filter(|header| made == Made::Table && style::rest_of_line(text, header.end).trim().is_empty())
        .map(|header| style::line_start(text, header.start)..lines.end);
    let whole_lines = with_header.iter().chain([&lines]).flat_map(|lines| around(text, lines.clone()));
    let in_braces = between_braces(text, &list).map(|entry| vec![entry, mark.clone()]);
    let candidates = whole_lines.map(|range| vec![range]).chain(in_braces);
    for ranges in candidates {
        if let Some(before) = cut(text, ranges)
            && makes_again(&before, text, &list)?
        {
            return Ok(before);
        }
    }
    // Others changed something around it: its own lines go, and nothing else.
    let own_lines = text[list.span.end..mark.start].is_empty() && !text[first..list.span.start].contains('{');
    for range in with_header.into_iter().chain([lines]).filter(|_| own_lines) {
        let range = after_mark(text, range);
        if let Ok(rest) = edit::spliced(&doc, vec![Splice::delete(range)], &[]) {
            return Ok(rest);
        }
    }
    Ok(doc)
}

/// Whether making an empty array in `before` gives `text`, whatever the array's own layout.
fn makes_again(before: &Document, text: &str, list: &StoreList) -> Result<bool, Fault> {
    if StoreList::of(before)?.is_some() {
        return Ok(false);
    }
    let Ok(again) = with_empty_array(before) else {
        return Ok(false);
    };
    let Some(other) = StoreList::of(&again)? else {
        return Ok(false);
    };
    let (head, tail) = (&again.text()[..other.span.start], &again.text()[other.span.end..]);
    Ok(head == &text[..list.span.start] && tail == &text[list.span.end..])
}

/// The document without the settings that [`add_essentials`] has given it, if there is no
/// other setting; `None` if it was given none, or they have changed.
///
/// # Errors
/// A [`Fault`] if `storage` is not what it must be.
pub fn without_essentials(doc: &Document) -> Result<Option<Document>, Fault> {
    let text = doc.text();
    let mut at = 0;
    let line = text.split_inclusive('\n').find_map(|line| {
        let range = at..at + line.len();
        at = range.end;
        line.trim_start().starts_with(MADE).then_some(range)
    });
    let Some(mut lines) = line else {
        return Ok(None);
    };
    let header = doc.headers().iter().find(|header| style::next_line(text, header.end) == lines.start);
    let header = header.map(|header| style::line_start(text, header.start));
    let mut keys: Vec<&str> = Vec::new();
    for line in text[lines.end..].split_inclusive('\n') {
        let Some(key) = ["driver", "runroot", "graphroot"]
            .into_iter()
            .find(|key| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.starts_with(" = ")))
        else {
            break;
        };
        keys.push(key);
        lines.end += line.len();
    }
    let value = |key| doc.string(&["storage", key]).map(|value| value.filter(|_| keys.contains(&key)));
    let (runroot, graphroot) = (value("runroot")?, value("graphroot")?);
    let essentials = Essentials { driver: value("driver")?.unwrap_or_default(), runroot, graphroot };
    for start in header.into_iter().chain([lines.start]) {
        for range in around(text, start..lines.end) {
            if let Some(before) = cut(text, vec![range])
                && before.is_blank()
                && let Ok(Some(again)) = add_essentials(&before, &essentials, false)
                && again.text() == text
            {
                return Ok(Some(before));
            }
        }
    }
    Ok(None)
}

/// What may have come with these lines: a blank line on either side, and the end of the line
/// above if there was none.
fn around(text: &str, lines: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let lines = after_mark(text, lines);
    let broken = |at: usize| {
        let before = text[..at].strip_suffix('\n')?;
        Some(before.strip_suffix('\r').unwrap_or(before).len())
    };
    let blank = broken(lines.start).filter(|&at| at == 0 || text[..at].ends_with('\n'));
    let starts = [Some(lines.start), blank, broken(lines.start), blank.and_then(broken)];
    let rest = style::rest_of_line(text, lines.end);
    let below = rest.is_empty().then(|| style::next_line(text, lines.end));
    let ends = [Some(lines.end), below.filter(|&end| end > lines.end)];
    starts.into_iter().flatten().flat_map(move |start| ends.into_iter().flatten().map(move |end| start..end))
}

/// The same without the byte order mark that a text starts with.
fn after_mark(text: &str, range: Range<usize>) -> Range<usize> {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    range.start.max(mark)..range.end
}

/// How many commas and braces before an array are tried: those of the tables that it stands in.
const BRACES: usize = 8;

/// The ranges that an array between braces may have come with.
fn between_braces(text: &str, list: &StoreList) -> impl Iterator<Item = Range<usize>> {
    let line = style::line_start(text, list.span.start);
    let starts = text[line..list.span.start]
        .rmatch_indices([',', '{'])
        .take(BRACES)
        .map(move |(at, what)| line + at + if what == "{" { 1 } else { 0 })
        .collect::<Vec<_>>();
    let tail = &text[list.span.end..];
    let ends: Vec<usize> = (0..=tail.len() - tail.trim_start_matches([' ', '}']).len())
        .take(BRACES)
        .map(|length| list.span.end + length)
        .collect();
    starts.into_iter().flat_map(move |start| ends.clone().into_iter().map(move |end| start..end))
}

fn cut(text: &str, ranges: Vec<Range<usize>>) -> Option<Document> {
    let apart = ranges.windows(2).all(|pair| pair[0].end <= pair[1].start);
    let splices = ranges.into_iter().map(Splice::delete).collect();
    apart.then(|| Document::parse(Splice::apply(text, splices)).ok())?
}
