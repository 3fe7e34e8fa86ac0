//! A disk that the real ostree manages.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{run, storagectl};

/// The name under which the images are deployed.
const OS: &str = "test";

/// A system tree, to be committed.
pub(super) struct Tree {
    dir: tempfile::TempDir,
}

impl Tree {
    /// What ostree and the programs of the test machine need in a tree. `/etc` is
    /// there as in an image build.
    pub(super) fn new() -> Self {
        let tree = Self { dir: tempfile::tempdir().unwrap() };
        for dir in ["dev", "proc", "sys", "run", "tmp", "root", "sysroot", "boot", "etc/containers"] {
            fs_err::create_dir_all(tree.path(dir)).unwrap();
        }
        // A system's /var is not part of the image.
        fs_err::create_dir_all(tree.path("var")).unwrap();
        for dir in super::boot::program_dirs() {
            fs_err::create_dir_all(tree.path(&dir)).unwrap();
        }
        for (link, target) in
            [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("opt", "var/opt")]
        {
            fs_err::os::unix::fs::symlink(target, tree.path(link)).unwrap();
        }
        fs_err::os::unix::fs::symlink("usr/lib64", tree.path("lib64")).unwrap();
        tree.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
        tree.write("usr/lib/os-release", "NAME=test\nID=test\nVERSION_ID=1\nPRETTY_NAME=Test\n");
        tree.write("usr/lib/modules/6.1.0/vmlinuz", "a kernel\n");
        tree.write("usr/lib/modules/6.1.0/initramfs.img", "an initial RAM disk\n");
        tree
    }

    pub(super) fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    pub(super) fn write(&self, inside: &str, text: &str) {
        let file = self.path(inside);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(file, text).unwrap();
    }

    pub(super) fn storagectl(&self, args: &[&str]) {
        run(storagectl(&["--root"]).arg(self.dir.path()).args(args));
    }

    /// Moves `/etc` to where ostree has what an image says of it.
    pub(super) fn move_etc(&self) {
        fs_err::rename(self.path("etc"), self.path("usr/etc")).unwrap();
    }
}

/// A disk with a repository, deployments, and the `/var` that they share.
pub(super) struct Sysroot {
    dir: tempfile::TempDir,
}

impl Sysroot {
    pub(super) fn new() -> Self {
        let sysroot = Self { dir: tempfile::tempdir().unwrap() };
        run(sysroot.admin("init-fs").arg(sysroot.dir.path()));
        sysroot.run("os-init", &[OS]);
        run(sysroot.repo("config").args(["set", "sysroot.bootloader", "none"]));
        sysroot
    }

    fn repo(&self, verb: &str) -> Command {
        let mut command = Command::new("ostree");
        command.arg(verb).arg("--repo").arg(self.dir.path().join("ostree/repo"));
        command
    }

    fn admin(&self, verb: &str) -> Command {
        let mut command = Command::new("ostree");
        // Directories that cannot be removed, and syncing all disks, are of no use in a test.
        command.env("OSTREE_SYSROOT_DEBUG", "mutable-deployments").env("OSTREE_SYSROOT_OPTS", "skip-sync");
        command.args(["admin", verb]);
        command
    }

    fn run(&self, verb: &str, args: &[&str]) -> String {
        run(self.admin(verb).arg("--sysroot").arg(self.dir.path()).args(args))
    }

    /// Commits a tree, whose `/etc` goes to `/usr/etc`. ostree forgets what has no `branch`.
    pub(super) fn commit(&self, branch: &str, tree: &Tree) -> String {
        if tree.path("etc").is_dir() {
            tree.move_etc();
        }
        let mut command = self.repo("commit");
        command
            .args(["--fsync=no", "--branch", branch])
            .args(["--owner-uid=0", "--owner-gid=0"])
            .arg(tree.dir.path());
        run(&mut command).trim().to_owned()
    }

    /// Makes a commit the default at the next boot, with `/etc` merged from the
    /// present default one.
    pub(super) fn deploy(&self, commit: &str) {
        self.run("deploy", &["--os", OS, "--retain", commit]);
    }

    /// The same with the `/etc` of the commit, and an empty `/var`.
    pub(super) fn reset(&self, commit: &str) {
        self.run("deploy", &["--os", OS, "--no-merge", commit]);
        fs_err::remove_dir_all(self.var()).unwrap();
        fs_err::create_dir(self.var()).unwrap();
    }

    /// Makes the deployment before the present one the default again.
    pub(super) fn roll_back(&self) {
        self.run("undeploy", &["0"]);
    }

    /// The `/var` of all deployments.
    pub(super) fn var(&self) -> PathBuf {
        self.dir.path().join("ostree/deploy").join(OS).join("var")
    }

    /// The tree that boots.
    pub(super) fn deployment(&self) -> PathBuf {
        let status = self.run("status", &[]);
        let name = status.split_whitespace().nth(1).unwrap_or_else(|| panic!("no deployment: {status}"));
        Path::new(&self.dir.path()).join("ostree/deploy").join(OS).join("deploy").join(name)
    }
}
