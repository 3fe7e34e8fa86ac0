//! skopeo as a child.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::Failure;
use crate::problem::{Problem, words};
use crate::sys::{Child, ChildFailure, OutputTail, printed_version};

/// How much of what it prints is kept, in bytes: more than the largest manifest.
const KEPT: usize = 8 << 20;

/// How often it is looked whether a child still gets on.
const GLANCE: Duration = Duration::from_secs(1);

/// Whether skopeo is there.
///
/// # Errors
/// `skopeo-missing`.
pub fn require_skopeo() -> Result<(), Problem> {
    match printed_version(Path::new("skopeo")) {
        Some(_) => Ok(()),
        None => {
            let message = "`skopeo`, which fetches images from registries, is not installed or does not run";
            Err(Problem::new("skopeo-missing", message, "install the package skopeo"))
        }
    }
}

/// The name of the problem that a program is not there.
pub(super) const NOT_INSTALLED: &str = "skopeo-missing";

/// [`run_program`] for skopeo.
pub(super) fn run(
    arguments: &[OsString],
    reference: &str,
    lock: BorrowedFd<'_>,
    stall: Duration,
    written: &dyn Fn() -> u64,
) -> Result<Vec<u8>, Failure> {
    run_program("skopeo", arguments, reference, lock, stall, written)
}

/// Runs a program that talks to registries and returns what it prints. `lock` becomes its standard input. It is stopped
/// when `written`, how many bytes it has written, stays the same for `stall`: it waits for
/// a silent registry for ever.
pub(super) fn run_program(
    program: &'static str,
    arguments: &[OsString],
    reference: &str,
    lock: BorrowedFd<'_>,
    stall: Duration,
    written: &dyn Fn() -> u64,
) -> Result<Vec<u8>, Failure> {
    let fail = |id: &'static str, message: String, hint: &str| Failure {
        problem: Problem::new(id, message, hint),
        may_pass: false,
    };
    let cannot = |error: io::Error| {
        fail(
            NOT_INSTALLED,
            format!("cannot run `{program}`: {}", words(&error)),
            "install the package skopeo",
        )
    };
    let lock = lock.try_clone_to_owned().map_err(cannot)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::from(lock)).stdout(Stdio::piped());
    let failed = |failure| match failure {
        ChildFailure::NotInstalled => cannot(io::ErrorKind::NotFound.into()),
        ChildFailure::NotStarted(error) => cannot(error),
        ChildFailure::Ended(status, said) => match status.signal() {
            Some(signal) => fail(
                "registry-failed",
                format!("cannot fetch `{reference}`: {program} was killed by signal {signal}"),
                "check whether the system ran out of memory, and try again",
            ),
            None if program != "skopeo" => {
                let why =
                    said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
                let message = format!("{program} fails for `{reference}`: {}", why.trim().escape_debug());
                fail("registry-failed", message, "fix what it reports, and try again")
            }
            None => Failure::of(reference, &said),
        },
    };
    let mut child = Child::start(command, OutputTail::Stderr).map_err(failed)?;
    let mut stdout = child.take_stdout().expect("it is a pipe");
    let (sender, ended) = mpsc::channel();
    let reads = move || {
        let mut printed = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = stdout.read(&mut buffer) {
            let room = KEPT - printed.len().min(KEPT);
            printed.extend_from_slice(&buffer[..count.min(room)]);
        }
        // Nobody listens any more to a child that was stopped.
        let _ = sender.send(printed);
    };
    std::thread::Builder::new().spawn(reads).map_err(cannot)?;
    let (mut last, mut since) = (0, Instant::now());
    let printed = loop {
        match ended.recv_timeout(GLANCE) {
            Ok(printed) => break printed,
            Err(_) => {
                let now = written();
                if now != last {
                    (last, since) = (now, Instant::now());
                } else if since.elapsed() >= stall {
                    return Err(stalled(reference, stall));
                }
            }
        }
    };
    child.wait().map_err(failed)?;
    Ok(printed)
}

/// What it means that a registry has sent nothing for so long.
pub(super) fn stalled(reference: &str, stall: Duration) -> Failure {
    let seconds = stall.as_secs();
    let message = format!("cannot fetch `{reference}`: the registry has sent nothing for {seconds} seconds");
    let hint = "run it again later: what is complete is kept";
    Failure { problem: Problem::new("registry-broken", message, hint), may_pass: true }
}
