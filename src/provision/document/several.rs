//! Several YAML documents in one text, as a repository of objects keeps them.

use std::ops::Range;

use super::{is_json, read_toml};
use crate::limits;

/// One of several documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOfSeveral {
    /// It, behind empty lines in place of all that precedes it: its lines are those of the whole.
    pub text: String,
    /// How many those are.
    lines: usize,
    range: Range<usize>,
}

/// The documents of a text that has more than one, each without the others; those that hold nothing
/// are left out. Nothing if the text is one document, or has more than
/// [`limits::SEVERAL_DOCUMENTS`]: who reads it as one refuses it then.
pub fn several(text: &str) -> Vec<OneOfSeveral> {
    if is_json(text) || read_toml::is_toml(text) {
        return Vec::new();
    }
    // What stands in a block is indented, so that a mark at the start of a line is one.
    let is_mark = |line: &str| {
        line.strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
    };
    // Where each begins: the byte, and the line from 0.
    let mut starts = vec![(0, 0)];
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if is_mark(line) && at > 0 {
            starts.push((at, index));
        }
        at += line.len();
    }
    let ends = starts[1..].iter().map(|&(start, _)| start).chain([text.len()]);
    let mut parts: Vec<(Range<usize>, usize)> =
        starts.iter().zip(ends).map(|(&(start, lines), end)| (start..end, lines)).collect();
    let is_blank = |range: &Range<usize>| {
        let says = |line: &str| !(line.is_empty() || line.starts_with('#') || is_mark(line) || line == "...");
        !text[range.clone()].lines().any(|line| says(line.trim_end()))
    };
    // What precedes the first mark is no document if it is only comments.
    if parts.first().is_some_and(|(first, _)| is_blank(first) && !text.starts_with("---")) {
        parts.remove(0);
    }
    if parts.len() < 2 {
        return Vec::new();
    }
    parts.retain(|(range, _)| !is_blank(range));
    let bytes: usize = parts.iter().map(|(range, lines)| range.len() + lines).sum();
    if bytes as u64 > limits::SEVERAL_DOCUMENTS {
        return Vec::new();
    }
    let one = |(range, lines): (Range<usize>, usize)| OneOfSeveral {
        text: "\n".repeat(lines) + &text[range.clone()],
        lines,
        range,
    };
    parts.into_iter().map(one).collect()
}

impl OneOfSeveral {
    /// The line of the whole on which it starts, from 1.
    pub fn line(&self) -> usize {
        self.lines + 1
    }

    /// The whole with `edited`, which was made of this document, in its place.
    pub fn put_back(&self, whole: &str, edited: &str) -> String {
        let edited = edited.get(self.lines..).unwrap_or_default();
        [&whole[..self.range.start], edited, &whole[self.range.end..]].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_keep_their_lines() {
        let text = "# a\n---\na: 1\n---\n# nothing\n--- # b\nb: |\n  ---\n  c\n...\n---\nc: 1";
        let all = several(text);
        let texts: Vec<&str> = all.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "\n---\na: 1\n",
                "\n\n\n\n\n--- # b\nb: |\n  ---\n  c\n...\n",
                &format!("{}---\nc: 1", "\n".repeat(10))
            ]
        );
        for one in &all {
            assert_eq!(one.put_back(text, &one.text), text);
        }
        assert_eq!(
            all[1].put_back(text, "\n\n\n\n\nd: 1\n"),
            "# a\n---\na: 1\n---\n# nothing\nd: 1\n---\nc: 1"
        );
        assert_eq!(all.iter().map(OneOfSeveral::line).collect::<Vec<_>>(), [2, 6, 11]);
    }

    #[test]
    fn more_than_a_run_can_hold_are_not_taken_apart() {
        let text = "---\na\n".repeat(100);
        assert_eq!(several(&text).len(), 100);
        assert_eq!(several(&text.repeat(2_000)), []);
    }

    #[test]
    fn one_document_is_not_several() {
        for text in [
            "",
            "a: 1",
            "---\na: 1\n",
            "# a\n---\na: 1\n",
            "a: |\n  ---\n  b\n",
            "{\n}\n---\n",
            "[a]\nb = '''\n---\n'''\n",
            "---a: 1\nb: 2\n",
        ] {
            assert_eq!(several(text), [], "{text:?}");
        }
    }
}
