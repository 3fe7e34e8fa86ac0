//! Containers and images that go on working after the store that they build on was replaced.

use std::path::Path;
use std::process::{Command, Output};

use super::machine::Machine;
use crate::podman::path;
use crate::support::{STORAGECTL, finish, run, storagectl, text};
use crate::tree::{names, stamps};

fn keep(machine: &Machine, args: &[&str]) -> Output {
    let conf = machine.dir().join("storage.conf");
    finish(&mut storagectl(&[&["--config", path(&conf), "keep-layers"], args].concat()))
}

/// Everything that was there works as before, and the new store is used.
#[track_caller]
fn assert_all_work(machine: &Machine) {
    let images = ["localhost/alias:1", "localhost/base:1", "localhost/child:1", "localhost/own:1"];
    assert_eq!(machine.images(), images);
    assert_eq!(machine.containers(), ["frombase", "fromchild", "fromown"]);
    for (container, said) in [("frombase", "old\n"), ("fromchild", "old\n"), ("fromown", "own\n")] {
        assert_eq!(machine.podman(&format!("start -a {container}")), said, "{container}");
    }
    for (image, said) in [("base", "new\n"), ("child", "old\n"), ("alias", "old\n")] {
        let run = format!("run --rm --pull never $options localhost/{image}:1");
        assert_eq!(machine.podman(&run), said, "{image}");
    }
    let checked = finish(&mut storagectl(&["check-store", "--deep", path(&machine.graph())]));
    assert!(checked.status.success(), "{}", text(&checked));
}

#[track_caller]
fn assert_kept(podman: &str) {
    let machine = Machine::replaced(podman, "overlay");
    let away = machine.dir().join("away");
    let (before, old, new) = (machine.tree(), stamps(&away), stamps(&machine.store()));
    let said = keep(&machine, &["--from", path(&away), "--dry-run"]);
    assert!(text(&said).contains("would have kept 1 layer"), "{}", text(&said));
    assert!(machine.tree() == before, "a dry run");
    let said = keep(&machine, &["--from", path(&away)]);
    assert!(said.status.success(), "{}", text(&said));
    for name in ["container `frombase`", "container `fromchild`", "image `localhost/child:1`"] {
        assert!(text(&said).contains(name), "{name}: {}", text(&said));
    }
    assert_eq!((stamps(&away), stamps(&machine.store())), (old, new), "the stores");
    assert_all_work(&machine);
    assert!(text(&keep(&machine, &[])).contains("nothing builds on layers"), "nothing is left to do");
    assert_eq!(text(&finish(&mut machine.clean(&[]))), "exit status: 0");
    // What was kept goes as everything else does.
    machine.podman("rm --force frombase fromchild");
    machine.podman("rmi localhost/child:1 localhost/alias:1");
    machine.podman("image prune --force");
    let layers = names(&machine.graph().join("overlay")).into_iter().filter(|name| name.len() == 64);
    assert_eq!(layers.count(), 2, "the image of its own, and its container");
}

#[test]
fn podman_4_goes_on_with_what_an_old_store_has() {
    assert_kept("podman-4");
}

#[test]
fn podman_5_goes_on_with_what_an_old_store_has() {
    assert_kept("podman-5");
}

#[test]
fn podman_6_goes_on_with_what_an_old_store_has() {
    assert_kept("podman-6");
}

#[test]
fn what_a_store_alone_has_is_kept_before_it_goes() {
    let machine = Machine::with("podman-6", "overlay", "imagestore = \"@DIR@/images\"");
    let said = keep(&machine, &["--leaving", path(&machine.store())]);
    assert!(said.status.success() && text(&said).contains("container `frombase`"), "{}", text(&said));
    let before = stamps(&machine.graph());
    assert!(!names(&machine.image_store().join("overlay")).is_empty());
    machine.replace();
    fs_err::remove_dir_all(machine.dir().join("away")).unwrap();
    assert_eq!(text(&finish(&mut machine.clean(&[]))), "exit status: 0");
    assert_eq!(stamps(&machine.graph()), before);
    assert_eq!(machine.podman("start -a frombase"), "old\n");
    assert_eq!(machine.podman("start -a fromchild"), "old\n");
}

/// rpm has put the new package's files in place, and does not remove the old one's yet.
#[test]
fn a_scriptlet_keeps_what_the_store_of_the_old_package_has() {
    let machine = Machine::of_images("podman-5");
    run(Command::new("cp").arg("-a").arg(machine.dir().join("new/.")).arg(machine.store()));
    let conf = machine.dir().join("storage.conf");
    let store = machine.store();
    let post = ["--config", path(&conf), "scriptlet", "post", "2", path(&store)];
    let said = finish(&mut storagectl(&post));
    assert!(text(&said).contains("container `fromchild`"), "{}", text(&said));
    machine.replace();
    assert_all_work(&machine);
}

#[test]
fn a_boot_takes_what_is_needed_from_embedded_images() {
    let machine = Machine::of_images("podman-6");
    machine.replace();
    let embedded = machine.dir().join("embedded");
    fs_err::create_dir(&embedded).unwrap();
    fs_err::rename(machine.dir().join("old.image"), embedded.join("0123")).unwrap();
    fs_err::write(embedded.join("image-list.txt"), "localhost/base:1,0123\n").unwrap();
    let said = boot_with_deployments(&machine, &embedded, "containers/storage");
    assert!(text(&said).contains("kept 1 layer"), "{}", text(&said));
    assert_all_work(&machine);
}

/// The main storage is moved into the tree of a system that was updated, which boots. Its former
/// deployment has `old` at `name` in /usr/lib.
#[track_caller]
fn boot_with_deployments(machine: &Machine, old: &Path, name: &str) -> Output {
    boot_in_tree(machine, |tree| {
        let lib = tree.join("sysroot/ostree/deploy/os/deploy/0123456789abcdef.0/usr/lib");
        fs_err::create_dir_all(lib.join(name).parent().unwrap()).unwrap();
        run(Command::new("cp").arg("-a").arg(old).arg(lib.join(name)));
    })
}

/// The same in a tree in which `arrange` puts what else there is of former systems.
#[track_caller]
fn boot_in_tree(machine: &Machine, arrange: impl FnOnce(&Path)) -> Output {
    let tree = machine.dir().join("tree");
    let (graph, usr) = (tree.join("var/lib/containers/storage"), tree.join("usr/lib"));
    for dir in [&usr, &tree.join("etc/containers"), graph.parent().unwrap()] {
        fs_err::create_dir_all(dir).unwrap();
    }
    let conf = "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/storage\"\n\
        graphroot = \"/var/lib/containers/storage\"\n[storage.options]\n\
        additionalimagestores = [\"/usr/lib/images\"]\n";
    fs_err::write(tree.join("etc/containers/storage.conf"), conf).unwrap();
    run(Command::new("cp").arg("-a").arg(machine.store()).arg(usr.join("images")));
    arrange(&tree);
    fs_err::rename(machine.graph(), &graph).unwrap();
    let said = finish(Command::new(STORAGECTL).arg("--root").arg(&tree).args(["apply", "--boot"]));
    fs_err::rename(&graph, machine.graph()).unwrap();
    fs_err::remove_dir_all(&tree).unwrap();
    said
}

/// Makes the directory `system` a deployment of bootc's composefs backend in `tree`: an image of
/// erofs whose files are sparse and say by attributes of overlayfs which object they are.
fn deploy_with_composefs(system: &Path, tree: &Path) {
    let id = "0123456789abcdef".repeat(8);
    let (repository, state) = (tree.join("sysroot/composefs"), tree.join("sysroot/state/deploy").join(&id));
    for dir in [&repository.join("images"), &repository.join("objects"), &state] {
        fs_err::create_dir_all(dir).unwrap();
    }
    let files = run(Command::new("find").arg(system).args(["-type", "f", "-size", "+0"]));
    for (number, file) in files.lines().enumerate() {
        let object = format!("/{:02x}/{number:04}", number % 256);
        let place = repository.join("objects").join(&object[1..]);
        fs_err::create_dir_all(place.parent().unwrap()).unwrap();
        fs_err::copy(file, place).unwrap();
        let size = fs_err::metadata(file).unwrap().len();
        let sparse = fs_err::OpenOptions::new().write(true).truncate(true).open(file).unwrap();
        sparse.set_len(size).unwrap();
        for (name, value) in [("metacopy", ""), ("redirect", object.as_str())] {
            let name = format!("trusted.overlay.{name}");
            rustix::fs::setxattr(file, name, value.as_bytes(), rustix::fs::XattrFlags::CREATE).unwrap();
        }
    }
    run(Command::new("mkfs.erofs").arg("--quiet").arg(repository.join("images").join(id)).arg(system));
}

/// Nothing mounts the deployment, before or after.
#[test]
fn a_boot_takes_what_is_needed_from_a_deployment_of_composefs() {
    // erofs mounts no image that is a file in memory.
    let on_disk = tempfile::tempdir_in("/var/tmp").unwrap();
    let machine = Machine::at(on_disk.path(), "podman-6", "overlay", "");
    machine.replace();
    let system = machine.dir().join("system");
    fs_err::create_dir_all(system.join("usr/lib")).unwrap();
    run(Command::new("cp").arg("-a").arg(machine.dir().join("away")).arg(system.join("usr/lib/images")));
    let mounts = || fs_err::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    let said = boot_in_tree(&machine, |tree| deploy_with_composefs(&system, tree));
    assert_eq!(mounts(), before);
    let release = run(Command::new("uname").arg("-r"));
    let version: Vec<u32> = release.split('.').filter_map(|number| number.parse().ok()).take(2).collect();
    if version < vec![6, 15] {
        assert!(text(&said).contains("removed container `frombase`"), "{release}: {}", text(&said));
        return;
    }
    assert!(said.status.success() && text(&said).contains("kept 1 layer"), "{}", text(&said));
    assert!(text(&said).contains("sysroot/state/deploy/0123"), "{}", text(&said));
    assert_all_work(&machine);
}

#[test]
fn a_boot_takes_what_is_needed_from_the_deployment_before() {
    for podman in ["podman-4", "podman-6"] {
        let machine = Machine::replaced(podman, "overlay");
        let said = boot_with_deployments(&machine, &machine.dir().join("away"), "images");
        assert!(said.status.success() && text(&said).contains("kept 1 layer"), "{podman}: {}", text(&said));
        assert!(!text(&said).contains("removed"), "{podman}: {}", text(&said));
        assert_all_work(&machine);
        // The update is rolled back, and what was made with it is kept, too.
        machine.podman("create --name fromnew $options localhost/base:1");
        machine.replace_back();
        let said = boot_with_deployments(&machine, &machine.dir().join("new"), "images");
        assert!(text(&said).contains("container `fromnew`"), "{podman}: {}", text(&said));
        assert_eq!(machine.podman("start -a fromnew"), "new\n", "{podman}");
        assert_eq!(machine.podman("start -a frombase"), "old\n", "{podman}");
        assert_eq!(machine.podman("run --rm --pull never $options localhost/base:1"), "old\n", "{podman}");
    }
}

/// There is nothing to keep layers from, so what needs them is removed, until the update is rolled back.
#[test]
fn what_an_update_has_cost_is_restored_when_it_is_rolled_back() {
    for podman in ["podman-4", "podman-6"] {
        let machine = Machine::new(podman, "overlay");
        let nothing = machine.dir().join("nothing");
        fs_err::create_dir(&nothing).unwrap();
        let before = machine.tree();
        machine.replace();
        let said = boot_with_deployments(&machine, &nothing, "images");
        assert!(text(&said).contains("removed container `frombase`"), "{podman}: {}", text(&said));
        assert_eq!(machine.images(), ["localhost/base:1", "localhost/own:1"], "{podman}");
        machine.replace_back();
        let said = boot_with_deployments(&machine, &nothing, "images");
        for name in ["restored container `frombase`", "restored image `localhost/child:1`"] {
            assert!(text(&said).contains(name), "{podman}: {name}: {}", text(&said));
        }
        let images = machine.images();
        assert!(images.contains(&"localhost/alias:1".to_owned()), "{podman}: {images:?}");
        for (container, said) in [("frombase", "old\n"), ("fromchild", "old\n"), ("fromown", "own\n")] {
            assert_eq!(machine.podman(&format!("start -a {container}")), said, "{podman}: {container}");
        }
        assert_eq!(machine.podman("run --rm --pull never $options localhost/base:1"), "old\n", "{podman}");
        let lost: Vec<_> = before.keys().filter(|path| !machine.tree().contains_key(*path)).collect();
        // Records change, and conmon removes its pipes when a container has ended.
        let stays = |path: &&&std::path::PathBuf| {
            path.extension().is_none_or(|it| it != "json")
                && !(path.ends_with("userdata/ctl") || path.ends_with("userdata/winsz"))
        };
        assert_eq!(lost.iter().filter(stays).count(), 0, "{podman}: {lost:?}");
        let again = boot_with_deployments(&machine, &nothing, "images");
        assert!(!text(&again).contains("restored"), "{podman}: {}", text(&again));
    }
}

#[test]
fn what_nobody_has_and_what_does_not_fit_is_told_and_nothing_changes() {
    let machine = Machine::replaced("podman-6", "overlay");
    let before = machine.tree();
    let said = keep(&machine, &[]);
    assert_eq!(said.status.code(), Some(2), "{}", text(&said));
    assert!(text(&said).contains("no former store has it"), "{}", text(&said));
    assert!(machine.tree() == before);
    let small = "mkdir /run/small
        cp -a $DIR/graph/. /run/small
        size=$(du -s --block-size=1 /run/small | cut -f1)
        mount -t tmpfs -o size=$((size + 65536)) none $DIR/graph
        cp -a /run/small/. $DIR/graph
        find $DIR/graph | sort >/run/before
        STORAGECTL --config $DIR/storage.conf keep-layers --from $DIR/away && exit 1
        find $DIR/graph | sort | diff /run/before -
        clean";
    let said = machine.boot(&small.replace("STORAGECTL", STORAGECTL));
    assert!(said.status.success(), "{}", text(&said));
    assert!(
        text(&said).contains("are missing") && text(&said).contains("removed container `frombase`"),
        "{}",
        text(&said)
    );
}
