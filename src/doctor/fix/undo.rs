//! What a step changes in the configuration, kept so that it can be undone.

use std::path::{Path, PathBuf};

use crate::plan::{After, FileChange, Host};
use crate::problem::{Problem, shell_word};

/// Copies of files as they were.
#[derive(Debug, Default)]
pub(super) struct FileBackup {
    /// The directory that has them, below which they have their own paths.
    dir: PathBuf,
    files: Vec<FormerFile>,
}

/// A file as it was.
#[derive(Debug)]
struct FormerFile {
    path: PathBuf,
    /// Whether there was one.
    had_text: bool,
    /// What it led to, if it was a symlink.
    target: Option<PathBuf>,
    /// Whether it is a symlink now.
    becomes_link: bool,
}

impl FileBackup {
    /// Copies the files that change, and syncs them. Nothing is made where nothing changes.
    pub(super) fn make(host: &Host, changes: &[FileChange]) -> Result<Self, Problem> {
        if changes.is_empty() {
            return Ok(Self::default());
        }
        let undo = host.state_dir()?.join("undo");
        let dir = free_name(host, &undo)?;
        let mut backup = Self { dir, files: Vec::new() };
        for change in changes {
            let target = host.root.read_link(&change.path).map_err(host.cannot("look at", &change.path))?;
            if let Some(text) = &change.before {
                let copy = backup.copy_of(&change.path);
                let above = copy.parent().unwrap_or(&backup.dir);
                // What a file of the configuration holds, not everyone may read.
                host.root.create_dirs(above, 0o700).map_err(host.cannot("create the directory", above))?;
                host.root.replace_file(&copy, text.as_bytes()).map_err(host.cannot("write", &copy))?;
            }
            backup.files.push(FormerFile {
                path: change.path.clone(),
                had_text: change.before.is_some(),
                target,
                becomes_link: matches!(change.after, After::Link(_)),
            });
        }
        Ok(backup)
    }

    fn copy_of(&self, path: &Path) -> PathBuf {
        self.dir.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The commands that give the files back, after they were changed.
    pub(super) fn commands(&self, host: &Host) -> Vec<String> {
        let word = |path: &Path| shell_word(&host.show(path));
        let command = |file: &FormerFile| {
            let is_link = matches!(host.root.read_link(&file.path), Ok(Some(_)));
            match &file.target {
                Some(target) if !is_link => {
                    let target = shell_word(&target.display().to_string());
                    format!("ln -sfn {target} {}", word(&file.path))
                }
                _ if !file.had_text => format!("rm {}", word(&file.path)),
                // Not to what it leads to.
                _ if file.becomes_link => {
                    format!(
                        "cp --remove-destination {} {}",
                        word(&self.copy_of(&file.path)),
                        word(&file.path)
                    )
                }
                _ => format!("cp {} {}", word(&self.copy_of(&file.path)), word(&file.path)),
            }
        };
        self.files.iter().map(command).collect()
    }
}

/// The first number that nothing has yet.
fn free_name(host: &Host, undo: &Path) -> Result<PathBuf, Problem> {
    for dir in (1..).map(|number: u64| undo.join(number.to_string())) {
        if host.root.stat(&dir).map_err(host.cannot("look at", &dir))?.is_none() {
            return Ok(dir);
        }
    }
    unreachable!("there is always another number")
}
