//! How an item comes in.

use super::super::splice::Splice;
use super::super::style;
use super::{Anchor, ArraySpans, CutItem};

impl ArraySpans<'_> {
    /// Puts `item` in beside the item that `anchor` names.
    pub(in crate::conf) fn insert(&self, anchor: Anchor, item: &CutItem, key_indent: &str) -> Vec<Splice> {
        if item.is_marked() {
            return self.insert_marked(anchor, item, key_indent);
        }
        let last = self.len().checked_sub(1);
        match (last, anchor) {
            (None, _) => vec![self.insert_into_empty(item, key_indent)],
            (Some(last), Anchor::Before(index)) if index <= last => vec![self.insert_before(index, item)],
            (Some(last), Anchor::Behind(index) | Anchor::Before(index)) => {
                self.insert_behind(index.min(last), item)
            }
        }
    }

    fn insert_into_empty(&self, item: &CutItem, key_indent: &str) -> Splice {
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

    fn insert_behind(&self, index: usize, item: &CutItem) -> Vec<Splice> {
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
                Some(comma) => vec![self.comma_first(at, comma, item)],
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
    fn comma_first(&self, at: usize, comma: usize, item: &CutItem) -> Splice {
        let newline = style::newline(self.text, at - 1);
        let indent = style::indentation(self.text, comma);
        let (head, raw, tail) = (item.head(indent, newline), &item.raw, item.tail());
        Splice::insert(at, format!("{head}{indent}, {raw}{tail}{newline}"))
    }

    fn insert_before(&self, index: usize, item: &CutItem) -> Splice {
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
    pub(super) fn item_indent(&self, index: usize) -> String {
        let lined_up = std::iter::once(index)
            .chain(index + 1..self.len())
            .chain((0..index).rev())
            .find(|&other| self.starts_line(other) && !self.is_behind_no_break(other));
        match lined_up {
            Some(other) => style::indentation(self.text, self.slots[other].span.start).to_owned(),
            None => style::deeper(style::indentation(self.text, self.open)),
        }
    }
}
