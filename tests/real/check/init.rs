//! init-store on stores that exist: everyone can read them then, and nothing in
//! a layer is touched.

use std::path::Path;
use std::process::{Command, Output};

use super::engine::Engine;
use super::store::{Store, made_by_buildah};
use crate::hosts::engines::with_helpers;
use crate::support::{finish, run, storagectl, text};
use crate::tree::{names, tree};

/// `podman images` of a normal user who has the store listed. A user name space of that
/// user's own is enough for listing.
fn as_a_normal_user(engine: Engine, store: &Path) -> Output {
    let script = "set -e
        mount -t tmpfs none /run; mount -t cgroup2 none /sys/fs/cgroup
        mkdir -p /run/u /run/user/4321
        made=/run seen=/run
        HELPERS
        printf '[storage]\\ndriver = \"overlay\"\\nrunroot = \"/run/u/r\"\\ngraphroot = \"/run/u/g\"\\n[storage.options]\\nadditionalimagestores = [\"%s\"]\\n' \"$2\" >/run/storage.conf
        cp \"$(command -v \"$1\")\" /run/engine
        chown -R 4321 /run/u /run/user/4321
        export HOME=/run/u XDG_RUNTIME_DIR=/run/user/4321
        export CONTAINERS_CONF=/run/containers.conf CONTAINERS_STORAGE_CONF=/run/storage.conf
        export _CONTAINERS_USERNS_CONFIGURED=done _CONTAINERS_ROOTLESS_UID=4321 _CONTAINERS_ROOTLESS_GID=4321
        exec setpriv --reuid 4321 --regid 4321 --clear-groups unshare -Urm /run/engine images";
    let mut command = Command::new("unshare");
    finish(command.args(["-m", "sh", "-c", &with_helpers(script), "sh"]).arg(engine.program()).arg(store))
}

#[test]
fn a_store_of_roots_is_made_fit_for_normal_users() {
    let store = Store::copy_of(&made_by_buildah("overlay"));
    // What is above a store is not its own affair.
    run(Command::new("chmod").arg("0755").arg(store.path.parent().unwrap()));
    for engine in [Engine::Podman4, Engine::Podman6] {
        let output = as_a_normal_user(engine, &store.path);
        assert!(text(&output).contains("images.lock: permission denied"), "{}", text(&output));
    }
    let path = store.path.to_str().unwrap();
    let layers = || -> Vec<_> {
        let layers = names(&store.at("overlay")).into_iter().filter(|name| name.len() == 64);
        layers.map(|layer| tree(&store.at(&format!("overlay/{layer}/diff")))).collect()
    };
    let (content, everything) = (layers(), tree(&store.path));
    run(&mut storagectl(&["--dry-run", "init-store", path]));
    assert!(tree(&store.path) == everything, "a dry run");
    run(&mut storagectl(&["init-store", path]));
    assert!(layers() == content);
    for (path, node) in tree(&store.path) {
        let Some(before) = everything.get(&path) else {
            assert_eq!(path, Path::new(".storagectl-store"));
            continue;
        };
        assert_eq!((node.owner, &node.content), (before.owner, &before.content), "{path:?}");
        assert!(node.mode & before.mode == before.mode && node.mode & !before.mode & !0o055 == 0, "{path:?}");
    }
    let answer = store.checked(&["--deep"]);
    // What root's engine made opaque is so for root alone, and nothing is changed in layers.
    let findings = answer["findings"].as_array().unwrap().iter();
    let others: Vec<_> = findings.filter(|finding| finding["id"] != "whiteout-missing").collect();
    assert!(others.is_empty(), "{others:?}");
    for engine in [Engine::Podman4, Engine::Podman6] {
        let output = as_a_normal_user(engine, &store.path);
        assert!(output.status.success() && text(&output).contains("localhost/app"), "{}", text(&output));
    }
    let again = finish(&mut storagectl(&["init-store", path]));
    assert_eq!(text(&again), format!("{}", again.status), "nothing is left to do");
}

#[test]
fn a_store_that_was_opened_by_half_is_told_of() {
    let store = Store::copy_of(&made_by_buildah("overlay"));
    run(Command::new("chmod").arg("0755").arg(store.path.parent().unwrap()));
    run(&mut storagectl(&["init-store", store.path.to_str().unwrap()]));
    store.shell("chmod 0600 overlay-layers/layers.json");
    let answer = store.checked(&[]);
    let finding = &answer["findings"][0];
    assert_eq!(
        (&finding["id"], &finding["severity"], &finding["scope"], &finding["users_only"]),
        (&"not-for-users".into(), &"warning".into(), &"layers".into(), &true.into()),
        "{answer}"
    );
}

#[test]
fn where_a_host_has_selinux_what_init_store_makes_has_the_label_that_containers_may_read() {
    let tree = tempfile::tempdir().unwrap();
    fs_err::create_dir_all(tree.path().join("etc/selinux")).unwrap();
    fs_err::write(tree.path().join("etc/selinux/config"), "SELINUX=enforcing\n").unwrap();
    run(storagectl(&["init-store", "/srv/store", "--root"]).arg(tree.path()));
    for dir in ["overlay-images", "overlay-layers"] {
        let mut getfattr = Command::new("getfattr");
        getfattr
            .args(["--only-values", "-n", "security.selinux"])
            .arg(tree.path().join("srv/store").join(dir));
        assert_eq!(run(&mut getfattr).trim_end_matches('\0'), "system_u:object_r:container_ro_file_t:s0");
    }
}

/// What services make below /run may have a label on which a policy lets nothing be mounted.
#[test]
fn where_a_host_has_selinux_mount_points_of_sealed_stores_have_the_label_of_run() {
    let tree = tempfile::tempdir().unwrap();
    for (file, text) in [
        ("etc/selinux/config", "SELINUX=enforcing\n"),
        (
            "usr/lib/storagectl/stores.d/app.toml",
            "[[store]]\npath = \"/run/storagectl/stores/app\"\nsealed = \"/usr/lib/app.squashfs\"\n",
        ),
    ] {
        let file = tree.path().join(file);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(file, text).unwrap();
    }
    let made = tree.path().join("run/storagectl");
    fs_err::create_dir_all(&made).unwrap();
    for (dir, kind) in [(tree.path().join("run"), "var_run_t"), (made, "initrc_runtime_t")] {
        let label = format!("system_u:object_r:{kind}:s0");
        run(Command::new("setfattr").args(["-n", "security.selinux", "-v", &label]).arg(dir));
    }
    // It is an error that nothing is mounted there.
    let mut apply = storagectl(&["apply", "--boot", "--root"]);
    assert!(text(&finish(apply.arg(tree.path()))).contains("is not mounted at"));
    let mut getfattr = Command::new("getfattr");
    getfattr
        .args(["--only-values", "-n", "security.selinux"])
        .arg(tree.path().join("run/storagectl/stores/app"));
    assert_eq!(run(&mut getfattr).trim_end_matches('\0'), "system_u:object_r:var_run_t:s0");
}
