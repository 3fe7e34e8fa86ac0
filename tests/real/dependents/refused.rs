//! When nothing is removed.

use std::path::Path;

use storagectl::sys::{RecordLock, Root};

use super::machine::Machine;
use crate::support::{finish, text};
use crate::tree::stamps;

/// Checks that nothing is removed, and why.
#[track_caller]
fn assert_refused(machine: &Machine, why: &str) {
    let before = stamps(&machine.graph());
    let output = finish(&mut machine.clean(&[]));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains(why), "{why}: {}", text(&output));
    assert_eq!(stamps(&machine.graph()), before, "{why}");
}

#[test]
fn nothing_is_removed_while_the_store_cannot_be_read() {
    let machine = Machine::new("podman-4", "overlay");
    let (store, away) = (machine.store(), machine.store().with_extension("away"));
    fs_err::rename(&store, &away).unwrap();
    assert_refused(&machine, "does not exist");
    fs_err::create_dir(&store).unwrap();
    assert_refused(&machine, "is empty");
    fs_err::remove_dir(&store).unwrap();
    fs_err::rename(&away, &store).unwrap();

    let layers = store.join("overlay-layers/layers.json");
    let text = fs_err::read(&layers).unwrap();
    fs_err::write(&layers, &text[..text.len() / 2]).unwrap();
    assert_refused(&machine, "has a malformed layers.json");
    fs_err::remove_file(&layers).unwrap();
    assert_refused(&machine, "has layers but no layers.json");
    fs_err::write(&layers, text).unwrap();
    assert_eq!(finish(&mut machine.clean(&[])).status.code(), Some(0), "now it is whole");
}

#[test]
fn nothing_is_removed_while_an_engine_holds_a_lock() {
    let machine = Machine::replaced("podman-4", "overlay");
    let root = Root::system().unwrap();
    for lock in [
        "storage.lock",
        "overlay-layers/layers.lock",
        "overlay-images/images.lock",
        "overlay-containers/containers.lock",
    ] {
        let held = RecordLock::try_lock(&root, &machine.graph().join(lock)).unwrap();
        assert!(held.is_some());
        assert_refused(&machine, &format!("it has locked `{}", machine.graph().join(lock).display()));
    }
    assert_eq!(finish(&mut machine.clean(&[])).status.code(), Some(0), "now nobody does");
}

#[test]
fn nothing_is_removed_while_a_container_runs() {
    let machine = Machine::replaced("podman-4", "overlay");
    let before = machine.tree();
    let script = "export CONTAINERS_STORAGE_CONF=$DIR/storage.conf
        p run -d --name running $options localhost/own:1 /bin/busybox sleep 1000
        clean 2>&1 && exit 1
        p rm --force --time 0 running";
    let said = machine.must(script);
    assert!(said.contains("error: one container of") && said.contains("may be running"), "{said}");
    for path in before.keys().filter(|path| path.starts_with("overlay")) {
        assert!(machine.graph().join(path).symlink_metadata().is_ok(), "{} is there", path.display());
    }
    assert!(!machine.graph().join("storagectl-backup").exists());
}

/// A running podman would not notice otherwise that its records are old.
#[test]
fn the_lock_files_tell_that_records_changed() {
    let machine = Machine::replaced("podman-6", "overlay");
    let locks = ["layers", "images", "containers"];
    let read =
        |name: &str| fs_err::read(machine.graph().join(format!("overlay-{name}/{name}.lock"))).unwrap();
    let before = locks.map(read);
    assert_eq!(finish(&mut machine.clean(&[])).status.code(), Some(0));
    for (name, old) in locks.iter().zip(before) {
        let new = read(name);
        assert!(new.len() == 64 && new != old, "{name}.lock");
    }
    assert!(Path::new(&machine.graph()).join("db.sql").is_file(), "podman's own database stays");
}
