//! Running the programs that build packages.

use std::io;
use std::process::{Command, Stdio};

use crate::problem::{Problem, words};
use crate::sys::output_tail;

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
    pub(super) fn run(self, mut command: Command, what: &str) -> Result<String, Problem> {
        let Self { name, package, doing } = self;
        let (reader, writer) = io::pipe().map_err(Problem::cannot("run", name))?;
        let again = writer.try_clone().map_err(Problem::cannot("run", name))?;
        let child = command.stdout(again).stderr(writer).spawn();
        // What it writes to is open until that is dropped.
        drop(command);
        let mut child = child.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let message = format!("`{name}`, which must {doing} `{what}`, is not installed");
                Problem::new("program-missing", message, format!("install the package `{package}`"))
            }
            _ => {
                let message = format!("cannot run `{name}`: {}", words(&error));
                Problem::new("program-missing", message, format!("mend it, or install `{package}` again"))
            }
        })?;
        let said = output_tail(reader);
        let status = child.wait().map_err(Problem::cannot("wait for", name))?;
        let said = String::from_utf8_lossy(&said).into_owned();
        if status.success() {
            return Ok(said);
        }
        if said.contains("No space left on device") {
            let message = format!("there is no space left to {doing} `{what}`");
            return Err(Problem::new(
                "disk-full",
                message,
                "free some, or give another directory with `--tmp`",
            ));
        }
        let lines: Vec<&str> =
            said.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).collect();
        let last: Vec<String> = lines[lines.len().saturating_sub(SHOWN)..]
            .iter()
            .map(|line| line.chars().map(|it| if it.is_control() { ' ' } else { it }).collect())
            .collect();
        let shown = match last.is_empty() {
            true => " and says nothing".to_owned(),
            false => format!(":\n  {}", last.join("\n  ")),
        };
        let message = format!("`{name}` failed to {doing} `{what}`{shown}");
        Err(Problem::new(
            "program-failed",
            message,
            "see to what it says, and try again; `--keep` keeps its files",
        ))
    }
}
