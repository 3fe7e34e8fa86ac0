//! What was imported holds beside the list of embedded images, at the next boot and after an update.

use std::process::Command;

use serde_json::Value;

use super::{Arrivals, only, skopeo, text_of};
use crate::copy::machine::{Way, directory, reference, unlist, with_state};
use crate::registry::images;
use crate::support::{finish, run, storagectl, text};

/// The id of the image that has this name in the store.
fn id_of(arrivals: &Arrivals, name: &str) -> Option<String> {
    let records = arrivals.machine.storage(Way::Store).join("overlay-images/images.json");
    let records: Value = serde_json::from_slice(&fs_err::read(records).unwrap()).unwrap();
    let has = |it: &&Value| it["names"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
    records.as_array().unwrap().iter().find(has).map(|it| it["id"].as_str().unwrap().to_owned())
}

/// A host with three embedded images that were copied, and one imported over the first of them.
fn imported() -> (Arrivals, std::path::PathBuf, [String; 3]) {
    let arrivals = Arrivals::new();
    let source = arrivals.machine.source();
    let names = ["app-0:1", "app-1:1", "app-2:1"].map(reference);
    for image in images().iter().filter(|image| !names.contains(image)) {
        unlist(&source, image);
    }
    arrivals.machine.copy(Way::Store, &source);
    skopeo("app-10:1", &format!("oci-archive:{}:{}", text_of(&arrivals.incoming("new.tar")), names[0]));
    let document = arrivals.ends(&["--settle", "0", "--source", source.to_str().unwrap()], 0);
    assert_eq!(only(&document)["state"], "imported");
    (arrivals, source, names)
}

#[test]
fn the_next_boot_does_not_take_it_back_and_a_newer_list_does() {
    let (arrivals, source, names) = imported();
    let new = id_of(&arrivals, &names[0]).unwrap();
    for prune in [&[][..], &["--prune"]] {
        let document = arrivals.machine.ends(Way::Store, &source, prune, 0);
        assert_eq!(with_state(&document, "replaced"), [names[0].as_str()]);
        assert_eq!(with_state(&document, "present"), names[1..]);
        assert_eq!(document["pruned"], serde_json::json!([]));
        assert_eq!(id_of(&arrivals, &names[0]).as_deref(), Some(new.as_str()));
    }
    // Required, it is there all the same.
    arrivals.machine.ends(Way::Store, &source, &["--required", &names[0]], 0);
    // An update with other images has the same one for this name.
    unlist(&source, &names[2]);
    let document = arrivals.machine.ends(Way::Store, &source, &["--prune"], 0);
    assert_eq!(document["pruned"], serde_json::json!([names[2]]));
    assert_eq!(id_of(&arrivals, &names[0]).as_deref(), Some(new.as_str()));
    // And one has another.
    let dir = directory(&source, &names[0]);
    fs_err::remove_dir_all(&dir).unwrap();
    skopeo("app-11:1", &format!("dir:{}", dir.display()));
    let document = arrivals.machine.ends(Way::Store, &source, &["--prune"], 0);
    assert_eq!(with_state(&document, "copied"), [names[0].as_str()]);
    assert_ne!(id_of(&arrivals, &names[0]).as_deref(), Some(new.as_str()));
    // The one that has lost its name is one of a former list.
    let records =
        fs_err::read_to_string(arrivals.machine.storage(Way::Store).join("overlay-images/images.json"));
    assert!(!records.unwrap().contains(&new));
    let document = arrivals.machine.ends(Way::Store, &source, &[], 0);
    assert_eq!(with_state(&document, "present"), names[..2]);
    arrivals.machine.assert_sound(Way::Store);
}

#[test]
fn what_is_in_no_list_is_not_pruned_and_goes_when_it_is_named() {
    let (arrivals, source, names) = imported();
    let other = "registry.example.com/other:1";
    skopeo("app-12:1", &format!("docker-archive:{}:{other}", text_of(&arrivals.incoming("other.tar"))));
    arrivals.import();
    arrivals.machine.ends(Way::Store, &source, &["--prune"], 0);
    assert!(id_of(&arrivals, other).is_some());
    let store = arrivals.machine.storage(Way::Store);
    let listed = |name: &str| {
        let mut command = storagectl(&["--config"]);
        command.arg(arrivals.at("storage.conf")).args(["list-images", "--store"]).arg(&store);
        run(&mut command).contains(name)
    };
    assert!(listed(other));
    let mut command = storagectl(&["--config"]);
    command.arg(arrivals.at("storage.conf")).arg("remove-images").arg(&store).args([other, &names[0]]);
    let output = finish(&mut command);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(!listed(other));
    let record = fs_err::read_to_string(store.join(".storagectl-images.json")).unwrap();
    assert!(!record.contains("imported"), "{record}");
    // So the next boot has the embedded one again.
    let document = arrivals.machine.ends(Way::Store, &source, &[], 0);
    assert_eq!(with_state(&document, "copied"), [names[0].as_str()]);
    arrivals.machine.assert_sound(Way::Store);
}

/// A name that no engine could run is worse than the older image.
#[test]
fn an_imported_image_that_has_lost_a_layer_gives_its_name_back() {
    let (arrivals, source, names) = imported();
    let new = id_of(&arrivals, &names[0]).unwrap();
    let record = fs_err::read(arrivals.machine.storage(Way::Store).join(".storagectl-images.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    let layer = record["imported"][0]["layers"].as_array().unwrap().last().unwrap().as_str().unwrap();
    let diff = arrivals.machine.storage(Way::Store).join("overlay").join(layer).join("diff");
    run(Command::new("rm").arg("-r").arg(diff));
    let document = arrivals.machine.ends(Way::Store, &source, &[], 0);
    assert_eq!(with_state(&document, "copied"), [names[0].as_str()]);
    assert_ne!(id_of(&arrivals, &names[0]).as_deref(), Some(new.as_str()));
}

/// A second import of a name counts, and the first is then one that `--prune` removes.
#[test]
fn a_newer_import_takes_the_name_of_an_older_one() {
    let (arrivals, source, names) = imported();
    let first = id_of(&arrivals, &names[0]).unwrap();
    skopeo("app-13:1", &format!("oci-archive:{}:{}", text_of(&arrivals.incoming("newer.tar")), names[0]));
    arrivals.ends(&["--settle", "0", "--source", source.to_str().unwrap()], 0);
    let second = id_of(&arrivals, &names[0]).unwrap();
    assert_ne!(first, second);
    let document = arrivals.machine.ends(Way::Store, &source, &["--prune"], 0);
    assert_eq!(with_state(&document, "replaced"), [names[0].as_str()]);
    let records =
        fs_err::read_to_string(arrivals.machine.storage(Way::Store).join("overlay-images/images.json"));
    let records = records.unwrap();
    assert!(!records.contains(&first) && records.contains(&second));
}
