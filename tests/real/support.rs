//! What all real tests share: programs, scratch directories, an image store.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::hosts::program;

/// The program under test.
pub(crate) const STORAGECTL: &str = env!("CARGO_BIN_EXE_storagectl");

/// The image that [`image_store`] holds.
pub(crate) const IMAGE: &str = "localhost/app:1";

/// Runs a command and returns what it printed; panics with its output if it fails.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output = finish(command);
    assert!(output.status.success(), "{command:?}\n{}", text(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Copies a program by another process: what this one has open for writing, a child of another thread
/// may inherit, and then it cannot be run (`Text file busy`).
#[track_caller]
pub(crate) fn copy_program(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    run(Command::new("cp").arg(from.as_ref()).arg(to.as_ref()));
}

/// Runs a command to its end, whatever that is.
#[track_caller]
pub(crate) fn finish(command: &mut Command) -> Output {
    match command.output() {
        Ok(output) => output,
        Err(error) => panic!("{command:?}: {error}; `make check` installs what the tests need"),
    }
}

/// Both streams of a finished command.
pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// `storagectl` with `args`.
pub(crate) fn storagectl(args: &[&str]) -> Command {
    let mut command = Command::new(STORAGECTL);
    command.args(args).env_remove("NO_COLOR").env("TERM", "dumb");
    command
}

/// A scratch directory in memory, for tests that start engines many times and are not
/// about what outlasts a power cut: engines sync what they write. It is on the disk
/// where there is no such place.
pub(crate) fn scratch_in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a scratch directory can be made")
}

/// An image store that podman made, with [`IMAGE`] in it. Made once and kept in
/// the target directory; copy it with [`copy_store`] to change it.
pub(crate) fn image_store() -> &'static Path {
    static STORE: OnceLock<PathBuf> = OnceLock::new();
    STORE.get_or_init(|| {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image-store-1");
        if kept.symlink_metadata().is_ok() {
            return kept;
        }
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a scratch directory can be made");
        let (rootfs, store) = (dir.path().join("rootfs"), dir.path().join("store"));
        fs_err::create_dir_all(rootfs.join("bin")).expect("a directory can be made");
        fs_err::copy("/bin/busybox", rootfs.join("bin/busybox")).expect("busybox-static is installed");
        let tar = dir.path().join("rootfs.tar");
        run(Command::new("tar").arg("-C").arg(rootfs).arg("-cf").arg(&tar).arg("."));
        run(Command::new("unshare")
            .env("PATH", path_with_podman_4())
            .args(["-m", "podman", "--root"])
            .arg(&store)
            .arg("--runroot")
            .arg(dir.path().join("run"))
            .arg("import")
            .arg(&tar)
            .arg(IMAGE));
        fs_err::rename(&store, &kept).expect("both are in one directory");
        kept
    })
}

/// The search path with podman 4 in front, as `podman`: the machine may have another.
pub(crate) fn path_with_podman_4() -> String {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    let dir = DIR.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("podman-4");
        fs_err::create_dir_all(&dir).expect("a directory can be made");
        // Other test processes do the same.
        run(Command::new("ln").arg("-sfT").arg(program("podman-4")).arg(dir.join("podman")));
        dir
    });
    format!("{}:{}", dir.display(), std::env::var("PATH").expect("there is a search path"))
}

/// A shell that has mount, mkdir and their like in itself: with it the 30 commands that make a
/// root directory for an engine take a third of the time.
pub(crate) const SHELL: [&str; 2] = ["busybox", "sh"];

/// Copies the image store to `to`, which must not exist.
#[track_caller]
pub(crate) fn copy_store(to: &Path) {
    fs_err::create_dir_all(to.parent().expect("a store has a parent")).expect("a directory can be made");
    run(Command::new("cp").arg("-a").arg(image_store()).arg(to));
}

/// `outer` with the program, arguments and environment of `command` behind its own arguments.
pub(crate) fn under(mut outer: Command, command: &Command) -> Command {
    outer.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer
}

/// A function of the shell's, `rpm_here`: rpm, which on some releases of Debian asks for an
/// option of their own before it installs anything.
pub(crate) const RPM_HERE: &str = r#"rpm_here() {
    if command rpm --force-debian --version >/dev/null 2>&1; then set -- --force-debian "$@"; fi
    command rpm "$@"
}
"#;
