//! index.json of the layout: what it says that is not known here stays as it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::images::Digest;

/// The name of an artifact.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The index.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ArtifactIndex {
    /// `null` for none, as engines begin.
    #[serde(default)]
    manifests: Option<Vec<Value>>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// What an entry says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct IndexEntry {
    pub(super) digest: String,
    annotations: Option<BTreeMap<String, Value>>,
}

impl IndexEntry {
    /// The name of the artifact.
    pub(super) fn name(&self) -> Option<&str> {
        self.annotations.as_ref()?.get(REF_NAME)?.as_str().filter(|name| !name.is_empty())
    }
}

impl ArtifactIndex {
    /// One without artifacts.
    pub(super) fn new() -> Self {
        let others = [("schemaVersion", json!(2)), ("mediaType", json!(OCI_INDEX))];
        Self {
            manifests: Some(Vec::new()),
            others: others.map(|(key, value)| (key.to_owned(), value)).into(),
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// If it is malformed, or an entry of it is.
    pub(super) fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        let index: Self = serde_json::from_slice(bytes)?;
        index.manifests.iter().flatten().try_for_each(|entry| IndexEntry::deserialize(entry).map(drop))?;
        Ok(index)
    }

    /// Its text.
    pub(super) fn text(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("it was read as JSON")
    }

    /// Its entries.
    pub(super) fn entries(&self) -> Vec<IndexEntry> {
        let entries = self.manifests.iter().flatten();
        entries.map(|entry| IndexEntry::deserialize(entry).expect("each was read")).collect()
    }

    /// Adds an artifact, in the place of one that has its name: without a name that would stop
    /// engines.
    pub(super) fn put(&mut self, name: &str, digest: &Digest, size: usize) {
        self.retain(|entry| entry.name() != Some(name));
        self.manifests.get_or_insert_default().push(json!({
            "mediaType": OCI_MANIFEST,
            "digest": digest.as_str(),
            "size": size,
            "annotations": {REF_NAME: name},
        }));
    }

    /// Keeps the entries for which that holds.
    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(&IndexEntry) -> bool) {
        if let Some(manifests) = &mut self.manifests {
            manifests.retain(|entry| is_kept(&IndexEntry::deserialize(entry).expect("each was read")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_the_place_of_its_name_and_the_rest_stays() {
        let other = Digest::of(b"other");
        let text = format!(
            r#"{{"schemaVersion": 2, "annotations": {{"a": "b"}}, "manifests": [
                {{"digest": "{other}", "size": 5, "urls": ["x"], "annotations": {{"{REF_NAME}": "example.com/a:1"}}}},
                {{"digest": "{other}", "size": 5, "annotations": {{"{REF_NAME}": "example.com/b:1"}}}}]}}"#
        );
        let mut index = ArtifactIndex::parse(text.as_bytes()).unwrap();
        let new = Digest::of(b"new");
        index.put("example.com/b:1", &new, 3);
        let read = ArtifactIndex::parse(&index.text()).unwrap();
        let found: Vec<_> =
            read.entries().into_iter().map(|it| (it.name().unwrap().to_owned(), it.digest)).collect();
        let expected = [("example.com/a:1", other.as_str()), ("example.com/b:1", new.as_str())];
        assert_eq!(found, expected.map(|(name, digest)| (name.to_owned(), digest.to_owned())));
        let value: Value = serde_json::from_slice(&index.text()).unwrap();
        assert_eq!(
            (&value["annotations"]["a"], &value["manifests"][0]["urls"]),
            (&json!("b"), &json!(["x"]))
        );
    }

    #[test]
    fn what_is_no_index_is_told() {
        for bad in
            ["", "[]", r#"{"manifests": {}}"#, r#"{"manifests": [1]}"#, r#"{"manifests": [{"digest": 1}]}"#]
        {
            assert!(ArtifactIndex::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(
            ArtifactIndex::parse(br#"{"schemaVersion": 2, "manifests": null}"#).unwrap().entries().is_empty()
        );
    }
}
