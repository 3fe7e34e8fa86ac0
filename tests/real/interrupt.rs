//! What holds when a run is interrupted, hindered or accompanied by others: each
//! file is the old one or the new one, whole.

mod apply;
mod attributes;
mod commands;
mod concurrent;
mod disk;
mod fault;
mod kill;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{run, storagectl, text};
use crate::tree::{Tree, tree};

/// A storage.conf without anything special, and the essentials of every host.
pub(crate) const CONF: &str = "# The administrator's.\n[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\ngraphroot = \"/var/lib/containers/storage\"\n
[storage.options]\nadditionalimagestores = [\n  \"/srv\", # ours\n]\n";

/// How the temporary file beside `name` is called, wherever it is.
pub(crate) fn is_temporary(path: &Path) -> bool {
    path.to_string_lossy().contains(".storagectl-")
}

/// One situation that can be set up again and again: a directory `host`, and a
/// command in whose arguments `@DIR@` stands for it.
pub(crate) struct Scene {
    scratch: tempfile::TempDir,
    args: Vec<String>,
}

impl Scene {
    /// `set_up` prepares an empty directory.
    pub(crate) fn new(set_up: impl Fn(&Path), args: &[&str]) -> Self {
        Self::within(tempfile::tempdir().expect("a scratch directory can be made"), set_up, args)
    }

    /// The same in a scratch directory of one's own.
    pub(crate) fn within(scratch: tempfile::TempDir, set_up: impl Fn(&Path), args: &[&str]) -> Self {
        let template = scratch.path().join("template");
        std::fs::create_dir(&template).expect("the scratch directory is writable");
        set_up(&template);
        let scene = Self { scratch, args: args.iter().map(|&arg| arg.to_owned()).collect() };
        scene.reset();
        scene
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.scratch.path().join("host")
    }

    /// Everything as it was set up, with owners, modes and attributes.
    pub(crate) fn reset(&self) {
        let dir = self.dir();
        if dir.exists() {
            std::fs::remove_dir_all(&dir).expect("the scratch directory is writable");
        }
        run(Command::new("cp").arg("-a").arg(self.scratch.path().join("template")).arg(dir));
    }

    /// The command, not yet run.
    pub(crate) fn command(&self) -> Command {
        let dir = self.dir();
        let args: Vec<String> =
            self.args.iter().map(|arg| arg.replace("@DIR@", &dir.to_string_lossy())).collect();
        storagectl(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub(crate) fn tree(&self) -> Tree {
        tree(&self.dir())
    }

    /// The states before and after an undisturbed run, which must differ.
    pub(crate) fn before_and_after(&self) -> (Tree, Tree) {
        self.reset();
        let before = self.tree();
        run(&mut self.command());
        let after = self.tree();
        assert_ne!(before, after, "the run has something to do");
        (before, after)
    }
}

/// A file `storage.conf` in a directory of its own, beside a store: `--config`.
pub(crate) fn one_file(dir: &Path) {
    write(&dir.join("conf/storage.conf"), &CONF.replace("/srv", "/usr"));
    std::fs::create_dir(dir.join("store")).expect("the scratch directory is writable");
}

/// Writes a file and the directories above it.
pub(crate) fn write(file: &Path, content: &str) {
    let parent = file.parent().expect("a file has a parent");
    std::fs::create_dir_all(parent).expect("the scratch directory is writable");
    std::fs::write(file, content).expect("the scratch directory is writable");
}

/// Checks that a run was refused with status 2 and a message that holds `what`
/// on its first line, and `hint` in its hint.
#[track_caller]
pub(crate) fn assert_refused(output: &Output, what: &[&str], hint: &str) {
    assert_eq!(output.status.code(), Some(2), "{}", text(output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    let first = stderr.lines().next().unwrap_or_default();
    assert!(first.starts_with("error: "), "{stderr}");
    for part in what {
        assert!(first.contains(part), "wanted `{part}` on the first line: {stderr}");
    }
    let (_, advice) = stderr.split_once("\n\nhint: ").unwrap_or_else(|| panic!("no hint: {stderr}"));
    assert!(advice.contains(hint), "wanted `{hint}` in the hint: {stderr}");
}
