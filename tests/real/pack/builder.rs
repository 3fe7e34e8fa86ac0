//! A place where packages are built, by somebody who is not root.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::images::with_images;
use crate::registry::{home, serve};
use crate::support::{STORAGECTL, copy_program, finish, text};

/// `nobody`.
const USER: &str = "65534";

pub(crate) struct Builder {
    dir: tempfile::TempDir,
}

impl Builder {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("pack-").tempdir().unwrap();
        let builder = Self { dir };
        for part in ["out", "tmp", "cache", "manifests/sub"] {
            fs_err::create_dir_all(builder.path(part)).unwrap();
        }
        fs_err::write(builder.path("manifests/app.yaml"), "kind: Pod\n").unwrap();
        fs_err::write(builder.path("manifests/sub/kustomization.yaml"), "resources: []\n").unwrap();
        std::os::unix::fs::symlink("sub/kustomization.yaml", builder.path("manifests/link.yaml")).unwrap();
        fs_err::write(builder.path("auth.json"), "{}").unwrap();
        // What others may not enter, such as root's home directory, this user cannot either.
        copy_program(STORAGECTL, builder.path("storagectl"));
        home(&builder.path("home"), &[&with_images().address]);
        let status = Command::new("chown").args(["-R", USER]).arg(builder.dir.path()).status();
        assert!(status.unwrap().success());
        builder
    }

    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    /// Writes the YAML, in which `REGISTRY` stands for the registry.
    pub(crate) fn write(&self, yaml: &str) {
        let text = yaml.replace("REGISTRY", &with_images().address);
        fs_err::write(self.path("packages.yaml"), text).unwrap();
    }

    /// `storagectl pack WHAT packages.yaml ARGS` as a command of that somebody.
    pub(crate) fn command(&self, what: &str, args: &[&str]) -> Command {
        self.command_in("tmp", what, args)
    }

    /// The same with another directory for the work.
    pub(crate) fn command_in(&self, tmp: &str, what: &str, args: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
        command
            .arg(self.path("storagectl"))
            .args(["pack", what, "packages.yaml"])
            .args(args)
            .current_dir(self.dir.path());
        command.args(["--output", "out", "--cache", "cache", "--tmp", tmp, "--authfile", "auth.json"]);
        serve(&self.path("home/home"), &mut command).env_remove("SOURCE_DATE_EPOCH");
        command
    }

    /// What came of it.
    pub(crate) fn pack(&self, what: &str, args: &[&str]) -> Output {
        finish(&mut self.command(what, args))
    }

    /// Builds, and returns the files, sorted.
    #[track_caller]
    pub(crate) fn built(&self, what: &str, args: &[&str]) -> Vec<PathBuf> {
        let output = self.pack(what, args);
        assert!(output.status.success(), "{}", text(&output));
        let said = String::from_utf8(output.stdout).unwrap();
        let mut files: Vec<PathBuf> = said.lines().map(PathBuf::from).collect();
        assert!(!files.is_empty() && files.iter().all(|file| file.is_file()), "{said}");
        files.sort();
        self.assert_clean();
        files
    }

    /// Nothing of the work is left.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        assert_eq!(crate::tree::names(&self.path("tmp")), [""; 0]);
        let out = crate::tree::names(&self.path("out"));
        assert!(!out.iter().any(|name| name.starts_with('.')), "{out:?}");
    }
}

/// The name of a file.
pub(crate) fn name(file: &Path) -> String {
    file.file_name().unwrap().to_str().unwrap().to_owned()
}
