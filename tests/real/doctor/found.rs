//! States of a host that no check of configuration or stores sees, with the engine that minds them.

use std::process::Command;

use serde_json::Value;

use crate::judged::engine::Engine::{Crio, Podman4, Podman5, Podman6};
use crate::judged::engine::Who::{Root, User};
use crate::judged::host::Host;
use crate::judged::{CONF, MAIN, STORE, main_with};
use crate::support::{IMAGE, run, text};

fn host(engine: crate::judged::engine::Engine) -> Host {
    let host = Host::with_podman(engine).with_users_own();
    host.write(CONF, MAIN);
    host
}

/// The finding with this id, if doctor has it.
#[track_caller]
fn finding(page: &[u8], id: &str) -> Option<Value> {
    let page: Value = serde_json::from_slice(page).unwrap();
    page["findings"].as_array().unwrap().iter().find(|it| it["id"] == id).cloned()
}

#[track_caller]
fn found(host: &Host, id: &str) -> Option<Value> {
    let output = host.storagectl(Root, &["--format", "json", "doctor"]);
    finding(&output.stdout, id)
}

/// Where fuse-overlayfs is not installed, which engines would take.
#[test]
fn storage_over_an_overlay_stops_engines() {
    for engine in [Podman4, Podman5, Podman6] {
        let over = "mkdir -p /tmp/over
            mount -t tmpfs none /tmp/over
            mkdir /tmp/over/lower /tmp/over/upper /tmp/over/work
            mkdir -p var/lib/containers
            mount -t overlay -o lowerdir=/tmp/over/lower,upperdir=/tmp/over/upper,workdir=/tmp/over/work none var/lib/containers";
        for has_program in [false, true] {
            let host = host(engine).before(over);
            if !has_program {
                run(Command::new("mknod").arg(host.at("/usr/bin/fuse-overlayfs")).args(["c", "0", "0"]));
            }
            let output = host.engine_that_stays(Root, engine, &["images"]);
            assert_eq!(output.status.success(), has_program, "{}", text(&output));
            let found = found(&host, "file-system");
            assert_eq!(found.as_ref().map(|it| it["severity"] == "error"), (!has_program).then_some(true));
            if let Some(found) = found {
                assert_eq!(found["stops"].as_array().unwrap().len(), 1, "{found}");
            }
        }
    }
}

#[test]
fn a_file_system_without_inodes_is_full() {
    let host = host(Podman6);
    let script = "mkdir -p /var/lib/containers/storage
        mount -t tmpfs -o nr_inodes=60 none /var/lib/containers/storage
        /run/engine/storagectl --format json doctor || [ $? = 1 ]";
    let output = host.script(script);
    let found = finding(&output.stdout, "disk-full").unwrap_or_else(|| panic!("{}", text(&output)));
    assert!(found["message"].as_str().unwrap().contains("inodes"), "{found}");
}

#[test]
fn an_older_image_in_an_earlier_store_is_told_and_removed() {
    let host = host(Podman6);
    host.open_store(STORE);
    let script = format!(
        "mkdir -p /tmp/rootfs; echo new >/tmp/rootfs/file; tar -C /tmp/rootfs -cf /tmp/new.tar .
        /run/engine/podman6 --root /srv/new --runroot /run/new import /tmp/new.tar {IMAGE}
        chmod -R a+rX /srv/new"
    );
    let made = host.script(&script);
    assert!(made.status.success(), "{}", text(&made));
    host.write(CONF, &main_with("\"/srv/new\", \"/srv/app\""));
    assert_eq!(found(&host, "image-shadowed"), None);
    host.write(CONF, &main_with("\"/srv/app\", \"/srv/new\""));
    let layers = || {
        let output =
            host.engine_that_stays(Root, Podman6, &["image", "inspect", "--format", "{{.Created}}", IMAGE]);
        text(&output)
    };
    let before = layers();
    let shadowed = found(&host, "image-shadowed").expect("it is told");
    let hint = shadowed["hint"].as_str().unwrap();
    let command = hint.split('`').nth(1).unwrap();
    assert!(command.starts_with("storagectl remove-images /srv/app "), "{hint}");
    let removed = host.script(&format!("/run/engine/{command}"));
    assert!(removed.status.success(), "{}", text(&removed));
    assert_ne!(layers(), before);
    assert_eq!(found(&host, "image-shadowed"), None);
}

/// No command here edits that file.
#[test]
fn a_store_that_is_missing_in_cri_o_s_own_file_is_removed_there() {
    let host = Host::with(&[("/usr/bin/crio", Crio)]);
    host.write(CONF, MAIN);
    host.write(
        "/etc/crio/crio.conf.d/20.conf",
        "[crio]\nstorage_option = ['overlay.imagestore=/srv/gone']\n",
    );
    let missing = found(&host, "store-missing").expect("it is told");
    assert!(missing["hint"].as_str().unwrap().contains("`/etc/crio/crio.conf.d/20.conf`"), "{missing}");
    let fixed = host.storagectl(Root, &["doctor", "--fix"]);
    assert_eq!(fixed.status.code(), Some(1), "{}", text(&fixed));
}

/// An engine that its configuration stops does not say its version, and may be any.
#[test]
fn what_stops_an_engine_that_does_not_say_what_it_is_is_found() {
    let host = host(Podman4);
    host.write(CONF, &format!("\u{feff}{MAIN}"));
    for who in [Root, User] {
        let output = host.storagectl(who, &["--format", "json", "doctor"]);
        assert!(finding(&output.stdout, "byte-order-mark").is_some() || who == User, "{}", text(&output));
    }
}
