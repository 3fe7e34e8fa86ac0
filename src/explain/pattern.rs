//! Patterns: words that stand there, and between them names that do not; pure.
//!
//! `image path {store} must be a directory` has a name in it, `open {}: is a directory` something
//! that nobody asks for. What a name may be goes by its name. No pattern is tried twice at one
//! place, and no name is longer than a path, so that a text takes no longer than it is long.

use std::ops::Range;

/// What a name may take, in bytes: the longest path (`PATH_MAX`).
const LONGEST: usize = 4096;

/// A pattern in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PatternMatch<'p> {
    /// The bytes of the line.
    pub(super) at: Range<usize>,
    /// How many of them the pattern itself has.
    pub(super) words: usize,
    /// What was named, in the order of the pattern.
    pub(super) names: Vec<(&'p str, Range<usize>)>,
}

/// A pattern that was read.
#[derive(Debug)]
pub(super) struct Pattern<'p>(Vec<PatternPiece<'p>>);

/// A piece of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PatternPiece<'p> {
    Words(&'p str),
    Name(&'p str),
}

impl<'p> Pattern<'p> {
    pub(super) fn new(pattern: &'p str) -> Self {
        let mut pieces = Vec::new();
        for (index, part) in pattern.split('{').enumerate() {
            let (name, words) = match part.split_once('}') {
                Some((name, words)) if index > 0 => (Some(name), words),
                _ => (None, part),
            };
            pieces.extend(name.map(PatternPiece::Name));
            pieces.extend(Some(words).filter(|words| !words.is_empty()).map(PatternPiece::Words));
        }
        Self(pieces)
    }

    /// Where in a text it may stand: a pattern starts with words. The text is in lower-case ASCII.
    pub(super) fn starts(&self, lowered: &str) -> impl Iterator<Item = usize> {
        let first = match self.0.first() {
            Some(PatternPiece::Words(first)) => first,
            _ => "",
        };
        memchr::memmem::find_iter(lowered.as_bytes(), first).filter(|_| !first.is_empty())
    }

    /// It at this place of a line, if it stands there.
    pub(super) fn at(&self, lowered: &str, start: usize) -> Option<PatternMatch<'p>> {
        let mut found = PatternMatch { at: start..start, words: 0, names: Vec::new() };
        let mut pieces = self.0.iter().peekable();
        while let Some(piece) = pieces.next() {
            let here = found.at.end;
            match *piece {
                PatternPiece::Words(words) => {
                    lowered[here..].starts_with(words).then_some(())?;
                    found.at.end += words.len();
                    found.words += words.len();
                }
                PatternPiece::Name(name) => {
                    let before = match pieces.peek() {
                        Some(PatternPiece::Words(words)) => Some(*words),
                        _ => None,
                    };
                    let length = length(name, before, &lowered[here..])?;
                    found.at.end += length;
                    if !name.is_empty() {
                        found.names.push((name, here..here + length));
                    }
                }
            }
        }
        Some(found)
    }

    /// Its names.
    #[cfg(test)]
    pub(super) fn names(&self) -> impl Iterator<Item = &'p str> {
        self.0.iter().filter_map(|piece| match piece {
            PatternPiece::Name(name) => Some(*name),
            PatternPiece::Words(_) => None,
        })
    }
}

/// How long a name is at the start of `text`, before these words, or else at the end.
fn length(name: &str, before: Option<&str>, text: &str) -> Option<usize> {
    let mut end = text.len().min(LONGEST + before.map_or(0, str::len));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = &text[..end];
    let length = match before {
        Some(words) => memchr::memmem::find(text.as_bytes(), words.as_bytes())?,
        None => {
            let end = text.find(|c: char| c.is_whitespace() || ",;})]".contains(c)).unwrap_or(text.len());
            text[..end].trim_end_matches([':', '.']).len()
        }
    };
    let named = &text[..length];
    let is_one = |allowed: fn(char) -> bool| !named.is_empty() && named.chars().all(allowed);
    let fits = match name {
        "" | "value" => true,
        "store" | "path" => named.starts_with('/'),
        "layer" => is_one(|c| c.is_ascii_hexdigit()),
        "number" => is_one(|c| c.is_ascii_digit()),
        _ => is_one(|c| !c.is_whitespace()),
    };
    fits.then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named<'t>(pattern: &str, text: &'t str) -> Option<Vec<&'t str>> {
        let (pattern, lowered) = (Pattern::new(pattern), text.to_ascii_lowercase());
        let found = pattern.starts(&lowered).filter_map(|start| pattern.at(&lowered, start)).last()?;
        Some(found.names.into_iter().map(|(_, at)| &text[at]).collect())
    }

    #[test]
    fn names_stand_between_words_and_are_what_they_are_called() {
        let pattern = "image path {store} must be a directory";
        assert_eq!(named(pattern, "Error: Image path /Srv/a b must be a directory"), Some(vec!["/Srv/a b"]));
        assert_eq!(named(pattern, "image path srv must be a directory"), None);
        assert_eq!(named("open {}: is a {value}", "open /x: is a directory"), Some(vec!["directory"]));
        assert_eq!(named("layer {layer} is", "layer abc is"), Some(vec!["abc"]));
        assert_eq!(named("layer {layer} is", "layer xyz is"), None);
        assert_eq!(named("open {path}", "open /a/b: no such"), Some(vec!["/a/b"]));
        assert_eq!(named("nothing in it", "nothing in it"), Some(vec![]));
    }

    #[test]
    fn every_place_is_tried() {
        assert_eq!(named("open {path}: no", "open /a: no open /b: no"), Some(vec!["/b"]));
    }

    #[test]
    fn a_name_has_an_end_and_a_text_takes_no_longer_than_it_is_long() {
        let long = format!("open /{}: no", "a".repeat(LONGEST));
        assert_eq!(named("open {path}: no", &long), None);
        let odd = "open /ä".repeat(100_000);
        assert_eq!(named("open {path}: no", &odd), None);
    }
}
