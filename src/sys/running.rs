//! Engines that run on this host.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{self, AtFlags, CWD};

use super::child::systemctl;

/// Whether CRI-O runs on this host: something listens on its default socket
/// (`listen` in crio.conf(5)).
pub fn crio_runs() -> bool {
    listens("/run/crio/crio.sock")
}

/// Whether something listens on the socket at `path` of this host.
pub fn listens(path: &str) -> bool {
    UnixStream::connect(path).is_ok()
}

/// Whether this process runs on a booted system with systemd: not in a chroot,
/// a container or an image build.
///
/// The tests are systemd's own, `sd_booted(3)`, `SYSTEMD_OFFLINE` and the
/// comparison of `/` with the root of process 1, and the marker files that
/// container engines leave in their containers.
pub fn is_booted() -> bool {
    let identity =
        |path: &str| fs::statat(CWD, path, AtFlags::empty()).ok().map(|stat| (stat.st_dev, stat.st_ino));
    let offline = std::env::var_os("SYSTEMD_OFFLINE").is_some_and(|value| value == "1" || value == "true");
    let in_chroot = match (identity("/"), identity("/proc/1/root")) {
        (Some(ours), Some(inits)) => ours != inits,
        // Without /proc, or without the right to look, systemd's other signs decide.
        _ => false,
    };
    let in_container = ["/run/.containerenv", "/.dockerenv"].iter().any(|path| identity(path).is_some());
    identity("/run/systemd/system").is_some() && !offline && !in_chroot && !in_container
}

/// The version that a program of this host prints for `--version`.
pub fn printed_version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    // podman 4 prints errors of the configuration there, too, and what it says then is none.
    let text = String::from_utf8(output.stdout).ok()?;
    let is_version = |word: &&str| {
        let mut parts = word.split('.');
        let digits =
            |part: Option<&str>| part.is_some_and(|it| it.starts_with(|it: char| it.is_ascii_digit()));
        digits(parts.next()) && digits(parts.next())
    };
    let after = text.lines().find_map(|line| line.split_once(" version ").map(|(_, after)| after))?;
    after.split_whitespace().next().filter(is_version).map(str::to_owned)
}

/// Restarts CRI-O if it runs, as `systemctl try-restart crio.service` does.
///
/// # Errors
/// If systemctl is missing or fails, with what it says.
pub fn restart_crio() -> io::Result<()> {
    systemctl(&["try-restart", "crio.service"])
}
