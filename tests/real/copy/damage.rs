//! What is damaged is copied again.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::machine::{COPY, Machine, Way, embedded, reference, with_state};
use crate::check::healthy::in_private;
use crate::registry::images;
use crate::support::run;

fn records(storage: &Path, what: &str) -> Vec<Value> {
    let file = storage.join(format!("overlay-{what}/{what}.json"));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// Id, and id of the topmost layer, of an image.
fn ids(storage: &Path, name: &str) -> (String, String) {
    let images = records(storage, "images");
    let has = |image: &&Value| image["names"].as_array().unwrap().iter().any(|other| other == name);
    let image = images.iter().find(has).unwrap();
    (image["id"].as_str().unwrap().to_owned(), image["layer"].as_str().unwrap().to_owned())
}

/// Damages of the image $IMAGE with the layer $TOP, whose parent is $BELOW: shell, in the store.
const DAMAGES: [(&str, &str); 12] = [
    ("no directory", "rm -r overlay/$TOP"),
    ("no content", "rm -r overlay/$TOP/diff"),
    ("no link", "rm overlay/$TOP/link"),
    ("no symlink", "rm overlay/l/$(cat overlay/$TOP/link)"),
    ("neither", "rm overlay/l/$(cat overlay/$TOP/link) overlay/$TOP/link"),
    ("no lower", "rm overlay/$TOP/lower"),
    ("another lower", "printf l/ABC > overlay/$TOP/lower"),
    ("no tar-split", "rm overlay-layers/$TOP.tar-split.gz"),
    ("a parent without content", "rm -r overlay/$BELOW/diff"),
    (
        "a manifest of zeros",
        "truncate -s 0 overlay-images/$IMAGE/manifest; truncate -s 100 overlay-images/$IMAGE/manifest",
    ),
    ("no documents", "rm -r overlay-images/$IMAGE"),
    (
        "a flag",
        "sed -i 's/{\"id\":\"'$TOP'\"/{\"flags\":{\"incomplete\":true},\"id\":\"'$TOP'\"/' overlay-layers/layers.json; grep -q incomplete overlay-layers/layers.json",
    ),
];

#[test]
fn what_a_power_cut_can_leave_is_copied_again() {
    let name = reference("app-7:1");
    for way in [Way::Main, Way::Store] {
        let machine = Machine::new();
        machine.copy(way, embedded());
        let storage = machine.storage(way);
        let (image, top) = ids(&storage, &name);
        let layers = records(&storage, "layers");
        let below =
            layers.iter().find(|layer| layer["id"] == top.as_str()).unwrap()["parent"].as_str().unwrap();
        for (damage, script) in DAMAGES {
            let mut shell = Command::new("sh");
            shell.args(["-euc", script]).current_dir(&storage);
            run(shell.env("IMAGE", &image).env("TOP", &top).env("BELOW", below));
            let copied = with_state(&machine.copy(way, embedded()), "copied");
            assert!(copied.contains(&name), "{way:?}, {damage}: {copied:?}");
            machine.assert_sound(way);
            assert_eq!(with_state(&machine.copy(way, embedded()), "present"), images(), "{way:?}, {damage}");
        }
        assert_eq!(records(&storage, "layers").len(), layers.len());
        assert_eq!(records(&storage, "images").len(), 21);
    }
}

/// skopeo does not sync, so content of what it has copied may be missing after a power cut.
#[test]
fn content_that_the_shell_loop_has_lost_is_found_although_all_records_are_there() {
    let machine = Machine::new();
    let script = format!("export CONTAINERS_STORAGE_CONF=\"$CONF\"\n{COPY}\numount \"$GRAPH/overlay\" || :");
    in_private(
        &script,
        &[("DIR", embedded()), ("CONF", &machine.at("storage.conf")), ("GRAPH", &machine.at("graph"))],
    );
    let name = reference("app-9:1");
    let (_, top) = ids(&machine.at("graph"), &name);
    std::fs::write(machine.at(&format!("graph/overlay/{top}/diff/app-9")), "").unwrap();
    assert_eq!(with_state(&machine.copy(Way::Main, embedded()), "copied"), [name]);
    machine.assert_sound(Way::Main);
}

#[test]
fn a_damaged_layer_under_a_mounted_container_is_left_and_told() {
    let machine = Machine::new();
    machine.copy(Way::Main, embedded());
    let name = reference("app-7:1");
    let (_, top) = ids(&machine.at("graph"), &name);
    std::fs::remove_file(machine.at(&format!("graph/overlay/{top}/lower"))).unwrap();
    let mounts = machine.at("run/overlay-layers/mountpoints.json");
    std::fs::create_dir_all(mounts.parent().unwrap()).unwrap();
    let mount = format!("[{{\"id\":\"{top}\",\"path\":\"/merged\",\"count\":1}}]");
    std::fs::write(&mounts, mount).unwrap();
    let document = machine.ends(Way::Main, embedded(), &[], 1);
    assert_eq!(with_state(&document, "failed"), [name.as_str()]);
    let line = document["images"].as_array().unwrap().iter().find(|line| line["state"] == "failed");
    assert_eq!(line.unwrap()["error"]["id"], "containers-mounted");
    assert!(!machine.at(&format!("graph/overlay/{top}/lower")).exists());
    std::fs::remove_file(mounts).unwrap();
    assert_eq!(with_state(&machine.copy(Way::Main, embedded()), "copied"), [name]);
    machine.assert_sound(Way::Main);
}
