//! Hosts on which engines fail: what they say is fed to `explain` word for word, on that host, and
//! what it advises is done there.

use std::process::Command;

use serde_json::Value;

use super::list;
use crate::hosts::engines::has_debians_podman_4;
use crate::judged::engine::Engine::{self, Crio, Podman4, Podman5, Podman6};
use crate::judged::engine::Who::{self, Root, User};
use crate::judged::host::Host;
use crate::judged::{CONF, MAIN, STORE, main_with};
use crate::support::{IMAGE, finish, storagectl, text};

/// What `explain` makes of `said`: each message, and its first cause.
fn explained(host: &Host, who: Who, said: &str) -> Vec<(String, Value)> {
    let output = host.storagectl(who, &["--format", "json", "explain", said]);
    read(&output.stdout, said)
}

#[track_caller]
fn read(answer: &[u8], said: &str) -> Vec<(String, Value)> {
    let answer: Value = serde_json::from_slice(answer)
        .unwrap_or_else(|error| panic!("{error}: {}\n{said}", String::from_utf8_lossy(answer)));
    let messages = list(&answer, "messages").iter();
    messages.map(|it| (it["id"].as_str().unwrap().to_owned(), it["causes"][0].clone())).collect()
}

/// Fails unless this message is among them, with this cause, or with whichever; returns the cause.
#[track_caller]
fn assert_has(messages: &[(String, Value)], said: &str, message: &str, cause: Option<&str>) -> Value {
    let found = messages.iter().find(|(id, _)| id == message);
    let (_, found) = found.unwrap_or_else(|| panic!("{message} is not in {messages:?}\n{said}"));
    assert!(cause.is_none_or(|cause| found["id"] == cause), "{message} is caused by {found}\n{said}");
    found.clone()
}

#[track_caller]
fn assert_explained(host: &Host, who: Who, said: &str, message: &str, cause: &str) -> Value {
    assert_has(&explained(host, who, said), said, message, Some(cause))
}

/// Runs the first command of storagectl that a hint names.
#[track_caller]
fn follow(host: &Host, cause: &Value) {
    let hint = cause["hint"].as_str().unwrap();
    let commands = hint.split('`').skip(1).step_by(2);
    let line = commands.into_iter().find(|line| line.starts_with("storagectl ")).expect(hint);
    let output = host.script(&format!("/run/engine/{line}"));
    assert!(output.status.success(), "{line}: {}", text(&output));
}

/// What an engine says that does not list the host's images.
#[track_caller]
fn fails(host: &Host, who: Who, engine: Engine) -> String {
    host.images(who, engine).expect_err("it works")
}

fn host(engine: Engine) -> Host {
    let host = Host::with_podman(engine).with_users_own();
    host.write(CONF, MAIN);
    host
}

#[test]
fn a_missing_store_is_taken_off_the_list() {
    for engine in Engine::PODMANS {
        let host = host(engine);
        host.write(CONF, &main_with("\"/srv/gone\""));
        let said = fails(&host, Root, engine);
        let cause = assert_explained(&host, Root, &said, "store-missing", "store-missing");
        assert_eq!(cause["line"], 7, "{cause}");
        follow(&host, &cause);
        assert_eq!(host.images(Root, engine), Ok(Vec::new()));
    }
}

#[test]
fn cri_o_serves_again_when_the_missing_store_is_off_the_list() {
    let host = Host::with(&[("/usr/bin/crio", Crio)]);
    host.write(CONF, &main_with("\"/srv/gone\""));
    let said = host.crio_serves().unwrap_err();
    let cause = assert_explained(&host, Root, &said, "store-missing", "store-missing");
    follow(&host, &cause);
    assert_eq!(host.crio_serves(), Ok(()));
}

#[test]
fn a_form_of_the_list_that_older_engines_do_not_know_is_fixed() {
    for engine in [Podman4, Podman5] {
        let host = host(engine);
        host.open_store(STORE);
        host.write(CONF, &main_with("\"/srv/app\", {append=true}"));
        let said = fails(&host, Root, engine);
        let cause = assert_explained(&host, Root, &said, "toml-type", "append-in-main");
        assert_eq!(cause["line"], 7, "{cause}");
    }
}

/// Debian's does not say its version then, and is taken for another.
#[test]
#[expect(clippy::disallowed_macros, reason = "what is not tested is told")]
fn an_empty_file_stops_podman_4() {
    if !has_debians_podman_4() {
        println!("podman 4 as it is published has defaults, and this machine has no other");
        return;
    }
    let host = host(Podman4);
    host.write(CONF, "# nothing\n");
    let said = fails(&host, Root, Podman4);
    assert_explained(&host, Root, &said, "runroot-missing", "missing-runroot");
}

#[test]
fn a_store_without_lock_files_on_a_read_only_mount() {
    for engine in Engine::PODMANS {
        let host = host(engine).before(
            "mount --bind srv/app srv/app
            mount -o remount,bind,ro srv/app",
        );
        host.open_store(STORE);
        for lock in ["overlay-images/images.lock", "overlay-layers/layers.lock"] {
            fs_err::remove_file(host.at(&format!("{STORE}/{lock}"))).unwrap();
        }
        host.write(CONF, &main_with("\"/srv/app\""));
        let said = fails(&host, Root, engine);
        assert_explained(&host, Root, &said, "lock-read-only", "lock-missing");
    }
}

#[test]
fn a_user_of_podman_6_gets_directories_of_their_own_back() {
    let host = Host::with_podman(Podman6);
    host.write(CONF, MAIN);
    let said = fails(&host, User, Podman6);
    for who in [User, Root] {
        assert_explained(&host, who, &said, "permission", "root-closed");
    }
    let host = host.with_users_own();
    assert_eq!(host.images(User, Podman6), Ok(Vec::new()));
}

#[test]
fn a_store_that_is_closed_to_users() {
    let host = host(Podman6);
    host.store(STORE);
    host.write(CONF, &main_with("\"/srv/app\""));
    let said = fails(&host, User, Podman6);
    for who in [User, Root] {
        let messages = explained(&host, who, &said);
        assert_eq!(messages[0].1["id"], "store-unreadable", "{said}\n{messages:?}");
    }
}

/// `podman commit` makes a layer on those of the store, and `podman tag` copies the record of an
/// image without its documents.
#[test]
fn what_builds_on_a_replaced_store_is_removed() {
    for (engine, args) in [
        (Podman4, "images"),
        (
            Podman6,
            "run --rm --network none --cgroups disabled --security-opt seccomp=unconfined --pull never localhost/child:1 true",
        ),
    ] {
        let host = host(engine);
        host.open_store(STORE);
        host.write(CONF, &main_with("\"/srv/app\""));
        let podman = |args: &str| host.engine_that_stays(Root, engine, &args.split(' ').collect::<Vec<_>>());
        for args in [
            &format!(
                "create --name c --network none --cgroups disabled --security-opt seccomp=unconfined --pull never {IMAGE} true"
            ),
            "commit -q c localhost/child:1",
            "rm c",
            &format!("tag {IMAGE} localhost/mine:1"),
        ] {
            let output = podman(args);
            assert!(output.status.success(), "{args}: {}", text(&output));
        }
        let replace = host.script("rm -r /srv/app && /run/engine/storagectl init-store /srv/app");
        assert!(replace.status.success(), "{}", text(&replace));
        let output = podman(args);
        assert!(!output.status.success(), "{engine:?}");
        let said = text(&output);
        let messages = explained(&host, Root, &said);
        assert_eq!(messages[0].1["id"], "layers-gone", "{said}\n{messages:?}");
        // Nobody has them any more.
        assert!(messages[0].1["hint"].as_str().unwrap().contains("`storagectl clean-dependents`"));
        let cleaned = host.script("/run/engine/storagectl clean-dependents");
        assert!(cleaned.status.success(), "{}", text(&cleaned));
        let listed = podman("images -q");
        assert!(listed.status.success() && listed.stdout.is_empty(), "{}", text(&listed));
    }
}

/// Everything in one run, since what is in memory goes with it; what was said is a file of the host.
fn in_one_run(host: &Host, engine: Engine, before: &str, args: &str) -> (Vec<(String, Value)>, String) {
    let script = format!(
        "{before}
        /run/engine/{} {args} >/said 2>&1 && exit 9
        /run/engine/storagectl --format json explain </said",
        engine.name()
    );
    let output = host.script(&script);
    let said = host.read("/said").unwrap_or_default();
    assert!(output.status.success(), "{}\n{said}", text(&output));
    (read(&output.stdout, &said), said)
}

#[test]
fn a_full_disk_is_named() {
    for engine in [Podman4, Podman6] {
        let host = host(engine);
        let before = "mkdir -p /var/lib/containers
            mount -t tmpfs -o size=24m none /var/lib/containers
            head -c 12000000 /dev/zero >/var/lib/containers/other
            head -c 40000000 /dev/zero >/tmp/file
            tar -C /tmp -cf /tmp/big.tar file";
        let (messages, said) = in_one_run(&host, engine, before, "import /tmp/big.tar localhost/big:1");
        assert_has(&messages, &said, "disk-full", Some("disk-full"));
    }
}

#[test]
fn a_driver_whose_file_system_is_not_there() {
    let host = host(Podman4);
    let (messages, said) = in_one_run(&host, Podman4, "true", "--storage-driver zfs info");
    assert_has(&messages, &said, "overlay-unsupported", None);
}

#[test]
fn a_database_of_another_storage() {
    let host = host(Podman5);
    host.store(STORE);
    let (messages, said) = in_one_run(&host, Podman5, "true", "--root /srv/app images");
    assert_has(&messages, &said, "database-mismatch", None);
}

#[test]
fn a_policy_that_forbids_an_image() {
    let host = host(Podman6);
    host.open_store(STORE);
    host.write(CONF, &main_with("\"/srv/app\""));
    let before = format!(
        "/run/engine/podman6 save -q --format docker-dir -o /saved {IMAGE}
        echo '{{\"default\":[{{\"type\":\"reject\"}}]}}' >/etc/containers/policy.json"
    );
    let (messages, said) = in_one_run(&host, Podman6, &before, "pull dir:/saved");
    assert_has(&messages, &said, "policy-rejected", None);
}

#[test]
fn an_image_of_a_container_stays() {
    let host = host(Podman5);
    host.open_store(STORE);
    host.write(CONF, &main_with("\"/srv/app\""));
    let before = format!(
        "/run/engine/podman5 create --network none --cgroups disabled --security-opt seccomp=unconfined --pull never {IMAGE} true >/dev/null"
    );
    let (messages, said) = in_one_run(&host, Podman5, &before, &format!("rmi {IMAGE}"));
    let known = ["image-in-use", "read-only-store"];
    assert!(messages.iter().any(|(id, _)| known.contains(&id.as_str())), "{messages:?}\n{said}");
}

/// A host with embedded images, and the reference of one.
pub(crate) fn host_with_embedded_images() -> (Host, String) {
    let host = host(Podman6);
    let embedded = host.at("/usr/lib/containers/storage");
    fs_err::create_dir_all(embedded.parent().unwrap()).unwrap();
    let copied = finish(Command::new("cp").arg("-a").arg(crate::copy::machine::embedded()).arg(&embedded));
    assert!(copied.status.success(), "{}", text(&copied));
    let list = fs_err::read_to_string(embedded.join("image-list.txt")).unwrap();
    let reference = list.lines().next().unwrap().split(',').next().unwrap().to_owned();
    (host, reference)
}

#[test]
fn an_image_that_is_embedded_and_not_copied_is_copied() {
    let (host, reference) = host_with_embedded_images();
    let inspect = || host.engine_that_stays(Root, Podman6, &["image", "inspect", &reference]);
    let inspected = inspect();
    assert!(!inspected.status.success());
    let cause = assert_explained(&host, Root, &text(&inspected), "image-unknown", "images-not-copied");
    follow(&host, &cause);
    let inspected = inspect();
    assert!(inspected.status.success(), "{}", text(&inspected));
}

#[test]
fn a_manifest_that_is_cut_short_beside_its_embedded_image_is_written_again() {
    let (host, reference) = host_with_embedded_images();
    let copied = host.script("/run/engine/storagectl -q copy-images");
    assert!(copied.status.success(), "{}", text(&copied));
    let records = host.read("/var/lib/containers/storage/overlay-images/images.json").unwrap();
    let records: Vec<Value> = serde_json::from_str(&records).unwrap();
    let is_it = |image: &&Value| list(image, "names").iter().any(|name| *name == reference);
    let id = records.iter().find(is_it).unwrap()["id"].as_str().unwrap();
    host.write(&format!("/var/lib/containers/storage/overlay-images/{id}/manifest"), "{\"schema");
    let inspect = || host.engine_that_stays(Root, Podman6, &["image", "inspect", &reference]);
    let inspected = inspect();
    assert!(!inspected.status.success());
    let said = text(&inspected);
    let messages = explained(&host, Root, &said);
    let cause = &messages[0].1;
    assert_eq!(cause["id"], "big-data-malformed", "{said}\n{messages:?}");
    assert!(cause["hint"].as_str().unwrap().contains("copy-images"), "{cause}");
    follow(&host, cause);
    let inspected = inspect();
    assert!(inspected.status.success(), "{}", text(&inspected));
}

#[test]
fn a_store_that_an_update_has_emptied_is_named() {
    let host = host(Podman6);
    host.open_store(STORE);
    host.write(CONF, &main_with("\"/srv/app\""));
    let replaced = host.script(
        "/run/engine/storagectl apply --boot && rm -r /srv/app && /run/engine/storagectl init-store /srv/app",
    );
    assert!(replaced.status.success(), "{}", text(&replaced));
    let inspected = host.engine_that_stays(Root, Podman6, &["image", "inspect", IMAGE]);
    assert!(!inspected.status.success());
    assert_explained(&host, Root, &text(&inspected), "image-unknown", "store-emptied");
}

#[test]
fn buildah_and_skopeo_of_this_machine_say_what_podman_does() {
    let tree = tempfile::tempdir().unwrap();
    fs_err::create_dir_all(tree.path().join("etc/containers")).unwrap();
    let conf = tree.path().join("etc/containers/storage.conf");
    fs_err::write(&conf, main_with("\"/srv/gone\"")).unwrap();
    let programs: [(&str, &[&str]); 2] =
        [("buildah", &["images"]), ("skopeo", &["inspect", "containers-storage:localhost/app:1"])];
    for (program, args) in programs {
        let script = "mount -t tmpfs none /run && mount -t tmpfs none /var/lib && exec \"$@\"";
        let mut command = Command::new("unshare");
        command
            .args(["-m", "sh", "-c", script, "sh", program])
            .args(args)
            .env("CONTAINERS_STORAGE_CONF", &conf);
        let output = finish(&mut command);
        assert!(!output.status.success(), "{program}");
        let said = text(&output);
        let root = tree.path().to_str().unwrap();
        let answer = finish(&mut storagectl(&["--root", root, "--format", "json", "explain", &said]));
        assert_has(&read(&answer.stdout, &said), &said, "store-missing", Some("store-missing"));
    }
}

#[test]
fn systemd_and_mount_say_what_they_say() {
    let units = tempfile::tempdir().unwrap();
    for (name, other) in [("a", "b"), ("b", "a")] {
        let text = format!(
            "[Unit]\nAfter={other}.service\nRequires={other}.service\n[Service]\nType=oneshot\nExecStart=/bin/true\n"
        );
        fs_err::write(units.path().join(format!("{name}.service")), text).unwrap();
    }
    let path = format!("{}:", units.path().display());
    let cycle = finish(
        Command::new("systemd-analyze")
            .args(["verify", "--man=no", "a.service"])
            .env("SYSTEMD_UNIT_PATH", path),
    );
    let broken = units.path().join("broken.squashfs");
    fs_err::write(&broken, [0_u8; 8192]).unwrap();
    let at = units.path().join("at");
    fs_err::create_dir(&at).unwrap();
    let script = "mount -t squashfs -o loop,ro \"$1\" \"$2\"";
    let mut command = Command::new("unshare");
    let mount = finish(command.args(["-m", "sh", "-c", script, "sh"]).arg(&broken).arg(&at));
    for (output, expected) in [(cycle, "ordering-cycle"), (mount, "store-not-mounted")] {
        let said = text(&output);
        let answer = finish(&mut storagectl(&["--format", "json", "explain", &said]));
        assert_has(&read(&answer.stdout, &said), &said, expected, None);
    }
}
