//! Real disks that are full, read-only, mounted over or forbidden.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use super::{Scene, assert_refused, one_file};
use crate::support::{STORAGECTL, finish, run, storagectl, text, under};
use crate::tree::tree;

fn scene() -> Scene {
    Scene::new(one_file, &["--config", "@DIR@/conf/storage.conf", "add-store", "@DIR@/store"])
}

/// Runs the scene's command in a mount namespace of its own, behind `prepare`, a
/// script in which `$0` is the directory of the file. The directory as the
/// command left it there is in `seen`.
fn run_behind(scene: &Scene, prepare: &str) -> (Output, crate::tree::Tree) {
    let seen = tempfile::tempdir().expect("a scratch directory can be made");
    let script = format!(
        "{{ {prepare}; }} >/dev/null || exit 99\n\"$@\"; status=$?\ncp -a \"$0/.\" \"$SEEN\"; exit $status"
    );
    let mut outer = Command::new("unshare");
    outer.args(["-m", "sh", "-c", &script]).arg(scene.dir().join("conf")).env("SEEN", seen.path());
    let output = finish(&mut under(outer, &scene.command()));
    (output, tree(seen.path()))
}

/// Refused with this message, and the directory is as it was: no temporary file either.
#[track_caller]
fn assert_refused_behind(prepare: &str, what: &[&str], hint: &str) {
    let scene = scene();
    let before = tree(&scene.dir().join("conf"));
    let (output, mut after) = run_behind(&scene, prepare);
    assert_refused(&output, what, hint);
    after.remove(Path::new("fill"));
    assert_eq!(after, before, "{}", text(&output));
}

/// A small file system in place of the directory, with the file in it.
const TMPFS: &str = "cp -a \"$0\" \"$0.kept\" && mount -t tmpfs -o size=64k,mode=755,OPTIONS none \"$0\" && cp -a \"$0.kept/.\" \"$0\"";

#[test]
fn a_full_disk() {
    let fill = "{ dd if=/dev/zero of=\"$0/fill\" bs=4k 2>/dev/null || :; }";
    let prepare = format!("{} && {fill}", TMPFS.replace(",OPTIONS", ""));
    assert_refused_behind(&prepare, &["No space left on device; it is as it was"], "free some space");
}

#[test]
fn a_disk_without_inodes() {
    // The root directory and the file take one each.
    let prepare = TMPFS.replace("OPTIONS", "nr_inodes=2");
    assert_refused_behind(&prepare, &["No space left on device; it is as it was"], "free some space");
}

#[test]
fn a_read_only_mount() {
    let prepare = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\"";
    assert_refused_behind(prepare, &["Read-only file system; it is as it was"], "remount");
}

#[test]
fn a_file_that_is_mounted_over() {
    let prepare = "cp -a \"$0/storage.conf\" \"$0.other\" && mount --bind \"$0.other\" \"$0/storage.conf\"";
    let what = "/conf/storage.conf` cannot be replaced: another file is mounted over it";
    assert_refused_behind(prepare, &[what], "edit the file where it is mounted from");
}

/// Removing the last own store from a copy means removing the file, which a
/// mount forbids as well.
#[test]
fn a_copy_that_is_mounted_over_is_not_removed() {
    let set_up = |dir: &Path| {
        std::fs::create_dir(dir.join("images")).expect("the scratch directory is writable");
        run(&mut storagectl(&["--root", &dir.to_string_lossy(), "add-store", "/images"]));
    };
    let scene = Scene::new(set_up, &["--root", "@DIR@", "remove-store", "/images"]);
    let before = scene.tree();
    let mut outer = Command::new("unshare");
    outer.args(["-m", "sh", "-c", "mount --bind \"$0\" \"$0\" && exec \"$@\""]);
    outer.arg(scene.dir().join("etc/containers/storage.conf"));
    let output = finish(&mut under(outer, &scene.command()));
    assert_refused(&output, &["another file is mounted over it"], "where it is mounted from");
    assert_eq!(scene.tree(), before);
}

#[test]
fn an_immutable_file() {
    let scene = scene();
    let conf = scene.dir().join("conf/storage.conf");
    if !finish(Command::new("chattr").arg("+i").arg(&conf)).status.success() {
        // Not every file system has the attribute; tmpfs has not.
        return;
    }
    let before = scene.tree();
    let output = finish(&mut scene.command());
    let after = scene.tree();
    // Before anything can panic, so that the scratch directory can be removed.
    run(Command::new("chattr").arg("-i").arg(&conf));
    assert_refused(&output, &["Operation not permitted; it is as it was"], "");
    assert_eq!(after, before);
}

const USER: u32 = 4321;

/// The scene's command as a user without privileges, by a copy of the program
/// that this user can reach.
fn run_as_user(scene: &Scene) -> Output {
    for dir in [scene.dir(), scene.dir().parent().expect("it lies in the scratch directory").to_owned()] {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).expect("we own it");
    }
    let program = scene.dir().parent().expect("it lies in the scratch directory").join("storagectl");
    // By another process: a program that any process writes to cannot be started.
    run(Command::new("cp").arg(STORAGECTL).arg(&program));
    // An engine of this user makes what is missing in the store.
    chown(scene.dir().join("store"), Some(USER), Some(USER)).expect("we are root");
    let inner = scene.command();
    let mut command = Command::new(program);
    command.args(inner.get_args()).env("TERM", "dumb").uid(USER).gid(USER);
    finish(&mut command)
}

#[test]
fn a_user_who_may_not_write_to_the_directory() {
    let scene = scene();
    let before = scene.tree();
    let output = run_as_user(&scene);
    assert_refused(&output, &["cannot write `", "Permission denied; it is as it was"], "root");
    assert_eq!(scene.tree()[Path::new("conf/storage.conf")], before[Path::new("conf/storage.conf")]);
    assert_eq!(crate::tree::names(&scene.dir().join("conf")), ["storage.conf"]);
}

#[test]
fn a_user_who_may_not_read_the_file() {
    let scene = scene();
    let conf = scene.dir().join("conf/storage.conf");
    std::fs::set_permissions(&conf, std::fs::Permissions::from_mode(0o600)).expect("we own it");
    let before = scene.tree();
    let output = run_as_user(&scene);
    assert_refused(&output, &["cannot read `", "Permission denied"], "root");
    assert_eq!(scene.tree()[Path::new("conf/storage.conf")], before[Path::new("conf/storage.conf")]);
}

/// A user who owns the directory could replace the file, but not keep its owner.
#[test]
fn a_user_who_could_not_keep_the_owner() {
    let scene = scene();
    let dir = scene.dir().join("conf");
    chown(&dir, Some(USER), Some(USER)).expect("we are root");
    let before = tree(&dir);
    let output = run_as_user(&scene);
    assert_refused(&output, &["Operation not permitted; it is as it was"], "root");
    assert_eq!(tree(&dir), before);
}
