//! What a file has besides its bytes survives an edit.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Scene, one_file};
use crate::support::{run, storagectl};

const ADD: [&str; 4] = ["--config", "@DIR@/conf/storage.conf", "add-store", "@DIR@/store"];

/// Mode, owner, ACL and extended attributes, as the programs show them.
fn attributes(file: &Path) -> String {
    let stat = std::fs::symlink_metadata(file).expect("the file is there");
    let acl = run(Command::new("getfacl").args(["--numeric", "--omit-header", "--absolute-names"]).arg(file));
    let more =
        run(Command::new("getfattr").args(["-d", "-m", "-", "-e", "hex", "--absolute-names"]).arg(file));
    format!("{:o} {} {}\n{acl}{more}", stat.mode(), stat.uid(), stat.gid())
}

/// Prepares the file with `prepare`, adds a store, and compares.
#[track_caller]
fn assert_kept(prepare: impl Fn(&Path)) {
    let scene = Scene::new(
        |dir| {
            one_file(dir);
            prepare(&dir.join("conf/storage.conf"));
        },
        &ADD,
    );
    let conf = scene.dir().join("conf/storage.conf");
    let before = (attributes(&conf), inode(&conf));
    run(&mut scene.command());
    assert_eq!(attributes(&conf), before.0);
    assert_ne!(inode(&conf), before.1, "the file was replaced, not written over");
}

fn inode(file: &Path) -> u64 {
    std::fs::symlink_metadata(file).expect("the file is there").ino()
}

fn set_mode(file: &Path, mode: u32) {
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).expect("we own it");
}

#[test]
fn modes_survive() {
    for mode in [0o600, 0o640, 0o444, 0o664, 0o755] {
        assert_kept(|conf| set_mode(conf, mode));
    }
}

#[test]
fn owner_and_mode_survive() {
    assert_kept(|conf| {
        chown(conf, Some(1234), Some(5678)).expect("we are root");
        set_mode(conf, 0o600);
    });
}

/// A change of the owner takes these bits away, so that the order matters.
#[test]
fn setuid_and_setgid_survive() {
    assert_kept(|conf| {
        chown(conf, Some(1234), Some(5678)).expect("we are root");
        set_mode(conf, 0o6755);
    });
}

#[test]
fn an_acl_survives() {
    assert_kept(|conf| {
        set_mode(conf, 0o640);
        run(Command::new("setfacl").args(["-m", "u:1234:rw,g:5678:r,m::rw"]).arg(conf));
    });
}

/// A directory's default ACL is for new files; this one only looks new.
#[test]
fn a_default_acl_of_the_directory_does_not_open_the_file() {
    for mode in [0o600, 0o640, 0o664] {
        assert_kept(|conf| {
            set_mode(conf, mode);
            let dir = conf.parent().expect("a file has a parent");
            run(Command::new("setfacl").args(["-d", "-m", "u:1234:rwx,g:5678:rwx"]).arg(dir));
        });
    }
}

#[test]
fn extended_attributes_survive() {
    assert_kept(|conf| {
        // Some file systems, tmpfs before Linux 6.6 among them, know no user attributes.
        let names = ["user.origin", "trusted.origin", "security.origin"];
        let set = |name: &&str| {
            let mut command = Command::new("setfattr");
            command.args(["-n", name, "-v", "0x00ff0a"]).arg(conf);
            command.status().is_ok_and(|status| status.success())
        };
        assert!(names.iter().filter(|name| set(name)).count() > 1, "this file system has attributes");
        let long = "x".repeat(2000);
        run(Command::new("setfattr").args(["-n", "trusted.long", "-v", &long]).arg(conf));
    });
}

#[test]
fn a_new_file_is_readable_by_everyone_whatever_the_umask() {
    let scene = Scene::new(
        |dir| std::fs::create_dir(dir.join("images")).expect("the scratch directory is writable"),
        &["--root", "@DIR@", "add-store", "/images"],
    );
    let mut command = Command::new("sh");
    command.args(["-c", "umask 077; exec \"$@\"", "sh"]);
    run(&mut crate::support::under(command, &scene.command()));
    let mode = |path: &str| std::fs::metadata(scene.dir().join(path)).expect("it was made").mode() & 0o7777;
    assert_eq!(mode("etc/containers/storage.conf"), 0o644);
    assert_eq!([mode("etc/containers"), mode("etc")], [0o755, 0o755]);
}

#[test]
fn a_symlink_stays_and_its_target_is_replaced() {
    let link = |dir: &Path, target: PathBuf| {
        one_file(dir);
        std::fs::create_dir(dir.join("real")).expect("the scratch directory is writable");
        std::fs::rename(dir.join("conf/storage.conf"), dir.join("real/target.conf")).expect("it is there");
        symlink(target, dir.join("conf/storage.conf")).expect("the scratch directory is writable");
    };
    let scene = Scene::new(|dir| link(dir, PathBuf::from("../real/target.conf")), &ADD);
    let (before, after) = scene.before_and_after();
    let changed: Vec<_> = before.iter().filter(|(path, node)| after.get(*path) != Some(node)).collect();
    assert_eq!(changed.len(), 1, "only the target changes: {changed:?}");
    assert_eq!(changed[0].0, Path::new("real/target.conf"));
    assert_eq!(before.len(), after.len(), "nothing is left behind beside the link or the target");
}

/// Neither bytes nor time stamps nor the inode change when there is nothing to do.
#[test]
fn what_is_so_already_is_not_written_again() {
    let scene = Scene::new(one_file, &ADD);
    run(&mut scene.command());
    let stamps = || crate::tree::stamps(&scene.dir());
    let before = stamps();
    run(&mut scene.command());
    assert_eq!(stamps(), before, "adding what is listed");

    let (dir, config) = (scene.dir(), scene.dir().join("conf/storage.conf"));
    let run_with = |args: &[&str]| {
        run(&mut storagectl(&[&["--config", &config.to_string_lossy()], args].concat()));
    };
    run_with(&["add-store", &format!("{}//conf/.././store/", dir.display()).replace("conf/../", "")]);
    assert_eq!(stamps(), before, "adding what is listed, spelt otherwise");
    run_with(&["remove-store", "/never/listed"]);
    assert_eq!(stamps(), before, "removing what is not listed");
    run_with(&["--dry-run", "remove-store", &dir.join("store").to_string_lossy()]);
    assert_eq!(stamps(), before, "a dry run");
}
