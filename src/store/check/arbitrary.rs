//! Whatever stands in a store, a check comes to an end and says something.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{CheckRequest, Progress, StoreReport, check};
use crate::sys::Root;

/// Writes a store and checks it.
fn checked(files: &[(&str, &[u8])]) -> StoreReport {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path();
    for (name, content) in files {
        let file = path.join(name);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(file, content).unwrap();
    }
    let request =
        CheckRequest { deep: true, jobs: 2, ..CheckRequest::quick(vec![path.to_owned()], "overlay") };
    check(&Root::system().unwrap(), &request, &Progress::default())
}

/// Ids that are none, that are few, and that lead elsewhere.
fn id() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[ab]".prop_map(Value::from),
        "[./a\u{0}]{0,8}".prop_map(Value::from),
        Just(Value::Null),
        Just(Value::from("../../etc")),
        Just(Value::from("a".repeat(300))),
    ]
}

fn image() -> impl Strategy<Value = Value> {
    (id(), id(), proptest::collection::vec(id(), 0..3), any::<i64>()).prop_map(|(image, layer, keys, size)| {
        let keys: Vec<Value> = keys.into_iter().filter(|key| !key.is_null()).collect();
        let sizes: serde_json::Map<String, Value> =
            keys.iter().map(|key| (key.as_str().unwrap().to_owned(), size.into())).collect();
        json!({"id": image, "layer": layer, "mapped-layers": [layer], "names": [image], "big-data-names": keys, "big-data-sizes": sizes})
    })
}

fn layer() -> impl Strategy<Value = Value> {
    (id(), id(), any::<i64>()).prop_map(|(layer, parent, size)| {
        let digest = format!("sha256:{}", "0".repeat(64));
        json!({"id": layer, "parent": parent, "diff-digest": digest, "diff-size": size,
               "uidmap": [{"container_id": size, "host_id": size, "size": size}], "big-data-names": [layer]})
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_checked(
        images in proptest::collection::vec(any::<u8>(), 0..200),
        layers in proptest::collection::vec(any::<u8>(), 0..200),
        split in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let record = format!("[{{\"id\":\"a\",\"diff-digest\":\"sha256:{}\"}}]", "0".repeat(64));
        let report = checked(&[("overlay-images/images.json", &images), ("overlay-layers/layers.json", &layers)]);
        prop_assert!(images.is_empty() || !report.findings.is_empty());
        let report = checked(&[
            ("overlay-layers/layers.json", record.as_bytes()),
            ("overlay-layers/a.tar-split.gz", &split),
            ("overlay/a/diff/file", b""),
            ("overlay/a/link", &split),
            ("overlay/a/lower", &images),
        ]);
        prop_assert!(report.findings.iter().any(|finding| finding.id == "tar-split-damaged"));
    }

    #[test]
    fn any_records_are_checked(
        images in proptest::collection::vec(image(), 0..4),
        layers in proptest::collection::vec(layer(), 0..5),
        link in "[ab/.]{0,6}",
    ) {
        let (images, layers) = (Value::from(images).to_string(), Value::from(layers).to_string());
        let report = checked(&[
            ("overlay-images/images.json", images.as_bytes()),
            ("overlay-images/a/manifest", b"{}"),
            ("overlay-layers/layers.json", layers.as_bytes()),
            ("overlay/a/diff/file", b""),
            ("overlay/a/link", link.as_bytes()),
            ("overlay/a/lower", link.as_bytes()),
            ("overlay/b/diff/file", b""),
            ("overlay/b/lower-layers", link.as_bytes()),
        ]);
        prop_assert_eq!(report.stores.len(), 1);
    }
}
