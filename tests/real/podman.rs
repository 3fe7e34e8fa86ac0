//! What real podman makes of storagectl's edits, and of what it refuses.
//!
//! podman 4 stands for the legacy generation: it reads one main file, and stops
//! as a whole on the first thing in it, or in a listed store, that it does not like.

pub(crate) mod forms;
mod refusals;
mod way_out;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{self, IMAGE, copy_store, finish, storagectl, text};

/// A scratch directory with a configuration file, a store with an image, and an
/// engine's own empty storage.
pub(crate) struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    /// A bench with `text` as its storage.conf; `@GRAPHROOT@`, `@RUNROOT@`,
    /// `@STORE@` and `@OTHER@` stand for the paths.
    pub(crate) fn new(text: &str) -> Self {
        let bench = Self { dir: support::scratch_in_memory() };
        copy_store(&bench.store());
        support::run(&mut storagectl(&["init-store", path(&bench.other())]));
        std::fs::write(bench.conf(), bench.fill_in(text)).expect("the scratch directory is writable");
        bench
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn conf(&self) -> PathBuf {
        self.dir().join("storage.conf")
    }

    /// A copy of the image store.
    pub(crate) fn store(&self) -> PathBuf {
        self.dir().join("store")
    }

    /// A store without images.
    pub(crate) fn other(&self) -> PathBuf {
        self.dir().join("other")
    }

    pub(crate) fn fill_in(&self, text: &str) -> String {
        text.replace("@GRAPHROOT@", path(&self.dir().join("graphroot")))
            .replace("@RUNROOT@", path(&self.dir().join("runroot")))
            .replace("@STORE@", path(&self.store()))
            .replace("@OTHER@", path(&self.other()))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.conf()).expect("the file is there")
    }

    /// `storagectl --config` with this file and `args`.
    pub(crate) fn storagectl(&self, args: &[&str]) -> Command {
        let conf = self.conf();
        storagectl(&[&["--config", path(&conf)], args].concat())
    }

    /// What `podman images` says with this file.
    pub(crate) fn images(&self) -> Output {
        finish(&mut hermetic_podman(&self.conf(), &["images", "--format", IMAGE_LINE]))
    }
}

/// How an image is listed: its name, and whether it is read-only.
pub(crate) const IMAGE_LINE: &str = "{{.Repository}}:{{.Tag}} {{.ReadOnly}}";

/// `path` as an argument. Scratch directories have plain names.
pub(crate) fn path(path: &Path) -> &str {
    path.to_str().expect("a scratch directory's path is UTF-8")
}

/// podman with `conf`, that neither sees the host's own storage nor writes to it:
/// some configurations leave podman's default directories in place.
pub(crate) fn hermetic_podman(conf: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs none /run && mount -t tmpfs none /var/lib && exec podman \"$@\"";
    command.args(["-m", "sh", "-c", script, "podman"]).args(args).env("CONTAINERS_STORAGE_CONF", conf);
    command.env("PATH", support::path_with_podman_4());
    command
}

/// Checks that podman starts and sees exactly the image of the store, read-only.
#[track_caller]
pub(crate) fn assert_served(output: &Output, what: &str) {
    assert!(output.status.success(), "{what}: {}", text(output));
    let listed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(listed.trim(), format!("{IMAGE} true"), "{what}: {}", text(output));
}

/// Checks that podman starts and sees no image.
#[track_caller]
pub(crate) fn assert_nothing_served(output: &Output, what: &str) {
    assert!(output.status.success(), "{what}: {}", text(output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "", "{what}: {}", text(output));
}
