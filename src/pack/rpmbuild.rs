//! rpmbuild, in a private directory.

use std::path::Path;
use std::process::Command;

use super::program::Program;
use super::target::PackTarget;
use crate::problem::Problem;

/// The directories of rpmbuild, in the private one.
pub(super) const SOURCES: &str = "sources";
pub(super) const RESULTS: &str = "results";

const PROGRAM: Program = Program { name: "rpmbuild", package: "rpm-build", doing: "build" };

/// A command that takes nothing from the home directory and puts everything into `dir`.
fn command(dir: &Path, time: i64) -> Command {
    let mut command = PROGRAM.command();
    let mut define = |name: &str, value: &str| {
        command.arg("--define").arg(format!("{name} {value}"));
    };
    for (name, part) in [
        ("_topdir", ""),
        ("_sourcedir", SOURCES),
        ("_specdir", "specs"),
        ("_builddir", "build"),
        ("_buildrootdir", "root"),
        ("_rpmdir", RESULTS),
        ("_srcrpmdir", RESULTS),
        ("_tmppath", "tmp"),
    ] {
        define(name, &dir.join(part).display().to_string());
    }
    define("_rpmfilename", "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm");
    // Other rooms of rpmbuild that a host's macros may furnish.
    define("_unpackaged_files_terminate_build", "1");
    define("_build_pkgcheck_set", "%{nil}");
    command.env("HOME", dir).env("LC_ALL", "C.UTF-8").env("SOURCE_DATE_EPOCH", time.max(0).to_string());
    command
}

/// Builds the binary package for `target` from the tree in `tree`, which goes into it.
///
/// # Errors
/// `program-missing`, `program-failed`, `disk-full`.
pub(super) fn binary(
    dir: &Path,
    spec: &Path,
    target: &PackTarget,
    tree: &Path,
    time: i64,
    label: &str,
) -> Result<(), Problem> {
    let mut command = command(dir, time);
    command.args(["-bb", "--nodeps", "--target", &target.arch]);
    if let Some(dist) = &target.dist {
        let dist = if dist.is_empty() { "%{nil}" } else { dist };
        command.arg("--define").arg(format!("dist {dist}"));
    }
    command.arg("--define").arg(format!("storagectl_tree {}", tree.display()));
    PROGRAM.run(command_with(command, spec), label).map(|_| ())
}

/// Builds the source package.
///
/// # Errors
/// As [`binary`].
pub(super) fn source(
    dir: &Path,
    spec: &Path,
    dist: Option<&str>,
    time: i64,
    label: &str,
) -> Result<(), Problem> {
    let mut command = command(dir, time);
    command.args(["-bs", "--nodeps"]);
    // A source package is for no distribution, unless one was given.
    command.arg("--define").arg(format!("dist {}", dist.filter(|it| !it.is_empty()).unwrap_or("%{nil}")));
    PROGRAM.run(command_with(command, spec), label).map(|_| ())
}

fn command_with(mut command: Command, spec: &Path) -> Command {
    command.arg(spec);
    command
}
