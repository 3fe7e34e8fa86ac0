//! Images of former lists go, and nothing else.

use std::path::Path;

use super::machine::{Machine, Way, embedded, reference, unlist, with_state};
use crate::build::CRUN;
use crate::check::engine::Engine;
use crate::check::healthy::in_private;
use crate::check::store::checked;

pub(super) fn names(storage: &Path) -> Vec<String> {
    let bytes = std::fs::read(storage.join("overlay-images/images.json")).unwrap();
    let records: Vec<serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
    let names = records.iter().flat_map(|record| record["names"].as_array().cloned().unwrap_or_default());
    names.map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[test]
fn only_what_was_copied_goes_and_not_what_somebody_else_has_named_or_uses() {
    let [gone, tagged, used, shared] = ["app-10:1", "app-11:1", "app-12:1", "app-3:1"].map(reference);
    for way in [Way::Main, Way::Store] {
        let machine = Machine::new();
        machine.copy(way, embedded());
        // An administrator has an image of their own, a name for one that is embedded, and a
        // container of another.
        let script = "export CONTAINERS_STORAGE_CONF=\"$CONF\"
            $ENGINE pull -q dir:$DIR 2>&1 >/dev/null
            $ENGINE tag $(cat \"$DIR/manifest.json\" | grep -o '\"config\":{[^}]*' | grep -o 'sha256:[0-9a-f]*' | cut -d: -f2) localhost/own:1
            $ENGINE tag $TAGGED localhost/mine:1
            $ENGINE --runtime $CRUN create --pull never --network none --cgroups=disabled --security-opt seccomp=unconfined $USED sh >/dev/null
            umount \"$GRAPH/overlay\" || :";
        let own = super::machine::directory(embedded(), &reference("app-13:1"));
        in_private(
            script,
            &[
                ("CONF", machine.at("storage.conf").as_path()),
                ("GRAPH", &machine.at("graph")),
                ("ENGINE", &Engine::Podman4.program()),
                ("CRUN", Path::new(CRUN)),
                ("DIR", &own),
                ("TAGGED", Path::new(&tagged)),
                ("USED", Path::new(&used)),
            ],
        );
        let source = machine.source();
        for image in [&gone, &tagged, &used, &shared] {
            unlist(&source, image);
        }
        unlist(&source, &reference("app-13:1"));
        // Without being asked nothing goes.
        assert_eq!(machine.copy(way, &source)["pruned"].as_array().unwrap().len(), 0);
        let would = machine.ends(way, &source, &["--prune", "--dry-run"], 0);
        let before = names(&machine.storage(way));
        // A tag of an image of a store is a record in the own storage, which needs the layers.
        let document = machine.ends(way, &source, &["--prune"], 0);
        assert_eq!(would["pruned"], document["pruned"]);
        let left = names(&machine.storage(way));
        for (name, stays) in [(&gone, false), (&tagged, way == Way::Store), (&used, true), (&shared, false)] {
            assert!(before.contains(name));
            assert_eq!(left.contains(name), stays, "{way:?}: {name}: {left:?}");
        }
        if way == Way::Main {
            for own in ["localhost/own:1", "localhost/mine:1"] {
                assert!(left.contains(&own.to_owned()), "{left:?}");
            }
        }
        // The name by digest, of the same image, is in the list.
        assert!(left.iter().any(|name| name.contains("app-3@")), "{left:?}");
        let store = machine.storage(way);
        let answer = checked(&[store.to_str().unwrap(), "--deep"]);
        let orphans: Vec<_> = answer["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["severity"] != "note" && it["id"] != "not-for-users")
            .collect();
        assert!(orphans.is_empty(), "{way:?}: {orphans:#?}");
        // Everything works: all engines' images, and that container's.
        let list = "export CONTAINERS_STORAGE_CONF=\"$CONF\"
            $ENGINE images >/dev/null && echo lists
            $ENGINE inspect $($ENGINE ps -aq) >/dev/null && echo knows
            mount=$($ENGINE mount $($ENGINE ps -aq)) && cat $mount/name && echo
            $ENGINE images --format '{{.Repository}}:{{.Tag}}' | grep -c localhost/
            umount \"$GRAPH/overlay\" || :";
        let said = in_private(
            list,
            &[
                ("CONF", machine.at("storage.conf").as_path()),
                ("GRAPH", &machine.at("graph")),
                ("ENGINE", &Engine::Podman4.program()),
            ],
        );
        assert_eq!(said, "lists\nknows\napp-12\n2\n", "{way:?}");
        assert!(with_state(&machine.copy(way, &source), "copied").is_empty());
    }
}

#[test]
fn a_new_image_of_a_name_takes_it_and_the_old_one_goes() {
    for way in [Way::Main, Way::Store] {
        let machine = Machine::new();
        let source = machine.source();
        let (name, other) = (reference("app-14:1"), reference("app-15:1"));
        machine.copy(way, &source);
        let layers = |machine: &Machine| crate::tree::names(&machine.storage(way).join("overlay")).len();
        let before = layers(&machine);
        // The next build's list has another image under that name.
        let list = std::fs::read_to_string(source.join("image-list.txt")).unwrap();
        let (of_name, of_other) = [&name, &other].map(|name| super::machine::directory(&source, name)).into();
        let sha = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        unlist(&source, &other);
        let list = list
            .lines()
            .filter(|line| !line.starts_with(&format!("{other},")))
            .map(|line| line.replace(&sha(&of_name), &sha(&of_other)) + "\n")
            .collect::<String>();
        std::fs::write(source.join("image-list.txt"), list).unwrap();
        let document = machine.ends(way, &source, &["--prune"], 0);
        assert_eq!(with_state(&document, "copied"), [name.as_str()]);
        assert_eq!(document["pruned"], serde_json::json!([other]));
        let left = names(&machine.storage(way));
        assert!(left.contains(&name) && !left.contains(&other), "{left:?}");
        // One layer, which only the old image had.
        assert_eq!(layers(&machine), before - 1);
        machine.assert_sound(way);
    }
}

#[test]
fn while_crio_runs_everything_is_done_but_removing() {
    let machine = Machine::new();
    let source = machine.source();
    machine.copy(Way::Store, &source);
    let (gone, lost) = (reference("app-17:1"), reference("app-18:1"));
    unlist(&source, &gone);
    let script = "mkdir /run/crio
        python3 -c 'import socket; it = socket.socket(socket.AF_UNIX); it.bind(\"/run/crio/crio.sock\"); it.listen(); it.accept(); it.accept(); it.accept()' &
        while [ ! -S /run/crio/crio.sock ]; do sleep 0.05; done
        rm -r \"$STORE/overlay-images/$ID\"
        \"$PROGRAM\" --config \"$CONF\" copy-images --prune --source \"$DIR\" --store \"$STORE\" 2>&1 || echo status $?
        kill %1 2>/dev/null || :";
    let store = machine.storage(Way::Store);
    let bytes = std::fs::read(store.join("overlay-images/images.json")).unwrap();
    let records: Vec<serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
    let of_lost = records.iter().find(|record| record["names"][0] == lost.as_str()).unwrap();
    let said = in_private(
        script,
        &[
            ("PROGRAM", Path::new(crate::support::STORAGECTL)),
            ("CONF", &machine.at("storage.conf")),
            ("DIR", &source),
            ("STORE", &store),
            ("ID", Path::new(of_lost["id"].as_str().unwrap())),
        ],
    );
    assert!(said.contains(&format!("copied `{lost}`\n")), "{said}");
    assert!(said.contains("error: CRI-O runs"), "{said}");
    assert!(said.ends_with("status 2\n"), "{said}");
    assert!(names(&store).contains(&gone));
    assert_eq!(machine.ends(Way::Store, &source, &["--prune"], 0)["pruned"], serde_json::json!([gone]));
}
