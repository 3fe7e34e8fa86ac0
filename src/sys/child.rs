//! Other programs as children.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{self, ChildStdin, ChildStdout, Command, ExitStatus};
use std::thread::{self, JoinHandle};

/// How much of what a program says is kept, in bytes, from the end.
const KEPT: usize = 64 << 10;

/// What of a child is its output tail, which is kept in case it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputTail {
    /// Its standard error.
    Stderr,
    /// Its standard output and its standard error, as they come.
    Both,
}

/// A program that runs. It does not outlive this: dropped, it is killed and waited for.
#[derive(Debug)]
pub struct Child {
    process: process::Child,
    tail: Option<JoinHandle<Vec<u8>>>,
}

/// Why a program did not do what it was run for.
#[derive(Debug)]
pub enum ChildFailure {
    /// `PATH` has no such program.
    NotInstalled,
    /// It cannot be started or waited for.
    NotStarted(io::Error),
    /// It ended so, and said this; the last 64 KiB of it.
    Ended(ExitStatus, String),
}

impl Child {
    /// Starts a program. Its other standard streams are what `command` says.
    ///
    /// # Errors
    /// [`ChildFailure::NotInstalled`] and [`ChildFailure::NotStarted`].
    pub fn start(mut command: Command, tail: OutputTail) -> Result<Self, ChildFailure> {
        let (reader, writer) = io::pipe().map_err(ChildFailure::NotStarted)?;
        if tail == OutputTail::Both {
            command.stdout(writer.try_clone().map_err(ChildFailure::NotStarted)?);
        }
        let started = command.stderr(writer).spawn();
        // The pipe ends when the child has the only other end of it.
        drop(command);
        let process = started.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ChildFailure::NotInstalled,
            _ => ChildFailure::NotStarted(error),
        })?;
        let mut child = Self { process, tail: None };
        let tail = thread::Builder::new().spawn(move || output_tail(reader));
        child.tail = Some(tail.map_err(ChildFailure::NotStarted)?);
        Ok(child)
    }

    /// Its standard input, if that is a pipe.
    pub fn stdin(&mut self) -> Option<&mut ChildStdin> {
        self.process.stdin.as_mut()
    }

    /// Its standard output, once, if that is a pipe.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.process.stdout.take()
    }

    /// Waits until it ends, with its standard input closed. Returns its output tail.
    ///
    /// # Errors
    /// [`ChildFailure::Ended`] if it failed.
    pub fn wait(mut self) -> Result<String, ChildFailure> {
        let status = self.process.wait().map_err(ChildFailure::NotStarted)?;
        let said = self.tail.take().and_then(|tail| tail.join().ok()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        if status.success() { Ok(said) } else { Err(ChildFailure::Ended(status, said)) }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // After `wait` both do nothing.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl ChildFailure {
    /// Whether it found the disk full, which programs say in the words of strerror(3).
    pub fn found_disk_full(&self) -> bool {
        matches!(self, Self::Ended(_, said) if said.contains("No space left on device"))
    }

    /// What it said, without empty lines and with nothing that a terminal would obey, and what
    /// killed it. Never empty.
    pub fn lines(&self) -> Vec<String> {
        let (status, said) = match self {
            Self::NotInstalled => return vec!["it is not installed".to_owned()],
            Self::NotStarted(error) => return vec![error.to_string()],
            Self::Ended(status, said) => (status, said),
        };
        let plain = |line: &str| line.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
        let lines = said.lines().map(str::trim_end).filter(|line| !line.trim().is_empty());
        let mut lines: Vec<String> = lines.map(plain).collect();
        if let Some(signal) = status.signal() {
            lines.push(format!("it was killed by signal {signal}"));
        } else if lines.is_empty() {
            lines.push("it reports nothing".to_owned());
        }
        lines
    }
}

/// The last line of what it said.
impl fmt::Display for ChildFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.lines().last().map_or("", |line| line.trim()))
    }
}

/// Runs a systemctl that asks nobody for a password.
///
/// # Errors
/// If it is missing or fails, with the first line of what it says: the others say where to read
/// more.
pub(super) fn systemctl(arguments: &[&str]) -> io::Result<()> {
    let mut command = Command::new(OsStr::new("systemctl"));
    command.arg("--no-ask-password").args(arguments);
    command.stdin(process::Stdio::null()).stdout(process::Stdio::null());
    let done = Child::start(command, OutputTail::Stderr).and_then(Child::wait);
    done.map(drop).map_err(|failure| io::Error::other(failure.lines().remove(0)))
}

/// Reads all that a program says, so that it is never stopped by a full pipe, and returns
/// the end of it. A reading error ends it as the end does.
fn output_tail(mut from: impl Read) -> Vec<u8> {
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        said.extend_from_slice(&buffer[..count]);
        let extra = said.len().saturating_sub(KEPT);
        said.drain(..extra);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, tail: OutputTail) -> Result<String, ChildFailure> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::start(command, tail).and_then(Child::wait)
    }

    #[test]
    fn the_end_is_kept() {
        let text = [vec![b'a'; 5000], vec![b'b'; KEPT]].concat();
        assert!(output_tail(text.as_slice()) == vec![b'b'; KEPT]);
        assert_eq!(output_tail(&b"short"[..]), b"short");
    }

    #[test]
    fn what_it_says_is_kept_and_how_it_ended_told() {
        assert_eq!(run("echo out; echo err >&2", OutputTail::Both).unwrap(), "out\nerr\n");
        let failure = run("echo first >&2; printf 'a\\033[1mb\\n\\n' >&2; exit 3", OutputTail::Stderr);
        let failure = failure.unwrap_err();
        assert_eq!(failure.lines(), ["first", "a [1mb"]);
        assert_eq!(failure.to_string(), "a [1mb");
        assert_eq!(run("exit 1", OutputTail::Both).unwrap_err().to_string(), "it reports nothing");
        let killed = run("echo out of luck; kill -9 $$", OutputTail::Both).unwrap_err();
        assert_eq!(killed.lines(), ["out of luck", "it was killed by signal 9"]);
        assert!(
            run("echo 'x: No space left on device'; false", OutputTail::Both).unwrap_err().found_disk_full()
        );
        let missing = Child::start(Command::new("no-such-program"), OutputTail::Both).and_then(Child::wait);
        match missing.unwrap_err() {
            ChildFailure::NotInstalled => {}
            // qemu-user starts a child before it is known that there is no program.
            ChildFailure::Ended(status, _) => assert_eq!(status.code(), Some(127)),
            ChildFailure::NotStarted(error) => panic!("{error}"),
        }
    }

    #[test]
    fn it_does_not_outlive_its_owner() {
        let mut command = Command::new("sleep");
        command.arg("1000");
        let child = Child::start(command, OutputTail::Both).unwrap();
        let process = rustix::process::Pid::from_child(&child.process);
        drop(child);
        assert!(rustix::process::test_kill_process(process).is_err());
    }
}
