//! The array's text: where items, commas and comments stand.
//! [`insert`] and [`remove`] move an item without moving anything else.

mod aside;
mod insert;
mod marked;
mod remove;

use std::ops::Range;

use super::aside::{FROM_THIS_LINE, WHOLE_LINE};
use super::stores::StoreList;
use super::style;

/// An item taken out of an array, with the comments that belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct CutItem {
    /// The comment lines above it, without indentation.
    pub above: Vec<String>,
    /// The item as it stood there, with its quotes.
    pub raw: String,
    /// The comment behind it on its line.
    pub behind: Option<String>,
}

impl CutItem {
    /// An item without comments.
    pub(in crate::conf) fn bare(raw: String) -> Self {
        Self { raw, ..Self::default() }
    }

    fn has_comments(&self) -> bool {
        !self.above.is_empty() || self.behind.is_some()
    }

    /// ` # comment`, or nothing.
    fn tail(&self) -> String {
        self.behind.as_ref().map(|comment| format!(" {comment}")).unwrap_or_default()
    }

    /// The comment lines above, each at `indent` and ended by `newline`.
    fn head(&self, indent: &str, newline: &str) -> String {
        self.above.iter().map(|comment| format!("{indent}{comment}{newline}")).collect()
    }
}

/// Beside which item another one is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::conf) enum Anchor {
    /// Directly before this index.
    Before(usize),
    /// Directly behind this index; behind all if there are fewer.
    Behind(usize),
}

impl Anchor {
    /// The index that the new item gets in a list of `len` items.
    pub(in crate::conf) fn index(self, len: usize) -> usize {
        match self {
            Self::Before(index) => index.min(len),
            Self::Behind(index) => index.saturating_add(1).min(len),
        }
    }
}

struct Slot {
    span: Range<usize>,
    comma: Option<usize>,
}

/// The spans of one array.
pub(in crate::conf) struct ArraySpans<'a> {
    text: &'a str,
    /// Behind the opening bracket.
    open: usize,
    /// Before the closing bracket.
    close: usize,
    slots: Vec<Slot>,
    comments: Vec<Range<usize>>,
}

impl<'a> ArraySpans<'a> {
    pub(in crate::conf) fn new(text: &'a str, list: &StoreList) -> Self {
        Self::of_spans(text, list.span.clone(), list.entries.iter().map(|entry| entry.span.clone()))
    }

    /// That of the array at `array` with items at `items`, of whatever type.
    pub(in crate::conf) fn of_spans(
        text: &'a str,
        array: Range<usize>,
        items: impl Iterator<Item = Range<usize>>,
    ) -> Self {
        let (open, close) = (array.start + 1, array.end - 1);
        let mut array = Self { text, open, close, slots: Vec::new(), comments: Vec::new() };
        let mut gap = open;
        for span in items {
            array.scan_gap(gap..span.start);
            gap = span.end;
            array.slots.push(Slot { span, comma: None });
        }
        array.scan_gap(gap..array.close);
        array
    }

    /// Between items stand white space, comments and at most one comma.
    fn scan_gap(&mut self, gap: Range<usize>) {
        let mut at = gap.start;
        while at < gap.end {
            match self.text.as_bytes()[at] {
                b',' => {
                    if let Some(slot) = self.slots.last_mut() {
                        slot.comma = Some(at);
                    }
                    at += 1;
                }
                b'#' => {
                    let end = at + style::rest_of_line(self.text, at).len();
                    self.comments.push(at..end);
                    at = end;
                }
                _ => at += 1,
            }
        }
    }

    pub(in crate::conf) fn raw(&self, index: usize) -> &'a str {
        &self.text[self.slots[index].span.clone()]
    }

    pub(in crate::conf) fn len(&self) -> usize {
        self.slots.len()
    }

    fn is_last(&self, index: usize) -> bool {
        index + 1 == self.slots.len()
    }

    fn has_comment_in(&self, range: Range<usize>) -> bool {
        self.comments.iter().any(|comment| range.start <= comment.start && comment.start < range.end)
    }

    /// The comment that stands behind the item on its line.
    fn comment_behind(&self, index: usize) -> Option<Range<usize>> {
        let end = self.slots[index].span.end;
        let line_end = style::next_line(self.text, end);
        let next_item = self.slots.get(index + 1).map_or(self.close, |slot| slot.span.start);
        self.comments
            .iter()
            .find(|comment| end <= comment.start && comment.start < line_end.min(next_item))
            .cloned()
    }

    fn starts_line(&self, index: usize) -> bool {
        let start = self.slots[index].span.start;
        style::starts_line(self.text, start) && style::line_start(self.text, start) >= self.open
    }

    /// Whether the item, its comma and its comment have their lines to themselves.
    fn owns_lines(&self, index: usize) -> bool {
        let slot = &self.slots[index];
        let line_end = style::next_line(self.text, slot.span.end);
        let comma_is_here = match slot.comma {
            Some(comma) => comma < line_end,
            None => true,
        };
        let next_item = self.slots.get(index + 1).map_or(self.close, |next| next.span.start);
        self.starts_line(index) && comma_is_here && line_end <= next_item
    }

    /// The line of an item that stands there alone behind the comma that
    /// separates it from the item before: `, "/a"`.
    fn comma_first_line(&self, index: usize) -> Option<Range<usize>> {
        let slot = &self.slots[index];
        let comma = self.slots[index.checked_sub(1)?].comma?;
        let line = style::line_start(self.text, slot.span.start)..style::next_line(self.text, slot.span.end);
        let next = self.slots.get(index + 1).map_or(self.close, |next| next.span.start);
        let alone = line.start <= comma && style::starts_line(self.text, comma) && line.end <= next;
        let own_comma_is_below = slot.comma.is_none_or(|own| own >= line.end);
        (alone && own_comma_is_below && line.start >= self.open).then_some(line)
    }

    /// The start of the first comment line that belongs to an item which starts its line.
    fn block_start(&self, index: usize) -> usize {
        // A line of the item before may look like a comment, inside its string.
        let floor = index.checked_sub(1).map_or(self.open, |before| self.slots[before].span.end);
        let mut start = style::line_start(self.text, self.slots[index].span.start);
        while start > floor {
            let above = style::line_start(self.text, start - 1);
            let line = self.text[above..start].trim();
            if above < floor || !line.starts_with('#') || is_commented_entry(line) {
                break;
            }
            start = above;
        }
        start
    }

    /// The item with its comments, as text.
    pub(in crate::conf) fn copy(&self, index: usize) -> CutItem {
        let above = if self.has_own_line(index) {
            Vec::new()
        } else if self.starts_line(index) || self.comma_first_line(index).is_some() {
            let line = style::line_start(self.text, self.slots[index].span.start);
            self.text[self.block_start(index)..line].lines().map(|line| line.trim().to_owned()).collect()
        } else {
            Vec::new()
        };
        CutItem {
            above,
            raw: self.raw(index).to_owned(),
            behind: self.comment_behind(index).map(|span| self.text[span].to_owned()),
        }
    }
}

/// Whether a comment line is an entry that somebody switched off: `# "/a",`, or that
/// storagectl has set aside.
fn is_commented_entry(line: &str) -> bool {
    let set_aside = line.starts_with(WHOLE_LINE) || line.starts_with(FROM_THIS_LINE);
    set_aside || line.trim_start_matches(['#', ' ', '\t']).starts_with(['"', '\''])
}
