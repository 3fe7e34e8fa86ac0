//! Stores that nothing is wrong with, of every engine at hand and in every form; and
//! what stores do to each other.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::engine::{Engine, podmans};
use super::store::{IMAGE, Store, checked, checked_with, made_by_buildah};
use crate::hosts::engines::with_helpers;
use crate::hosts::program;
use crate::support::{STORAGECTL, path_with_podman_4, run};
use crate::tree::stamps;

/// What was found, but for notes.
pub(super) fn found(answer: &Value) -> Vec<String> {
    assert_eq!(answer["not_looked"], Value::from(Vec::<Value>::new()), "{answer}");
    let findings = answer["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["severity"] != "note")
        .map(|finding| {
            format!("{}: {}", finding["id"].as_str().unwrap(), finding["message"].as_str().unwrap())
        })
        .collect()
}

#[track_caller]
fn assert_nothing_found(answer: &Value, layers: u64) {
    assert_eq!(found(answer), [""; 0]);
    assert_eq!(answer["assembled"]["layers"], layers, "{answer}");
}

/// A storage.conf with this driver, storage and these stores.
fn conf(dir: &Path, driver: &str, graphroot: &Path, stores: &[&Path]) -> std::path::PathBuf {
    let stores: Vec<String> = stores.iter().map(|store| format!("{store:?}")).collect();
    let text = format!(
        "[storage]\ndriver = \"{driver}\"\nrunroot = \"{}\"\ngraphroot = {graphroot:?}\n[storage.options]\nadditionalimagestores = [{}]\n",
        dir.join("r").display(),
        stores.join(", ")
    );
    let file = dir.join("storage.conf");
    std::fs::write(&file, text).unwrap();
    file
}

/// Runs shell as an engine has to be run: with the host's own storage out of sight, and
/// the cgroups that podman 6 wants to see.
pub(crate) fn in_private(script: &str, variables: &[(&str, &Path)]) -> String {
    let enter = with_helpers(
        "mount -t tmpfs none /run; mount -t tmpfs none /var/lib; mount -t cgroup2 none /sys/fs/cgroup
        made=/run seen=/run
        HELPERS
        export CONTAINERS_CONF=/run/containers.conf\nset -e\n",
    );
    let mut command = Command::new("unshare");
    command.args(["-mpf", "--mount-proc", "sh", "-c", &format!("{enter}{script}")]);
    run(command.env("PATH", path_with_podman_4()).envs(variables.iter().copied()))
}

#[test]
fn nothing_is_found_in_stores_of_every_engine() {
    let overlay = made_by_buildah("overlay");
    assert_nothing_found(&checked(&[overlay.to_str().unwrap(), "--deep"]), 4);
    let scratch = tempfile::tempdir().unwrap();
    let vfs = made_by_buildah("vfs");
    let conf = conf(scratch.path(), "vfs", &scratch.path().join("none"), &[]);
    assert_nothing_found(&checked_with(&conf, &[vfs.to_str().unwrap(), "--deep"]), 4);
    // Each engine gets the images as an archive, and unpacks them itself.
    let archive = scratch.path().join("archive");
    let sources = "cp -a \"$STORE\" /run/store; podman --root /run/store --runroot /run/r save -q -m -o \"$ARCHIVE\" localhost/app:2 localhost/other:1 2>&1";
    in_private(sources, &[("STORE", &overlay), ("ARCHIVE", &archive)]);
    for (name, engine) in podmans() {
        let store = scratch.path().join(name);
        let load = "\"$ENGINE\" --root \"$STORE\" --runroot /run/r load -q -i \"$ARCHIVE\" 2>&1; umount \"$STORE/overlay\" || :";
        in_private(load, &[("ENGINE", &engine), ("STORE", &store), ("ARCHIVE", &archive)]);
        assert_nothing_found(&checked(&[store.to_str().unwrap(), "--deep"]), 4);
        let vfs = scratch.path().join(format!("{name}-vfs"));
        let load = "\"$ENGINE\" --storage-driver vfs --root \"$STORE\" --runroot /run/r load -q -i \"$ARCHIVE\" 2>&1";
        in_private(load, &[("ENGINE", &engine), ("STORE", &vfs), ("ARCHIVE", &archive)]);
        assert_nothing_found(&checked_with(&conf, &[vfs.to_str().unwrap(), "--deep"]), 4);
        let own = "\"$ENGINE\" --root \"$STORE\" --runroot /run/r create --network none --security-opt seccomp=unconfined --cgroups=disabled localhost/app:2 sh; umount \"$STORE/overlay\" || :";
        in_private(own, &[("ENGINE", &engine), ("STORE", &store)]);
        // A container's layer comes from no stream.
        assert_nothing_found(&checked(&[store.to_str().unwrap(), "--deep"]), 4);
    }
}

#[test]
fn nothing_is_found_where_modes_are_masked_and_where_a_normal_user_unpacked() {
    let scratch = tempfile::tempdir().unwrap();
    run(Command::new("chmod").arg("0755").arg(scratch.path()));
    let archive = scratch.path().join("archive");
    let (masked, users) = (scratch.path().join("masked"), scratch.path().join("users"));
    let script = "cp -a \"$STORE\" /run/store
        podman --root /run/store --runroot /run/r save -q -m -o \"$ARCHIVE\" localhost/app:2 localhost/other:1
        chmod 0644 \"$ARCHIVE\"
        printf '[storage]\\ndriver=\"overlay\"\\nrunroot=\"/run/r6\"\\ngraphroot=\"%s\"\\n[storage.options.overlay]\\nforce_mask=\"shared\"\\nmount_program=\"/usr/bin/fuse-overlayfs\"\\n' \"$MASKED\" >/run/masked.conf
        CONTAINERS_STORAGE_CONF=/run/masked.conf \"$ENGINE\" load -q -i \"$ARCHIVE\"
        umount \"$MASKED/overlay\" || :
        mkdir -p /run/u /run/user/4321 \"$USERS\"; chown 4321 /run/u /run/user/4321 \"$USERS\"
        cp \"$ENGINE\" /run/engine
        printf '[storage]\\ndriver=\"overlay\"\\nrunroot=\"/run/u/r\"\\ngraphroot=\"%s/g\"\\n[storage.options.overlay]\\nignore_chown_errors=\"true\"\\n' \"$USERS\" >/run/users.conf
        export HOME=/run/u XDG_RUNTIME_DIR=/run/user/4321 CONTAINERS_STORAGE_CONF=/run/users.conf
        export _CONTAINERS_USERNS_CONFIGURED=done _CONTAINERS_ROOTLESS_UID=4321 _CONTAINERS_ROOTLESS_GID=4321
        setpriv --reuid 4321 --regid 4321 --clear-groups unshare -Urm /run/engine load -q -i \"$ARCHIVE\"";
    let engine = Engine::Podman6.program();
    let store = made_by_buildah("overlay");
    let variables: [(&str, &Path); 5] = [
        ("STORE", &store),
        ("ARCHIVE", &archive),
        ("MASKED", &masked),
        ("USERS", &users),
        ("ENGINE", &engine),
    ];
    in_private(script, &variables);
    assert_nothing_found(&checked(&[masked.to_str().unwrap(), "--deep"]), 4);
    assert_nothing_found(&checked(&[users.join("g").to_str().unwrap(), "--deep"]), 4);
}

#[test]
fn nothing_is_found_on_sealed_stores() {
    let made = made_by_buildah("overlay");
    let scratch = tempfile::tempdir().unwrap();
    let image = scratch.path().join("image");
    for (program, make, kind) in [
        ("mksquashfs", "mksquashfs \"$STORE\" \"$IMAGE\" -noappend -quiet -no-progress", "squashfs"),
        ("mkfs.erofs", "rm -f \"$IMAGE\"; mkfs.erofs --quiet \"$IMAGE\" \"$STORE\"", "erofs"),
    ] {
        let script = format!(
            "set -e; {make} >/dev/null 2>&1; mkdir -p \"$DIR/m\"; mount -t {kind} -o loop,ro \"$IMAGE\" \"$DIR/m\"
            printf '[storage]\\ndriver = \"overlay\"\\n' >\"$DIR/c\"
            exec {STORAGECTL} --config \"$DIR/c\" --format json check-store --deep \"$DIR/m\""
        );
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script]);
        command.env("STORE", &made).env("IMAGE", &image).env("DIR", scratch.path());
        let output = crate::support::finish(&mut command);
        let answer = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{program}: {}", crate::support::text(&output)));
        assert_nothing_found(&answer, 4);
    }
}

#[test]
fn what_carries_a_store_may_lose_its_times_but_not_change_one() {
    let store = Store::copy_of(&made_by_buildah("overlay"));
    store.shell("find overlay -exec touch -hd @0 {} +");
    assert_nothing_found(&store.checked(&["--deep"]), 4);
    store.shell("find overlay/*/diff/mark -exec touch -d @1 {} +");
    assert!(found(&store.checked(&["--deep"])).iter().any(|finding| finding.starts_with("file-time")));
}

#[test]
fn a_layer_of_a_partial_pull_has_the_digest_that_the_configuration_says() {
    let store = Store::copy_of(&made_by_buildah("overlay"));
    // As podman before 5.6 records it.
    store.edit("layers", |layers| {
        layers[0].as_object_mut().unwrap().remove("diff-digest");
        layers[0]["toc-digest"] = format!("sha256:{}", "0".repeat(64)).into();
        layers[0]["diff-size"] = (-1).into();
    });
    let ids = |args: &[&str]| -> Vec<String> {
        let found = found(&store.checked(args));
        found.iter().map(|finding| finding.split(':').next().unwrap().to_owned()).collect()
    };
    // Only podman 4 wants to know its size.
    assert_eq!(ids(&["--deep"]), ["layer-size-unknown"]);
    assert_eq!(ids(&["--deep", "--engine", "podman6"]), [""; 0]);
    assert_eq!(ids(&["--engine", "podman6"]), [""; 0]);
    let base = store.records("layers")[0]["id"].as_str().unwrap().to_owned();
    store.shell(&format!("echo other >overlay/{base}/diff/below"));
    assert!(ids(&["--deep", "--engine", "podman6"]).contains(&"file-content".to_owned()));
    // Without a tar-split nobody can tell whether it is sound.
    store.shell(&format!("rm overlay-layers/{base}.tar-split.gz"));
    assert_eq!(ids(&["--deep", "--engine", "podman6"]), ["not-verified"]);
}

#[test]
fn a_partial_pull_gives_directories_and_symlinks_no_times() {
    let store = Store::copy_of(&made_by_buildah("overlay"));
    store.shell("find overlay ! -type f -exec touch -h {} +");
    assert_nothing_found(&store.checked(&["--deep"]), 4);
}

/// What podman 5.4 and 5.8 keep where, with `imagestore` set.
#[test]
fn nothing_is_found_in_split_storage() {
    for moved in ["overlay-layers/layers.json", "overlay-layers/*.tar-split.gz"] {
        let store = Store::copy_of(&made_by_buildah("overlay"));
        let graphroot = store.path.with_file_name("graphroot");
        fs_err::create_dir_all(graphroot.join("overlay-layers")).unwrap();
        fs_err::create_dir_all(graphroot.join("overlay-images")).unwrap();
        fs_err::create_dir_all(graphroot.join("overlay/l")).unwrap();
        store.shell(&format!("touch ../graphroot/storage.lock; mv {moved} ../graphroot/overlay-layers"));
        let text = format!(
            "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/none\"\ngraphroot = {graphroot:?}\nimagestore = {:?}\n",
            store.path
        );
        let file = store.path.with_file_name("storage.conf");
        fs_err::write(&file, text).unwrap();
        let paths = [graphroot.to_str().unwrap(), store.path.to_str().unwrap()];
        let answer = checked_with(&file, &[paths.as_slice(), &["--deep"]].concat());
        assert_nothing_found(&answer, 4);
        assert_eq!(answer["verification"]["images"]["verified"], 4, "{answer}");
    }
}

#[test]
fn what_an_engine_keeps_for_running_containers_is_not_said_to_be_left_behind() {
    let store = Store::copy_of(&made_by_buildah("overlay"));
    let id = "0".repeat(64);
    store.shell(&format!("mkdir -p overlay/{id}/diff; : >storage.lock; rm overlay-images/images.lock"));
    assert_nothing_found(&store.checked(&["--deep"]), 4);
}

#[test]
fn directories_are_opaque_for_those_who_use_the_store() {
    let opaque = "$(getfattr -R -h -n trusted.overlay.opaque overlay 2>/dev/null | sed -n 's/^# file: //p')";
    let store = Store::copy_of(&made_by_buildah("overlay"));
    let ids = |store: &Store| -> Vec<(String, bool)> {
        let answer = store.checked(&["--deep"]);
        let findings = answer["findings"].as_array().unwrap().iter();
        let missing = findings.filter(|finding| finding["id"] == "whiteout-missing");
        let one = |finding: &Value| {
            (finding["severity"].as_str().unwrap().to_owned(), finding["users_only"].as_bool().unwrap())
        };
        missing.map(one).collect()
    };
    assert_eq!(ids(&store), [("note".to_owned(), true)]);
    store.shell(&format!("for dir in {opaque}; do setfattr -n user.overlay.opaque -v y $dir; done"));
    assert_eq!(ids(&store), []);
    store.shell(&format!("for dir in {opaque}; do setfattr -x trusted.overlay.opaque $dir; done"));
    assert_eq!(ids(&store), [("error".to_owned(), false)]);
}

#[test]
fn a_layer_for_composefs_is_said_not_to_be_verified_and_not_sealed() {
    let store = Store::copy_of(&made_by_buildah("overlay"));
    let layer = store.layers()[1].clone();
    // As much as mount(8) looks at.
    store.shell(&format!(
        "mkdir overlay/{layer}/composefs-data; cd overlay/{layer}/composefs-data
        head -c 1024 /dev/zero >composefs.blob; printf '\\342\\341\\365\\340' >>composefs.blob"
    ));
    let answer = store.checked(&["--deep"]);
    let ids: Vec<&str> = answer["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["id"].as_str().unwrap())
        .collect();
    assert!(ids.contains(&"composefs-layer") && ids.contains(&"not-verified"), "{answer}");
    let layers = &answer["verification"]["layers"];
    assert_eq!((&layers["verified"], &layers["not_verified"]), (&3.into(), &1.into()), "{answer}");
    let sealed = store.path.with_file_name("sealed.tar");
    let seal = |args: &[&str]| {
        let mut command = crate::support::storagectl(&["seal-store", "-o"]);
        crate::support::finish(command.arg(&sealed).args(args).arg(&store.path))
    };
    let refused = seal(&[]);
    assert_eq!(refused.status.code(), Some(2), "{}", crate::support::text(&refused));
    assert!(!sealed.exists());
    let taken = seal(&["--unverified"]);
    assert!(taken.status.success(), "{}", crate::support::text(&taken));
}

#[test]
fn a_check_writes_creates_and_locks_nothing() {
    let store = Store::copy_of(&made_by_buildah("overlay"));
    store.shell("rm overlay-images/images.lock");
    let before = stamps(&store.path);
    let none = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", "trace=file,desc", "-o"]).arg(none.path()).arg(STORAGECTL);
    command.args(["--config", "/dev/null", "check-store", "--deep"]).arg(&store.path);
    crate::support::finish(&mut command);
    assert!(stamps(&store.path) == before);
    let calls = fs_err::read_to_string(none.path()).unwrap();
    assert!(calls.contains("images.json"), "{calls}");
    for call in calls.lines().filter(|call| !call.contains("= -1")) {
        let writes = [
            "O_WRONLY",
            "O_RDWR",
            "O_CREAT",
            "F_SETLK",
            "F_OFD_SETLK",
            "flock(",
            "mkdir",
            "fchmod",
            "unlink",
            "rename",
        ];
        assert!(!writes.iter().any(|word| call.contains(word)), "{call}");
    }
}

#[test]
fn images_on_an_additional_store_are_no_damage_and_said_to_depend_on_it() {
    let scratch = tempfile::tempdir().unwrap();
    let (lower, own) = (made_by_buildah("overlay"), scratch.path().join("own"));
    let file = conf(scratch.path(), "overlay", &own, &[&lower]);
    let build = "export CONTAINERS_STORAGE_CONF=\"$CONF\"
        c=$(buildah from --pull-never localhost/app:2); m=$(buildah mount $c); echo child >$m/child
        buildah umount $c; buildah commit -q --rm $c localhost/child:1; umount \"$OWN/overlay\" || :";
    in_private(build, &[("CONF", &file), ("OWN", &own)]);
    // The engine's own storage, as it is and in a place as another store.
    let answer = checked_with(&file, &[own.to_str().unwrap(), "--deep"]);
    assert_nothing_found(&answer, 1);
    let notes: Vec<&Value> =
        answer["findings"].as_array().unwrap().iter().map(|finding| &finding["id"]).collect();
    assert!(notes.iter().any(|id| *id == "depends-on-store"), "{answer}");
    let file = conf(scratch.path(), "overlay", &scratch.path().join("none"), &[&own, &lower]);
    let depends = "depends-on-store: 1 of its images needs layers that are in the store";
    let answer = checked_with(&file, &["--deep"]);
    assert_eq!(found(&answer).len(), 1, "{answer}");
    assert!(found(&answer)[0].starts_with(depends), "{answer}");
    // Without the other store it is broken.
    let file = conf(scratch.path(), "overlay", &scratch.path().join("none"), &[&own]);
    let alone = found(&checked_with(&file, &["--deep"]));
    assert!(alone.iter().any(|finding| finding.starts_with("layer-parent-unknown")), "{alone:?}");
}

#[test]
fn the_store_that_wins_is_named() {
    let made = made_by_buildah("overlay");
    let (first, second) = (Store::copy_of(&made), Store::copy_of(&made));
    // A changed file in the copy that is used, under the name of the sound one.
    let base = &first.layers()[2];
    first.shell(&format!("echo planted >overlay/{base}/diff/below"));
    let other = second.image_index(IMAGE);
    second.edit("images", |images| images[other]["id"] = "e".repeat(64).into());
    let dir = tempfile::tempdir().unwrap();
    let file = conf(dir.path(), "overlay", &dir.path().join("none"), &[&first.path, &second.path]);
    let answer = checked_with(&file, &["--deep"]);
    let said: Vec<String> = answer["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["severity"] == "note" || finding["id"] == "name-shadowed")
        .map(|finding| finding["message"].as_str().unwrap().to_owned())
        .collect();
    let winner = first.path.display();
    assert!(
        said.contains(&format!("the name `{IMAGE}` means another image in the store `{winner}`")),
        "{said:?}"
    );
    assert!(said.contains(&format!("4 of its layers are in the store `{winner}`, too")), "{said:?}");
    let tampered =
        answer["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == "file-content");
    assert_eq!(tampered.unwrap()["store"], first.path.to_str().unwrap());
    // Two names of one directory are one store.
    let alias = dir.path().join("alias");
    std::os::unix::fs::symlink(&second.path, &alias).unwrap();
    let file = conf(dir.path(), "overlay", &dir.path().join("none"), &[&second.path, &alias]);
    assert_eq!(checked_with(&file, &[])["stores"].as_array().unwrap().len(), 1);
}

#[test]
fn a_store_that_is_not_mounted_is_told_of() {
    let scratch = tempfile::tempdir().unwrap();
    let made = made_by_buildah("overlay");
    let script = format!(
        "set -e
        mount -t tmpfs none /srv; mkdir -p /srv/images /srv/units
        touch /srv/images/.storagectl-store
        mkdir -p /run/systemd/system
        mount -t tmpfs none /run/systemd/system
        touch /run/systemd/system/srv-images.mount
        printf '[storage]\\ndriver = \"overlay\"\\n' >\"$DIR/c\"
        {STORAGECTL} --config \"$DIR/c\" --format json check-store /srv/images >\"$DIR/before\" || :
        mount --bind \"$STORE\" /srv/images
        {STORAGECTL} --config \"$DIR/c\" --format json check-store /srv/images >\"$DIR/after\""
    );
    run(Command::new("unshare")
        .args(["-m", "sh", "-c", &script])
        .env("DIR", scratch.path())
        .env("STORE", &made));
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(scratch.path().join(name)).unwrap()).unwrap()
    };
    assert!(found(&read("before"))[0].starts_with("not-mounted: "), "{}", read("before"));
    assert_eq!(found(&read("after")), [""; 0]);
}

#[test]
fn loaders_of_the_library_agree_that_a_store_of_theirs_is_sound() {
    let store = Store::copy_of(&made_by_buildah("overlay"));
    let check = "\"$CHECKER\" --graph \"$STORE\" --run /run/r check 2>&1; umount \"$STORE/overlay\" || :";
    in_private(check, &[("CHECKER", &program("containers-storage")), ("STORE", &store.path)]);
    assert_nothing_found(&store.checked(&["--deep"]), 4);
}

#[test]
fn selinux_labels_that_containers_may_not_read_are_told_of() {
    let tree = tempfile::tempdir().unwrap();
    let dir = tree.path();
    fs_err::create_dir_all(dir.join("etc/selinux")).unwrap();
    fs_err::create_dir_all(dir.join("srv")).unwrap();
    run(Command::new("cp").arg("-a").arg(made_by_buildah("overlay")).arg(dir.join("srv/store")));
    let check = || {
        let root = dir.to_str().unwrap();
        let mut command =
            crate::support::storagectl(&["--root", root, "--format", "json", "check-store", "srv/store"]);
        found(&serde_json::from_slice(&crate::support::finish(&mut command).stdout).unwrap())
    };
    let label = |kind: &str| {
        let value = format!("system_u:object_r:{kind}:s0");
        let layers =
            "for layer in srv/store/overlay/*/diff; do setfattr -n security.selinux -v \"$0\" $layer; done";
        run(Command::new("sh").args(["-ec", layers, &value]).current_dir(dir));
    };
    label("var_lib_t");
    assert_eq!(check(), [""; 0], "a tree without SELinux");
    fs_err::write(dir.join("etc/selinux/config"), "SELINUX=enforcing\n").unwrap();
    assert_eq!(check(), ["selinux-label: a layer has the SELinux type `var_lib_t`, and so do 3 others"]);
    label("container_ro_file_t");
    assert_eq!(check(), [""; 0]);
    // What restorecon gives a store below /var/lib/containers.
    label("container_var_lib_t");
    assert_eq!(
        check(),
        ["selinux-label: a layer has the SELinux type `container_var_lib_t`, and so do 3 others"]
    );
}

#[test]
fn a_layer_that_is_its_own_ancestor_is_an_end_and_no_loop() {
    let store = Store::copy_of(&made_by_buildah("overlay"));
    let [top, base] = [0, 2].map(|index| store.layers()[index].clone());
    store.edit("layers", |layers| {
        let base = layers.iter_mut().find(|layer| layer["id"] == base.as_str()).unwrap();
        base["parent"] = top.as_str().into();
    });
    // Engines never come to an end with such a store, so none is asked.
    let findings = found(&store.checked(&["--deep"]));
    assert!(findings.iter().any(|finding| finding.starts_with("layer-loop: ")), "{findings:?}");
}

#[test]
fn in_whole_trees_what_comes_from_the_layer_below_is_compared_with_it() {
    let scratch = tempfile::tempdir().unwrap();
    let conf = conf(scratch.path(), "vfs", &scratch.path().join("none"), &[]);
    let original = made_by_buildah("vfs");
    let top = {
        let images = std::fs::read(original.join("vfs-images/images.json")).unwrap();
        let images: Vec<Value> = serde_json::from_slice(&images).unwrap();
        let is_it = |image: &&Value| image["names"].as_array().unwrap().iter().any(|name| name == IMAGE);
        images.iter().find(is_it).unwrap()["layer"].as_str().unwrap().to_owned()
    };
    for (damage, id, path) in [
        ("printf B | dd of=below conv=notrunc 2>/dev/null", "file-content", "below"),
        ("rm below", "file-missing", "below"),
        ("chmod 0666 below", "file-mode", "below"),
        ("ln -sf ping bin/cat", "file-type", "bin/cat"),
        ("echo planted >etc/planted", "file-added", "etc/planted"),
        ("echo planted >top", "file-content", "top"),
    ] {
        let store = Store::copy_of(&original);
        store.shell(&format!("cd vfs/dir/{top}; {damage}"));
        let answer = checked_with(&conf, &[store.path.to_str().unwrap(), "--deep"]);
        let findings = answer["findings"].as_array().unwrap();
        let finding = findings.iter().find(|finding| finding["id"] == id);
        let finding = finding.unwrap_or_else(|| panic!("{damage}: {answer}"));
        assert_eq!(finding["files"], serde_json::json!([path]), "{damage}: {answer}");
        assert_eq!(finding["layer"], top.as_str());
    }
}
