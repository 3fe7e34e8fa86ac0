//! Signatures that were embedded with an image come along.

use std::path::Path;

use serde_json::Value;

use super::machine::{Machine, Way, directory, embedded, reference, with_state};
use crate::check::healthy::in_private;
use crate::registry::images;
use crate::support::{finish, storagectl, text};

/// What starts as an OpenPGP message does.
const ONE: &[u8] = b"\x88signed by one";
const OTHER: &[u8] = b"\xa3signed by another";

fn sign(dir: &Path, index: usize, signature: &[u8]) {
    std::fs::write(dir.join(format!("signature-{index}")), signature).unwrap();
}

/// The signatures in the storage, one behind the other.
fn signatures(machine: &Machine, way: Way, name: &str) -> Vec<u8> {
    let home = machine.storage(way).join("overlay-images");
    let records: Value = serde_json::from_slice(&std::fs::read(home.join("images.json")).unwrap()).unwrap();
    let is_it = |record: &&Value| record["names"].as_array().unwrap().iter().any(|it| it == name);
    let record = records.as_array().unwrap().iter().find(is_it).unwrap();
    std::fs::read(home.join(record["id"].as_str().unwrap()).join("signatures")).unwrap_or_default()
}

#[test]
fn signatures_come_with_the_image_and_later_ones_come_later() {
    let name = reference("app-5:1");
    for way in [Way::Main, Way::Store] {
        let machine = Machine::new();
        machine.copy(way, embedded());
        let source = machine.source();
        let dir = directory(&source, &name);
        assert_eq!(signatures(&machine, way, &name), b"");
        for (index, signature, all) in [(1, ONE, ONE.to_vec()), (2, OTHER, [ONE, OTHER].concat())] {
            sign(&dir, index, signature);
            assert_eq!(with_state(&machine.copy(way, &source), "copied"), [name.as_str()], "{way:?}");
            assert_eq!(signatures(&machine, way, &name), all);
            assert_eq!(with_state(&machine.copy(way, &source), "present"), images());
            machine.assert_sound(way);
        }
        // A list without them takes none away.
        assert_eq!(with_state(&machine.copy(way, embedded()), "present"), images());
        assert_eq!(signatures(&machine, way, &name), [ONE, OTHER].concat());
    }
}

#[test]
fn skopeo_brings_signatures_where_it_copies() {
    let machine = Machine::new();
    machine.configure("vfs");
    let (source, name) = (machine.source(), reference("app-5:1"));
    for image in images().iter().filter(|image| **image != name) {
        super::machine::unlist(&source, image);
    }
    sign(&directory(&source, &name), 1, ONE);
    let copy = "mkdir -p /run/r; for run in 1 2; do \"$PROGRAM\" --config \"$CONF\" -v copy-images --source \"$DIR\" 2>&1 | tail -1; done";
    let variables = [
        ("PROGRAM", Path::new(crate::support::STORAGECTL)),
        ("CONF", &machine.at("storage.conf")),
        ("DIR", &source),
    ];
    let graph = machine.at("graph");
    let graph = graph.display();
    assert_eq!(
        in_private(copy, &variables),
        format!("copied 1 image to `{graph}`; 0 already present\n1 image already in `{graph}`\n")
    );
}

#[test]
fn a_signature_that_is_none_is_told_where_images_are_built() {
    let machine = Machine::new();
    let (source, name) = (machine.source(), reference("app-5:1"));
    sign(&directory(&source, &name), 1, b"nothing that engines know");
    let output = finish(storagectl(&["verify-images", "--source"]).arg(&source));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let wrong = format!("the image `{name}` is damaged: its signature `signature-1` has a format that");
    assert!(text(&output).contains(&wrong), "{}", text(&output));
    let document = machine.ends(Way::Store, &source, &[], 1);
    assert_eq!(with_state(&document, "failed"), [name.as_str()]);
}
