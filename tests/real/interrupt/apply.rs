//! `storagectl apply`, which may change several files, killed at each of its system
//! calls: every file is the old one or the new one, every engine starts, and the next
//! run finishes the work.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::kill::{assert_finished_by_the_next_run, at_each_call, settled};
use super::{CONF, Scene, write};
use crate::generations::ENGINES;
use crate::hosts::engines;
use crate::support::{finish, run, storagectl};
use crate::tree::Tree;

const MAIN: &str = "etc/containers/storage.conf";
const VENDOR: &str = "usr/share/containers/storage.conf";
const USERS: &str = "etc/containers/storage.rootless.conf.d/99-storagectl.conf";
const OWN: &str = "etc/containers/storage.rootful.conf.d/99-storagectl.conf";
const DECLARATIONS: &str = "usr/lib/storagectl/stores.d";

/// Stores, two of which are declared, and a vendor's drop-in that hides the main file.
fn host(dir: &Path) {
    for store in ["srv", "vendor", "app", "other"] {
        std::fs::create_dir(dir.join(store)).expect("the scratch directory is writable");
    }
    for name in ["app", "other"] {
        write(&dir.join(format!("{DECLARATIONS}/{name}.toml")), &format!("[[store]]\npath = \"/{name}\"\n"));
    }
    let list = "[storage.options]\nadditionalimagestores = [\"/vendor\"]\n";
    write(&dir.join("usr/share/containers/storage.conf.d/00-vendor.conf"), list);
}

fn apply(dir: &Path) {
    run(&mut storagectl(&["--root", &dir.to_string_lossy(), "apply"]));
}

#[test]
fn listing_declared_stores_in_the_main_file_and_a_drop_in() {
    let scene = Scene::new(
        |dir| {
            host(dir);
            write(&dir.join(MAIN), CONF);
        },
        &["--root", "@DIR@", "apply"],
    );
    assert_whole_at_each_call(&scene, &[MAIN, OWN]);
}

#[test]
fn taking_off_what_is_not_declared_any_more() {
    let scene = Scene::new(
        |dir| {
            host(dir);
            write(&dir.join(MAIN), &CONF.replace("  \"/srv\", # ours\n", ""));
            apply(dir);
            std::fs::remove_dir_all(dir.join(DECLARATIONS)).expect("the scratch directory is writable");
        },
        &["--root", "@DIR@", "apply"],
    );
    assert_whole_at_each_call(&scene, &[MAIN, OWN]);
}

#[test]
fn making_a_copy_anew_whose_original_has_changed() {
    let scene = Scene::new(
        |dir| {
            host(dir);
            write(&dir.join(VENDOR), CONF);
            apply(dir);
            write(&dir.join(VENDOR), &format!("# New.\n{CONF}"));
        },
        &["--root", "@DIR@", "apply"],
    );
    let (_, after) = scene.before_and_after();
    let copy = after[Path::new(MAIN)].content.clone().expect("it is a file");
    assert!(copy.contains("# New.\n") && copy.contains("\"/app\""), "{copy}");
    assert_whole_at_each_call(&scene, &[MAIN]);
}

#[test]
fn setting_aside_what_is_gone_when_the_system_starts() {
    let scene = Scene::new(
        |dir| {
            host(dir);
            write(&dir.join(MAIN), CONF);
            for store in ["srv", "vendor"] {
                std::fs::remove_dir(dir.join(store)).expect("the scratch directory is writable");
            }
        },
        &["--root", "@DIR@", "apply", "--boot"],
    );
    let (_, after) = scene.before_and_after();
    for file in [MAIN, OWN] {
        let text = after[Path::new(file)].content.clone().expect("it is a file");
        assert!(text.contains("missing at boot: "), "{text}");
    }
    scene.reset();
    assert!(!starts("legacy", &scene.dir()), "nothing starts before");
    assert_whole_at_each_call(&scene, &[MAIN, OWN, USERS]);
}

/// Whether the storage library of an engine reads the host's configuration and stores.
fn starts(engine: &str, root: &Path) -> bool {
    let output = finish(Command::new(engines::program(engine)).arg(root).arg("0"));
    output.status.success() && !String::from_utf8_lossy(&output.stdout).contains("\"error\":\"")
}

/// `changed` are the files that the run changes, and no others.
#[track_caller]
fn assert_whole_at_each_call(scene: &Scene, changed: &[&str]) {
    let (before, after) = scene.before_and_after();
    let all: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let is_file = |path: &&std::path::PathBuf| {
        [&before, &after].iter().any(|tree| tree.get(*path).is_some_and(|node| node.content.is_some()))
    };
    let differ: Vec<_> =
        all.iter().filter(|path| before.get(**path) != after.get(**path)).copied().filter(is_file).collect();
    assert_eq!(differ, changed.iter().map(Path::new).collect::<Vec<_>>());

    let mut states: Vec<Tree> = Vec::new();
    // Where a listed store is gone, they start only when that is mended.
    let mut start_before: Vec<&str> = Vec::new();
    at_each_call(scene, &mut |call| {
        let found = settled(&scene.tree());
        let (old, new) = (settled(&before), settled(&after));
        for path in found.keys().chain(old.keys()) {
            let node = found.get(path);
            assert!(
                node == old.get(path) || node == new.get(path),
                "{} when killed at {}: {node:?}",
                path.display(),
                call.line
            );
        }
        let state = found.clone();
        if !states.contains(&state) {
            // The real libraries read it; temporary files are there, too.
            let starting =
                ENGINES.into_iter().filter(|engine| starts(engine, &scene.dir())).collect::<Vec<_>>();
            if states.is_empty() {
                start_before.clone_from(&starting);
            }
            assert!(
                start_before.iter().all(|engine| starting.contains(engine)),
                "{starting:?} at {}",
                call.line
            );
            assert!(found != new || starting == ENGINES, "{starting:?} at {}", call.line);
            states.push(state);
        }
        assert_finished_by_the_next_run(scene, &after, call);
    });
    // One file after the other is replaced.
    assert_eq!(states.len(), changed.len() + 1);
    assert!(states.contains(&settled(&after)));
}
