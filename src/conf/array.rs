//! The array's text: where items, commas and comments stand, and how an item
//! comes in or leaves without moving anything else.

use std::ops::Range;

use super::splice::Splice;
use super::stores::StoreList;
use super::style;

/// An item taken out of an array, with the comments that belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Cut {
    /// The comment lines above it, without indentation.
    pub above: Vec<String>,
    /// The item as it stood there, with its quotes.
    pub raw: String,
    /// The comment behind it on its line.
    pub behind: Option<String>,
}

impl Cut {
    /// An item without comments.
    pub(super) fn bare(raw: String) -> Self {
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
pub(super) enum Anchor {
    /// Directly before this index.
    Before(usize),
    /// Directly behind this index; behind all if there are fewer.
    Behind(usize),
}

impl Anchor {
    /// The index that the new item gets in a list of `len` items.
    pub(super) fn index(self, len: usize) -> usize {
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

/// The anatomy of one array.
pub(super) struct Anatomy<'a> {
    text: &'a str,
    /// Behind the opening bracket.
    open: usize,
    /// Before the closing bracket.
    close: usize,
    slots: Vec<Slot>,
    comments: Vec<Range<usize>>,
}

impl<'a> Anatomy<'a> {
    pub(super) fn new(text: &'a str, list: &StoreList) -> Self {
        let mut anatomy = Self {
            text,
            open: list.span.start + 1,
            close: list.span.end - 1,
            slots: Vec::with_capacity(list.entries.len()),
            comments: Vec::new(),
        };
        let mut gap = anatomy.open;
        for entry in &list.entries {
            anatomy.scan_gap(gap..entry.span.start);
            gap = entry.span.end;
            anatomy.slots.push(Slot { span: entry.span.clone(), comma: None });
        }
        anatomy.scan_gap(gap..anatomy.close);
        anatomy
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

    pub(super) fn raw(&self, index: usize) -> &'a str {
        &self.text[self.slots[index].span.clone()]
    }

    pub(super) fn len(&self) -> usize {
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
        let mut start = style::line_start(self.text, self.slots[index].span.start);
        while start > self.open {
            let above = style::line_start(self.text, start - 1);
            let line = self.text[above..start].trim();
            if above < self.open || !line.starts_with('#') || is_commented_entry(line) {
                break;
            }
            start = above;
        }
        start
    }

    /// The item with its comments, as text.
    pub(super) fn copy(&self, index: usize) -> Cut {
        let above = if self.starts_line(index) || self.comma_first_line(index).is_some() {
            let line = style::line_start(self.text, self.slots[index].span.start);
            self.text[self.block_start(index)..line].lines().map(|line| line.trim().to_owned()).collect()
        } else {
            Vec::new()
        };
        Cut {
            above,
            raw: self.raw(index).to_owned(),
            behind: self.comment_behind(index).map(|span| self.text[span].to_owned()),
        }
    }

    /// Puts `item` in beside the item that `anchor` names.
    pub(super) fn insert(&self, anchor: Anchor, item: &Cut, key_indent: &str) -> Vec<Splice> {
        let last = self.len().checked_sub(1);
        match (last, anchor) {
            (None, _) => vec![self.insert_into_empty(item, key_indent)],
            (Some(last), Anchor::Before(index)) if index <= last => vec![self.insert_before(index, item)],
            (Some(last), Anchor::Behind(index) | Anchor::Before(index)) => {
                self.insert_behind(index.min(last), item)
            }
        }
    }

    fn insert_into_empty(&self, item: &Cut, key_indent: &str) -> Splice {
        let inside = &self.text[self.open..self.close];
        let newline = style::newline(self.text, self.open);
        let indent =
            self.comments.iter().find(|comment| style::starts_line(self.text, comment.start)).map_or_else(
                || style::deeper(key_indent),
                |comment| style::indentation(self.text, comment.start).to_owned(),
            );
        let (head, raw, tail) = (item.head(&indent, newline), &item.raw, item.tail());
        if inside.contains('\n') {
            let at = style::next_line(self.text, self.open);
            return Splice::insert(at, format!("{head}{indent}{raw},{tail}{newline}"));
        }
        if item.has_comments() {
            return Splice::insert(
                self.open,
                format!("{newline}{head}{indent}{raw},{tail}{newline}{key_indent}"),
            );
        }
        match inside.chars().next() {
            None => Splice::insert(self.open, raw.as_str()),
            // `remove` takes this one space away again.
            Some(blank) => Splice::insert(self.open + blank.len_utf8(), format!("{raw} ")),
        }
    }

    fn insert_behind(&self, index: usize, item: &Cut) -> Vec<Splice> {
        let text = self.text;
        let slot = &self.slots[index];
        let (raw, tail) = (&item.raw, item.tail());
        let newline = style::newline(text, slot.span.start);
        let indent = self.item_indent(index);
        let head = item.head(&indent, newline);
        if self.owns_lines(index) || self.comment_behind(index).is_some() {
            let at = style::next_line(text, slot.span.end);
            return match slot.comma {
                Some(comma) if comma < at => {
                    vec![Splice::insert(at, format!("{head}{indent}{raw},{tail}{newline}"))]
                }
                // Its comma opens the next line.
                Some(_) => vec![Splice::insert(at, format!("{head}{indent}, {raw}{tail}{newline}"))],
                None => vec![
                    Splice::insert(slot.span.end, ","),
                    Splice::insert(at, format!("{head}{indent}{raw}{tail}{newline}")),
                ],
            };
        }
        let line_end = style::next_line(text, slot.span.end);
        let comma = match (self.comma_first_line(index), slot.comma) {
            (Some(_), None) => self.slots[index - 1].comma,
            (_, Some(comma)) if comma >= line_end => Some(comma),
            _ => None,
        };
        if let Some(comma) = comma
            && line_end <= self.close
        {
            return vec![self.comma_first(line_end, comma, item)];
        }
        // The line breaks behind a comment, whatever else would look better.
        let rest = if item.behind.is_some() { format!("{newline}{indent}") } else { String::new() };
        let stacked = self.starts_line(index) && self.is_last(index);
        if stacked || !item.above.is_empty() {
            return match slot.comma {
                Some(comma) if self.is_last(index) => {
                    vec![Splice::insert(comma + 1, format!("{newline}{head}{indent}{raw},{tail}{rest}"))]
                }
                _ => {
                    vec![Splice::insert(slot.span.end, format!(",{newline}{head}{indent}{raw}{tail}{rest}"))]
                }
            };
        }
        vec![Splice::insert(slot.span.end, format!(", {raw}{tail}{rest}"))]
    }

    /// A line for `item` in a list whose lines start with commas, like the one at `comma`.
    fn comma_first(&self, at: usize, comma: usize, item: &Cut) -> Splice {
        let newline = style::newline(self.text, at - 1);
        let indent = style::indentation(self.text, comma);
        let (head, raw, tail) = (item.head(indent, newline), &item.raw, item.tail());
        Splice::insert(at, format!("{head}{indent}, {raw}{tail}{newline}"))
    }

    fn insert_before(&self, index: usize, item: &Cut) -> Splice {
        let start = self.slots[index].span.start;
        let newline = style::newline(self.text, start);
        let indent = self.item_indent(index);
        let (head, raw, tail) = (item.head(&indent, newline), &item.raw, item.tail());
        if self.starts_line(index) {
            return Splice::insert(self.block_start(index), format!("{head}{indent}{raw},{tail}{newline}"));
        }
        if !item.has_comments() {
            return Splice::insert(start, format!("{raw}, "));
        }
        let above = if item.above.is_empty() { String::new() } else { format!("{newline}{head}{indent}") };
        let rest = if item.behind.is_some() { format!("{newline}{indent}") } else { " ".to_owned() };
        Splice::insert(start, format!("{above}{raw},{tail}{rest}"))
    }

    /// The indentation for an item on a line of its own beside the item at `index`.
    fn item_indent(&self, index: usize) -> String {
        let lined_up = std::iter::once(index)
            .chain(index + 1..self.len())
            .chain((0..index).rev())
            .find(|&other| self.starts_line(other));
        match lined_up {
            Some(other) => style::indentation(self.text, self.slots[other].span.start).to_owned(),
            None => style::deeper(style::indentation(self.text, self.open)),
        }
    }

    /// Takes the item at `index` out, with its comments and one comma.
    pub(super) fn remove(&self, index: usize) -> Vec<Splice> {
        let text = self.text;
        let slot = &self.slots[index];
        let comma_before = index.checked_sub(1).and_then(|before| self.slots[before].comma);
        let comment = self.comment_behind(index);
        if self.owns_lines(index) {
            let lines = self.block_start(index)..style::next_line(text, slot.span.end);
            let mut splices = vec![Splice::delete(lines)];
            if let (None, Some(comma)) = (slot.comma, comma_before) {
                splices.push(Splice::delete(comma..comma + 1));
            }
            return splices;
        }
        if let Some(line) = self.comma_first_line(index) {
            return vec![Splice::delete(self.block_start(index)..line.end)];
        }
        let mut splices = Vec::new();
        let above = if self.starts_line(index) { self.block_start(index) } else { slot.span.start };
        let above_end = style::line_start(text, slot.span.start).max(above);
        if let Some(comma) = comma_before
            && !self.has_comment_in(comma..slot.span.start)
        {
            splices.push(Splice::delete(comma..slot.span.end));
        } else {
            if above < above_end {
                splices.push(Splice::delete(above..above_end));
            }
            match (slot.comma, comma_before) {
                (Some(comma), _) if !self.has_comment_in(slot.span.end..comma) => {
                    let mut end = comma + 1;
                    let blanks = text[end..].len() - text[end..].trim_start_matches([' ', '\t']).len();
                    let next = self.slots.get(index + 1).map(|next| next.span.start);
                    if next == Some(end + blanks) {
                        end += blanks;
                    }
                    splices.push(Splice::delete(slot.span.start..end));
                }
                (Some(comma), _) => {
                    splices.push(Splice::delete(slot.span.clone()));
                    splices.push(Splice::delete(comma..comma + 1));
                }
                (None, before) => {
                    let mut end = slot.span.end;
                    let lone = before.is_none() && comment.is_none();
                    let spaced =
                        text[..slot.span.start].ends_with([' ', '\t']) && text[end..].starts_with(' ');
                    if lone && spaced {
                        end += 1;
                    }
                    splices.push(Splice::delete(slot.span.start..end));
                    splices.extend(before.map(|comma| Splice::delete(comma..comma + 1)));
                }
            }
        }
        if let Some(comment) = comment {
            let from = text[..comment.start].trim_end_matches([' ', '\t']).len();
            splices.push(Splice::delete(from..comment.end));
        }
        splices
    }
}

/// Whether a comment line is an entry that somebody switched off: `# "/a",`.
fn is_commented_entry(line: &str) -> bool {
    line.trim_start_matches(['#', ' ', '\t']).starts_with(['"', '\''])
}
