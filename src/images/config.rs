//! The configuration of an image: what of it a store needs.

use serde::Deserialize;

/// A configuration; OCI's and Docker's agree in these fields.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    pub(super) created: Option<String>,
    pub(super) architecture: Option<String>,
    pub(super) os: Option<String>,
    pub(super) variant: Option<String>,
    pub(super) rootfs: Option<Rootfs>,
    pub(super) history: Option<Vec<Step>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rootfs {
    pub(super) diff_ids: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Step {
    pub(super) created: Option<String>,
    pub(super) empty_layer: bool,
}
