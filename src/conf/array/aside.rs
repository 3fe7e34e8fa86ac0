//! How an item is commented out and back in.

use std::ops::Range;

use super::super::aside::{AsideComment, FROM_THIS_LINE, WHOLE_LINE};
use super::super::splice::Splice;
use super::super::style;
use super::ArraySpans;

impl<'a> ArraySpans<'a> {
    pub(in crate::conf) fn text(&self) -> &'a str {
        self.text
    }

    /// The comments of the array.
    pub(in crate::conf) fn comments(&self) -> &[Range<usize>] {
        &self.comments
    }

    /// Comments out the items for which `aside` says so.
    pub(in crate::conf) fn set_aside(&self, aside: &[bool]) -> Vec<Splice> {
        let mut splices = Vec::new();
        let mut done = None;
        for region in self.regions(aside) {
            if self.has_line(&region) {
                splices.push(Splice::insert(region.start, WHOLE_LINE));
                continue;
            }
            let newline = style::newline(self.text, region.start);
            let behind = &self.text[region.end..];
            let end = self.text.len() - behind.trim_start_matches([' ', '\t']).len();
            let start = if done == Some(region.start) { "" } else { newline };
            splices.push(Splice::insert(region.start, format!("{start}{FROM_THIS_LINE}")));
            splices.push(Splice::insert(end, newline));
            done = Some(end);
        }
        splices
    }

    /// The bytes that have to go for the items that go: each takes one comma along,
    /// so that the first item that stays has none before it and no two follow each other.
    fn regions(&self, aside: &[bool]) -> Vec<Range<usize>> {
        let mut regions = Vec::new();
        let mut index = 0;
        while index < self.len() {
            let run = index..index + aside[index..].iter().take_while(|aside| **aside).count();
            if index > 0 && run.clone().all(|item| self.comma_first_line(item).is_some()) {
                regions.extend(
                    run.clone()
                        .filter_map(|item| Some(self.slots[item - 1].comma?..self.slots[item].span.end)),
                );
            } else {
                for slot in &self.slots[run.clone()] {
                    match slot.comma {
                        Some(comma) if !self.text[slot.span.end..comma].contains('\n') => {
                            regions.push(slot.span.start..comma + 1);
                        }
                        comma => {
                            regions.push(slot.span.clone());
                            regions.extend(comma.map(|comma| comma..comma + 1));
                        }
                    }
                }
            }
            index = run.end + 1;
        }
        regions
    }

    /// Whether there is nothing else on the line, but for a comment behind.
    fn has_line(&self, region: &Range<usize>) -> bool {
        let behind = style::rest_of_line(self.text, region.end).trim_start_matches([' ', '\t']);
        style::starts_line(self.text, region.start)
            && (behind.is_empty() || behind.starts_with('#'))
            && style::next_line(self.text, region.end) <= self.close
    }

    /// Takes out what [`ArraySpans::set_aside`] has put in.
    pub(in crate::conf) fn put_back(&self, pieces: &[AsideComment]) -> Vec<Splice> {
        let mut splices: Vec<Splice> = Vec::new();
        for piece in pieces {
            if piece.whole_line {
                splices.push(Splice::delete(piece.comment.start..piece.content));
                continue;
            }
            let line = style::line_start(self.text, piece.comment.start);
            let follows = splices.last().is_some_and(|other| other.range.end == line);
            let start = if follows { line } else { self.break_before(line) };
            splices.push(Splice::delete(start..piece.content));
            splices.push(Splice::delete(piece.comment.end..style::next_line(self.text, piece.comment.end)));
        }
        splices
    }

    /// Puts in what is missing between items and takes out what is too much. The
    /// text need not be valid without that.
    pub(in crate::conf) fn mend_commas(&self) -> Vec<Splice> {
        let mut splices = Vec::new();
        for gap in 0..=self.len() {
            let start = gap.checked_sub(1).map_or(self.open, |before| self.slots[before].span.end);
            let end = self.slots.get(gap).map_or(self.close, |slot| slot.span.start);
            let in_comment = |at: usize| self.comments.iter().any(|comment| comment.contains(&at));
            let is_comma = |at: &usize| self.text.as_bytes()[*at] == b',' && !in_comment(*at);
            let commas: Vec<usize> = (start..end).filter(is_comma).collect();
            let between = gap > 0 && gap < self.len();
            if between && commas.is_empty() {
                splices.push(Splice::insert(start, ","));
            }
            let fine = usize::from(gap > 0);
            splices.extend(commas.into_iter().skip(fine).map(|comma| Splice::delete(comma..comma + 1)));
        }
        splices
    }
}
