//! Adding to a store while engines use it, and being killed meanwhile.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::image::{Layout, Tar, gzipped};
use crate::check::engine::Engine;
use crate::check::healthy::in_private;
use crate::check::store::checked;
use crate::support::{STORAGECTL, run, storagectl};

/// A layout with `count` images that share a base.
fn images(dir: &Path, count: usize) -> Layout {
    let mut layout = Layout::new(dir);
    let base =
        gzipped(&Tar::default().dir("bin").file("bin/sh", &fs_err::read("/bin/busybox").unwrap()).finish());
    for number in 0..count {
        let own = gzipped(
            &Tar::default()
                .file("number", format!("{number}").as_bytes())
                .file("big", &vec![7; 3_000_000])
                .finish(),
        );
        layout.image(&format!("{number}"), "amd64", &[base.clone(), own]);
    }
    layout
}

fn names(store: &Path) -> Vec<String> {
    let bytes = std::fs::read(store.join("overlay-images/images.json")).unwrap();
    let records: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
    let mut names: Vec<String> = records
        .iter()
        .flat_map(|record| record["names"].as_array().cloned().unwrap_or_default())
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn assert_healthy(store: &Path) {
    let answer = checked(&[store.to_str().unwrap(), "--deep"]);
    let found: Vec<&Value> =
        answer["findings"].as_array().unwrap().iter().filter(|one| one["severity"] == "error").collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_running_engine_sees_an_added_image_and_a_pull_at_the_same_time_loses_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    images(&scratch.path().join("oci"), 12);
    let script = "cd \"$DIR\"
        p() { podman --root $DIR/store --runroot /run/r \"$@\"; }
        p images >/dev/null
        p system service --time 0 unix:///run/podman.sock 2>/dev/null &
        service=$!
        while [ ! -S /run/podman.sock ]; do sleep 0.05; done
        remote() { podman --remote --url unix:///run/podman.sock images --format '{{.Repository}}:{{.Tag}}'; }
        remote | wc -l
        \"$STORAGECTL\" build-store -o store localhost/first:1=oci:oci:0 2>&1
        remote
        for number in 1 2 3 4 5; do p pull -q oci:oci:$number >/dev/null 2>/run/err || cat /run/err; done &
        pulls=$!
        for number in 6 7 8 9 10 11; do \"$STORAGECTL\" -q build-store -o store localhost/ours:$number=oci:oci:$number; done
        wait $pulls
        p images -q --no-trunc | sort -u | wc -l
        remote | grep -c ours
        kill $service; wait $service || :; umount store/overlay || :";
    let said = in_private(script, &[("DIR", scratch.path()), ("STORAGECTL", Path::new(STORAGECTL))]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "0");
    assert_eq!(&lines[2..], ["localhost/first:1", "12", "6"], "{said}");
    let store = scratch.path().join("store");
    assert_healthy(&store);
    let layers: Vec<Value> =
        serde_json::from_slice(&std::fs::read(store.join("overlay-layers/layers.json")).unwrap()).unwrap();
    assert_eq!(layers.len(), 13, "the base once");
}

#[test]
fn two_runs_at_the_same_time_lose_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let layout = images(&scratch.path().join("oci"), 6);
    let store = scratch.path().join("store");
    let runs: Vec<_> = (0..6)
        .map(|number| {
            let mut command = storagectl(&["build-store", "-o"]);
            command.arg(&store).arg(format!("localhost/x:{number}={}", layout.source(&number.to_string())));
            command.stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut one in runs {
        assert!(one.wait().unwrap().success());
    }
    assert_eq!(names(&store).len(), 6);
    assert_healthy(&store);
    let left: Vec<String> =
        crate::tree::names(&store.join("overlay")).into_iter().filter(|name| name.starts_with('.')).collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn killed_at_any_time_the_store_is_valid_and_the_next_run_completes_it() {
    let scratch = tempfile::tempdir().unwrap();
    let layout = images(&scratch.path().join("oci"), 4);
    let store = scratch.path().join("store");
    run(storagectl(&["build-store", "-o"]).arg(&store).arg(format!("localhost/x:0={}", layout.source("0"))));
    let add = || {
        let mut command = storagectl(&["build-store", "-o"]);
        command.arg(&store).args(
            (1..4).map(|number| format!("localhost/x:{number}={}", layout.source(&number.to_string()))),
        );
        command.stderr(Stdio::null());
        command
    };
    let copy = scratch.path().join("copy");
    run(Command::new("cp").arg("-a").arg(&store).arg(&copy));
    let start = Instant::now();
    run(&mut add());
    let whole = start.elapsed();
    let mut killed = 0;
    for step in 0..20_u32 {
        run(Command::new("rm").arg("-rf").arg(&store));
        run(Command::new("cp").arg("-a").arg(&copy).arg(&store));
        let mut child = add().spawn().unwrap();
        std::thread::sleep(whole * step / 20);
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        let names = names(&store);
        assert!(names.len() == 1 || names.len() == 4, "all or nothing: {names:?}");
        assert_healthy(&store);
        if step % 5 == 4 {
            run(&mut add());
            assert_eq!(self::names(&store).len(), 4);
            assert_healthy(&store);
            for dir in ["overlay", "overlay-layers"] {
                assert!(
                    !crate::tree::names(&store.join(dir)).iter().any(|name| name.starts_with(".storagectl"))
                );
            }
        }
    }
    assert!(killed > 5, "{killed}");
    assert!(whole > Duration::ZERO);
}

#[test]
fn names_move_to_the_added_image_as_when_an_engine_pulls() {
    let scratch = tempfile::tempdir().unwrap();
    let layout = images(&scratch.path().join("oci"), 2);
    let store = scratch.path().join("store");
    for number in ["0", "1"] {
        let mut command = storagectl(&["build-store", "-o"]);
        run(command.arg(&store).arg(format!("localhost/x:1={}", layout.source(number))));
    }
    assert_eq!(names(&store), ["localhost/x:1"]);
    assert_healthy(&store);
    // Nothing changes when nothing is new.
    let before = crate::tree::stamps(&store.join("overlay-images"));
    run(storagectl(&["build-store", "-o"]).arg(&store).arg(format!("localhost/x:1={}", layout.source("1"))));
    assert_eq!(crate::tree::stamps(&store.join("overlay-images")), before);
}

#[test]
fn an_engine_that_pulls_a_child_image_takes_the_layers_that_the_store_has() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    images(&dir.join("oci"), 2);
    run(storagectl(&["build-store", "-o"])
        .arg(dir.join("store"))
        .arg(format!("localhost/one:0=oci:{}:0", dir.join("oci").display())));
    for engine in [Engine::Podman4, Engine::Podman5, Engine::Podman6] {
        let script = "cd \"$DIR\"
            p() { \"$ENGINE\" --root \"$DIR/$NAME\" --runroot /run/r-$NAME --storage-opt overlay.imagestore=$DIR/store \"$@\"; }
            p pull -q oci:oci:1 >/dev/null
            p images --format '{{.ReadOnly}}' | sort
            umount \"$NAME/overlay\" || :";
        let own = Path::new(engine.name());
        let said = in_private(script, &[("DIR", dir), ("ENGINE", &engine.program()), ("NAME", own)]);
        assert_eq!(said.lines().collect::<Vec<_>>(), ["false", "true"], "{engine:?}");
        let layers = |store: &Path| -> Vec<Value> {
            let file = dir.join(store).join("overlay-layers/layers.json");
            serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
        };
        let (pulled, ours) = (layers(own), layers(Path::new("store")));
        assert_eq!(pulled.len(), 1, "{engine:?} took the base from the store");
        assert!(ours.iter().any(|layer| layer["id"] == pulled[0]["parent"]), "{engine:?}");
    }
}
