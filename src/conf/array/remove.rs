//! How an item leaves.

use super::super::splice::Splice;
use super::super::style;
use super::ArraySpans;

impl ArraySpans<'_> {
    /// Takes the item at `index` out, with its comments and one comma.
    pub(in crate::conf) fn remove(&self, index: usize) -> Vec<Splice> {
        if let Some(splices) = self.remove_marked(index) {
            return splices;
        }
        let text = self.text;
        let slot = &self.slots[index];
        let comma_before = index.checked_sub(1).and_then(|before| self.slots[before].comma);
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
        let mut splices = self.remove_among_others(index, comma_before);
        if let Some(comment) = self.comment_behind(index) {
            let from = text[..comment.start].trim_end_matches([' ', '\t']).len();
            splices.push(Splice::delete(from..comment.end));
        }
        splices
    }

    /// Takes out an item that shares its lines, without the comment behind it.
    fn remove_among_others(&self, index: usize, comma_before: Option<usize>) -> Vec<Splice> {
        let text = self.text;
        let span = self.slots[index].span.clone();
        if let Some(comma) = comma_before
            && !self.has_comment_in(comma..span.start)
        {
            return vec![Splice::delete(comma..span.end)];
        }
        let mut splices = Vec::new();
        if self.starts_line(index) {
            splices.push(Splice::delete(self.block_start(index)..style::line_start(text, span.start)));
        }
        match self.slots[index].comma {
            Some(comma) if !self.has_comment_in(span.end..comma) => {
                let behind = comma + 1;
                let next =
                    text[behind..].len() - text[behind..].trim_start_matches([' ', '\t']).len() + behind;
                let beside = self.slots.get(index + 1).is_some_and(|slot| slot.span.start == next);
                splices.push(Splice::delete(span.start..if beside { next } else { behind }));
            }
            Some(comma) => {
                splices.push(Splice::delete(span));
                splices.push(Splice::delete(comma..comma + 1));
            }
            None => {
                let lone = comma_before.is_none() && self.comment_behind(index).is_none();
                let spaced = text[..span.start].ends_with([' ', '\t']) && text[span.end..].starts_with(' ');
                let end = if lone && spaced { span.end + 1 } else { span.end };
                splices.push(Splice::delete(span.start..end));
                splices.extend(comma_before.map(|comma| Splice::delete(comma..comma + 1)));
            }
        }
        splices
    }
}
