//! Artifacts made by hand, as `skopeo copy … dir:` writes them.

use std::path::Path;

use serde_json::{Value, json};

use crate::build::image::digest;

/// An artifact.
pub(crate) struct Artifact {
    manifest: Value,
    blobs: Vec<Vec<u8>>,
}

impl Artifact {
    /// One with these files, by their names.
    pub(crate) fn new(kind: &str, files: &[(&str, &[u8])]) -> Self {
        let config = b"{}".to_vec();
        let descriptor = |media_type: &str, bytes: &[u8]| json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()});
        let layers = files.iter().map(|(name, bytes)| {
            let mut layer = descriptor("application/octet-stream", bytes);
            layer["annotations"] = json!({"org.opencontainers.image.title": name});
            layer
        });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": kind,
            "config": descriptor("application/vnd.oci.empty.v1+json", &config),
            "layers": layers.collect::<Vec<_>>(),
            "annotations": {"org.opencontainers.image.created": "2026-01-02T03:04:05Z"},
        });
        let blobs = files.iter().map(|(_, bytes)| bytes.to_vec()).chain([config]).collect();
        Self { manifest, blobs }
    }

    /// The same with an edited manifest.
    pub(crate) fn edited(mut self, edit: impl FnOnce(&mut Value)) -> Self {
        edit(&mut self.manifest);
        self
    }

    /// The digest of its manifest.
    pub(crate) fn digest(&self) -> String {
        digest(self.manifest.to_string().as_bytes())
    }

    /// Writes it as a `dir:` directory.
    pub(crate) fn write(&self, dir: &Path) {
        fs_err::create_dir_all(dir).unwrap();
        fs_err::write(dir.join("version"), "Directory Transport Version: 1.1\n").unwrap();
        fs_err::write(dir.join("manifest.json"), self.manifest.to_string()).unwrap();
        for blob in &self.blobs {
            fs_err::write(dir.join(&digest(blob)["sha256:".len()..]), blob).unwrap();
        }
    }

    /// Writes it beside others of a list.
    pub(crate) fn embed(&self, into: &Path, reference: &str) {
        let directory = &digest(format!("{reference}\n").as_bytes())["sha256:".len()..];
        self.write(&into.join(directory));
        let list = into.join("image-list.txt");
        let before = fs_err::read_to_string(&list).unwrap_or_default();
        if !before.lines().any(|line| line.starts_with(&format!("{reference},"))) {
            fs_err::write(&list, format!("{before}{reference},{directory}\n")).unwrap();
        }
    }
}
