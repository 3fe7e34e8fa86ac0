//! What works again, and what stays.

use std::process::Command;

use super::machine::Machine;
use super::{assert_nothing_else_changed, differences};
use crate::support::{finish, run, text};
use crate::tree::{names, stamps, tree};

#[test]
fn podman_4_lists_no_image_before_and_all_that_are_whole_after() {
    let machine = Machine::replaced("podman-4", "overlay");
    let failed = machine.try_podman("images");
    assert!(!failed.status.success() && text(&failed).contains("layer not known"), "{}", text(&failed));
    assert_works_after(&machine);
}

#[test]
fn podman_5_runs_the_image_of_the_new_store_after_and_not_before() {
    let machine = Machine::replaced("podman-5", "overlay");
    assert_new_image_is_hidden(&machine);
    assert_works_after(&machine);
}

#[test]
fn podman_6_runs_the_image_of_the_new_store_after_and_not_before() {
    let machine = Machine::replaced("podman-6", "overlay");
    assert_new_image_is_hidden(&machine);
    assert_works_after(&machine);
}

/// The record that `podman tag` copied is found first.
#[track_caller]
fn assert_new_image_is_hidden(machine: &Machine) {
    assert_eq!(machine.images(), ["localhost/base:1", "localhost/own:1"], "broken images are left out");
    let failed = machine.try_podman("run --rm --pull never $options localhost/base:1");
    assert!(!failed.status.success() && text(&failed).contains("layer not known"), "{}", text(&failed));
}

#[track_caller]
fn assert_works_after(machine: &Machine) {
    let failed = machine.try_podman("start -a frombase");
    assert!(!failed.status.success(), "the layers of this container are gone");
    let (before, store) = (machine.tree(), stamps(&machine.store()));

    let said = text(&finish(&mut machine.clean(&["--dry-run"])));
    assert!(machine.tree() == before, "a dry run");
    for name in ["`frombase`", "`fromchild`", "`localhost/child:1`", "`localhost/alias:1`"] {
        assert!(said.contains(name), "{name}: {said}");
    }
    assert!(!said.contains("own"), "{said}");
    let said = text(&finish(&mut machine.clean(&[])));
    assert!(said.contains("removed container `fromchild`"), "{said}");

    assert_nothing_else_changed(&before, &machine.tree());
    assert_eq!(stamps(&machine.store()), store, "the store");
    let backup = machine.graph().join("storagectl-backup");
    let [made] = &names(&backup)[..] else { panic!("one backup") };
    assert!(backup.join(made).join("removed.json").is_file());

    assert_eq!(machine.images(), ["localhost/base:1", "localhost/own:1"]);
    assert_eq!(machine.containers(), ["frombase", "fromchild", "fromown"], "podman's own list");
    assert_eq!(machine.podman("start -a fromown"), "own\n");
    assert_eq!(machine.podman("run --rm --pull never $options localhost/base:1"), "new\n");
    // As the command says.
    machine.podman("rm --force frombase fromchild");
    assert_eq!(machine.containers(), ["fromown"]);
    machine.podman("create --name frombase $options localhost/base:1");
    assert_eq!(machine.podman("start -a frombase"), "new\n");

    let again = finish(&mut machine.clean(&[]));
    assert_eq!(text(&again), "exit status: 0", "nothing is left to do");
    assert_eq!(names(&backup).len(), 1);
}

#[test]
fn a_healthy_storage_is_not_touched() {
    let machine = Machine::new("podman-4", "overlay");
    let before = stamps(&machine.graph());
    assert_eq!(text(&finish(&mut machine.clean(&[]))), "exit status: 0");
    assert_eq!(stamps(&machine.graph()), before);
}

#[test]
fn the_backup_and_the_old_store_bring_everything_back() {
    let machine = Machine::replaced("podman-4", "overlay");
    let before = machine.tree();
    run(&mut machine.clean(&[]));
    machine.replace_back();
    let backups = machine.graph().join("storagectl-backup");
    let storage = backups.join(&names(&backups)[0]).join("storage/.");
    run(Command::new("cp").arg("-a").arg(storage).arg(machine.graph()));
    let differ = differences(&machine.tree(), &before);
    assert!(differ.is_empty(), "{differ:?}");
    assert_eq!(machine.podman("start -a frombase"), "old\n");
    let images = machine.images();
    assert!(images.contains(&"localhost/child:1".to_owned()), "{images:?}");
    let written =
        "run --rm $options -v $DIR/graph:/graph localhost/own:1 /bin/busybox find /graph -name written";
    assert!(!machine.podman(written).is_empty(), "what a container has written is there");
}

/// podman mounts its directory of layers over itself and leaves that so.
#[test]
fn layers_are_moved_although_podman_has_mounted_their_directory() {
    let machine = Machine::replaced("podman-4", "overlay");
    let script = "export CONTAINERS_STORAGE_CONF=$DIR/storage.conf
        p images && exit 1
        grep -q \" $DIR/graph/overlay \" /proc/self/mountinfo
        clean
        p images";
    let said = machine.must(script);
    assert!(said.contains("localhost/own"), "{said}");
    let backups = machine.graph().join("storagectl-backup");
    let kept = names(&backups.join(&names(&backups)[0]).join("storage/overlay"));
    assert_eq!(kept.len(), 4, "three layers and the directory of short names: {kept:?}");
    assert!(kept.iter().all(|name| name == "l" || !machine.graph().join("overlay").join(name).exists()));
}

/// Each layer is a whole copy there, so a container needs nothing below its own.
#[test]
fn with_vfs_images_go_and_containers_still_start() {
    for podman in ["podman-4", "podman-6"] {
        let machine = Machine::replaced(podman, "vfs");
        let before = machine.tree();
        run(&mut machine.clean(&[]));
        assert_nothing_else_changed(&before, &machine.tree());
        assert_eq!(machine.images(), ["localhost/base:1", "localhost/own:1"], "{podman}");
        for container in ["frombase", "fromchild"] {
            assert_eq!(machine.podman(&format!("start -a {container}")), "old\n", "{podman}");
        }
    }
}

#[test]
fn an_image_store_of_the_engines_own_is_cleaned_too() {
    let machine = Machine::with("podman-6", "overlay", "imagestore = \"@DIR@/images\"");
    assert_eq!(text(&finish(&mut machine.clean(&[]))), "exit status: 0", "it is healthy");
    machine.replace();
    let (graph, images) = (machine.tree(), tree(&machine.image_store()));
    run(&mut machine.clean(&[]));
    assert_nothing_else_changed(&graph, &machine.tree());
    assert_nothing_else_changed(&images, &tree(&machine.image_store()));
    assert_eq!(machine.images(), ["localhost/base:1", "localhost/own:1"]);
    assert_eq!(machine.podman("run --rm --pull never $options localhost/base:1"), "new\n");
    assert_eq!(machine.podman("start -a fromown"), "own\n");
}

/// Layers that a store has are not pulled again.
#[test]
fn a_pulled_image_depends_on_the_store_as_a_built_one_does() {
    for podman in ["podman-4", "podman-6"] {
        let machine = Machine::new(podman, "overlay");
        let script = "export CONTAINERS_STORAGE_CONF=$DIR/storage.conf
            p save --quiet --format oci-archive --output $DIR/archive localhost/child:1
            p rm --force fromchild
            p rmi localhost/child:1
            p pull --quiet oci-archive:$DIR/archive";
        machine.must(script);
        let images = machine.images();
        assert!(images.contains(&"localhost/child:1".to_owned()), "{podman}: {images:?}");
        machine.replace();
        let said = text(&finish(&mut machine.clean(&[])));
        assert!(said.contains("removed image `localhost/child:1`"), "{podman}: {said}");
        // And can be pulled again, whole.
        machine.podman("pull --quiet oci-archive:$DIR/archive");
        let run = "run --rm --pull never $options localhost/child:1";
        assert_eq!(machine.podman(run), "old\n", "{podman}");
    }
}
