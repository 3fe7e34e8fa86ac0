//! Finding what TOML 1.1 allows and TOML 1.0 does not.
//!
//! A scan of the text, since the parser accepts both and keeps no trace of
//! which it was. It follows strings and comments exactly, and brackets only as
//! far as needed to know what a newline or a comma stands in.

use std::ops::Range;

/// What of TOML 1.1 it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toml11Syntax {
    /// A newline in an inline table.
    Newline,
    /// A comma behind the last pair of an inline table.
    TrailingComma,
    /// `\e` or `\x41` in a string.
    Escape,
    /// A time without seconds.
    Time,
}

impl Toml11Syntax {
    /// What it is called.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Newline => "a line break in an inline table",
            Self::TrailingComma => "a comma after the last key of an inline table",
            Self::Escape => "this escape",
            Self::Time => "a time without seconds",
        }
    }

    /// What to write instead.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Newline => "write the inline table on one line, or as a table with a header of its own",
            Self::TrailingComma => "remove this comma",
            Self::Escape => "write it as `\\u` and four digits",
            Self::Time => "give the seconds",
        }
    }
}

/// Every place in `text` that TOML 1.0 does not allow and 1.1 does; of the line
/// breaks in one inline table the first one only.
pub fn scan(text: &str) -> Vec<(Toml11Syntax, Range<usize>)> {
    let bytes = text.as_bytes();
    let (mut found, mut brackets) = (Vec::new(), Vec::<Bracket>::new());
    let mut at = 0;
    while at < bytes.len() {
        let inline_table = brackets.last_mut().filter(|bracket| bracket.is_brace);
        match bytes[at] {
            b'#' => {
                at = text[at..].find('\n').map_or(bytes.len(), |length| at + length);
                continue;
            }
            b'"' | b'\'' => {
                at = string(text, at, &mut found);
                if let Some(table) = inline_table {
                    table.comma = None;
                }
                continue;
            }
            open @ (b'[' | b'{') => {
                if let Some(table) = inline_table {
                    table.comma = None;
                }
                brackets.push(Bracket { is_brace: open == b'{', open: at, comma: None, broken: false });
            }
            b']' | b'}' => {
                if let Some(Bracket { is_brace: true, comma: Some(comma), .. }) = brackets.pop() {
                    found.push((Toml11Syntax::TrailingComma, comma..comma + 1));
                }
            }
            b',' => {
                if let Some(table) = inline_table {
                    table.comma = Some(at);
                }
            }
            b'\n' => {
                if let Some(table) = inline_table.filter(|table| !table.broken) {
                    table.broken = true;
                    found.push((Toml11Syntax::Newline, table.open..table.open + 1));
                }
            }
            b' ' | b'\t' | b'\r' => {}
            _ => {
                if let Some(table) = inline_table {
                    table.comma = None;
                }
                if is_time_without_seconds(bytes, at) {
                    found.push((Toml11Syntax::Time, at..at + 5));
                    at += 5;
                    continue;
                }
            }
        }
        at += 1;
    }
    found.sort_by_key(|(_, span)| span.start);
    found
}

struct Bracket {
    is_brace: bool,
    open: usize,
    /// A comma behind which nothing has come yet.
    comma: Option<usize>,
    broken: bool,
}

/// The length of the string that `text` starts with, with its quotes.
pub(super) fn string_len(text: &str) -> usize {
    string(text, 0, &mut Vec::new())
}

/// The end of the string that starts at `at`.
fn string(text: &str, at: usize, found: &mut Vec<(Toml11Syntax, Range<usize>)>) -> usize {
    let bytes = text.as_bytes();
    let quote = bytes[at];
    let triple = bytes[at..].starts_with(&[quote; 3]);
    let mut here = at + if triple { 3 } else { 1 };
    while here < bytes.len() {
        match bytes[here] {
            b'\\' if quote == b'"' => {
                if let Some(b'e' | b'x') = bytes.get(here + 1) {
                    found.push((Toml11Syntax::Escape, here..here + 2));
                }
                here += 2;
            }
            // A line that ends in a string which is not for several lines is a fault of its own.
            b'\n' if !triple => return here,
            byte if byte == quote => {
                let run = bytes[here..].iter().take_while(|&&byte| byte == quote).count();
                match (triple, run) {
                    (false, _) => return here + 1,
                    // Up to two quotes may stand directly before the closing ones.
                    (true, 3..) => return here + run.min(5),
                    (true, _) => here += run,
                }
            }
            _ => here += 1,
        }
    }
    bytes.len()
}

/// `07:32`, and neither the start of `07:32:00` nor a part of it, nor an offset such as `+07:00`.
fn is_time_without_seconds(bytes: &[u8], at: usize) -> bool {
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let shape =
        digit(at) && digit(at + 1) && bytes.get(at + 2) == Some(&b':') && digit(at + 3) && digit(at + 4);
    let before = at.checked_sub(1).map_or(b' ', |before| bytes[before]);
    let alone = matches!(before, b' ' | b'\t' | b'=' | b'T' | b't' | b'[' | b',' | b'{');
    shape && alone && !digit(at + 5) && bytes.get(at + 5) != Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn kinds(text: &str) -> Vec<Toml11Syntax> {
        scan(text).into_iter().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn what_is_new_is_found() {
        assert_eq!(kinds("a = {\n b = 1 }\n"), [Toml11Syntax::Newline]);
        assert_eq!(kinds("a = { b = 1,\n c = 2\n}\n"), [Toml11Syntax::Newline]);
        assert_eq!(kinds("a = { b = 1, }\n"), [Toml11Syntax::TrailingComma]);
        assert_eq!(kinds("a = { b = 1, # why\n}\n"), [Toml11Syntax::Newline, Toml11Syntax::TrailingComma]);
        assert_eq!(kinds("a = \"\\e\\x41\"\n"), [Toml11Syntax::Escape, Toml11Syntax::Escape]);
        assert_eq!(kinds("a = 07:32\nb = 1979-05-27T07:32\n"), [Toml11Syntax::Time, Toml11Syntax::Time]);
        assert_eq!(kinds("a = [1, {append=true,}]\n"), [Toml11Syntax::TrailingComma]);
    }

    #[test]
    fn what_is_old_is_not() {
        for text in [
            "a = [\n 1,\n 2,\n]\n",
            "a = { b = [\n 1,\n ] }\n",
            "a = { b = 1, c = 2 } # { \n",
            "a = '\\e { \n",
            "a = 'x\\x41'\nb = \"\\\\e\"\n",
            "a = \"\"\"\n{ \\\n \"\" \\\"\" \n\"\"\"\"\"\nb = '''\n{,} \\e '''\n",
            "a = 07:32:00\nb = 1979-05-27T07:32:00-07:00\nc = 1979-05-27 07:32:00+07:00\n",
            "[a.\"b{\"]\n[[c]]\nd = \"{ \\\"\"\n",
            "# a = {\n#}\n",
            "\u{feff}é = 'é' # é\n",
        ] {
            assert_eq!(kinds(text), [], "{text}");
        }
    }
}
