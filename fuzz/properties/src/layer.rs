//! A layer of any origin is refused, or makes a store in which every byte can be verified.

use std::io;
use std::path::PathBuf;

use storagectl::images::{Digest, Platform, Source};
use storagectl::problem::Severity;
use storagectl::store::builder::{self, BuildOptions};
use storagectl::store::check::{CheckRequest, Progress, check};

use super::shown::assert_told;
use super::tree::Tree;

/// What the image is called.
pub const NAME: &str = "localhost/a:1";

/// How it is built.
pub fn options() -> BuildOptions {
    BuildOptions { platform: Platform::host(), jobs: 1, limit: 64 << 20, latest: None, sync: false }
}

/// An image with this layer, which is in the tree at /image.
pub fn image(tree: &Tree, layer: &[u8]) -> Source {
    let of_layer = Digest::of(layer);
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{of_layer}"]}}}}"#
    );
    let of_config = Digest::of(config.as_bytes());
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{of_config}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{of_layer}","size":{}}}]}}"#,
        config.len(),
        layer.len()
    );
    for (name, content) in [
        (of_layer.hex(), layer),
        (of_config.hex(), config.as_bytes()),
        ("manifest.json", manifest.as_bytes()),
    ] {
        tree.write(&format!("image/{name}"), content);
    }
    Source::parse(&format!("{NAME}=dir:/image")).expect("it is a source")
}

/// A tar stream.
pub fn holds(input: &[u8]) {
    let tree = Tree::new(b"", |_, _| Vec::new());
    let sources = [image(&tree, input)];
    let options = options();
    let root = tree.root();
    let streamed = builder::to_writer(&root, &sources, io::sink(), &options);
    // Other owners, devices and the attributes of overlay are root's to make.
    if let Err(problem) = builder::directory(&root, &sources, "/store".as_ref(), &options) {
        return assert_told(&problem);
    }
    if let Err(problem) = streamed {
        panic!("it can be a store, and no archive of one: {}", problem.message);
    }
    let request =
        CheckRequest { deep: true, ..CheckRequest::quick(vec![PathBuf::from("/store")], "overlay") };
    let report = check(&root, &request, &Progress::default());
    for finding in &report.findings {
        assert_told(finding);
        assert!(finding.severity != Severity::Error, "{}: {}", finding.id, finding.message);
    }
    assert!(report.not_looked.is_empty(), "{:?}", report.not_looked);
    let verification = report.verification.expect("every byte was read");
    assert!(verification.is_complete(), "{verification:?} {:?}", report.findings);
}
