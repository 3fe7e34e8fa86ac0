//! Images of former lists go, and nothing else.

use std::path::Path;

use super::machine::{Machine, Way, directory, embedded, reference, unlist, with_state};
use crate::build::CRUN;
use crate::check::engine::Engine;
use crate::check::healthy::in_private;
use crate::check::store::checked;
use crate::cri::{START, STOP, client};
use crate::hosts::program;

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
        let own = directory(embedded(), &reference("app-13:1"));
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
        let (of_name, of_other) = [&name, &other].map(|name| directory(&source, name)).into();
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

/// What a running CRI-O, with the store on its list, has of it after `script`.
fn beside_crio(machine: &Machine, way: Way, source: &Path, script: &str) -> String {
    let list = "\"$CRI\" /run/crio.sock images | grep -o '^[^ ]*app-1[78]:1' | sort -u";
    let copy = format!(
        "'{}' --config \"$CONF\" copy-images --prune --source '{}' {}",
        crate::support::STORAGECTL,
        source.display(),
        if way == Way::Store { "--store \"$STORE\"" } else { "" }
    );
    // What CRI-O listens on where nobody says anything else.
    let socket = "mkdir -p /run/crio; ln -s /run/crio.sock /run/crio/crio.sock";
    let script = script.replace("LIST", list).replace("COPY", &copy);
    let variables = [
        ("CONF", machine.at("storage.conf")),
        ("GRAPH", machine.at("graph")),
        ("STORE", machine.storage(Way::Store)),
        ("LOG", machine.at("log")),
        ("ARTIFACT_STORES", std::path::PathBuf::new()),
        ("ENGINE", program("crio")),
        ("CRI", client()),
        ("CRUN", CRUN.into()),
    ];
    let variables: Vec<(&str, &Path)> =
        variables.iter().map(|(name, path)| (*name, path.as_path())).collect();
    in_private(&format!("{START}{socket}\n{script}{STOP}"), &variables)
}

#[test]
fn beside_a_running_crio_images_of_a_store_come_and_go_and_those_of_its_own_storage_stay() {
    let machine = Machine::new();
    let source = machine.source();
    let (gone, stays) = (reference("app-17:1"), reference("app-18:1"));
    for way in [Way::Store, Way::Main] {
        machine.copy(way, &source);
    }
    let line = format!("{gone},{}", directory(&source, &gone).file_name().unwrap().display());
    let script = "LIST; COPY 2>&1 || echo status $?; LIST";
    unlist(&source, &gone);
    let own = beside_crio(&machine, Way::Main, &source, script);
    assert!(own.contains("error: CRI-O runs"), "{own}");
    assert_eq!(own.matches("status 2\n").count(), 1, "{own}");
    assert!(names(&machine.storage(Way::Main)).contains(&gone));
    assert_eq!(machine.ends(Way::Main, &source, &["--prune"], 0)["pruned"], serde_json::json!([gone]));
    // One that is listed again is there at once.
    let list = source.join("image-list.txt");
    let script = format!("{script}; echo '{line}' >>'{}'; COPY 2>&1; LIST", list.display());
    let said = beside_crio(&machine, Way::Store, &source, &script);
    assert!(!said.contains("error") && !said.contains("status"), "{said}");
    assert!(said.starts_with(&format!("{gone}\n{stays}\n")), "{said}");
    let after = |mark: &str| {
        let text = &said[said.find(mark).unwrap_or_else(|| panic!("{said}"))..];
        text.lines().skip(1).take_while(|line| !line.contains(' ')).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(after(" already in `"), std::slice::from_ref(&stays), "{said}");
    assert_eq!(after("copied 1 image to"), [gone.clone(), stays], "{said}");
    assert!(names(&machine.storage(Way::Store)).contains(&gone));
    machine.assert_sound(Way::Store);
}
