//! How something wrong is told to people: what it is, the line, what comes of it, what helps.

use super::snippet::snippet;
use super::terminal_text::TerminalText;
use crate::problem::Problem;

const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const CYAN: &str = "\u{1b}[1;36m";

/// A problem: what it is, with its name if that is asked for, the line or at least the file, what
/// comes of it, and what helps.
pub fn problem(problem: &Problem, named: bool, colored: bool) -> TerminalText {
    let mut text = match &problem.place {
        None if !named => error(&problem.message, colored),
        _ => snippet(problem, named, colored),
    };
    if let Some(place) = problem.place.as_ref().filter(|place| place.position().is_none()) {
        text = text
            .and(&TerminalText::lines("\n --> "))
            .and(&TerminalText::line(&place.file.display().to_string()));
    }
    let advice = [("effect", &problem.effect), ("hint", &problem.hint)];
    for (index, (label, line)) in advice.into_iter().filter(|(_, line)| !line.is_empty()).enumerate() {
        text = text.and(&self::advice(label, line, index == 0, colored));
    }
    text
}

/// An error that has no place and no hint.
pub(super) fn error(line: &str, colored: bool) -> TerminalText {
    labelled(RED, "error", line, colored)
}

pub(super) fn warning(line: &str, colored: bool) -> TerminalText {
    labelled(YELLOW, "warning", line, colored)
}

fn labelled(color: &'static str, label: &str, line: &str, colored: bool) -> TerminalText {
    let label = TerminalText::line(label).in_color(if colored { color } else { "" });
    label.and(&TerminalText::lines(": ")).and(&TerminalText::message(line))
}

/// A line below something that is wrong: what comes of it, or what helps.
fn advice(label: &str, text: &str, is_first: bool, colored: bool) -> TerminalText {
    let label = TerminalText::line(label).in_color(if colored { CYAN } else { "" });
    let gap = TerminalText::lines(if is_first { "\n\n" } else { "\n" });
    gap.and(&label).and(&TerminalText::lines(": ")).and(&TerminalText::line(text))
}
