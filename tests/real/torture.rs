//! Everything that is hostile or unlucky, at random and for longer: `make torture`. Each
//! part prints a line with its figure; a run of all tests does a round of each.
#![allow(clippy::disallowed_macros, reason = "the long run prints its figures")]

mod bombs;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::build::image::{Layout, Tar, gzipped};
use crate::bystander::System;
use crate::dice::Dice;
use crate::strace::tamper;
use crate::strangers::{SWAP, Scene};
use crate::support::{finish, run, storagectl, text};
use crate::tree::{names, stamps};

/// A number that the long run is told.
fn told(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// How many rounds of each part there are.
fn rounds() -> u64 {
    told("STORAGECTL_ROUNDS", 1)
}

fn dice(round: u64) -> Dice {
    Dice::new(told("STORAGECTL_SEED", 1), round)
}

fn say(part: &str, start: Instant, figure: &str) {
    println!("{part:8} {figure}; {:.0} s", start.elapsed().as_secs_f64());
}

/// An image of some layers.
fn image(scene: &Scene) -> Layout {
    let mut layout = Layout::new(&scene.scratch.path().join("layout"));
    let layers: Vec<_> = (0..4)
        .map(|number: u8| {
            let content = vec![number; 200 << 10];
            let tar = Tar::default().dir("d").file(&format!("d/{number}"), &content);
            gzipped(&tar.link(b'2', &format!("link{number}"), "d").finish())
        })
        .collect();
    layout.image("localhost/app:1", "amd64", &layers);
    layout
}

/// What a build leaves, whatever ended it: nothing, or a store, and the next run completes it.
#[track_caller]
fn assert_recovers(scene: &Scene, layout: &Layout, store: &Path, what: &str) {
    let shown = store.to_string_lossy().into_owned();
    if store.join("overlay-images/images.json").exists() {
        let output = finish(&mut storagectl(&["check-store", &shown]));
        assert!(output.status.success(), "{what}: {}", text(&output));
    }
    run(&mut scene.build(layout, store));
    let output = finish(&mut storagectl(&["check-store", "--deep", &shown]));
    assert!(output.status.success(), "{what}: {}", text(&output));
    for part in ["overlay", "overlay-layers"] {
        let left = names(&store.join(part)).into_iter().find(|name| name.starts_with(".storagectl"));
        assert_eq!(left, None, "{what}");
    }
}

#[test]
fn kills() {
    let (start, mut killed) = (Instant::now(), 0);
    for round in 0..rounds() {
        let (scene, mut dice) = (Scene::new(), dice(round));
        let (layout, store) = (image(&scene), scene.scratch.path().join("store"));
        for _ in 0..8 {
            let _ = std::fs::remove_dir_all(&store);
            let mut child = scene.build(&layout, &store).stderr(Stdio::null()).spawn().expect("it is built");
            std::thread::sleep(Duration::from_micros(dice.next() % 150_000));
            child.kill().expect("it was started");
            child.wait().expect("it was killed");
            killed += 1;
            assert_recovers(&scene, &layout, &store, "killed");
        }
    }
    say("kills", start, &format!("{killed} builds killed at any time, each a store afterwards"));
}

/// Calls that fail, and how.
const CALLS: [&str; 14] = [
    "openat",
    "openat2",
    "write",
    "fsync",
    "syncfs",
    "renameat",
    "renameat2",
    "mkdirat",
    "unlinkat",
    "fchmod",
    "fchown",
    "flock",
    "getdents64",
    "clone3",
];
const ERRORS: [&str; 8] = ["EIO", "ENOSPC", "EMFILE", "EACCES", "EPERM", "EROFS", "ENOMEM", "ENOLCK"];

#[test]
fn faults() {
    let (start, mut failed, mut refused) = (Instant::now(), 0, 0);
    for round in 0..rounds() {
        let (scene, mut dice) = (Scene::new(), dice(round));
        let (layout, store) = (image(&scene), scene.scratch.path().join("store"));
        for _ in 0..10 {
            let _ = std::fs::remove_dir_all(&store);
            let (call, error) = (dice.one(&CALLS), dice.one(&ERRORS));
            // The first calls load the program.
            let nth = 1 + dice.below(60);
            let inject = format!("inject={call}:error={error}:when={nth}+{}", 1 + dice.below(40));
            let output = tamper(&[&inject], &scene.build(&layout, &store));
            let said = text(&output);
            let is_told = output.status.code() == Some(2) && said.contains("error: ");
            // Without a library the loader ends it.
            let is_loader = output.status.code() == Some(127);
            assert!(output.status.success() || is_told || is_loader, "{inject}: {said}");
            failed += 1;
            refused += u32::from(is_told);
            assert_recovers(&scene, &layout, &store, &inject);
        }
    }
    say("faults", start, &format!("{failed} runs with failing system calls, {refused} refused, no panic"));
}

#[test]
fn locks() {
    let (start, mut edits) = (Instant::now(), 0);
    for _ in 0..rounds().div_ceil(4) {
        let system = System::new();
        let _holder = system.hold(&system.dir(), 1000, "600");
        let stores: Vec<String> = (0..16).map(|number| system.store(&format!("store{number}"))).collect();
        let spawn = |store: &String| {
            let mut command = system.storagectl(&["add-store", store]);
            command.stderr(Stdio::null()).spawn().expect("the program is built")
        };
        let writers: Vec<Child> = stores.iter().map(spawn).collect();
        for mut writer in writers {
            assert!(writer.wait().expect("it was started").success());
        }
        let conf = system.conf();
        assert!(stores.iter().all(|store| conf.contains(&format!("\"{store}\""))), "{conf}");
        edits += stores.len();
    }
    say("locks", start, &format!("{edits} concurrent edits beside a user who holds every lock, none lost"));
}

#[test]
fn swaps() {
    let (start, mut runs) = (Instant::now(), 0);
    for _ in 0..rounds() {
        let scene = Scene::new();
        let before = stamps(&scene.secret());
        let layout = image(&scene);
        let store = scene.user().join("store");
        let shown = store.to_string_lossy().into_owned();
        let sealed = scene.scratch.path().join("sealed.tar").to_string_lossy().into_owned();
        run(&mut scene.does("mkdir -p store/overlay-images store/overlay-layers store/overlay/l"));
        let mut swapper = scene.does(SWAP).stderr(Stdio::null()).spawn().expect("it can be started");
        for _ in 0..10 {
            let commands: [Command; 4] = [
                storagectl(&["init-store", &shown]),
                scene.build(&layout, &store),
                storagectl(&["seal-store", &shown, "-o", &sealed, "--no-sync"]),
                storagectl(&["check-store", "--deep", &shown]),
            ];
            for mut command in commands {
                let output = finish(&mut command);
                assert!(matches!(output.status.code(), Some(0..=2)), "{}", text(&output));
                runs += 1;
            }
        }
        swapper.kill().expect("it runs");
        swapper.wait().expect("it was killed");
        assert_eq!(stamps(&scene.secret()), before);
    }
    say(
        "swaps",
        start,
        &format!("{runs} runs of root's beside swapped directories, nothing outside touched"),
    );
}
