//! Killed at each system call that changes something, a run leaves a storage that podman
//! reads, and the next run finishes the work.

use std::cell::RefCell;
use std::collections::HashSet;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use super::machine::Machine;
use super::{assert_nothing_else_changed, differences, settled};
use crate::interrupt::{Scene, is_temporary};
use crate::strace::{Call, changes, own, tamper, trace, tried};
use crate::support::{run, text};
use crate::tree::tree;

/// A scene with a main storage after its store was replaced, and its machine.
fn scene(command: &[&str]) -> (Scene, Machine) {
    let machine = RefCell::new(None);
    // The database holds the paths of the storage: it is made where it is used.
    let set_up = |template: &Path| {
        let dir = template.with_file_name("host");
        fs_err::create_dir(&dir).unwrap();
        let made = Machine::at(&dir, "podman-4", "overlay", "");
        made.replace();
        machine.replace(Some(made));
        fs_err::remove_dir(template).unwrap();
        fs_err::rename(&dir, template).unwrap();
    };
    let scene = Scene::new(set_up, &[&["--config", "@DIR@/storage.conf"], command].concat());
    (scene, machine.into_inner().unwrap())
}

#[test]
fn a_killed_run_leaves_what_podman_reads_and_the_next_one_finishes() {
    let (scene, machine) = scene(&["clean-dependents"]);
    scene.reset();
    let before = tree(&machine.graph());
    run(&mut scene.command());
    let done = tree(&machine.graph());
    assert!(machine.try_podman("images").status.success());

    let mut seen = HashSet::new();
    let mut states = (0, 0);
    let mut killed = 0;
    scene.reset();
    let (_, calls) = trace(&scene.command());
    let calls = tried(own(&calls).iter().filter(|call| changes(call)).collect(), 40);
    for call in &calls {
        scene.reset();
        let output = tamper(&[&call.inject("signal=KILL")], &scene.command());
        assert_eq!(output.status.signal(), Some(9), "{}: {}", call.line, text(&output));
        killed += 1;
        // podman is asked once about each state of what it reads: the records, and
        // what is there.
        let state = settled(&tree(&machine.graph()));
        let is_record = |path: &Path| path.extension().is_some_and(|end| end == "json");
        let key: Vec<_> = state
            .into_iter()
            .filter(|(path, _)| !is_temporary(path))
            .map(|(path, node)| (node.content.filter(|_| is_record(&path)), path))
            .collect();
        if seen.insert(key) {
            let listed = machine.try_podman("images");
            let is_old = text(&listed).contains("layer not known");
            assert!(listed.status.success() || is_old, "killed at {}: {}", call.line, text(&listed));
            if is_old {
                states.0 += 1
            } else {
                states.1 += 1
            }
            assert_eq!(machine.containers().len(), 3, "killed at {}", call.line);
            assert_eq!(machine.podman("start -a fromown"), "own\n", "killed at {}", call.line);
            run(&mut scene.command());
            assert_eq!(machine.images(), ["localhost/base:1", "localhost/own:1"], "killed at {}", call.line);
            continue;
        }
        run(&mut scene.command());
        let after = tree(&machine.graph());
        let differ = differences(&after, &done);
        assert!(differ.is_empty(), "run again after being killed at {}: {differ:?}", call.line);
        assert_nothing_else_changed(&before, &after);
    }
    assert_eq!(killed, calls.len());
    assert!(states.0 > 1 && states.1 > 1, "states before and after images can be listed: {states:?}");
}

#[test]
fn a_failing_call_is_told_and_the_next_run_finishes() {
    let (scene, machine) = scene(&["clean-dependents"]);
    scene.reset();
    let before = tree(&machine.graph());
    let (_, calls) = trace(&scene.command());
    run(&mut scene.command());
    let done = tree(&machine.graph());
    let is_looked_at = |call: &&Call| {
        ["mkdirat", "renameat", "renameat2", "pwrite64", "fsync"].contains(&call.name.as_str())
    };
    let calls = own(&calls).iter().filter(is_looked_at).collect::<Vec<_>>();
    assert!(calls.len() > 50, "{}", calls.len());
    for call in tried(calls, 40) {
        scene.reset();
        let output = tamper(&[&call.inject("error=EIO")], &scene.command());
        assert_eq!(output.status.code(), Some(2), "{}: {}", call.line, text(&output));
        assert!(text(&output).contains("error: cannot "), "{}: {}", call.line, text(&output));
        run(&mut scene.command());
        let after = tree(&machine.graph());
        let differ = differences(&after, &done);
        assert!(differ.is_empty(), "run again after a failure of {}: {differ:?}", call.line);
        assert_nothing_else_changed(&before, &after);
    }
}

#[test]
fn keeping_that_was_killed_is_finished_by_the_next_run() {
    let (scene, machine) = scene(&["keep-layers", "--from", "@DIR@/away"]);
    scene.reset();
    let (_, calls) = trace(&scene.command());
    let mut seen = HashSet::new();
    let mut states = (0, 0);
    for call in tried(own(&calls).iter().filter(|call| changes(call)).collect(), 40) {
        scene.reset();
        // The other thread reads, and may get to a call first.
        tamper(&[&call.inject("signal=KILL")], &scene.command());
        let state = settled(&tree(&machine.graph()));
        let key: Vec<_> =
            state.into_iter().filter(|(path, _)| !is_temporary(path)).map(|(path, _)| path).collect();
        let is_new = seen.insert(key);
        if is_new {
            let listed = machine.try_podman("images");
            // Between layers and images podman 4 misses the documents of the record that it has copied.
            let is_old = ["layer not known", "\"manifest\""].iter().any(|it| text(&listed).contains(it));
            assert!(listed.status.success() || is_old, "killed at {}: {}", call.line, text(&listed));
            if is_old { states.0 += 1 } else { states.1 += 1 }
        }
        run(&mut scene.command());
        let left: Vec<_> = tree(&machine.graph())
            .into_keys()
            .filter(|it| it.to_string_lossy().contains("/.storagectl-new-"))
            .collect();
        assert!(left.is_empty(), "killed at {}: {left:?}", call.line);
        if !is_new {
            continue;
        }
        let images = ["localhost/alias:1", "localhost/base:1", "localhost/child:1", "localhost/own:1"];
        assert_eq!(machine.images(), images, "killed at {}", call.line);
        assert_eq!(machine.podman("start -a frombase"), "old\n", "killed at {}", call.line);
    }
    assert!(states.0 > 1 && states.1 > 0, "states before and after images can be listed: {states:?}");
}
