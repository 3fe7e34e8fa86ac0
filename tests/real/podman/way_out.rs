//! From a host on which podman does not start to one on which it does.

use std::path::Path;

use super::{Bench, assert_nothing_served, assert_served, hermetic_podman, path};
use crate::support::{copy_store, finish, run, storagectl, text};

const TWO_DEAD: &str =
    "[storage]\ndriver = \"overlay\"\nrunroot = \"@RUNROOT@\"\ngraphroot = \"@GRAPHROOT@\"\n
[storage.options]\nadditionalimagestores = [\n  \"@STORE@\",\n  \"/gone/first\",\n  \"/gone/second\",\n]\n";

#[test]
fn dead_entries_can_be_removed_one_by_one() {
    let bench = Bench::new(TWO_DEAD);
    assert_stops_on(&bench, "/gone/first");

    let output = finish(&mut bench.storagectl(&["remove-store", "/gone/first"]));
    assert!(output.status.success(), "{}", text(&output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    let warning = format!("warning: `{}` line 9: `/gone/second` does not exist: ", bench.conf().display());
    assert!(stderr.contains(&warning), "{stderr}");
    assert!(stderr.contains("`storagectl remove-store /gone/second`"), "the way out: {stderr}");
    assert!(
        !stderr.contains("`/gone/first` does not exist"),
        "what was removed is no warning any more: {stderr}"
    );
    assert_stops_on(&bench, "/gone/second");

    let output = finish(&mut bench.storagectl(&["remove-store", "/gone/second"]));
    assert!(output.status.success(), "{}", text(&output));
    assert!(!text(&output).contains("warning"), "{}", text(&output));
    assert_served(&bench.images(), "both dead entries removed");
}

#[test]
fn a_store_can_be_added_beside_a_dead_entry_which_is_reported() {
    let bench = Bench::new(&TWO_DEAD.replace("  \"@STORE@\",\n", "").replace("  \"/gone/second\",\n", ""));
    let output = finish(&mut bench.storagectl(&["add-store", path(&bench.store())]));
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("`/gone/first` does not exist: "), "{}", text(&output));
    assert_stops_on(&bench, "/gone/first");
    run(&mut bench.storagectl(&["remove-store", "/gone/first"]));
    assert_served(&bench.images(), "the dead entry removed");
}

#[track_caller]
fn assert_stops_on(bench: &Bench, dead: &str) {
    let output = bench.images();
    assert_eq!(output.status.code(), Some(125), "{}", text(&output));
    let why = format!("can't stat imageStore dir {dead}: ");
    assert!(text(&output).contains(&why), "{}", text(&output));
}

/// A host that has no storage.conf at all gets one with which podman 4 starts,
/// and loses it again with the last store.
#[test]
fn a_host_without_storage_conf_gets_one_that_podman_starts_with() {
    let tree = tempfile::tempdir().expect("a scratch directory can be made");
    copy_store(&tree.path().join("srv/images"));
    let conf = tree.path().join("etc/containers/storage.conf");

    run(&mut storagectl(&["--root", path(tree.path()), "add-store", "/srv/images"]));
    assert_served(&images_in(tree.path()), "created");

    run(&mut storagectl(&["--root", path(tree.path()), "remove-store", "/srv/images"]));
    assert!(!conf.exists(), "nothing else was in it");
}

/// podman follows the copy of the vendor's file, with the store, and then the
/// vendor's file again.
#[test]
fn a_host_with_a_vendor_file_gets_a_copy_that_podman_starts_with() {
    for vendor in [
        "# The vendor's.\n[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\ngraphroot = \"/var/lib/containers/storage\"\n",
        "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\ngraphroot = \"/var/lib/containers/storage\"\n[storage.options]\nadditionalimagestores = [\n]\n",
    ] {
        let tree = tempfile::tempdir().expect("a scratch directory can be made");
        copy_store(&tree.path().join("srv/images"));
        let share = tree.path().join("usr/share/containers");
        std::fs::create_dir_all(&share).expect("the scratch directory is writable");
        std::fs::write(share.join("storage.conf"), vendor).expect("the scratch directory is writable");

        run(&mut storagectl(&["--root", path(tree.path()), "add-store", "/srv/images"]));
        assert_served(&images_in(tree.path()), vendor);

        run(&mut storagectl(&["--root", path(tree.path()), "remove-store", "/srv/images"]));
        assert!(!tree.path().join("etc/containers/storage.conf").exists(), "{vendor}");
        let still = std::fs::read_to_string(share.join("storage.conf")).expect("the vendor's file is there");
        assert_eq!(still, vendor);
    }
}

#[test]
fn an_empty_store_made_by_init_lets_podman_start() {
    let bench = Bench::new(&TWO_DEAD.replace("\"/gone/first\",\n  \"/gone/second\",", ""));
    let new = bench.dir().join("new/store");
    run(&mut bench.storagectl(&["add-store", "--init", "--first", path(&new)]));
    assert_served(&bench.images(), "an empty store before the other");
    run(&mut bench.storagectl(&["remove-store", path(&bench.store())]));
    assert_nothing_served(&bench.images(), "the empty store alone");
}

/// `podman images` on a host whose /etc/containers and /srv are the tree's.
fn images_in(tree: &Path) -> std::process::Output {
    let podman = hermetic_podman(
        Path::new("/etc/containers/storage.conf"),
        &["images", "--format", super::IMAGE_LINE],
    );
    let mut command = std::process::Command::new("unshare");
    // Below --root the same paths are meant; `mount` needs a directory to mount on.
    let script =
        "mount --bind \"$0/etc/containers\" /etc/containers && mount --bind \"$0/srv\" /srv && exec \"$@\"";
    command.args(["-m", "sh", "-c", script]).arg(tree).arg(podman.get_program()).args(podman.get_args());
    // Not named in the environment: podman is to find it by itself.
    finish(command.env_remove("CONTAINERS_STORAGE_CONF"))
}
