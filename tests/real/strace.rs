//! Watching a command's system calls, and tampering with them.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::{finish, under};

/// A system call of a traced run.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Its name.
    pub(crate) name: String,
    /// Which of its name it is, from one: what strace's `when` counts.
    pub(crate) nth: usize,
    /// The whole line, with the paths of descriptors (`-y`).
    pub(crate) line: String,
}

impl Call {
    /// What strace shall do at this call, such as `signal=KILL`.
    pub(crate) fn inject(&self, what: &str) -> String {
        format!("inject={}:{what}:when={}", self.name, self.nth)
    }
}

/// Runs `command` and records its system calls.
#[track_caller]
pub(crate) fn trace(command: &Command) -> (Output, Vec<Call>) {
    trace_tampered(&[], command)
}

/// [`trace`], and [`tamper`] at the same time.
#[track_caller]
pub(crate) fn trace_tampered(injections: &[&str], command: &Command) -> (Output, Vec<Call>) {
    let log = tempfile::NamedTempFile::new().expect("a scratch file can be made");
    let mut options = vec!["-y"];
    options.extend(injections.iter().flat_map(|expression| ["-e", expression]));
    let output = finish(&mut strace(log.path(), &options, command));
    let text = std::fs::read(log.path()).expect("strace wrote it");
    let calls = recorded(&String::from_utf8_lossy(&text));
    assert!(!calls.is_empty(), "strace recorded nothing");
    (output, calls)
}

/// The calls of strace's own record.
pub(crate) fn recorded(text: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for line in text.lines() {
        let Some((name, _)) = line.split_once('(').filter(|(name, _)| !name.contains([' ', '+', '-'])) else {
            continue;
        };
        let nth = 1 + calls.iter().filter(|call| call.name == name).count();
        calls.push(Call { name: name.to_owned(), nth, line: line.to_owned() });
    }
    calls
}

/// The calls of the program's own: those behind the loader's and the runtime's,
/// from the one that opens the root of the tree it works on.
pub(crate) fn own(calls: &[Call]) -> &[Call] {
    let start = calls.iter().position(|call| call.line.contains("O_PATH|O_DIRECTORY"));
    &calls[start.expect("it opens its root first")..]
}

/// Whether a call has changed something on the disk: between two of these it is the same, so a
/// kill there shows nothing new. A run that ends is one, too.
pub(crate) fn changes(call: &Call) -> bool {
    const CHANGES: [&str; 15] = [
        "mkdirat",
        "symlinkat",
        "linkat",
        "unlinkat",
        "renameat",
        "renameat2",
        "mknodat",
        "fchmod",
        "fchmodat",
        "fchown",
        "fchownat",
        "fsetxattr",
        "fremovexattr",
        "ftruncate",
        "utimensat",
    ];
    let has = |flags: &[&str]| flags.iter().any(|flag| call.line.contains(flag));
    let is_change = match call.name.as_str() {
        // Into a file, and not to whoever reads what is said.
        "write" | "pwrite64" => call.line.contains("</") && !has(&["</dev/"]),
        name => CHANGES.contains(&name) || has(&["O_CREAT", "O_TRUNC", "O_WRONLY", "O_RDWR"]),
    };
    (is_change && !call.line.contains(" = -1 ")) || call.name == "exit_group"
}

/// Whether everything is tried, as `make torture` does.
pub(crate) fn tries_all() -> bool {
    std::env::var_os("STORAGECTL_ROUNDS").is_some()
}

/// Those of `all` that are tried, in their order, the last one among them: `most`, or all.
pub(crate) fn tried<T>(all: Vec<T>, most: usize) -> Vec<T> {
    let step = if tries_all() { 1 } else { all.len().div_ceil(most).max(1) };
    let last = all.len() % step;
    all.into_iter().enumerate().filter(|(index, _)| (index + 1) % step == last).map(|(_, one)| one).collect()
}

/// Runs `command`, tampering with its system calls as `injections`, expressions
/// of strace such as `inject=renameat:error=EBUSY`, say.
#[track_caller]
pub(crate) fn tamper(injections: &[&str], command: &Command) -> Output {
    // Only what is traced can be tampered with, and all else runs faster untraced.
    let names: Vec<&str> =
        injections.iter().filter_map(|expression| expression.split([':', '=']).nth(1)).collect();
    let traced = format!("trace={}", names.join(","));
    let mut options = vec!["-e", &traced];
    options.extend(injections.iter().flat_map(|expression| ["-e", expression]));
    finish(&mut strace(Path::new("/dev/null"), &options, command))
}

fn strace(log: &Path, options: &[&str], command: &Command) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-s", "4096", "-o"]).arg(log).args(options).arg("--");
    under(strace, command)
}
