//! What cannot be verified is not taken for what was embedded.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::machine::{Machine, Way, embedded, reference, with_state};
use crate::check::store::checked;
use crate::registry::images;
use crate::support::run;

/// Shell in the directory of a layer, which another program could have left so.
const WAYS: [(&str, &str); 3] = [
    (
        "stored for composefs",
        "mkdir composefs-data; cd composefs-data
        head -c 1024 /dev/zero >composefs.blob; printf '\\342\\341\\365\\340' >>composefs.blob",
    ),
    ("a composefs layer without its image", "mkdir composefs-data"),
    ("a file too many", "echo planted >diff/planted"),
];

/// Changes the topmost layer of the image in the storage, as if another program had put it there.
fn change(storage: &Path, name: &str, script: &str) {
    let records: Value =
        serde_json::from_slice(&std::fs::read(storage.join("overlay-images/images.json")).unwrap()).unwrap();
    let is_it = |record: &&Value| record["names"].as_array().unwrap().iter().any(|it| it == name);
    let top = records.as_array().unwrap().iter().find(is_it).unwrap()["layer"].as_str().unwrap();
    let mut shell = Command::new("sh");
    run(shell.args(["-euc", script]).current_dir(storage.join("overlay").join(top)));
    std::fs::remove_file(storage.join(".storagectl-images.json")).unwrap();
}

#[test]
fn a_layer_that_cannot_be_verified_is_copied_again() {
    let name = reference("app-7:1");
    for way in [Way::Main, Way::Store] {
        let machine = Machine::new();
        machine.copy(way, embedded());
        for (what, script) in WAYS {
            change(&machine.storage(way), &name, script);
            let copied = with_state(&machine.copy(way, embedded()), "copied");
            assert_eq!(copied, [name.as_str()], "{way:?}, {what}");
            machine.assert_sound(way);
            let answer = checked(&[machine.storage(way).to_str().unwrap(), "--deep"]);
            assert_eq!(answer["verification"]["layers"]["not_verified"], 0, "{answer}");
            assert_eq!(with_state(&machine.copy(way, embedded()), "present"), images(), "{way:?}, {what}");
        }
    }
}

#[test]
fn what_skopeo_has_copied_in_a_way_that_cannot_be_verified_is_told() {
    let machine = Machine::new();
    machine.copy(Way::Main, embedded());
    change(&machine.storage(Way::Main), &reference("app-7:1"), WAYS[0].1);
    let conf = machine.at("storage.conf");
    let text =
        std::fs::read_to_string(&conf).unwrap() + "[storage.options.overlay]\nuse_composefs = \"true\"\n";
    std::fs::write(&conf, text).unwrap();
    let document = machine.copy(Way::Main, embedded());
    assert_eq!(with_state(&document, "present"), images());
    let remarks = document["remarks"].as_array().unwrap();
    assert!(remarks.iter().any(|remark| remark["id"] == "not-verified"), "{remarks:?}");
}
