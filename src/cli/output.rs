//! Where words go: data to standard output, everything else to standard error.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::problem_text;
use super::terminal_text::{self, TerminalText};
use super::{Color, Common, OutputFormat};
use crate::problem::{Problem, Several, Severity};

/// An error as data.
#[derive(Serialize)]
struct ErrorReport<'a> {
    version: u32,
    error: &'a Problem,
    /// What else is wrong.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    more: &'a [Problem],
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
        Self {
            json: common.format == OutputFormat::Json,
            quiet: common.quiet,
            verbose: common.verbose,
            colored,
        }
    }

    /// Writes lines for people.
    pub(super) fn print_lines(&self, text: &str) -> anyhow::Result<()> {
        self.print_text(&TerminalText::lines(text))
    }

    /// The same with colours.
    pub(super) fn print_text(&self, text: &TerminalText) -> anyhow::Result<()> {
        write(text.as_str())
    }

    /// Writes a text that somebody may use as it is: a document, a diff. Only a terminal gets
    /// nothing that it would obey.
    pub(super) fn print_document(&self, text: &str) -> anyhow::Result<()> {
        if io::stdout().is_terminal() { self.print_lines(text) } else { write(text) }
    }

    /// Writes data as one JSON document.
    pub(super) fn print_json(&self, value: &impl serde::Serialize) -> anyhow::Result<()> {
        let mut text = terminal_text::json(&serde_json::to_string_pretty(value)?);
        text.push('\n');
        write(&text)
    }

    /// A line about a change that was made.
    pub(super) fn status(&self, line: &str) {
        if !self.quiet {
            say(&TerminalText::line(line));
        }
    }

    /// A line about something that is as it should be.
    pub(super) fn detail(&self, line: &str) {
        if self.verbose {
            say(&TerminalText::line(line));
        }
    }

    pub(super) fn warning(&self, line: &str) {
        if !self.quiet {
            say(&problem_text::warning(line, self.colored));
        }
    }

    /// An error: what, where, and what helps.
    pub(super) fn error(&self, error: &anyhow::Error) {
        if let Some(several) = error.downcast_ref::<Several>() {
            return self.errors(several);
        }
        let problem = error.downcast_ref::<Problem>();
        if self.json {
            let unknown = || Problem::new("io", "", "");
            let problem = problem.cloned().unwrap_or_else(unknown);
            let problem = Problem { message: format!("{error:#}"), ..problem };
            // The error has been told on standard error if this cannot be written.
            let _ = self.print_json(&ErrorReport { version: 1, error: &problem, more: &[] });
        }
        match problem {
            Some(problem) => self.problem(problem),
            None => say(&problem_text::error(&format!("{error:#}"), self.colored)),
        }
    }

    fn errors(&self, several: &Several) {
        let (error, more) = several.split();
        if self.json {
            let _ = self.print_json(&ErrorReport { version: 1, error, more });
        }
        [error].into_iter().chain(more).for_each(|problem| self.problem(problem));
    }

    /// A problem that does not end the command, on standard error alone.
    pub(super) fn problem(&self, problem: &Problem) {
        say(&problem_text::problem(problem, false, self.colored));
    }

    /// What a check found, with its name; on standard error if something else is the data.
    pub(super) fn print_finding(&self, problem: &Problem, is_data: bool) -> anyhow::Result<()> {
        let is_hidden = match problem.severity {
            Severity::Error => self.quiet && !is_data,
            Severity::Warning => self.quiet,
            Severity::Note => !self.verbose,
        };
        if is_hidden {
            return Ok(());
        }
        let text = problem_text::problem(problem, true, self.is_colored(is_data));
        if is_data {
            return self.print_text(&text.and(&TerminalText::lines("\n\n")));
        }
        say(&text.and(&TerminalText::lines("\n")));
        Ok(())
    }

    /// What a check could not look at.
    pub(super) fn print_unchecked(&self, problem: &Problem) {
        self.warning(&format!("could not look: {}; {}", problem.message, problem.hint));
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

    /// Whether more than errors is said.
    pub(super) fn is_loud(&self) -> bool {
        !self.quiet
    }

    /// Writes data as one line of JSON to standard error, between what is said.
    pub(super) fn print_json_line(&self, value: &impl serde::Serialize) {
        let line = serde_json::to_string(value).expect("it has no keys that are not text");
        say(&TerminalText::line(&line));
    }
}

/// Writes data. Whoever closed the pipe has read enough.
fn write(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("cannot write to standard output"))
        }
        _ => Ok(()),
    }
}

fn say(text: &TerminalText) {
    // Nobody is left to on_event if this fails.
    // One write, so that lines of several runs in one log stay whole.
    let _ = io::stderr().lock().write_all(format!("{}\n", text.as_str()).as_bytes());
}

/// What the parser of arguments says: an error, or a help. Arguments may come from a list that
/// somebody else wrote.
pub(super) fn usage(error: &clap::Error) {
    let text = error.render();
    // A closed pipe is not an error.
    let _ = match text.to_string() {
        plain if TerminalText::lines(&plain).as_str() == plain => error.print(),
        plain => io::stderr().lock().write_all(TerminalText::lines(&plain).as_str().as_bytes()),
    };
}
