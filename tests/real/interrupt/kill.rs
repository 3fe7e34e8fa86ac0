//! Killed at each of its system calls in turn, a run leaves the old state or the
//! new one, and the next run finishes the work and clears up.
//!
//! Until the first call that changes something nothing can be different from what it
//! was. Two scenes show that; in the others most of those calls are left out, which
//! are nine of ten.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use super::{CONF, Scene, is_temporary, one_file, write};
use crate::strace::{Call, changes, own, tamper, trace, tried, tries_all};
use crate::support::{run, storagectl, text};
use crate::tree::Tree;

const VENDOR: &str = "usr/share/containers/storage.conf";
const MAIN: &str = "etc/containers/storage.conf";

#[test]
fn adding_to_a_file() {
    let scene = Scene::new(
        |dir| {
            one_file(dir);
            let conf = dir.join("conf/storage.conf");
            // Neither the defaults of a new file nor root's.
            std::fs::set_permissions(&conf, std::fs::Permissions::from_mode(0o640)).expect("we own it");
            chown(&conf, Some(1234), Some(5678)).expect("we are root");
        },
        &["--config", "@DIR@/conf/storage.conf", "add-store", "@DIR@/store"],
    );
    assert_old_or_new_at_each_call(&scene);
}

#[test]
fn adding_in_a_tree() {
    let scene = Scene::new(
        |dir| {
            tree_with_stores(dir);
            write(&dir.join(MAIN), CONF);
        },
        &["--root", "@DIR@", "add-store", "/images"],
    );
    assert_old_or_new_at_each_call(&scene);
}

#[test]
fn making_a_copy_of_the_vendors_file() {
    let scene = Scene::new(
        |dir| {
            tree_with_stores(dir);
            write(&dir.join(VENDOR), CONF);
            // Which every system has; it would stay.
            std::fs::create_dir(dir.join("etc")).expect("the scratch directory is writable");
        },
        &["--root", "@DIR@", "add-store", "/images"],
    );
    assert_old_or_new_at_each_call(&scene);
}

#[test]
fn removing_the_copy_with_its_last_store() {
    let scene = Scene::new(
        |dir| {
            tree_with_stores(dir);
            write(&dir.join(VENDOR), CONF);
            run(&mut storagectl(&["--root", &dir.to_string_lossy(), "add-store", "/images"]));
        },
        &["--root", "@DIR@", "remove-store", "/images"],
    );
    let (_, after) = scene.before_and_after();
    assert!(!after.contains_key(Path::new(MAIN)), "the copy goes");
    assert_old_or_new_at_each_call(&scene);
}

#[test]
fn editing_behind_a_symlink() {
    let scene = Scene::new(
        |dir| {
            tree_with_stores(dir);
            write(&dir.join("etc/real/target.conf"), CONF);
            std::fs::create_dir(dir.join("etc/containers")).expect("the scratch directory is writable");
            symlink("/etc/real/target.conf", dir.join(MAIN)).expect("the scratch directory is writable");
        },
        &["--root", "@DIR@", "add-store", "/images"],
    );
    let (before, after) = scene.before_and_after();
    assert_eq!(before[Path::new(MAIN)], after[Path::new(MAIN)], "the symlink stays");
    assert_old_or_new_at_each_call(&scene);
}

#[test]
fn replacing_a_symlink_to_the_vendors_file() {
    let scene = Scene::new(tree_with_link_to_vendor, &["--root", "@DIR@", "add-store", "/images"]);
    assert_old_or_new_at_each_call(&scene);
}

#[test]
fn restoring_the_symlink_to_the_vendors_file() {
    let scene = Scene::new(
        |dir| {
            tree_with_link_to_vendor(dir);
            run(&mut storagectl(&["--root", &dir.to_string_lossy(), "add-store", "/images"]));
        },
        &["--root", "@DIR@", "remove-store", "/images"],
    );
    assert_old_or_new_at_each_call(&scene);
}

/// A store that is half made is no harm, but the next run has to finish it:
/// readable by everyone, marker file and all.
#[test]
fn initialising_a_store() {
    let scene = Scene::new(|_| (), &["--root", "@DIR@", "init-store", "/images"]);
    let (_, after) = scene.before_and_after();
    at_each_call(&scene, &mut |call| assert_finished_by_the_next_run(&scene, &after, call));
}

fn tree_with_stores(dir: &Path) {
    // That users can use, too, so that they need nothing of their own.
    for store in ["/srv", "/images"] {
        run(&mut storagectl(&["--root", &dir.to_string_lossy(), "-q", "init-store", store]));
    }
}

fn tree_with_link_to_vendor(dir: &Path) {
    tree_with_stores(dir);
    write(&dir.join(VENDOR), CONF);
    std::fs::create_dir_all(dir.join("etc/containers")).expect("the scratch directory is writable");
    symlink("../../usr/share/containers/storage.conf", dir.join(MAIN))
        .expect("the scratch directory is writable");
}

#[track_caller]
fn assert_old_or_new_at_each_call(scene: &Scene) {
    let (before, after) = scene.before_and_after();
    let (mut old, mut new) = (0, 0);
    at_each_call(scene, &mut |call| {
        let found = scene.tree();
        if settled(&found) == settled(&before) {
            old += 1;
        } else {
            assert_eq!(settled(&found), settled(&after), "killed at {}", call.line);
            new += 1;
        }
        assert_finished_by_the_next_run(scene, &after, call);
    });
    assert!(old > 0 && new > 0, "it was killed on both sides of the replacement: {old} {new}");
}

#[track_caller]
pub(super) fn assert_finished_by_the_next_run(scene: &Scene, after: &Tree, call: &Call) {
    run(&mut scene.command());
    assert_eq!(&scene.tree(), after, "run again after being killed at {}", call.line);
}

/// Kills a run at its system calls, as it enters them, and calls `look`: at those that change
/// something, and at one in twenty of the others.
#[track_caller]
pub(super) fn at_each_call(scene: &Scene, look: &mut dyn FnMut(&Call)) {
    scene.reset();
    let (_, calls) = trace(&scene.command());
    let calls = own(&calls);
    assert!(calls.iter().filter(|call| changes(call)).count() > 1, "a run has something to do");
    let is_one = |(index, call): &(usize, &Call)| changes(call) || tries_all() || index.is_multiple_of(20);
    let calls = calls.iter().enumerate().filter(is_one).map(|(_, call)| call);
    let calls = tried(calls.collect(), 60);
    let mut killed = 0;
    // The first call is the one that starts the program.
    for call in calls.iter().filter(|call| call.name != "execve") {
        scene.reset();
        let output = tamper(&[&call.inject("signal=KILL")], &scene.command());
        // The number of calls for memory differs a little from run to run.
        assert!(output.status.signal() == Some(9) || output.status.success(), "{}", text(&output));
        killed += usize::from(output.status.signal() == Some(9));
        look(call);
    }
    assert!(killed + 5 > calls.len(), "{killed} of {} calls were reached", calls.len());
}

/// A tree without what a killed run may leave: temporary files, and empty directories that
/// have one of their name beside them.
pub(super) fn settled(tree: &Tree) -> Tree {
    let holds = |path: &Path, other: &Path| other != path && other.starts_with(path) && !is_temporary(other);
    let is_signed = |path: &Path, mode: u32| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_directory = mode & 0o170_000 == 0o040_000;
        is_directory
            && tree.contains_key(&path.with_file_name(format!(".{name}.storagectl-new")))
            && !tree.keys().any(|other| holds(path, other))
    };
    let mut settled = tree.clone();
    settled.retain(|path, node| !is_temporary(path) && !is_signed(path, node.mode));
    settled
}
