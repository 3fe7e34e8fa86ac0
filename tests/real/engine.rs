//! What is said to, and done with, a CRI-O that runs.
//!
//! storagectl works on the running system here, which is an overlay over the real
//! one. Something listens on CRI-O's
//! socket, and the `systemctl` that is found first writes down its arguments.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use crate::support::{SHELL, STORAGECTL, copy_store, run, text};

const SAYS_SO: &str = "CRI-O runs with the old list until it is restarted";

/// Runs `storagectl ARGS` as on a system of its own; `prepare` is shell that
/// runs before it. Returns what it printed and what systemctl was asked to do.
///
/// The system is an overlay over this one with a process 1 of its own, and
/// without the file by which Docker marks its containers.
fn on_a_system(scratch: &Path, prepare: &str, args: &str) -> (String, String) {
    let script = format!(
        "set -e
        mkdir -p '{scratch}/system'
        mount -t tmpfs none '{scratch}/system'
        cd '{scratch}/system'
        mkdir upper work root
        mount -t overlay -o lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work none root
        cd root
        rm -f .dockerenv
        mkdir -p '.{scratch}'
        mount --bind '{scratch}' '.{scratch}'
        mount --rbind /dev dev
        mount -t proc none proc
        mount -t tmpfs none run
        mkdir before run/crio
        mount --bind '{scratch}/crio' run/crio
        busybox pivot_root . before
        cd /
        cp -a '{scratch}'/storage.* /etc/containers/ 2>/dev/null || :
        {prepare}
        PATH='{scratch}/bin':$PATH
        /before'{STORAGECTL}' {args}
        rm -rf '{scratch}'/storage.*
        cp -a /etc/containers/storage.* '{scratch}' 2>/dev/null || :",
        scratch = scratch.display()
    );
    let output =
        Command::new("unshare").args(["-m", "-p", "-f"]).args(SHELL).args(["-c", &script]).output().unwrap();
    let asked = fs_err::read_to_string(scratch.join("asked")).unwrap_or_default();
    (text(&output), asked)
}

fn system() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    // Others may not write to a store, nor to a directory above it.
    copy_store(&scratch.path().join("store"));
    fs_err::create_dir(scratch.path().join("crio")).unwrap();
    fs_err::create_dir(scratch.path().join("bin")).unwrap();
    let systemctl = scratch.path().join("bin/systemctl");
    fs_err::write(&systemctl, format!("#!/bin/sh\necho \"$@\" >> '{}/asked'\n", scratch.path().display()))
        .unwrap();
    run(Command::new("chmod").arg("0755").arg(&systemctl));
    scratch
}

fn listen(scratch: &Path) -> UnixListener {
    UnixListener::bind(scratch.join("crio/crio.sock")).unwrap()
}

#[test]
fn a_running_crio_is_mentioned_after_a_change_and_only_then() {
    let scratch = system();
    let _crio = listen(scratch.path());
    let args = format!("add-store {}/store", scratch.path().display());
    let (said, asked) = on_a_system(scratch.path(), "", &args);
    assert!(said.contains(SAYS_SO), "{said}");
    assert_eq!(asked, "");
    let (said, _) = on_a_system(scratch.path(), "", &args);
    assert!(!said.contains("CRI-O"), "{said}");
}

#[test]
fn nothing_is_said_of_a_crio_that_does_not_run() {
    let scratch = system();
    // A socket that nobody listens on any more.
    drop(listen(scratch.path()));
    let (said, _) = on_a_system(scratch.path(), "", &format!("add-store {}/store", scratch.path().display()));
    assert!(said.contains("added") && !said.contains("CRI-O"), "{said}");
}

#[test]
fn crio_is_restarted_on_a_booted_system_only() {
    let scratch = system();
    let _crio = listen(scratch.path());
    let store = scratch.path().join("store");
    let (said, asked) = on_a_system(scratch.path(), "", &format!("add-store --restart {}", store.display()));
    assert!(said.contains("CRI-O was not restarted: this is not a booted system"), "{said}");
    assert_eq!(asked, "");
    let booted = "mkdir -p /run/systemd/system";
    let remove = format!("remove-store --restart {}", store.display());
    let (said, asked) = on_a_system(scratch.path(), booted, &remove);
    assert!(said.contains("restarted CRI-O"), "{said}");
    assert_eq!(asked, "--no-ask-password try-restart crio.service\n");
    for elsewhere in ["export SYSTEMD_OFFLINE=1", "touch /run/.containerenv"] {
        let add = format!("add-store --restart {}", store.display());
        let (said, asked_again) = on_a_system(scratch.path(), &format!("{booted}; {elsewhere}"), &add);
        assert!(said.contains("not a booted system"), "{elsewhere}: {said}");
        assert_eq!(asked_again, asked);
        on_a_system(scratch.path(), "", &remove.replace("--restart ", ""));
    }
}

/// It would go on with what it has in memory, and write that back.
#[test]
fn dependents_are_not_removed_while_crio_runs() {
    let scratch = system();
    let dir = scratch.path().display();
    let conf = format!(
        "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\ngraphroot = \"{dir}/graph\"\n"
    );
    let records = scratch.path().join("graph/overlay-images/images.json");
    let image =
        format!("[{{\"id\":\"{}\",\"names\":[\"localhost/old:1\"],\"layer\":\"gone\"}}]", "0".repeat(64));
    fs_err::create_dir_all(records.parent().unwrap()).unwrap();
    fs_err::write(&records, &image).unwrap();
    fs_err::write(scratch.path().join("storage.conf"), conf).unwrap();
    let crio = listen(scratch.path());
    let (said, _) = on_a_system(scratch.path(), "", "clean-dependents");
    assert!(said.contains("error: CRI-O runs"), "{said}");
    assert_eq!(fs_err::read_to_string(&records).unwrap(), image);
    drop(crio);
    let (said, _) = on_a_system(scratch.path(), "", "clean-dependents");
    assert!(said.contains("removed image `localhost/old:1`"), "{said}");
    assert_eq!(fs_err::read_to_string(&records).unwrap(), "[]");
}
