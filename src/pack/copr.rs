//! Handing source packages to Copr.

use super::program::Program;
use super::result::BuiltPackage;
use crate::problem::Problem;

const PROGRAM: Program = Program { name: "copr-cli", package: "copr-cli", doing: "submit" };

/// Submits source packages to the project `OWNER/PROJECT`, with the program of Copr and
/// what it knows of the person who calls. Returns what it said.
///
/// # Errors
/// `pack-target` if that is no project; the answer of the program.
pub fn submit(sources: &[BuiltPackage], project: &str, wait: bool) -> Result<String, Problem> {
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.' | ':' | '+');
    let is_name = |name: &str| !name.is_empty() && !name.starts_with('-') && name.chars().all(plain);
    let is_project = project
        .split_once('/')
        .is_some_and(|(owner, name)| is_name(owner.strip_prefix('@').unwrap_or(owner)) && is_name(name));
    if !is_project {
        let message = format!("`{}` is not a Copr project", project.escape_debug());
        return Err(Problem::new("pack-target", message, "give it as `OWNER/PROJECT`, or `@GROUP/PROJECT`"));
    }
    let mut command = PROGRAM.command();
    command.arg("build");
    if !wait {
        command.arg("--nowait");
    }
    command.arg(project).args(sources.iter().map(|source| &source.file));
    PROGRAM.run(command, project)
}
