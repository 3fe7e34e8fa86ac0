//! show-image says which image each engine uses.

use serde_json::{Value, json};

use super::Host;
use crate::check::engine::Engine;
use crate::dice::Dice;

const ENGINES: [Engine; 3] = [Engine::Podman4, Engine::Podman5, Engine::Podman6];
const NAMES: [&str; 3] = ["localhost/app:1", "localhost/app:2", "localhost/team/base:1"];
const IMAGES: [&str; 4] = ["one", "two", "three", "four"];

/// What an engine finds for each reference: id, digest, size and names, or nothing.
fn found(host: &Host, engine: Engine, references: &[String]) -> Vec<Value> {
    let format = "[\"{{.Id}}\",\"{{.Digest}}\",{{.Size}},{{json .RepoTags}}]";
    let script = format!(
        "rm -rf /var/lib/containers/storage/libpod /var/lib/containers/storage/db.sql
        for reference in {}; do \"$ENGINE\" image inspect --format '{format}' $reference 2>/run/error || echo null; done",
        references.join(" ")
    );
    let said = host.ask(engine, &script);
    // podman prints an empty line, or `[]`, where it finds none.
    let lines = said.lines().filter(|line| !matches!(line.trim(), "" | "[]"));
    lines
        .map(|line| sorted(serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))))
        .collect()
}

/// What show-image says of that.
fn said(host: &Host, engine: &str, reference: &str) -> Value {
    let document = host.json(&["show-image", reference], &[0, 1]);
    let of_engine = |it: &&Value| it["engine"] == engine && it["user"] == "root";
    let answer = document["engines"]
        .as_array()
        .unwrap()
        .iter()
        .find(of_engine)
        .unwrap_or_else(|| panic!("{document}"))
        .clone();
    let images = document["images"].as_array().unwrap();
    let Some(image) = images.iter().find(|it| it["store"] == answer["store"] && it["id"] == answer["id"])
    else {
        return Value::Null;
    };
    let uses = image["engines"].as_array().unwrap().contains(&json!(engine));
    assert!(uses, "both say the same: {document}");
    sorted(json!([image["id"], image["digest"], image["bytes"], image["names"]]))
}

fn sorted(mut value: Value) -> Value {
    if let Some(names) = value.get_mut(3) {
        *names = sorted_names(names);
    }
    value
}

fn sorted_names(names: &Value) -> Value {
    let mut names = names.as_array().cloned().unwrap_or_default();
    names.sort_by_key(ToString::to_string);
    names.into()
}

#[test]
fn each_engine_uses_the_image_that_is_said() {
    let mut wrong = Vec::new();
    let (mut hits, mut shadows) = (0, 0);
    for number in 0..5 {
        let mut dice = Dice::new(19, number);
        let mut stores = vec!["a", "b", "c"];
        let first = dice.below(3);
        stores.rotate_left(first);
        let host = Host::new(&stores);
        for place in ["srv/a", "srv/b", "srv/c", "var/lib/containers/storage"] {
            for _ in 0..1 + dice.below(3) {
                host.add(place, dice.one(&NAMES), dice.one(&IMAGES));
            }
        }
        let listed = host.json(&["list-images", "--store"], &[0]);
        let listed = listed["images"].as_array().unwrap();
        shadows += listed.iter().filter(|it| !it["shadowed_by"].as_array().unwrap().is_empty()).count();
        let mut references: Vec<String> = NAMES.map(str::to_owned).to_vec();
        references.push("localhost/none:1".to_owned());
        for image in listed {
            let id = image["id"].as_str().unwrap();
            references.extend([id.to_owned(), id[..12].to_owned()]);
            if let (Some(name), Some(digest)) = (image["name"].as_str(), image["digest"].as_str()) {
                references.push(format!("{}@{digest}", &name[..name.rfind(':').unwrap()]));
            }
        }
        references.sort();
        references.dedup();
        let crio = host.ask_crio(&references);
        assert_eq!(crio.len(), references.len(), "{crio:?}");
        for (reference, found) in references.iter().zip(crio) {
            let said = said(&host, "crio", reference);
            let said = said.as_array().map_or(Value::Null, |it| json!([it[0], it[2], it[3]]));
            let found =
                found.as_array().map_or(Value::Null, |it| json!([it[0], it[1], sorted_names(&it[2])]));
            hits += usize::from(!found.is_null());
            if said != found {
                wrong.push(format!("{number} {stores:?} {reference}: CRI-O: {found}, and not {said}"));
            }
        }
        for engine in ENGINES {
            let all = found(&host, engine, &references);
            assert_eq!(all.len(), references.len(), "{all:?}");
            for (reference, found) in references.iter().zip(all) {
                let said = said(&host, engine.name(), reference);
                hits += usize::from(!found.is_null());
                if said != found {
                    wrong.push(format!(
                        "{number} {stores:?} {reference}: {}: {found}, and not {said}",
                        engine.name()
                    ));
                }
            }
        }
    }
    assert!(hits > 130 && shadows > 10, "{hits} {shadows}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// podman 4 takes a malformed list of images for an empty one, and the others stop.
#[test]
fn what_a_broken_store_in_front_does_is_said() {
    let host = Host::new(&["broken", "b"]);
    host.add("srv/broken", NAMES[0], "one");
    host.add("srv/b", NAMES[0], "two");
    fs_err::write(host.at("srv/broken/overlay-images/images.json"), "[{").unwrap();
    let document = host.json(&["show-image", NAMES[0]], &[2]);
    for engine in ENGINES {
        let found =
            host.ask(engine, "\"$ENGINE\" image inspect --format '{{.Id}}' localhost/app:1 2>/dev/null || :");
        let found = found.lines().find(|line| line.len() == 64);
        let of_engine = |it: &&Value| it["engine"] == engine.name() && it["user"] == "root";
        let answer = document["engines"].as_array().unwrap().iter().find(of_engine).unwrap();
        assert_eq!(answer["id"].as_str(), found, "{}: {document}", engine.name());
        assert_eq!(answer["stop"].is_null(), found.is_some(), "{}: {document}", engine.name());
    }
}

/// A name that was taken off an image in the own storage is not found in a store, from storage
/// 1.46 on.
#[test]
fn a_name_that_was_taken_off_locally_is_not_found_in_a_store() {
    for engine in ENGINES {
        let host = Host::new(&["a"]);
        host.add("srv/a", NAMES[0], "one");
        // A tag copies the record into the own storage.
        host.ask(engine, "\"$ENGINE\" tag localhost/app:1 localhost/mine:1; \"$ENGINE\" untag localhost/app:1 localhost/app:1 || :");
        let references = ["localhost/app:1".to_owned(), "localhost/mine:1".to_owned()];
        // podman 4 leaves a record without documents there, and measures that.
        let without_size = |mut it: Value| {
            it.get_mut(2).map(Value::take);
            it
        };
        let found: Vec<Value> = found(&host, engine, &references).into_iter().map(without_size).collect();
        let said = references.iter().map(|reference| without_size(said(&host, engine.name(), reference)));
        assert_eq!(said.collect::<Vec<_>>(), found, "{}", engine.name());
        assert_eq!(found[0].is_null(), engine != Engine::Podman4, "{}", engine.name());
    }
}
