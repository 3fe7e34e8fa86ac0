//! Text in which a terminal obeys nothing but colours of ours.
//!
//! Stores, layers, files and trees are named by others, and names may hold anything: escape
//! sequences, controls of C1, marks that turn the direction of writing. All that is written
//! for people passes through here on its way, so that nobody who writes a message has to
//! think of it; documents for programs stay as they are, unless a terminal gets them.

use std::fmt::Write;

/// Text that may be written to a terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TerminalText(String);

impl TerminalText {
    /// Lines: what is no line break, tab or visible character is escaped.
    pub fn lines(text: &str) -> Self {
        Self(escaped(text, |c| c == '\n' || c == '\t'))
    }

    /// One line, whatever is in it.
    pub fn line(text: &str) -> Self {
        Self(line(text))
    }

    /// A message: one line, and what a program has said, indented below it. Nothing in it
    /// begins a line of its own.
    pub fn message(text: &str) -> Self {
        let lines: Vec<String> = text.split("\n  ").map(line).collect();
        Self(lines.join("\n  "))
    }

    /// What a renderer made of parts that went through [`line`], with its own colours.
    pub(super) fn rendered(text: String) -> Self {
        Self(text)
    }

    /// The same between a sequence that begins a colour and the one that ends it.
    pub(super) fn in_color(self, start: &'static str) -> Self {
        if start.is_empty() { self } else { Self(format!("{start}{}\u{1b}[0m", self.0)) }
    }

    /// The same with more behind it.
    pub(super) fn and(mut self, more: &Self) -> Self {
        self.0 += &more.0;
        self
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same without blanks at its end.
    pub(super) fn trim_end(&self) -> Self {
        Self(self.0.trim_end().to_owned())
    }
}

/// Text for a line: everything that is no visible character or blank is escaped.
pub(super) fn line(text: &str) -> String {
    escaped(text, |_| false)
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if !is_hidden(c) || keep(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.extend(c.escape_unicode()),
        }
    }
    out
}

/// A JSON document with the same value and nothing hidden in it. Only strings hold what is
/// not ASCII, so an escape may stand wherever something hidden does.
pub fn json(document: &str) -> String {
    let mut out = String::with_capacity(document.len());
    for c in document.chars() {
        if c == '\n' || !is_hidden(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(out, "\\u{unit:04x}").expect("a string takes what is written");
        }
    }
    out
}

/// Whether a terminal obeys this character, or a reader does not see it: controls, marks of
/// direction, what is shown as nothing or breaks lines (Unicode's categories Cc, Cf, Zl, Zp).
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
            | '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str = "a\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\u{2066}\r\u{85}\u{feff}\u{e0041}é\"\\";

    #[test]
    fn a_terminal_obeys_nothing_in_it() {
        let shown = "a\\u{1b}[2J\\u{9b}31m\\u{7f}\\u{202e}\\u{2066}\\r\\u{85}\\u{feff}\\u{e0041}é\"\\";
        assert_eq!(TerminalText::lines(NASTY).as_str(), shown);
        assert_eq!(TerminalText::line("a\nerror: b\t").as_str(), "a\\nerror: b\\t");
        assert_eq!(TerminalText::lines("a\nb\t").as_str(), "a\nb\t");
        assert_eq!(TerminalText::message("a:\n  b\nerror: c").as_str(), "a:\n  b\\nerror: c");
    }

    #[test]
    fn json_keeps_its_value() {
        let plain = serde_json::to_string_pretty(&[NASTY]).unwrap();
        let document = json(&plain);
        assert!(!document.chars().any(|c| c != '\n' && is_hidden(c)), "{document}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&document).unwrap(), [NASTY]);
    }
}
