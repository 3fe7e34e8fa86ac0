//! A store is checked before it is packed, as it came out and not as it was meant.

use std::path::{Path, PathBuf};

use super::program::Program;
use super::recipe::Package;
use crate::problem::{Problem, Severity};
use crate::store::check::{self, CheckRequest, Progress};
use crate::sys::{PrivateDir, Root};

/// How deep the records and the links of a store are: `overlay/ID/diff`.
const DEPTH: &str = "3";

/// Checks the store in a squashfs image: its records and how its layers hang together. What
/// is in the layers was verified when it went in. They are looked at in a directory that is
/// made in `within`.
///
/// # Errors
/// `store-damaged` with the first error, or the answer of unsquashfs.
pub(super) fn check_squashfs(
    package: &Package,
    file: &Path,
    within: &Path,
    jobs: usize,
) -> Result<(), Problem> {
    let dir = PrivateDir::new(within, "check-").map_err(Problem::cannot("write to", within.display()))?;
    let program = Program { name: "unsquashfs", package: "squashfs-tools", doing: "look at" };
    let mut command = program.command();
    command.args(["-quiet", "-no-progress", "-no-xattrs", "-max-depth", DEPTH, "-dest"]);
    command.arg(dir.path().join("store")).arg(file);
    program.run(command, &package.name)?;
    let root = dir.root().map_err(Problem::cannot("open", dir.path().display()))?;
    check(package, &root, Path::new("/store"), jobs)
}

/// Checks the store at `path` in a tree.
///
/// # Errors
/// `store-damaged` with the first error.
pub(super) fn check(package: &Package, root: &Root, path: &Path, jobs: usize) -> Result<(), Problem> {
    let request = CheckRequest { jobs, ..CheckRequest::quick(vec![path.to_owned()], "overlay") };
    let report = check::check(root, &request, &Progress::default());
    if let Some(problem) = report.not_looked.first() {
        return Err(problem.clone());
    }
    let Some(finding) = report.findings.iter().find(|finding| finding.severity == Severity::Error) else {
        return Ok(());
    };
    let place: PathBuf = finding.path.clone().unwrap_or_else(|| finding.store.clone());
    let message = format!(
        "the store of `{}` has an error and was not packed: {} (`{}`, {})",
        package.name,
        finding.message,
        place.display(),
        finding.id
    );
    Err(Problem::new("store-damaged", message, finding.hint.clone()))
}
