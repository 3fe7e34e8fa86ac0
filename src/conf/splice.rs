//! Replacing a range of bytes, and nothing else.

use std::ops::Range;

/// One replacement of a byte range of a text. An empty range inserts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// The bytes that go.
    pub range: Range<usize>,
    /// What comes in their place.
    pub text: String,
}

impl Splice {
    /// Inserts `text` before byte `at`.
    pub fn insert(at: usize, text: impl Into<String>) -> Self {
        Self { range: at..at, text: text.into() }
    }

    /// Deletes `range`.
    pub fn delete(range: Range<usize>) -> Self {
        Self { range, text: String::new() }
    }

    /// Applies `splices`, which must not overlap; those at one place apply in
    /// the order given.
    pub fn apply(text: &str, mut splices: Vec<Self>) -> String {
        splices.sort_by_key(|splice| splice.range.start);
        let mut out =
            String::with_capacity(text.len() + splices.iter().map(|splice| splice.text.len()).sum::<usize>());
        let mut done = 0;
        for splice in &splices {
            debug_assert!(splice.range.start >= done, "splices overlap: {splices:?}");
            out.push_str(&text[done..splice.range.start]);
            out.push_str(&splice.text);
            done = splice.range.end;
        }
        out.push_str(&text[done..]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splices_at_one_place_apply_in_order() {
        let splices = vec![Splice::insert(1, "x"), Splice::insert(1, "y"), Splice::delete(2..3)];
        assert_eq!(Splice::apply("abcd", splices), "axybd");
    }
}
