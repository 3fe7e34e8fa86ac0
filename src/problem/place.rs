//! A place in a file, with as much of its line as a reader needs.

use std::ops::Range;
use std::path::PathBuf;

/// How many bytes of a line are kept on either side of where what is meant begins. Problems
/// are as many as a text has mistakes, so each keeps a bounded part of it.
const AROUND: usize = 256;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as the person named it.
    pub file: PathBuf,
    /// Where it begins, in bytes of the file's text.
    pub start: usize,
    /// The line, counted from 1; 0 if the file as a whole is meant.
    pub line: usize,
    /// The column, counted from 1, in characters.
    pub column: usize,
    /// The line, or what of it is near.
    pub excerpt: String,
    /// The bytes of the excerpt that are meant: whole characters, at least one unless the
    /// line ends there.
    pub marked: Range<usize>,
}

impl Place {
    /// A file as a whole.
    pub fn whole(file: PathBuf) -> Self {
        Self { file, start: usize::MAX, line: 0, column: 0, excerpt: String::new(), marked: 0..0 }
    }

    /// The place of these bytes of a text, which need not be whole characters: what a parser
    /// calls a span may end within one. Only the first line of them is marked.
    pub fn new(file: PathBuf, text: &str, span: Range<usize>) -> Self {
        let start = boundary_before(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |length| start + length);
        let line_end = line_start + text[line_start..line_end].trim_end().len();
        let line_end = line_end.max(start);
        let from = line_start.max(boundary_before(text, start.saturating_sub(AROUND)));
        let to = line_end.min(boundary_after(text, start.saturating_add(AROUND)));
        let end = boundary_after(text, span.end).max(boundary_after(text, start + 1)).min(to);
        Self {
            file,
            start,
            line: memchr::memchr_iter(b'\n', &text.as_bytes()[..line_start]).count() + 1,
            column: text[line_start..start].chars().count() + 1,
            excerpt: text[from..to].to_owned(),
            marked: start - from..end - from,
        }
    }

    /// Line and column, both counted from 1, columns in characters; nothing if the file as a
    /// whole is meant.
    pub fn position(&self) -> Option<(usize, usize)> {
        (self.line > 0).then_some((self.line, self.column))
    }
}

/// The last boundary of characters that is not behind `at`.
fn boundary_before(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// The first boundary of characters that is not before `at`.
fn boundary_after(text: &str, at: usize) -> usize {
    (at..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(text: &str, span: Range<usize>) -> Place {
        Place::new(PathBuf::from("f"), text, span)
    }

    fn marked(text: &str, span: Range<usize>) -> String {
        let place = place(text, span);
        place.excerpt[place.marked].to_owned()
    }

    #[test]
    fn a_span_is_widened_to_whole_characters() {
        let text = "a = \u{201c}b\u{201d}\n";
        assert_eq!(marked(text, 4..5), "\u{201c}");
        assert_eq!(marked(text, 5..6), "\u{201c}");
        assert_eq!(marked(text, 6..9), "\u{201c}b\u{201d}");
    }

    #[test]
    fn only_the_first_line_of_a_span_is_marked() {
        assert_eq!(marked("one [\r\n two\r\n]\r\n", 4..14), "[");
        assert_eq!(place("one\ntwo", 5..5).position(), Some((2, 2)));
    }

    #[test]
    fn of_a_long_line_what_is_near_is_kept() {
        let text = format!("{}x{}", "ä".repeat(100_000), "ö".repeat(100_000));
        let place = place(&text, 200_000..200_001);
        assert_eq!(&place.excerpt[place.marked.clone()], "x");
        assert_eq!(place.column, 100_001);
        assert!(place.excerpt.len() < 2 * AROUND + 8);
    }

    proptest! {
        #[test]
        fn every_span_of_every_text_has_a_place(
            text in "[a\u{85}\u{a0}\u{201c}\u{feff}\u{1f600}\r\n]{0,40}", start in 0usize..99, length in 0usize..99
        ) {
            let place = place(&text, start..start + length);
            prop_assert!(place.excerpt.get(place.marked.clone()).is_some());
            prop_assert!(!place.excerpt.contains('\n'));
        }
    }
}
