//! Wrong documents, each named after the rule that finds what is wrong with it, and
//! nothing else is found.

use std::collections::BTreeSet;
use std::path::Path;

use storagectl::provision::Preset;
use storagectl::provision::check::{Expected, RULES, check};
use storagectl::provision::read::Format;

/// The kind and the platform of a document, by what its name ends in.
fn kind(name: &str) -> (Format, &'static str) {
    let ends = |end: &str| name.ends_with(end);
    match () {
        () if name == "drop-in-hides-main.fedora.ign" => (Format::Ignition, "fedora"),
        () if ends(".ign") => (Format::Ignition, "none"),
        () if ends(".bu") => (Format::Butane, "none"),
        () if ends(".ocne.yaml") => (Format::Ocne, "ocne"),
        () if ends(".mc.yaml") => (Format::MachineConfig, "rhcos"),
        () if ends(".crc.yaml") => (Format::ContainerRuntimeConfig, "rhcos"),
        () => panic!("{name}"),
    }
}

#[test]
fn in_every_wrong_document_that_is_found_which_is_wrong() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/provision/wrong");
    let (mut wrong, mut found_rules) = (Vec::new(), BTreeSet::new());
    for entry in fs_err::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs_err::read_to_string(&path).unwrap();
        let (format, preset) = kind(&name);
        let findings = check(&text, format, &Expected::of(Preset::named(preset).unwrap()));
        let ids: BTreeSet<&str> = findings.iter().map(|finding| finding.rule.id).collect();
        let rule = name.split('.').next().unwrap();
        if ids != BTreeSet::from([rule]) {
            let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
            wrong.push(format!("{name}: {ids:?} {messages:?}"));
        }
        found_rules.insert(rule.to_owned());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A store that was asked for is given on the command line; tests/cmd has that one.
    let without: Vec<&str> =
        RULES.iter().map(|rule| rule.id).filter(|id| !found_rules.contains(*id)).collect();
    assert_eq!(without, ["store-unlisted"], "every rule has a document");
}
