//! Whatever is wrong, wherever it stands: it can be told, on a terminal and as JSON.

use std::ops::Range;
use std::path::PathBuf;

use storagectl::cli::problem_text;
use storagectl::cli::terminal_text::{TerminalText, json};
use storagectl::conf::Fault;
use storagectl::problem::Problem;

use super::harmless::{assert_harmless, is_obeyed};

/// Four numbers that make up two places, then the name of the file on a line, then its text.
pub fn holds(input: &[u8]) {
    let Some((numbers, rest)) = input.split_first_chunk::<8>() else {
        return;
    };
    let number = |at: usize| usize::from(u16::from_le_bytes([numbers[at], numbers[at + 1]]));
    let text = String::from_utf8_lossy(rest);
    let (name, text) = text.split_once('\n').unwrap_or(("f", &text));
    for start in [number(0), number(4).min(text.len())] {
        // An end before the start is no span; a parser may give one that begins where it ends.
        place(name, text, start..start.saturating_add(number(2)));
    }
    place(name, text, usize::MAX..usize::MAX);
    for part in [name, text] {
        for painted in [TerminalText::lines(part), TerminalText::line(part), TerminalText::message(part)] {
            assert_harmless(painted.as_str(), part);
        }
        // What has nothing to be escaped stays as it is.
        if !part.chars().any(is_obeyed) && part.is_ascii() {
            assert_eq!(TerminalText::line(part).as_str(), part);
        }
        data(&serde_json::json!({ part: [part, 1, null], "number": number(6) }));
    }
}

fn place(name: &str, text: &str, span: Range<usize>) {
    let fault = Fault {
        id: "syntax",
        message: text.chars().take(80).collect(),
        hint: name.to_owned(),
        span: span.clone(),
    };
    let problem = Problem::at(fault, PathBuf::from(name), text);
    assert_told(&problem);
    let place = problem.place.expect("it has one");
    // Line and column say where the marked text begins.
    let (line, column) = place.position().expect("it is in the text");
    let marked = &place.excerpt[place.marked.clone()];
    let there = text.split('\n').nth(line - 1).expect("the text has this line");
    let from: String = there.chars().skip(column - 1).collect();
    assert!(from.starts_with(marked), "{marked:?} is not at {line}:{column} of {text:?}, {span:?}");
    assert!(!marked.contains('\n'));
}

/// Fails if a problem cannot be told, or says more to a terminal than words.
pub fn assert_told(problem: &Problem) {
    for (named, colored) in [(false, false), (false, true), (true, false), (true, true)] {
        assert_harmless(problem_text::problem(problem, named, colored).as_str(), &problem.message);
    }
    data(&serde_json::to_value(problem).expect("a problem can be written"));
}

/// Fails if a value does not come out as the JSON that it is, without what a terminal obeys.
pub fn data(value: &serde_json::Value) {
    let text = json(&serde_json::to_string_pretty(value).expect("a value can be written"));
    assert_harmless(&text, "JSON");
    assert_eq!(&serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON"), value);
}
