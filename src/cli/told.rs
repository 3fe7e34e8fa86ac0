//! How something wrong is told to people: what it is, the line, what comes of it, what helps.

use super::painted::Painted;
pub use super::snippet::Title;
use super::snippet::snippet;
use crate::problem::{Place, Problem, Severity};

const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const CYAN: &str = "\u{1b}[1;36m";

/// A problem, with what helps.
pub fn problem(problem: &Problem, colored: bool) -> Painted {
    let title = Title { severity: Severity::Error, id: None, message: &problem.message };
    let what = match &problem.place {
        Some(place) => snippet(&title, Some(place), colored),
        None => error(&problem.message, colored),
    };
    what.and(&advice("hint", &problem.hint, true, colored))
}

/// What a check found: its title, the line or at least the file, effect and hint.
pub fn found(
    title: &Title<'_>,
    place: Option<&Place>,
    file: Option<&str>,
    (effect, hint): (&str, &str),
    colored: bool,
) -> Painted {
    let mut text = snippet(title, place, colored);
    if let (None, Some(file)) = (place, file) {
        text = text.and(&Painted::lines("\n --> ")).and(&Painted::line(file));
    }
    text.and(&advice("effect", effect, true, colored)).and(&advice("hint", hint, false, colored))
}

/// An error that has no place and no hint.
pub(super) fn error(line: &str, colored: bool) -> Painted {
    labelled(RED, "error", line, colored)
}

pub(super) fn warning(line: &str, colored: bool) -> Painted {
    labelled(YELLOW, "warning", line, colored)
}

fn labelled(color: &'static str, label: &str, line: &str, colored: bool) -> Painted {
    let label = Painted::line(label).in_color(if colored { color } else { "" });
    label.and(&Painted::lines(": ")).and(&Painted::message(line))
}

/// A line below something that is wrong: what comes of it, or what helps.
fn advice(label: &str, text: &str, is_first: bool, colored: bool) -> Painted {
    let label = Painted::line(label).in_color(if colored { CYAN } else { "" });
    let gap = Painted::lines(if is_first { "\n\n" } else { "\n" });
    gap.and(&label).and(&Painted::lines(": ")).and(&Painted::line(text))
}
