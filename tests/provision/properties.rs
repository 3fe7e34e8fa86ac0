//! What holds for every document.

use std::path::Path;

use proptest::prelude::*;
use storagectl::provision::butane::DIALECTS;
use storagectl::provision::check::{ExpectedNode, check};
use storagectl::provision::document::{ProvisionDocument, Value, to_json, to_yaml};
use storagectl::provision::ignition::SpecVersion;
use storagectl::provision::read::ParsedDocument;
use storagectl::provision::sources::NoFilesBeside;
use storagectl::provision::{
    DocumentKind, ExistingDocument, Generations, NodeModel, NodeStore, PRESETS, merge,
};
use storagectl_properties::document::says;

use crate::kinds::request;

const KINDS: [DocumentKind; 5] = [
    DocumentKind::Ignition,
    DocumentKind::Butane,
    DocumentKind::MachineConfig,
    DocumentKind::ContainerRuntimeConfig,
    DocumentKind::Ocne,
];

/// A directory that can be a store; also one that needs quotes in places.
fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "/(var|srv|opt)/[a-z]{1,8}(/[a-z0-9._-]{1,6}x)?",
        1 => "/srv/[ -+.-~éß☃]{1,12}x".prop_filter("a plain path", |path| {
            storagectl::conf::clean(path) == *path && !path.contains(['$', '{', ','])
        }),
    ]
}

fn models() -> impl Strategy<Value = NodeModel> {
    let stores = proptest::collection::btree_set(path(), 1..4);
    let image = "[a-z]{1,5}\\.example/[a-z]{1,5}(:[0-9]{1,2})?";
    let images = proptest::collection::vec(image, 0..3);
    (stores, images, 0..PRESETS.len(), prop_oneof![Just(0o755u32), Just(0o700), Just(0o711)]).prop_map(
        |(stores, images, preset, mode)| {
            let stores = stores.iter().map(|path| NodeStore::new(path, mode)).collect();
            let mut model = NodeModel::new(&PRESETS[preset], stores);
            model.images = images;
            model
        },
    )
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(|number| Value::Int(number.into())),
        (0u32..0o10000).prop_map(Value::Mode),
        "[ -~\n\t]{0,20}".prop_map(Value::Text),
        "[a-z0-9.:#-]{0,8}".prop_map(Value::Text),
        "\\PC{0,8}".prop_map(Value::Text),
        "([a-z #:]{0,6}\n){1,4}".prop_map(Value::Text),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            proptest::collection::btree_map("[a-z: #]{1,6}", inner, 0..4)
                .prop_map(|pairs| Value::Map(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_generated_is_decoded_and_read_as_the_same_stores(
        model in models(), kind in 0..KINDS.len(), minor in 0u8..=5, dialect in 0..DIALECTS.len(),
        generations in prop_oneof![
            2 => Just(Generations::All), 1 => Just(Generations::Legacy), 1 => Just(Generations::Modern)
        ],
    ) {
        let model = NodeModel { generations, ..model };
        let mut request = request(KINDS[kind], model);
        request.spec = SpecVersion(minor);
        if request.kind == DocumentKind::Butane {
            request.dialect = DIALECTS[dialect];
        }
        // The API of OpenShift takes fewer paths, and no images.
        let Ok(written) = request.write() else {
            prop_assert!(request.kind == DocumentKind::ContainerRuntimeConfig, "{:?}", request.write());
            return Ok(());
        };
        let given: Vec<&str> = request.model.stores.iter().map(|store| store.path.as_str()).collect();
        let read = ParsedDocument::parse(&written.text).unwrap();
        if let Some(config) = &read.config {
            let texts = config.texts();
            let main = texts.iter().find(|(path, _)| path == "/etc/containers/storage.conf");
            prop_assert_eq!(main.is_some(), generations != Generations::Modern);
            let conf = main.unwrap_or(&texts[0]);
            let text = conf.1.replace("  {append=false},\n", "");
            let doc = storagectl::conf::Document::parse(text).unwrap();
            let listed = storagectl::conf::StoreList::paths(&doc).unwrap();
            let own: Vec<&str> = listed.iter().map(String::as_str).filter(|path| given.contains(path)).collect();
            prop_assert_eq!(&own, &given);
            for kept in &request.model.kept {
                prop_assert!(listed.contains(kept));
            }
        }
        let expected = ExpectedNode {
            stores: given.iter().map(|&path| path.to_owned()).collect(),
            exactly: false,
            kept: request.model.kept.clone(),
            present: Vec::new(),
            has_main: request.model.has_main,
            platform_versions: request.model.platform_versions.clone(),
            generations: request.model.generations,
            podman6: request.model.podman6,
        };
        let findings = check(&ExistingDocument::parse(&written.text), read.format, Path::new("f"), &expected, &NoFilesBeside);
        prop_assert!(findings.is_empty(), "{findings:?}\n{}", written.text);
        // Into a document that has all of it, nothing is put.
        let again = merge(&request, &ExistingDocument::parse(&written.text), Path::new("given"), &NoFilesBeside).unwrap();
        prop_assert_eq!(again.text, written.text);
    }

    #[test]
    fn what_is_written_is_read_as_it_was(value in values()) {
        let whole = Value::Map(vec![("a".to_owned(), value)]);
        for text in [to_yaml(&whole, 0), to_json(&whole, "", "  ")] {
            let doc = ProvisionDocument::parse(&text).unwrap();
            prop_assert!(says(&doc.root, &whole), "{text}");
        }
    }

    #[test]
    fn what_is_merged_is_there_and_everything_else_stays(
        old in values(), new in values(), json in any::<bool>(), crlf in any::<bool>(),
    ) {
        let whole = |value: &Value, more: &str| {
            let list = Value::List(vec![value.clone()]);
            Value::Map(vec![
                ("kept".to_owned(), value.clone()),
                (more.to_owned(), Value::Map(vec![("list".to_owned(), list), ("empty".to_owned(), Value::List(Vec::new()))])),
            ])
        };
        let (before, wanted) = (whole(&old, "same"), whole(&new, "same"));
        // Only the part that both have is merged; `kept` is not spoken of.
        let Value::Map(mut wanted) = wanted else { unreachable!() };
        wanted.remove(0);
        wanted.push(("new".to_owned(), new.clone()));
        let wanted = Value::Map(wanted);
        let text = if json { to_json(&before, "", "\t") } else { format!("# a comment\n{}# the end\n", to_yaml(&before, 0)) };
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let doc = ProvisionDocument::parse(&text).unwrap();
        match storagectl::provision::document::merge(&doc, &wanted) {
            Ok(edited) => {
                let after = edited.unwrap_or(doc);
                prop_assert!(says(after.root.get("kept").unwrap(), &old), "{text}\n{}", after.text);
                let again = storagectl::provision::document::merge(&after, &wanted).unwrap();
                prop_assert!(again.is_none(), "{text}\n{}", after.text);
                prop_assert_eq!(after.text.starts_with("# a comment"), !json);
            }
            Err(fault) => prop_assert!(
                matches!(fault, storagectl::provision::document::EditFault::Other(..)), "{fault:?}: {text}\n{wanted:?}"
            ),
        }
    }

    #[test]
    fn no_text_stops_a_check(text in "[ -~\n]{0,80}") {
        for format in KINDS.map(|kind| kind.format().unwrap()) {
            let expected = ExpectedNode::of(&PRESETS[0]);
            check(&ExistingDocument::parse(&text), format, Path::new("f"), &expected, &NoFilesBeside);
            check(&ExistingDocument::parse(format!("{{{text}")), format, Path::new("f"), &expected, &NoFilesBeside);
        }
    }
}
