//! A title and the line that it is about.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::terminal_text::{TerminalText, line};
use crate::problem::{Problem, Severity};

/// The title of a problem, and the line where it is with what is meant marked.
pub(super) fn snippet(problem: &Problem, named: bool, colored: bool) -> TerminalText {
    let renderer = if colored { Renderer::styled() } else { Renderer::plain() };
    let message = line(&problem.message);
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let heading = level.primary_title(&message);
    let group = Group::with_title(if named { heading.id(problem.id) } else { heading });
    let position = problem.place.as_deref().and_then(|place| Some((place, place.position()?)));
    let Some((place, (row, column))) = position else {
        return TerminalText::rendered(renderer.render(&[group]));
    };
    let part = |range: std::ops::Range<usize>| line(&place.excerpt[range].replace('\t', "    "));
    let before = part(0..place.marked.start);
    // A caret under nothing (the end of a line) needs a character to stand under.
    let marked = Some(part(place.marked.clone())).filter(|it| !it.is_empty()).unwrap_or(" ".to_owned());
    let span = before.len()..before.len() + marked.len();
    let source = before + &marked + &part(place.marked.end..place.excerpt.len());
    let snippet =
        Snippet::source(source).line_start(place.line).annotation(AnnotationKind::Primary.span(span));
    let text = renderer.render(&[group.element(snippet)]);
    // The renderer would count columns in what is shown, which is but a part of the text, and escaped.
    let width = row.to_string().len();
    let file = line(&place.file.display().to_string());
    let arrow = TerminalText::line("-->").in_color(if colored { "\u{1b}[1;94m" } else { "" });
    let origin = format!("{:width$}{} {file}:{row}:{column}", "", arrow.as_str());
    let (heading, lines) = text.split_once('\n').expect("the line stands below the title");
    let lines: Vec<&str> = lines.lines().map(str::trim_end).collect();
    TerminalText::rendered(format!("{heading}\n{origin}\n{}", lines.join("\n")))
}
