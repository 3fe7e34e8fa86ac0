//! Running the programs that build packages.

use std::process::{Command, Stdio};

use crate::problem::{Problem, words};
use crate::sys::{Child, ChildFailure, OutputTail};

/// How many of its last lines are shown.
const SHOWN: usize = 6;

/// A program, and what it is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Program {
    /// Its name, looked for in `PATH`.
    pub(super) name: &'static str,
    /// The package that has it.
    pub(super) package: &'static str,
    /// What it is doing, such as "build `x`".
    pub(super) doing: &'static str,
}

impl Program {
    /// A command for it, without anything on standard input.
    pub(super) fn command(self) -> Command {
        let mut command = Command::new(self.name);
        command.stdin(Stdio::null());
        command
    }

    /// Runs it until it ends. Returns what it said, or the end of that.
    ///
    /// # Errors
    /// `program-missing`, `disk-full`, or `program-failed` with its last lines.
    pub(super) fn run(self, command: Command, what: &str) -> Result<String, Problem> {
        let Self { name, package, doing } = self;
        let done = Child::start(command, OutputTail::Both).and_then(Child::wait);
        done.map_err(|failure| match failure {
            ChildFailure::NotInstalled => {
                let message = format!("`{name}`, which must {doing} `{what}`, is not installed");
                Problem::new("program-missing", message, format!("install the package `{package}`"))
            }
            ChildFailure::NotStarted(error) => {
                let message = format!("cannot run `{name}`: {}", words(&error));
                Problem::new("program-missing", message, format!("repair it, or install `{package}` again"))
            }
            failure if failure.found_disk_full() => {
                let message = format!("there is no space left to {doing} `{what}`");
                Problem::new("disk-full", message, "free some, or give another directory with `--tmp`")
            }
            failure => {
                let lines = failure.lines();
                let last = lines[lines.len().saturating_sub(SHOWN)..].join("\n  ");
                let message = format!("`{name}` failed to {doing} `{what}`:\n  {last}");
                let hint = "fix what it reports and try again; `--keep` keeps its files";
                Problem::new("program-failed", message, hint)
            }
        })
    }
}
