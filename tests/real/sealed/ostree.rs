//! What a package installs, committed to a real ostree repository and checked out again.

use std::process::Command;

use super::host::on_a_host;
use super::packages::{BASE, image, install};
use crate::build::image::Layout;
use crate::check::engine::Engine;
use crate::support::run;

/// A deployment in the ways in which ostree stores files: bare keeps owners and modes,
/// bare-user has them in an attribute, and archive is what a registry or a server holds.
#[test]
fn a_sealed_store_comes_out_of_ostree_as_it_went_in() {
    let scratch = tempfile::tempdir().unwrap();
    let mut layout = Layout::new(&scratch.path().join("oci"));
    let tree = scratch.path().join("tree");
    install(&tree, "user-app", BASE, &[("1-1", image(&mut layout, "one"))]);
    for mode in ["bare", "bare-user", "archive"] {
        let (repo, out) = (scratch.path().join(mode), scratch.path().join(format!("{mode}-out")));
        let ostree = |verb: &str, args: &[&str]| {
            let mut command = Command::new("ostree");
            command.arg(verb).arg(format!("--repo={}", repo.display())).args(args);
            run(&mut command)
        };
        ostree("init", &[&format!("--mode={mode}")]);
        let tree = format!("--tree=dir={}", tree.display());
        ostree("commit", &["--branch=app", "--owner-uid=0", "--owner-gid=0", "--fsync=no", &tree]);
        ostree("fsck", &["--quiet"]);
        let mut checkout = vec!["--fsync=no", "app", out.to_str().unwrap()];
        if mode == "bare-user" {
            // Other users' files it can only link.
            checkout.insert(0, "-U");
        }
        ostree("checkout", &checkout);
        let names = |dir: &std::path::Path| crate::tree::names(&dir.join(BASE.trim_start_matches('/')));
        assert_eq!(names(&out), ["1-1.squashfs"]);
    }
    let said = on_a_host(
        Engine::Podman4,
        scratch.path(),
        "mkdir /run/merged
        for mode in bare bare-user archive; do
          echo == $mode
          # The image's /usr, which nothing can write to.
          mount -t overlay -o lowerdir=/run/host/$mode-out/usr:/usr none /usr
          prepare; mount_units; storagectl apply --boot 2>&1; list; images
          start --rm localhost/app:1 cat /version; echo
          storagectl check-store --deep 2>&1 | tail -1
          umount /run/storagectl/stores/*
          umount -l /usr
        done",
    );
    insta::assert_snapshot!(said, @"
    == bare
    added `/run/storagectl/stores/user-app-1-1` to `/etc/containers/storage.conf`
    listed: user-app-1-1 
    mounted: user-app-1-1 
    localhost/app:1 true
    one
    1 store, 1 image, no problems; verified all 2 layers, all 1 image and all 2 record files
    == bare-user
    listed: user-app-1-1 
    mounted: user-app-1-1 
    localhost/app:1 true
    one
    1 store, 1 image, no problems; verified all 2 layers, all 1 image and all 2 record files
    == archive
    listed: user-app-1-1 
    mounted: user-app-1-1 
    localhost/app:1 true
    one
    1 store, 1 image, no problems; verified all 2 layers, all 1 image and all 2 record files
    ");
}
