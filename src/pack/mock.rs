//! mock, for those who want their packages built in a clean root of the target.

use std::path::Path;

use super::build::PackOptions;
use super::program::Program;
use super::result::{BuiltPackage, deliver};
use crate::problem::Problem;
use crate::sys::PrivateDir;

const PROGRAM: Program = Program { name: "mock", package: "mock", doing: "build" };

/// Builds binary packages from these source packages with mock's configuration of the
/// target's name.
///
/// # Errors
/// `pack-target` if the target is an architecture alone; the answer of mock.
pub fn rebuild(sources: &[BuiltPackage], options: &PackOptions) -> Result<Vec<BuiltPackage>, Problem> {
    let Some(name) = &options.target.name else {
        let message = "mock needs the name of a configuration";
        let hint = "give a target such as `centos-stream-9-aarch64`; `mock --list-chroots` shows all";
        return Err(Problem::new("pack-target", message, hint));
    };
    let mut built = Vec::new();
    for source in sources {
        let cannot = Problem::cannot("create a directory in", options.tmp.display().to_string());
        let results = PrivateDir::new(&options.tmp, "storagectl-mock-").map_err(cannot)?;
        let mut command = PROGRAM.command();
        command.arg("-r").arg(name).arg("--resultdir").arg(results.path());
        command.arg("--rebuild").arg(&source.file);
        PROGRAM.run(command, &source.name)?;
        let all = deliver(&source.name, results.path(), &options.output)?;
        built.extend(all.into_iter().filter(|package| is_binary(&package.file)));
    }
    Ok(built)
}

fn is_binary(file: &Path) -> bool {
    !file.to_string_lossy().ends_with(".src.rpm")
}
