//! Where words go: data to standard output, everything else to standard error.

use std::io::{self, IsTerminal, Write};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use serde::Serialize;

use super::{Color, Common, Format};
use crate::lint::Finding;
use crate::plan::Host;
use crate::problem::{Place, Problem, Several, Severity};
use crate::store::check;

/// An error as data.
#[derive(Serialize)]
struct ErrorReport<'a> {
    version: u32,
    error: ErrorLine<'a>,
    /// What else is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    more: Vec<ErrorLine<'a>>,
}

/// A problem in such a report, or beside the data of a command that went on.
#[derive(Serialize)]
pub(super) struct ErrorLine<'a> {
    id: &'a str,
    message: String,
    hint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
}

impl<'a> ErrorLine<'a> {
    /// A problem as data.
    pub(super) fn of(problem: &'a Problem) -> Self {
        let place = problem.place.as_deref();
        let position = place.map(Place::position);
        Self {
            id: problem.id,
            message: problem.message.clone(),
            hint: &problem.hint,
            file: place.map(|place| place.file.display().to_string()),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
        }
    }
}

impl<'a> ErrorLine<'a> {
    /// What a check of a store found, as data.
    pub(super) fn found(finding: &'a check::Finding, host: &Host) -> Self {
        let file = Some(host.show(finding.place.as_ref().unwrap_or(&finding.store)));
        let (id, message, hint) = (finding.rule.id, finding.message.clone(), finding.hint.as_str());
        Self { id, message, hint, file, line: None, column: None }
    }
}

impl<'a> ErrorReport<'a> {
    fn new(error: &anyhow::Error, problem: Option<&'a Problem>) -> Self {
        let line = match problem {
            Some(problem) => ErrorLine { message: format!("{error:#}"), ..ErrorLine::of(problem) },
            None => {
                let message = format!("{error:#}");
                ErrorLine { id: "io", message, hint: "", file: None, line: None, column: None }
            }
        };
        Self { version: 1, error: line, more: Vec::new() }
    }
}

/// How this run speaks.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) json: bool,
    quiet: bool,
    verbose: bool,
    colored: bool,
}

impl Output {
    pub(super) fn new(common: &Common) -> Self {
        let colored = match common.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let asked_not_to = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
                !asked_not_to && !dumb && io::stderr().is_terminal()
            }
        };
        Self { json: common.format == Format::Json, quiet: common.quiet, verbose: common.verbose, colored }
    }

    /// Writes data. Whoever closed the pipe has read enough.
    pub(super) fn data(&self, text: &str) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(anyhow::Error::new(error).context("cannot write to standard output"))
            }
            _ => Ok(()),
        }
    }

    /// Writes data as one JSON document.
    pub(super) fn json(&self, value: &impl serde::Serialize) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        self.data(&text)
    }

    /// A line about a change that was made.
    pub(super) fn status(&self, line: &str) {
        if !self.quiet {
            self.say(line);
        }
    }

    /// A line about something that is as it should be.
    pub(super) fn detail(&self, line: &str) {
        if self.verbose {
            self.say(line);
        }
    }

    pub(super) fn warning(&self, line: &str) {
        if !self.quiet {
            let (bold, plain) = if self.colored { ("\u{1b}[1;33m", "\u{1b}[0m") } else { ("", "") };
            self.say(&format!("{bold}warning{plain}: {line}"));
        }
    }

    /// An error: what, where, and what helps.
    pub(super) fn error(&self, error: &anyhow::Error) {
        if let Some(several) = error.downcast_ref::<Several>() {
            return self.errors(several);
        }
        let (bold, plain) = if self.colored { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
        let problem = error.downcast_ref::<Problem>();
        if self.json {
            // The error has been told on standard error if this cannot be written.
            let _ = self.json(&ErrorReport::new(error, problem));
        }
        match problem {
            Some(problem) => self.say(&self.problem(problem)),
            None => self.say(&format!("{bold}error{plain}: {error:#}")),
        }
    }

    fn errors(&self, several: &Several) {
        let (first, more) = several.split();
        if self.json {
            let more = more.iter().map(ErrorLine::of).collect();
            let _ = self.json(&ErrorReport { version: 1, error: ErrorLine::of(first), more });
        }
        [first].into_iter().chain(more).for_each(|problem| self.told(problem));
    }

    /// A problem that does not end the command, on standard error alone.
    pub(super) fn told(&self, problem: &Problem) {
        self.say(&self.problem(problem));
    }

    /// A finding of `check-config` as text: what, where, what engines do because of it,
    /// and what helps. `is_data` says that it goes to standard output.
    pub(super) fn finding(&self, finding: &Finding, file: Option<&str>, is_data: bool) -> String {
        let what = self.titled(
            (finding.severity, finding.rule.id, &finding.message),
            finding.place.as_ref(),
            file,
            is_data,
        );
        what + &self.effect_and_hint(&finding.effect, &finding.hint, is_data)
    }

    /// Anything that a check found, as text for standard output: its title (how bad,
    /// its id, what it is), the line or at least the file, and effect and hint.
    pub(super) fn found(
        &self,
        title: (Severity, &'static str, &str),
        place: Option<&Place>,
        file: Option<&str>,
        (effect, hint): (&str, &str),
    ) -> String {
        self.titled(title, place, file, true) + &self.effect_and_hint(effect, hint, true)
    }

    fn titled(
        &self,
        (severity, id, message): (Severity, &'static str, &str),
        place: Option<&Place>,
        file: Option<&str>,
        is_data: bool,
    ) -> String {
        let renderer = self.renderer(is_data);
        let title = level(severity).primary_title(message).id(id);
        let Some(place) = place else {
            let file = file.map(|file| format!("\n --> {file}")).unwrap_or_default();
            return renderer.render(&[Group::with_title(title)]) + &file;
        };
        let (text, span) = first_line_of(place);
        let snippet = Snippet::source(text)
            .path(place.file.display().to_string())
            .annotation(AnnotationKind::Primary.span(span));
        renderer.render(&[Group::with_title(title).element(snippet)])
    }

    fn effect_and_hint(&self, effect: &str, hint: &str, is_data: bool) -> String {
        let (cyan, plain) = if self.is_colored(is_data) { ("\u{1b}[1;36m", "\u{1b}[0m") } else { ("", "") };
        format!("\n\n{cyan}effect{plain}: {effect}\n{cyan}hint{plain}: {hint}")
    }

    fn renderer(&self, is_data: bool) -> Renderer {
        if self.is_colored(is_data) { Renderer::styled() } else { Renderer::plain() }
    }

    /// Whether what goes to standard error, or as data to standard output, has colour.
    fn is_colored(&self, is_data: bool) -> bool {
        // Where standard error is no terminal, colour was asked for.
        let asked_for = !io::stderr().is_terminal();
        self.colored && (!is_data || asked_for || io::stdout().is_terminal())
    }

    /// Whether data may have colour.
    pub(super) fn colors_data(&self) -> bool {
        self.is_colored(true)
    }

    pub(super) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// A bar that shows how many bytes were read, if somebody sees it.
    pub(super) fn progress(&self) -> Option<indicatif::ProgressBar> {
        if self.quiet || !io::stderr().is_terminal() {
            return None;
        }
        let bar = indicatif::ProgressBar::new(0);
        let template = "{bar:40} {bytes}/{total_bytes} {eta}";
        bar.set_style(indicatif::ProgressStyle::with_template(template).expect("the template is sound"));
        Some(bar)
    }

    /// A bar that shows how many of `total` are done, if somebody sees it.
    pub(super) fn counter(&self, total: usize) -> Option<indicatif::ProgressBar> {
        if self.quiet || !io::stderr().is_terminal() {
            return None;
        }
        let bar = indicatif::ProgressBar::new(total as u64);
        let style = indicatif::ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed}");
        bar.set_style(style.expect("the template is sound"));
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        Some(bar)
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    fn problem(&self, problem: &Problem) -> String {
        let (bold, cyan, plain) =
            if self.colored { ("\u{1b}[1;31m", "\u{1b}[1;36m", "\u{1b}[0m") } else { ("", "", "") };
        let hint = format!("\n\n{cyan}hint{plain}: {}", problem.hint);
        let Some(place) = &problem.place else {
            return format!("{bold}error{plain}: {}{hint}", problem.message);
        };
        let renderer = if self.colored { Renderer::styled() } else { Renderer::plain() };
        let file = place.file.display().to_string();
        // A caret under nothing (the end of the file) needs a character to stand under.
        let text = if place.span.start == place.text.len() {
            format!("{} ", place.text)
        } else {
            place.text.clone()
        };
        let end = place.span.end.max(place.span.start + 1).min(text.len());
        let snippet =
            Snippet::source(text).path(file).annotation(AnnotationKind::Primary.span(place.span.start..end));
        let group = Group::with_title(Level::ERROR.primary_title(problem.message.as_str())).element(snippet);
        format!("{}{hint}", renderer.render(&[group]))
    }

    fn say(&self, text: &str) {
        // Nobody is left to tell if this fails.
        // One write, so that lines of several runs in one log stay whole.
        let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
    }
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    }
}

/// A place's text and what of it is marked: no more than to the end of the line.
fn first_line_of(place: &Place) -> (String, std::ops::Range<usize>) {
    let start = place.span.start;
    // A caret under nothing (the end of the file) needs a character to stand under.
    let text = if start == place.text.len() { format!("{} ", place.text) } else { place.text.clone() };
    let line = text[start..].lines().next().map_or(1, |line| line.trim_end().len().max(1));
    let end = place.span.end.clamp(start + 1, start + line);
    (text, start..end)
}
