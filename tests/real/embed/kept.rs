//! What is kept, what is fetched again, and what goes.

use std::process::Command;

use super::{assert_clean, by_the_loop, directory, embed, results, told, verify};
use crate::registry::{images, registry};
use crate::support::{finish, run, storagectl, text, under};
use crate::tree::{names, stamps};

#[test]
fn only_what_is_missing_or_damaged_is_fetched() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("images");
    let images = &images()[..6];
    told(&mut embed(&dir, images, &[]), 0);
    let before = stamps(&dir);
    let mut nothing = embed(&dir, &[], &[]);
    assert_eq!(told(nothing.env("PATH", "/nowhere"), 0)["changed"], false);
    // The directory itself changes, since the run works in it.
    assert_eq!(stamps(&dir)[1..], before[1..], "nothing in it is touched");

    let file_of = |image: usize, pick: fn(&str) -> bool| {
        let dir = dir.join(directory(&images[image]));
        let mut names: Vec<_> = names(&dir).into_iter().filter(|name| pick(name)).collect();
        // The smallest: what is not shared.
        names.sort_by_key(|name| dir.join(name).metadata().unwrap().len());
        dir.join(&names[0])
    };
    let is_blob: fn(&str) -> bool = |name| name.len() == 64;
    let blob = file_of(0, is_blob);
    fs_err::OpenOptions::new().write(true).open(&blob).unwrap().set_len(3).unwrap();
    fs_err::remove_file(file_of(1, is_blob)).unwrap();
    let mut bytes = fs_err::read(file_of(2, is_blob)).unwrap();
    bytes[5] ^= 1;
    fs_err::write(file_of(2, is_blob), bytes).unwrap();
    // One bit of a manifest that only a tag names, so that it is still JSON.
    let manifest = file_of(3, |name| name == "manifest.json");
    let text_of = fs_err::read_to_string(&manifest).unwrap();
    fs_err::write(&manifest, text_of.replacen("schemaVersion\":2", "schemaVersion\":3", 1)).unwrap();
    fs_err::remove_dir_all(dir.join(directory(&images[4]))).unwrap();
    let output = verify(&dir);
    assert_eq!(output.status.code(), Some(1));
    for id in ["blob-digest", "blob-missing", "embedded-other", "embedded-missing"] {
        assert!(text(&output).contains(&format!("error[{id}]")), "{id}: {}", text(&output));
    }
    let again = told(&mut embed(&dir, &[], &[]), 0);
    assert_eq!(results(&again), ["repaired", "repaired", "repaired", "repaired", "fetched", "present"]);
    assert_clean(&dir, 6);
}

#[test]
fn what_is_not_named_goes_only_by_prune() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("images");
    let images = &images()[..4];
    told(&mut embed(&dir, images, &[]), 0);
    fs_err::create_dir(dir.join("overlay-images")).unwrap();
    let rehearsed = told(&mut embed(&dir, &images[..1], &["--prune", "--dry-run"]), 0);
    assert_eq!(rehearsed["removed"].as_array().unwrap().len(), 3);
    told(&mut embed(&dir, &images[..1], &[]), 0);
    assert_eq!(names(&dir).len(), 6, "all are there still");
    // One that no line names.
    fs_err::rename(dir.join(directory(&images[3])), dir.join("f".repeat(64))).unwrap();
    let pruned = told(&mut embed(&dir, &images[..1], &["--prune"]), 0);
    assert_eq!(pruned["removed"].as_array().unwrap().len(), 3);
    assert_eq!(pruned["unlisted"].as_array().unwrap().len(), 3);
    // What is not an image's is nobody's business here.
    assert_eq!(
        names(&dir),
        [directory(&images[0]), "image-list.txt".to_owned(), "overlay-images".to_owned()]
    );
}

#[test]
fn a_tag_that_has_moved_is_fetched_when_asked_for() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("images");
    let registry = registry();
    let moving = [registry.reference("moving:1")];
    registry.push(&format!("docker://{}", registry.reference("app-5:1")), "moving:1", &[]);
    told(&mut embed(&dir, &moving, &[]), 0);
    registry.push(&format!("docker://{}", registry.reference("app-6:1")), "moving:1", &[]);
    assert_eq!(results(&told(&mut embed(&dir, &[], &[]), 0)), ["present"]);
    assert_eq!(results(&told(&mut embed(&dir, &[], &["--refresh", "--dry-run"]), 0)), ["refreshed"]);
    let refreshed = told(&mut embed(&dir, &[], &["--refresh"]), 0);
    assert_eq!(results(&refreshed), ["refreshed"]);
    assert_eq!(refreshed["images"][0]["digest"], registry.digest("app-6:1"));
    assert_eq!(results(&told(&mut embed(&dir, &[], &["--refresh"]), 0)), ["present"]);
    assert_clean(&dir, 1);
}

#[test]
fn two_runs_at_a_time_do_the_work_of_one() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("images");
    let images = &images()[..6];
    let mut first = embed(&dir, images, &[]);
    let mut second = embed(&dir, &images[2..], &[]);
    let mut first = first.stderr(std::process::Stdio::null()).spawn().unwrap();
    let second = finish(&mut second);
    assert!(second.status.success(), "{}", text(&second));
    assert!(first.wait().unwrap().success());
    assert_clean(&dir, 6);
}

#[test]
fn a_damaged_image_in_a_lower_layer_of_an_image_build_is_replaced() {
    let scratch = tempfile::tempdir().unwrap();
    let (lower, merged) = (scratch.path().join("lower"), scratch.path().join("merged"));
    let dir = lower.join("images");
    let images = &images()[..3];
    told(&mut embed(&dir, images, &[]), 0);
    fs_err::remove_file(dir.join(directory(&images[1])).join("manifest.json")).unwrap();
    fs_err::create_dir(&merged).unwrap();
    let script = "set -e; mount -t tmpfs none \"$0/../tmp\"; cd \"$0/..\"; mkdir tmp/upper tmp/work
        mount -t overlay -o lowerdir=lower,upperdir=tmp/upper,workdir=tmp/work,redirect_dir=off,metacopy=off none merged
        \"$@\"; storagectl=$1; \"$storagectl\" verify-images --source merged/images; ls -A merged/images";
    fs_err::create_dir(scratch.path().join("tmp")).unwrap();
    let mut outer = Command::new("unshare");
    outer.args(["-m", "sh", "-c", script]).arg(&merged);
    let output = finish(&mut under(outer, &embed(&merged.join("images"), &images[..2], &["--prune"])));
    assert!(output.status.success(), "{}", text(&output));
    let said = text(&output);
    assert!(said.contains("again") && said.contains("2 images") && said.contains("no problems"), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 3, "{said}");
}

#[test]
fn where_hard_links_are_refused_everything_is_stored_and_told() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("images");
    let images = &images()[..2];
    by_the_loop(&dir, images);
    // No link leads out of a mount.
    let script = "mount --bind \"$0\" \"$0\" && exec \"$@\"";
    let mut outer = Command::new("unshare");
    outer.args(["-m", "sh", "-c", script]).arg(dir.join(directory(&images[0])));
    let output = finish(&mut under(outer, &embed(&dir, &[], &[])));
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("without hard links"), "{}", text(&output));
    assert_clean(&dir, 2);
}

#[test]
fn a_full_disk_leaves_what_is_complete() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("images");
    fs_err::create_dir(&dir).unwrap();
    let images = &images()[..5];
    // It seems to fit: of what file systems need for themselves nobody knows before.
    let needed = told(&mut embed(&dir, images, &["--dry-run"]), 0)["download"].as_u64().unwrap();
    let pages = needed.div_ceil(4096) + 3;
    let script = "mount -t tmpfs -o size=\"$1\" none \"$0\" || exit 99; shift
        \"$@\" && exit 98; ls -A \"$0\"; mount -o remount,size=100m \"$0\"; \"$@\" || exit 97
        $1 verify-images --source \"$0\"";
    let mut outer = Command::new("unshare");
    outer.args(["-m", "sh", "-c", script]).arg(&dir).arg((pages * 4096).to_string());
    let mut command = embed(&dir, images, &["--jobs", "1"]);
    command.env_remove("TMPDIR");
    let output = finish(&mut under(outer, &command));
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("there is no space left") || said.contains("No space left"), "{said}");
    let listed: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .take_while(|line| !line.contains(' '))
        .map(str::to_owned)
        .collect();
    assert!((1..=5).contains(&listed.len()), "some are complete, and not all: {said}");
    assert!(listed.iter().all(|name| name.len() == 64 || name == "image-list.txt"), "{said}");
    assert!(said.contains("5 images") && said.contains("no problems"), "{said}");
}

#[test]
fn what_the_hosts_stores_have_is_listed() {
    let scratch = tempfile::tempdir().unwrap();
    let tree = scratch.path().join("tree");
    let dir = tree.join("usr/lib/containers/storage");
    let images = &images()[..2];
    told(&mut embed(&dir, images, &[]), 0);
    let store = tree.join("var/store");
    let source = format!("{}=dir:{}", images[0], dir.join(directory(&images[0])).display());
    // A name that means another image there.
    let other = format!("{}=dir:{}", images[1], dir.join(directory(&images[0])).display());
    run(&mut storagectl(&["build-store", &source, &other, "-o", &store.to_string_lossy()]));
    let root = tree.to_string_lossy().into_owned();
    run(&mut storagectl(&["--root", &root, "add-store", "/var/store"]));
    let list = told(&mut storagectl(&["--root", &root, "list-images"]), 0);
    assert_eq!(list["images"][0]["stores"], serde_json::json!([format!("{root}/var/store")]));
    assert_eq!(list["images"][1]["stores"], serde_json::json!([]));
    assert_eq!(list["not_looked"], serde_json::json!([]));
}
