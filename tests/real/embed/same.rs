//! What is embedded is what the shell loop makes, and each takes the other's for its own.

use std::process::Command;

use super::{LOOP, assert_clean, by_the_loop, directory, embed, results, told, verify};
use crate::registry::{images, registry};
use crate::support::{finish, run, storagectl, text};

#[test]
fn the_layout_is_that_of_the_shell_loop() {
    let scratch = tempfile::tempdir().unwrap();
    let (theirs, ours) = (scratch.path().join("theirs"), scratch.path().join("ours"));
    let images = images();
    by_the_loop(&theirs, &images);
    let new = told(&mut embed(&ours, &images, &[]), 0);
    assert!(results(&new).iter().all(|result| *result == "fetched"));
    run(Command::new("diff").args(["-r", "--exclude", "storagectl.json"]).args([&theirs, &ours]));
    assert_clean(&ours, images.len());

    // What the loop made is taken as it is, without skopeo, and what is shared is linked.
    let before = verify(&theirs);
    assert!(before.status.success(), "{}", text(&before));
    let mut again = embed(&theirs, &[], &[]);
    let again = told(again.env("PATH", "/nowhere"), 0);
    assert!(results(&again).iter().all(|result| *result == "present"));
    assert_eq!(again["changed"], false);
    assert_eq!(again["stored"], new["stored"]);
    assert_eq!(again["bytes"], new["bytes"]);
    let (bytes, stored) = (again["bytes"].as_u64().unwrap(), again["stored"].as_u64().unwrap());
    assert!(stored * 4 < bytes, "{stored} of {bytes}: all images have a layer in common");
    run(Command::new("diff").args(["-r", "--exclude", "storagectl.json"]).args([&theirs, &ours]));
    let used = |dir: &std::path::Path| -> u64 {
        run(Command::new("du").arg("-sb").arg(dir)).split_whitespace().next().unwrap().parse().unwrap()
    };
    assert!(used(&theirs) < stored + 200_000, "manifests and directories are all that is not shared");
}

#[test]
fn a_loop_that_ran_twice_and_was_interrupted_is_mended() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("images");
    let images = &images()[..3];
    by_the_loop(&dir, images);
    by_the_loop(&dir, images);
    // As a loop leaves it that is killed while skopeo writes blobs.
    fs_err::remove_file(dir.join(directory(&images[1])).join("manifest.json")).unwrap();
    let output = verify(&dir);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("its copy is incomplete"), "{}", text(&output));
    let mended = told(&mut embed(&dir, &[], &[]), 0);
    assert_eq!(results(&mended), ["present", "repaired", "present"]);
    assert_clean(&dir, 3);
    assert_eq!(fs_err::read_to_string(dir.join("image-list.txt")).unwrap().lines().count(), 3);
}

#[test]
fn chosen_architectures_are_a_part_of_the_same_list() {
    let scratch = tempfile::tempdir().unwrap();
    let (all, some) = (scratch.path().join("all"), scratch.path().join("some"));
    let images: Vec<String> = images().into_iter().filter(|image| image.contains("/multi")).collect();
    assert_eq!(images.len(), 2, "by tag and by digest");
    told(&mut embed(&all, &images, &[]), 0);
    let arch = if cfg!(target_arch = "aarch64") { "aarch64" } else { "x86_64" };
    told(&mut embed(&some, &images, &["--arch", arch]), 0);
    assert_clean(&some, 2);
    for image in &images {
        let (all, some) = (all.join(directory(image)), some.join(directory(image)));
        // Only what is for the other platform is missing, and no byte differs.
        let output =
            finish(Command::new("diff").args(["-r", "--exclude", "storagectl.json"]).args([&all, &some]));
        let lines = String::from_utf8(output.stdout).unwrap();
        assert_eq!(lines.lines().count(), 3, "{lines}");
        assert!(lines.lines().all(|line| line.starts_with(&format!("Only in {}", all.display()))), "{lines}");
        // What scripts do at boot.
        let storage = scratch.path().join("storage");
        let name = format!("containers-storage:[vfs@{0}+{0}-run]{1}", storage.display(), image);
        let mut copy = Command::new("skopeo");
        copy.args(["copy", "-q", "--preserve-digests"]).arg(format!("dir:{}", some.display())).arg(&name);
        run(registry().serve(&mut copy));
        // What we do.
        let source = format!("localhost/multi:1=dir:{}", some.display());
        let tar = scratch.path().join("store.tar");
        run(&mut storagectl(&["build-store", &source, "-o", &tar.to_string_lossy()]));
    }
    // All of them, later.
    let more = told(&mut embed(&some, &images, &["--all"]), 0);
    assert_eq!(results(&more), ["repaired", "repaired"]);
    run(Command::new("diff").arg("-r").args([&all, &some]));
    // An image that is not a list has one platform.
    let none = told(&mut embed(&some, &crate::registry::images()[..1], &["--arch", "s390x"]), 2);
    assert_eq!(none["images"][0]["problem"]["id"], "image-platform");
}

#[test]
fn the_loop_adds_to_what_was_embedded() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("images");
    let images = &images()[..2];
    told(&mut embed(&dir, &images[..1], &[]), 0);
    by_the_loop(&dir, images);
    assert!(LOOP.contains(">>"), "it appends");
    told(&mut embed(&dir, &[], &[]), 0);
    assert_clean(&dir, 2);
}
