//! remove-images takes what was named, and nothing that is needed.

use serde_json::{Value, json};

use super::Host;
use crate::build::CRUN;
use crate::check::engine::Engine;
use crate::support::{run, storagectl};

const ENGINES: [Engine; 3] = [Engine::Podman4, Engine::Podman5, Engine::Podman6];

/// The names in a store.
fn names(host: &Host, store: &str) -> Vec<String> {
    let bytes = fs_err::read(host.at(store).join("overlay-images/images.json")).unwrap();
    let records: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
    let names = records.iter().flat_map(|record| record["names"].as_array().cloned().unwrap_or_default());
    let mut names: Vec<String> = names.map(|name| name.as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn an_image_that_a_container_or_another_image_builds_on_stays() {
    for engine in ENGINES {
        let host = Host::new(&["a", "b"]);
        for (name, image) in [("used", "one"), ("tagged", "two"), ("free", "three")] {
            host.add("srv/a", &format!("localhost/{name}:1"), image);
        }
        let script = format!(
            "\"$ENGINE\" --runtime {CRUN} create --pull never --network none --cgroups=disabled --security-opt seccomp=unconfined localhost/used:1 sh >/dev/null
            \"$ENGINE\" tag localhost/tagged:1 localhost/mine:1"
        );
        host.ask(engine, &script);
        let all = ["remove-images", "/srv/a", "localhost/used:1", "localhost/tagged:1", "localhost/free:1"];
        let document = host.json(&all, &[1]);
        let states: Vec<&Value> =
            document["images"].as_array().unwrap().iter().map(|it| &it["state"]).collect();
        assert_eq!(states, ["failed", "failed", "removed"], "{}: {document}", engine.name());
        assert_eq!(document["images"][0]["error"]["id"], "image-in-use");
        // The base is the others', too.
        assert_eq!((&document["removed_images"], &document["removed_layers"]), (&json!(1), &json!(1)));
        assert_eq!(names(&host, "srv/a"), ["localhost/tagged:1", "localhost/used:1"]);
        let said = host.ask(
            engine,
            "\"$ENGINE\" images >/dev/null; \"$ENGINE\" inspect $(\"$ENGINE\" ps -aq) >/dev/null
            cat $(\"$ENGINE\" mount $(\"$ENGINE\" ps -aq))/one",
        );
        assert_eq!(said, "one", "{}", engine.name());
        run(storagectl(&["check-store", "--deep"]).arg(host.at("srv/a")));
        // With the container gone, the image may go.
        host.ask(engine, "\"$ENGINE\" rm -a >/dev/null");
        host.json(&["remove-images", "/srv/a", "localhost/used:1"], &[0]);
        assert_eq!(names(&host, "srv/a"), ["localhost/tagged:1"]);
    }
}

#[test]
fn a_name_goes_as_it_does_with_podman_and_an_id_takes_all() {
    let host = Host::new(&["a"]);
    let fill = |store: &str| {
        for name in ["localhost/app:1", "localhost/app:2"] {
            host.add(store, name, "one");
        }
        host.add(store, "localhost/other:1", "two");
    };
    fill("srv/a");
    fill("var/lib/containers/storage");
    let rmi = |reference: &str| {
        let script = format!("\"$ENGINE\" rmi {reference} >/dev/null");
        host.ask(Engine::Podman5, &script);
    };
    for reference in ["localhost/app:1", "localhost/other:1", "localhost/app:2"] {
        host.json(&["remove-images", "/srv/a", reference], &[0]);
        // podman would take what the other has, else.
        host.list(&[]);
        rmi(reference);
        host.list(&["a"]);
        assert_eq!(names(&host, "srv/a"), names(&host, "var/lib/containers/storage"), "{reference}");
    }
    assert_eq!(names(&host, "srv/a"), [""; 0]);
    fill("srv/a");
    let document = host.json(&["show-image", "localhost/app:1"], &[0]);
    let image = &document["images"][0];
    let digest = format!("localhost/app@{}", image["digest"].as_str().unwrap());
    for reference in [image["id"].as_str().unwrap(), &digest] {
        fill("srv/a");
        let document = host.json(&["remove-images", "/srv/a", reference], &[0]);
        assert_eq!(document["images"][0]["names"], json!(["localhost/app:1", "localhost/app:2"]));
        assert_eq!(names(&host, "srv/a"), ["localhost/other:1"]);
        // Again, it is said and no error.
        let document = host.json(&["remove-images", "/srv/a", reference], &[0]);
        assert_eq!(
            (&document["images"][0]["state"], &document["changed"]),
            (&json!("absent"), &json!(false))
        );
    }
}

/// Whoever makes a container while an image goes either keeps what it needs or is told that the
/// image is not there.
#[test]
fn no_container_loses_its_layers_while_images_go() {
    let host = Host::new(&["a"]);
    let images: Vec<(String, &str)> =
        ["one", "two", "three", "four"].map(|image| (format!("localhost/{image}:1"), image)).into();
    for (name, image) in &images {
        host.add("srv/a", name, image);
    }
    let script = format!(
        "for image in one two three four; do
            {program} --root \"$HOST\" remove-images -q /srv/a localhost/$image:1 2>/dev/null & removing=$!
            \"$ENGINE\" --runtime {CRUN} create --pull never --network none --cgroups=disabled --security-opt seccomp=unconfined --name $image localhost/$image:1 sh >/dev/null 2>&1 || :
            wait $removing || :
        done
        for name in $(\"$ENGINE\" ps -a --format '{{{{.Names}}}}'); do cat $(\"$ENGINE\" mount $name)/$name; \"$ENGINE\" umount $name >/dev/null; done
        \"$ENGINE\" images >/dev/null && echo listed",
        program = crate::support::STORAGECTL
    );
    let said = host.ask(Engine::Podman5, &script);
    assert!(said.ends_with("listed\n"), "{said}");
    // An image is there or was removed; its container, if it has one, was read.
    let left = names(&host, "srv/a");
    for (name, image) in &images {
        assert!(left.contains(name) || !said.contains(image), "{image}: {left:?}: {said}");
    }
    run(storagectl(&["check-store", "--deep"]).arg(host.at("srv/a")));
}

#[test]
fn what_is_not_ours_to_write_is_left_alone() {
    let host = Host::new(&["a"]);
    host.add("srv/a", "localhost/app:1", "one");
    host.add("var/lib/containers/storage", "localhost/app:1", "one");
    fs_err::write(host.at("srv/sealed"), "").unwrap();
    for (store, id) in [
        ("/var/lib/containers/storage", "store-is-graphroot"),
        ("/srv/sealed", "store-not-directory"),
        ("/srv", "store-malformed"),
        ("/none", "store-missing"),
    ] {
        let document = host.json(&["remove-images", store, "localhost/app:1"], &[2]);
        assert_eq!(document["error"]["id"], id, "{document}");
    }
    // A file system that is mounted read-only.
    let script = format!(
        "mount --bind \"$HOST/srv/a\" \"$HOST/srv/a\"; mount -o remount,bind,ro \"$HOST/srv/a\"
        {} --root \"$HOST\" remove-images /srv/a localhost/app:1 --format json || :",
        crate::support::STORAGECTL
    );
    let said = host.ask(Engine::Podman5, &script);
    let document: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!(document["error"]["id"], "read-only", "{document}");
    assert_eq!(names(&host, "srv/a"), ["localhost/app:1"]);
}
