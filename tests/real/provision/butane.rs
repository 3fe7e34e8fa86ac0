//! Butane configurations, and what Butane makes of them.

use storagectl::provision::butane::DIALECTS;
use storagectl::provision::document::{Node, NodeKind, ProvisionDocument};

use super::*;

/// What a JSON document would be with this YAML in it.
fn json(node: &Node) -> Value {
    match &node.kind {
        NodeKind::List { items, .. } => items.iter().map(json).collect(),
        NodeKind::Map { pairs, .. } => {
            pairs.iter().map(|(key, node)| (key.name.clone(), json(node))).collect()
        }
        NodeKind::Scalar { text, .. } => match (node.boolean(), node.number()) {
            (Some(flag), _) => flag.into(),
            (_, Some(number)) => number.into(),
            _ => text.clone().into(),
        },
    }
}

fn parsed(text: &str) -> Value {
    json(&ProvisionDocument::parse(text).unwrap().root)
}

#[test]
fn butane_makes_of_every_variant_what_is_written_as_ignition_directly() {
    for model in MODELS {
        for dialect in DIALECTS {
            let args = ["--variant", dialect.variant, "--variant-version", dialect.version];
            // The platform is the same for both, whatever is usual for the variant.
            let platform: &[&str] = if model.contains(&"--preset") { &[] } else { &["--preset", "none"] };
            let butane = generate("butane", model, &[&args[..], platform].concat());
            let translated = accepted(validator("butane"), &["--strict"], &butane);
            let kind = if dialect.is_openshift() { "machineconfig" } else { "ignition" };
            let spec = dialect.spec.to_string();
            let own = generate(kind, model, &[&["--spec", &spec][..], platform].concat());
            let (mut theirs, mut own) = (parsed(&translated), parsed(&own));
            for document in [&mut theirs, &mut own] {
                match document.pointer_mut("/spec/config") {
                    Some(config) => decode_files(config),
                    None => decode_files(document),
                }
            }
            assert_eq!(theirs, own, "{dialect:?}\n{butane}\n{translated}");
        }
    }
}

#[test]
fn ocne_has_a_string_that_butane_and_ignition_3_4_accept_without_a_warning() {
    for model in MODELS {
        let cluster = parsed(&generate("ocne", model, &[]));
        let inline = cluster["extraIgnitionInline"].as_str().expect("a string, and no mapping");
        let config = accepted(validator("butane"), &["--strict"], inline);
        let version = serde_json::from_str::<Value>(&config).unwrap()["ignition"]["version"].clone();
        assert_eq!(version, "3.4.0");
        assert_eq!(accepted(validator("ignition-validate"), &[], &config), "");
    }
}
