//! Documents of nodes to be: whatever is wrong with one is told with its place, and stores that
//! are put into one are there once.

use std::path::Path;

use storagectl::provision::butane::{Dialect, Machine};
use storagectl::provision::check::{ExpectedNode, check};
use storagectl::provision::container_runtime_config::OtherStores;
use storagectl::provision::ignition::SpecVersion;
use storagectl::provision::read::DocumentFormat;
use storagectl::provision::sources::NoFilesBeside;
use storagectl::provision::{
    DocumentKind, DocumentPlatform, ExistingDocument, GenerateRequest, NodeModel, NodeStore, Preset,
    Removals, merge,
};

use super::shown::assert_told;

const KINDS: [DocumentKind; 7] = [
    DocumentKind::Ignition,
    DocumentKind::Butane,
    DocumentKind::MachineConfig,
    DocumentKind::ContainerRuntimeConfig,
    DocumentKind::Ocne,
    DocumentKind::PinnedImageSet,
    DocumentKind::Blueprint,
];

/// A text.
pub fn holds(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let document = ExistingDocument::parse(text);
    let is = document.parsed.as_ref().map(|read| read.format).ok();
    for kind in KINDS {
        let format = kind.format().expect("it is a kind that is read");
        let preset = DocumentPlatform::of(kind, "fcos", Some(&document)).preset;
        checked(
            &document,
            format,
            &ExpectedNode { stores: vec!["/var/images".to_owned()], ..ExpectedNode::of(preset) },
        );
        // Into a document of another kind nothing is put.
        if is.is_none_or(|is| is == format) {
            merged(&document, &request(kind, preset));
        }
    }
}

fn checked(document: &ExistingDocument, format: DocumentFormat, expected: &ExpectedNode) {
    check(document, format, Path::new("f"), expected, &NoFilesBeside).iter().for_each(assert_told);
}

fn request(kind: DocumentKind, preset: &Preset) -> GenerateRequest {
    GenerateRequest {
        kind,
        model: NodeModel::new(preset, vec![NodeStore::new("/var/images", 0o755)]),
        spec: SpecVersion::DEFAULT,
        dialect: Dialect::named("fcos", "1.5.0").expect("it is a dialect"),
        machine: Machine { name: "99-worker-stores".to_owned(), role: "worker".to_owned() },
        has_base: false,
        has_authfile: false,
        removed: Removals::default(),
        others: OtherStores::default(),
        made_by: "# Made by a test\n".to_owned(),
    }
}

fn merged(document: &ExistingDocument, request: &GenerateRequest) {
    let file = Path::new("f");
    let again = |document: &ExistingDocument| {
        let machine = document.machine().unwrap_or_else(|| request.machine.clone());
        merge(&GenerateRequest { machine, ..request.clone() }, document, file, &NoFilesBeside)
    };
    match again(document) {
        Ok(written) => {
            let twice = again(&ExistingDocument::parse(&written.text));
            assert_eq!(
                twice.map(|it| it.text).as_deref(),
                Ok(written.text.as_str()),
                "of {:?}",
                document.text
            );
        }
        Err(problem) => assert_told(&problem),
    }
}
