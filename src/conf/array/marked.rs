//! How an item that storagectl owns comes in and leaves.
//!
//! It stands on a line of its own, whatever the array looks like, and what is
//! inserted says by itself what has to go again:
//!
//! - A comma in front of it or behind it on its line came with it. If there is
//!   none, the comma of the item before came with it.
//! - Two spaces before the mark say that the array had no line break there; then
//!   the one before the line goes as well, with the last of such lines.

use std::ops::Range;

use super::super::mark::Mark;
use super::super::splice::Splice;
use super::super::style;
use super::{Anchor, ArraySpans, CutItem};

/// Before the mark where the array had a line break, and where it had none.
const AT_A_BREAK: &str = " ";
const NO_BREAK: &str = "  ";

/// A line that belongs to storagectl.
struct OwnLine {
    bytes: Range<usize>,
    comma: Option<usize>,
    no_break: bool,
}

impl CutItem {
    /// Whether it is to stand on a line that belongs to storagectl.
    pub(super) fn is_marked(&self) -> bool {
        self.above.is_empty() && self.behind.as_deref().is_some_and(|comment| Mark::parse(comment).is_some())
    }
}

impl ArraySpans<'_> {
    /// The mark behind the item.
    pub(in crate::conf) fn mark(&self, index: usize) -> Option<Mark> {
        Mark::parse(&self.text[self.comment_behind(index)?])
    }

    /// Whether the item is marked and stands as storagectl writes it.
    pub(super) fn has_own_line(&self, index: usize) -> bool {
        self.own_line(index).is_some()
    }

    fn own_line(&self, index: usize) -> Option<OwnLine> {
        let text = self.text;
        self.mark(index)?;
        let slot = &self.slots[index];
        let bytes = style::line_start(text, slot.span.start)..style::next_line(text, slot.span.end);
        let before = index.checked_sub(1).and_then(|before| self.slots[before].comma);
        let leading = before.filter(|comma| bytes.contains(comma));
        let trailing = slot.comma.filter(|comma| bytes.contains(comma));
        let first = leading.unwrap_or(slot.span.start);
        if bytes.start < self.open
            || !style::starts_line(text, first)
            || leading.is_some() && trailing.is_some()
        {
            return None;
        }
        // With a comma on the line, that is the one; else one beside it has to go.
        let comma = if leading.or(trailing).is_some() { None } else { before.or(slot.comma) };
        let behind = trailing.map_or(slot.span.end, |comma| comma + 1);
        let mark = self.comment_behind(index)?;
        Some(OwnLine { bytes, comma, no_break: &text[behind..mark.start] == NO_BREAK })
    }

    /// Whether the item starts its line only since a marked one stands before it.
    pub(super) fn is_behind_no_break(&self, index: usize) -> bool {
        let before = index.checked_sub(1).and_then(|before| self.own_line(before));
        before.is_some_and(|line| line.no_break) && !self.has_own_line(index)
    }

    /// Takes out what [`ArraySpans::insert_marked`] has put in.
    pub(super) fn remove_marked(&self, index: usize) -> Option<Vec<Splice>> {
        let line = self.own_line(index)?;
        let mut bytes = line.bytes.clone();
        let beside = |other: OwnLine| {
            other.no_break && (other.bytes.end == line.bytes.start || other.bytes.start == line.bytes.end)
        };
        let others = [index.checked_sub(1), Some(index + 1).filter(|&next| next < self.len())];
        if line.no_break && !others.into_iter().flatten().filter_map(|other| self.own_line(other)).any(beside)
        {
            bytes.start = self.break_before(bytes.start);
        }
        let comma = line.comma.map(|comma| Splice::delete(comma..comma + 1));
        Some(std::iter::once(Splice::delete(bytes)).chain(comma).collect())
    }

    /// The start of the line break before the line at `at`; `at` itself if what
    /// follows would become part of a comment.
    pub(super) fn break_before(&self, at: usize) -> usize {
        let before = &self.text[..at];
        let bare = before.strip_suffix("\r\n").or_else(|| before.strip_suffix('\n')).unwrap_or(before);
        let in_comment = self.comments.iter().any(|comment| comment.end == bare.len());
        if in_comment { at } else { bare.len() }
    }

    /// Puts a marked item in beside the item that `anchor` names.
    pub(super) fn insert_marked(&self, anchor: Anchor, item: &CutItem, key_indent: &str) -> Vec<Splice> {
        let text = self.text;
        let index = anchor.index(self.len());
        let gap_start = index.checked_sub(1).map_or(self.open, |before| self.slots[before].span.end);
        let gap_end = self.slots.get(index).map_or(self.close, |slot| slot.span.start);
        let newline = style::newline(text, gap_start);
        let has_break = |range: Range<usize>| text[range].contains('\n');
        let near = [index.checked_sub(1), (index < self.len()).then_some(index)];
        let joins =
            near.into_iter().flatten().filter_map(|other| self.own_line(other)).any(|line| line.no_break);
        let no_break = joins || !has_break(gap_start..gap_end);
        let indent = self.marked_indent(index, key_indent);
        let (raw, mark) = (&item.raw, item.behind.as_deref().unwrap_or_default());
        let space = if no_break { NO_BREAK } else { AT_A_BREAK };
        let with_comma = format!("{indent}{raw},{space}{mark}{newline}");
        let bare = format!("{indent}{raw}{space}{mark}{newline}");

        let Some(before) = index.checked_sub(1) else {
            return vec![if has_break(gap_start..gap_end) {
                let first = !self.slots.is_empty() && self.starts_line(0);
                let at = if first { self.block_start(0) } else { style::next_line(text, self.open) };
                Splice::insert(at, with_comma)
            } else if self.slots.is_empty() {
                Splice::insert(self.open, format!("{newline}{bare}"))
            } else {
                Splice::insert(self.open, format!("{newline}{with_comma}"))
            }];
        };
        match self.slots[before].comma {
            Some(comma) if has_break(comma..gap_end) => {
                vec![Splice::insert(style::next_line(text, comma), with_comma)]
            }
            Some(comma) if !has_break(gap_start..gap_end) => {
                vec![Splice::insert(comma + 1, format!("{newline}{with_comma}"))]
            }
            None if !has_break(gap_start..gap_end) => {
                vec![Splice::insert(gap_start, format!(",{newline}{bare}"))]
            }
            None if self.comma_first_line(before).is_none() => {
                vec![Splice::insert(gap_start, ","), Splice::insert(style::next_line(text, gap_start), bare)]
            }
            comma => {
                let like = comma.unwrap_or(gap_start);
                let indent = style::indentation(text, like);
                let line = format!("{indent}, {raw}{space}{mark}{newline}");
                vec![Splice::insert(style::next_line(text, gap_start), line)]
            }
        }
    }

    /// The indentation of a marked item that gets `index`.
    fn marked_indent(&self, index: usize, key_indent: &str) -> String {
        if self.slots.is_empty() {
            let comment = self.comments.iter().find(|comment| style::starts_line(self.text, comment.start));
            return comment.map_or_else(
                || style::deeper(key_indent),
                |comment| style::indentation(self.text, comment.start).to_owned(),
            );
        }
        self.item_indent(index.saturating_sub(1))
    }
}
