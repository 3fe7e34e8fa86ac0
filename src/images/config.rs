//! The configuration of an image: what of it a store needs.

use serde::Deserialize;

use super::manifest::platform_label;

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

impl ImageConfig {
    /// Its platform as people write it, such as `linux/arm64/v8`, if it says one.
    pub(crate) fn platform_label(&self) -> Option<String> {
        let os = self.os.as_deref().filter(|os| !os.is_empty()).unwrap_or("linux");
        let architecture = self.architecture.as_deref().filter(|it| !it.is_empty())?;
        Some(platform_label(os, architecture, self.variant.as_deref()))
    }
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
