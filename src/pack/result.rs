//! Packages that were built, and where they go.

use std::path::{Path, PathBuf};

use crate::problem::Problem;
use crate::sys::{FileMetadata, Root};

/// A package that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltPackage {
    /// The package's name in the YAML.
    pub name: String,
    /// RPM's name of the architecture; `src` for a source package.
    pub arch: String,
    /// The file.
    pub file: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Moves all packages in the directory `from` to the directory `to`, over those of the same
/// name. Each is there as a whole or not at all.
pub(super) fn deliver(name: &str, from: &Path, to: &Path) -> Result<Vec<BuiltPackage>, Problem> {
    let root = Root::system().map_err(Problem::cannot("open", "/"))?;
    root.create_dirs(to, 0o755).map_err(Problem::cannot("make", to.display()))?;
    let names = root.list(from).map_err(Problem::cannot("read", from.display()))?.unwrap_or_default();
    let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
    names.retain(|file| Path::new(file).extension().is_some_and(|extension| extension == "rpm"));
    names.sort();
    let mut built = Vec::new();
    for file in names {
        let target = to.join(&file);
        let shown = target.display().to_string();
        let mut writer = root.directory_writer(to).map_err(Problem::cannot("write to", to.display()))?;
        let temporary = format!(".{file}.storagectl-new");
        let write = |writer: &mut crate::sys::DirectoryWriter| {
            writer.remove(temporary.as_bytes())?;
            let new = writer.create_file(temporary.as_bytes())?;
            let size = root.copy_to(&from.join(&file), &new)?;
            let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
            new.open_to_all(&FileMetadata {
                mode: 0o644,
                uid: owner.0,
                gid: owner.1,
                mtime: (0, 0),
                attributes: &[],
            })?;
            new.sync()?;
            writer.move_over(temporary.as_bytes(), file.as_bytes())?;
            Ok(size.unwrap_or_default())
        };
        let bytes = write(&mut writer).map_err(|error| {
            let _ = writer.remove(temporary.as_bytes());
            Problem::io("write", &shown, &error)
        })?;
        let arch = file.trim_end_matches(".rpm").rsplit('.').next().unwrap_or_default().to_owned();
        built.push(BuiltPackage { name: name.to_owned(), arch, file: target, bytes });
    }
    Ok(built)
}
