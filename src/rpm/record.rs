//! What the scriptlets did for one store.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::plan::RemovedEntry;
use crate::problem::Problem;
use crate::store::unit_name;
use crate::sys::Root;

/// Beside the rpm database, which lives in /usr/lib/sysimage on image-based systems.
const DIR: &str = "/usr/lib/sysimage/storagectl";

/// A file in [`DIR`], one for each store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ScriptletRecord {
    /// The store.
    pub(super) path: String,
    /// Whether a scriptlet listed it; somebody else did if not.
    pub(super) added: bool,
    /// The entry that a %preun took off, until its %postun.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) taken: Option<RemovedEntry>,
}

impl ScriptletRecord {
    pub(super) fn new(path: &str) -> Self {
        Self { path: path.to_owned(), added: false, taken: None }
    }

    fn file(path: &str) -> PathBuf {
        Path::new(DIR).join(unit_name(path, "json"))
    }

    pub(super) fn read(root: &Root, path: &str) -> Result<Option<Self>, Problem> {
        Self::load(root, &Self::file(path))
    }

    /// A record that cannot be parsed is as good as none: what it would have
    /// told is lost, and must not keep a scriptlet from its work.
    fn load(root: &Root, file: &Path) -> Result<Option<Self>, Problem> {
        let read = root.read(file).map_err(Problem::cannot("read the record", root.show(file).display()))?;
        Ok(read.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok()))
    }

    /// All records.
    pub(super) fn all(root: &Root) -> Result<Vec<Self>, Problem> {
        let names = root.list(Path::new(DIR)).map_err(Problem::cannot("read", DIR))?.unwrap_or_default();
        let mut records = Vec::new();
        for name in names.iter().filter(|name| Path::new(name).extension().is_some_and(|end| end == "json")) {
            records.extend(Self::load(root, &Path::new(DIR).join(name))?);
        }
        Ok(records)
    }

    pub(super) fn write(&self, root: &Root) -> Result<(), Problem> {
        let file = Self::file(&self.path);
        let text = serde_json::to_string(self).expect("strings and booleans can be written") + "\n";
        root.create_dirs(Path::new(DIR), 0o755)
            .and_then(|()| root.replace_file(&file, text.as_bytes()))
            .map_err(Problem::cannot("write the record", root.show(&file).display()))
    }

    pub(super) fn forget(root: &Root, path: &str) -> Result<(), Problem> {
        let file = Self::file(path);
        root.remove_file(&file).map_err(Problem::cannot("remove the record", root.show(&file).display()))?;
        Ok(())
    }
}
