//! What the scriptlets did for one store.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::provided::escape;
use crate::host::Root;
use crate::plan::Taken;

/// Beside the rpm database, which lives in /usr/lib/sysimage on image-based systems.
const DIR: &str = "/usr/lib/sysimage/storagectl";

/// A file in [`DIR`], one for each store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// The store.
    pub(super) path: String,
    /// Whether a scriptlet listed it; somebody else did if not.
    pub(super) added: bool,
    /// The entry that a %preun took off, until its %postun.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) taken: Option<Taken>,
}

impl Record {
    pub(super) fn new(path: &str) -> Self {
        Self { path: path.to_owned(), added: false, taken: None }
    }

    fn file(path: &str) -> PathBuf {
        Path::new(DIR).join(format!("{}.json", escape(path)))
    }

    pub(super) fn read(root: &Root, path: &str) -> anyhow::Result<Option<Self>> {
        Self::load(root, &Self::file(path))
    }

    fn load(root: &Root, file: &Path) -> anyhow::Result<Option<Self>> {
        let cannot = || format!("cannot read the record `{}`", root.show(file).display());
        match root.read(file).with_context(cannot)? {
            Some((bytes, _)) => Ok(Some(serde_json::from_slice(&bytes).with_context(cannot)?)),
            None => Ok(None),
        }
    }

    /// All records.
    pub(super) fn all(root: &Root) -> anyhow::Result<Vec<Self>> {
        let names =
            root.list(Path::new(DIR)).with_context(|| format!("cannot read `{DIR}`"))?.unwrap_or_default();
        let mut records = Vec::new();
        for name in names.iter().filter(|name| Path::new(name).extension().is_some_and(|end| end == "json")) {
            records.extend(Self::load(root, &Path::new(DIR).join(name))?);
        }
        Ok(records)
    }

    pub(super) fn write(&self, root: &Root) -> anyhow::Result<()> {
        let file = Self::file(&self.path);
        let text = serde_json::to_string(self)? + "\n";
        root.create_dirs(Path::new(DIR), 0o755)
            .and_then(|()| root.replace_file(&file, text.as_bytes()))
            .with_context(|| format!("cannot write the record `{}`", root.show(&file).display()))
    }

    pub(super) fn forget(root: &Root, path: &str) -> anyhow::Result<()> {
        let file = Self::file(path);
        root.remove_file(&file)
            .with_context(|| format!("cannot remove the record `{}`", root.show(&file).display()))?;
        Ok(())
    }
}
