//! Stores as one file.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::image::{Layout, everything};
use super::listing::{assert_same, listing};
use crate::check::engine::Engine;
use crate::check::healthy::in_private;
use crate::support::{finish, run, storagectl, text, under};

/// Mounts an image and copies what is in it, with everything, to `to`.
fn unpacked(image: &Path, to: &Path) {
    let script = "mkdir /run/m; mount -o loop,ro \"$IMAGE\" /run/m; cp -a /run/m \"$TO\"";
    in_private(script, &[("IMAGE", image), ("TO", to)]);
}

/// What is in two stores, but for what locks hold and for whole seconds, which are all
/// that squashfs keeps.
fn assert_same_content(one: &Path, other: &Path) {
    let read = |dir: &Path| {
        let mut listing = listing(dir, f64::MAX);
        listing.retain(|path, _| !path.ends_with(".lock"));
        for facts in listing.values_mut() {
            let fields: Vec<String> = facts
                .split(' ')
                .map(|field| match field.split_once('.') {
                    Some((seconds, rest)) if rest.len() == 10 && seconds.parse::<i64>().is_ok() => {
                        seconds.to_owned()
                    }
                    _ => field.to_owned(),
                })
                .collect();
            *facts = fields.join(" ");
        }
        listing
    };
    let (one, other) = (read(one), read(other));
    for (path, facts) in &one {
        // A time before 1970 is none that squashfs has.
        if !path.ends_with("before-1970") {
            assert_eq!(other.get(path), Some(facts), "{path}");
        }
    }
    assert_eq!(one.len(), other.len());
}

#[test]
fn without_privileges_a_sealed_store_for_another_machine_is_exact() {
    let scratch = tempfile::tempdir().unwrap();
    run(Command::new("chmod").arg("0777").arg(scratch.path()));
    let mut layout = Layout::new(&scratch.path().join("oci"));
    layout.image("all", "arm64", &everything());
    let source = format!("localhost/all:1={}", layout.source("all"));
    let store = scratch.path().join("store");
    run(storagectl(&["build-store", "-o"]).arg(&store).arg(&source));
    for kind in ["squashfs", "tar"] {
        let image = scratch.path().join(format!("image.{kind}"));
        let mut user = Command::new("setpriv");
        user.args(["--reuid", "4321", "--regid", "4321", "--clear-groups"]);
        let mut command = storagectl(&["build-store", "--arch", "aarch64", "-o"]);
        run(&mut under(user, command.arg(&image).arg(&source)));
        let content = scratch.path().join(format!("from-{kind}"));
        if kind == "squashfs" {
            unpacked(&image, &content);
            assert_same_content(&store, &content);
        } else {
            fs_err::create_dir(&content).unwrap();
            let mut tar = Command::new("tar");
            tar.args([
                "--delay-directory-restore",
                "--xattrs",
                "--xattrs-include=*",
                "--numeric-owner",
                "-xpf",
            ])
            .arg(&image)
            .arg("-C");
            run(tar.arg(&content));
            let diff = |store: &Path| {
                let dir = std::fs::read_dir(store.join("overlay")).unwrap();
                let mut layers: Vec<_> = dir
                    .map(|entry| entry.unwrap().path().join("diff"))
                    .filter(|diff| diff.exists())
                    .collect();
                layers.sort();
                layers
            };
            for (ours, theirs) in diff(&store)
                .iter()
                .zip(diff(&content))
                .filter(|(ours, _)| std::fs::read_dir(ours).unwrap().next().is_some())
            {
                assert_same(ours, &theirs, f64::MAX);
            }
        }
    }
}

#[test]
fn a_store_that_an_engine_made_is_sealed_and_serves_engines() {
    let scratch = tempfile::tempdir().unwrap();
    let store = scratch.path().join("store");
    run(Command::new("cp").arg("-a").arg(crate::check::store::made_by_buildah("overlay")).arg(&store));
    let image = scratch.path().join("image.squashfs");
    run(storagectl(&["seal-store"]).arg(&store).arg("-o").arg(&image));
    for engine in [Engine::Podman4, Engine::Podman6] {
        let script = "mkdir /run/m; mount -o loop,ro \"$IMAGE\" /run/m
            printf '[storage]\\ndriver = \"overlay\"\\nrunroot = \"/run/r\"\\ngraphroot = \"/run/root\"\\n[storage.options]\\nadditionalimagestores = [\"/run/m\"]\\n' >/run/storage.conf
            export CONTAINERS_STORAGE_CONF=/run/storage.conf
            $ENGINE images --format '{{.Repository}}:{{.Tag}}' | grep -c localhost
            $ENGINE --runtime $CRUN run --rm --network none --cgroups=disabled --security-opt seccomp=unconfined --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 localhost/app:2 /bin/sh -c 'cat /mark; test ! -e /gone -a ! -e /opaque/inner && echo hidden' 2>&1";
        let said = in_private(
            script,
            &[("IMAGE", &image), ("ENGINE", &engine.program()), ("CRUN", Path::new(super::CRUN))],
        );
        assert!(said.ends_with("app\nhidden\n"), "{said}");
    }
    // Damage is found before anything is written.
    let layer = std::fs::read_dir(store.join("overlay/l")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(layer.join("planted"), "x").unwrap();
    let other = scratch.path().join("other.squashfs");
    let output = finish(storagectl(&["seal-store"]).arg(&store).arg("-o").arg(&other));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("was not sealed") && !other.exists());
}

/// What is built, and a directory for the programs that are found.
fn image_and_programs(scratch: &Path) -> (String, PathBuf) {
    let mut layout = Layout::new(&scratch.join("oci"));
    layout.image("all", "amd64", &everything());
    let bin = scratch.join("bin");
    fs_err::create_dir(&bin).unwrap();
    (format!("localhost/all:1={}", layout.source("all")), bin)
}

#[test]
fn a_program_that_is_missing_or_fails_is_named_and_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let (source, bin) = image_and_programs(scratch.path());
    let out = scratch.path().join("out");
    fs_err::create_dir(&out).unwrap();
    let build = |kind: &str| {
        let mut command = storagectl(&["build-store", "-o"]);
        let output = finish(command.arg(out.join(kind)).arg(&source).env("PATH", &bin));
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(crate::tree::names(&out).len(), 0);
        text(&output)
    };
    assert!(build("x.squashfs").contains("`mksquashfs`, which creates the image, is not installed"));
    assert!(build("x.erofs").contains("`mkfs.erofs`, which creates the image, is not installed"));
    let fails = "#!/bin/sh\necho 'it is too full' >&2\nexit 1\n";
    fs_err::write(bin.join("mksquashfs"), fails).unwrap();
    run(Command::new("chmod").arg("0755").arg(bin.join("mksquashfs")));
    assert!(build("x.squashfs").contains("`mksquashfs` failed"));
}

/// mkfs.erofs gives the root to whoever runs it, with mode 0777, if the stream has no entry for
/// it. That of this machine reads no streams; that of erofs-utils 1.8 does what the entry says.
#[test]
fn the_stream_for_an_erofs_image_says_whose_the_root_is() {
    let scratch = tempfile::tempdir().unwrap();
    let (source, bin) = image_and_programs(scratch.path());
    let program = "#!/bin/sh\nif [ \"$1\" = --help ]; then echo --tar=X; else for out; do :; done; exec cat >\"$out\"; fi\n";
    fs_err::write(bin.join("mkfs.erofs"), program).unwrap();
    run(Command::new("chmod").arg("0755").arg(bin.join("mkfs.erofs")));
    let image = scratch.path().join("image.erofs");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    run(storagectl(&["build-store", "-o"]).arg(&image).arg(&source).env("PATH", path));
    let listed = run(Command::new("tar").arg("--numeric-owner").arg("-tvf").arg(&image));
    let first = listed.lines().next().unwrap();
    assert!(first.starts_with("drwxr-xr-x 0/0 ") && first.ends_with(" ./"), "{listed}");
    assert_eq!(listed.lines().filter(|line| line.ends_with(" ./")).count(), 1, "{listed}");
}
