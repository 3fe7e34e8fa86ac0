//! The configuration of an image: what of it a store needs.

use serde::Deserialize;

/// A configuration; OCI's and Docker's agree in these fields.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ImageConfig {
    pub(crate) created: Option<String>,
    pub(crate) architecture: Option<String>,
    pub(crate) os: Option<String>,
    pub(crate) variant: Option<String>,
    pub(crate) rootfs: Option<Rootfs>,
    pub(crate) history: Option<Vec<HistoryEntry>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Rootfs {
    pub(crate) diff_ids: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HistoryEntry {
    pub(crate) created: Option<String>,
    pub(crate) empty_layer: bool,
}
