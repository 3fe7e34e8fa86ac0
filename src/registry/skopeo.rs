//! skopeo as a child.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::Failure;
use crate::problem::{Problem, words};
use crate::sys::{output_tail, printed_version};

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

/// A child that does not outlive the wait for it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs skopeo and returns what it prints. `lock` becomes its standard input. It is stopped
/// when `written`, how many bytes it has written, stays the same for `stall`: it waits for
/// a silent registry for ever.
pub(super) fn run(
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
            "skopeo-missing",
            format!("cannot run `skopeo`: {}", words(&error)),
            "install the package skopeo",
        )
    };
    let lock = lock.try_clone_to_owned().map_err(cannot)?;
    let mut command = Command::new("skopeo");
    command.args(arguments).stdin(Stdio::from(lock)).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Running(command.spawn().map_err(cannot)?);
    let mut stdout = child.0.stdout.take().expect("it is a pipe");
    let stderr = child.0.stderr.take().expect("it is a pipe");
    let said = std::thread::Builder::new().spawn(move || output_tail(stderr)).map_err(cannot)?;
    let (tell, ended) = mpsc::channel();
    let reads = move || {
        let mut printed = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = stdout.read(&mut buffer) {
            let room = KEPT - printed.len().min(KEPT);
            printed.extend_from_slice(&buffer[..count.min(room)]);
        }
        // Nobody listens any more to a child that was stopped.
        let _ = tell.send(printed);
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
                    let seconds = stall.as_secs();
                    let message = format!(
                        "cannot fetch `{reference}`: the registry has sent nothing for {seconds} seconds"
                    );
                    let hint = "run it again later: what is complete is kept";
                    return Err(Failure {
                        problem: Problem::new("registry-broken", message, hint),
                        may_pass: true,
                    });
                }
            }
        }
    };
    let status = child.0.wait().map_err(cannot)?;
    let said = said.join().expect("reading does not panic");
    if status.success() {
        return Ok(printed);
    }
    if let Some(signal) = status.signal() {
        let message = format!("cannot fetch `{reference}`: skopeo was killed by signal {signal}");
        return Err(fail(
            "registry-failed",
            message,
            "see whether the system ran out of memory, and try again",
        ));
    }
    Err(Failure::of(reference, &String::from_utf8_lossy(&said)))
}
