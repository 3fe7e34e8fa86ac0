//! Lines of at most 80 columns, with colour.

use crate::cli::terminal_text::{TerminalText, line};

/// How wide a page is.
const WIDTH: usize = 80;

/// How a piece of text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Heading,
    Good,
    Bad,
    Doubtful,
    Quiet,
}

impl Style {
    fn start(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Heading => "\u{1b}[1m",
            Self::Good => "\u{1b}[1;32m",
            Self::Bad => "\u{1b}[1;31m",
            Self::Doubtful => "\u{1b}[1;33m",
            Self::Quiet => "\u{1b}[2m",
        }
    }
}

/// A page, line by line, each in pieces.
#[derive(Debug, Default)]
pub(super) struct Page {
    lines: Vec<Vec<(Style, String)>>,
}

impl Page {
    /// The page as text.
    pub(super) fn render(&self, colored: bool) -> TerminalText {
        let mut out = TerminalText::default();
        for line in &self.lines {
            let mut text = TerminalText::default();
            for (style, piece) in line {
                text =
                    text.and(&TerminalText::line(piece).in_color(if colored { style.start() } else { "" }));
            }
            out = out.and(&text.trim_end()).and(&TerminalText::lines("\n"));
        }
        out
    }

    pub(super) fn heading(&mut self, text: &str) {
        if !self.lines.is_empty() {
            self.lines.push(Vec::new());
        }
        self.lines.push(vec![(Style::Heading, text.to_owned())]);
    }

    /// A paragraph behind `label`, wrapped below its own beginning.
    pub(super) fn labelled(&mut self, style: Style, label: &str, width: usize, text: &str) {
        let indent = width + 4;
        for (index, line) in wrap(text, WIDTH - indent).into_iter().enumerate() {
            let (style, label) = if index == 0 { (style, label) } else { (Style::Plain, "") };
            let start = (style, format!("  {label:width$}  "));
            self.lines.push(vec![start, (Style::Plain, line)]);
        }
    }

    /// A paragraph.
    pub(super) fn text(&mut self, indent: usize, style: Style, text: &str) {
        for line in wrap(text, WIDTH - indent) {
            self.lines.push(vec![(Style::Plain, " ".repeat(indent)), (style, line)]);
        }
    }

    /// A line that is not wrapped, since somebody may copy it.
    pub(super) fn command(&mut self, indent: usize, text: &str) {
        let style = if text.starts_with('#') { Style::Quiet } else { Style::Plain };
        self.lines.push(vec![(Style::Plain, " ".repeat(indent)), (style, text.to_owned())]);
    }
}

/// Lines of at most `width` columns. A word that is longer stands on a line of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    // Escaped first, so that what is wrapped is as wide as what is shown.
    for word in line(text).split(' ').filter(|word| !word.is_empty()) {
        let last = lines.last_mut().expect("there is one from the beginning");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_before_the_page_does() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("/a/long/path is long", 5), ["/a/long/path", "is", "long"]);
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let mut page = Page::default();
        page.heading("Engines");
        page.labelled(Style::Bad, "error", 7, "it is wrong");
        let plain = page.render(false).as_str().to_owned();
        let mut colored = page.render(true).as_str().to_owned();
        assert_ne!(colored, plain);
        for code in ["\u{1b}[1m", "\u{1b}[1;31m", "\u{1b}[0m"] {
            colored = colored.replace(code, "");
        }
        assert_eq!(colored, plain);
        assert_eq!(plain, "Engines\n  error    it is wrong\n");
    }
}
