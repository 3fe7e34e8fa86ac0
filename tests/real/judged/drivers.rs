//! The storage driver decides what an entry in the list does.

use std::io::Write as _;
use std::process::Command;

use super::engine::Engine::Podman4;
use super::engine::Who::{Root, User};
use super::host::{HOME, Host, listed};
use super::report::Report;
use super::{CONF, MAIN, STORE, list, main_with, nothing};
use crate::hosts::engines::has_debians_podman_4;
use crate::podman::IMAGE_LINE;
use crate::support::{IMAGE, finish, run, text};

/// A btrfs where root's storage is. It goes with the run.
const BTRFS: &str = "truncate -s 128M run/engine/btrfs
    mkfs.btrfs -q run/engine/btrfs >/dev/null
    mkdir -p var/lib/containers
    mount -o loop run/engine/btrfs var/lib/containers";

/// Whether a btrfs can be mounted from a file here. A container may have no loop devices.
fn has_btrfs() -> bool {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("cd \"$0\"; mkdir -p run/engine; mount -t tmpfs none run/engine; {BTRFS}");
    let mounted = finish(Command::new("unshare").args(["-m", "sh", "-ec", &script]).arg(dir.path()));
    if !mounted.status.success() {
        let said = text(&mounted);
        // Not what a passing test prints, which nobody sees.
        let said = format!("no btrfs here, so the library's reading stands for podman: {said}");
        std::io::stderr().write_all(said.as_bytes()).unwrap();
    }
    mounted.status.success()
}

fn listed_images(host: &Host, who: super::engine::Who) -> Result<Vec<String>, String> {
    listed(&host.engine_that_stays(who, Podman4, &["images", "--format", IMAGE_LINE]))
}

#[test]
fn a_driver_that_takes_no_stores_gets_none() {
    let commands = [
        ("add-store", "$storagectl add-store --init /srv/app"),
        ("apply", "$storagectl init-store --declare app /srv/app; $storagectl apply"),
        ("apply --boot", "$storagectl init-store --declare app /srv/app; $storagectl apply --boot"),
        (
            "generate",
            "$storagectl generate kickstart --base /etc/containers/storage.conf --store /srv/app >/run/ks
            sed '/^%/d' /run/ks | sh -eu",
        ),
    ];
    let conf = MAIN.replace("overlay", "btrfs");
    let btrfs = has_debians_podman_4() && has_btrfs();
    let works = |host: &Host, name: &str| {
        if btrfs {
            let listed = listed_images(host, Root);
            assert_eq!(listed, nothing(), "{name}");
        } else {
            // Where btrfs cannot be mounted, what the library would hand to the driver stands
            // for it: the driver knows no such option (drivers/btrfs/btrfs.go, parseOptions).
            let seen = crate::generations::seen("legacy4", &host.at("/"));
            assert!(seen.is_empty(), "{name}: {seen:?}");
        }
    };
    for (name, script) in commands {
        let host = Host::with_podman(Podman4).before(if btrfs { BTRFS } else { "" });
        host.write(CONF, &conf);
        works(&host, "before");
        let output = host.script(&format!("storagectl=/run/engine/storagectl; {script}"));
        works(&host, name);
        assert!(!output.status.success() || name.starts_with("apply"), "{name}: {}", text(&output));
        assert_eq!(host.read(CONF).as_deref(), Some(conf.as_str()), "{name}");
    }
    let host = Host::with_podman(Podman4).before(if btrfs { BTRFS } else { "" });
    host.write(CONF, &conf);
    let report = Report::of(&host, Root, &["add-store", "--init", STORE]);
    assert_eq!((report.status, report.json["error"]["id"].as_str()), (2, Some("rejected-option")));
    // What others have listed stops the engine, and check-config says so.
    host.write(CONF, &format!("{conf}{}", list("\"/srv/app\"")));
    fs_err::create_dir_all(host.at(STORE)).unwrap();
    if btrfs {
        assert!(listed_images(&host, Root).is_err());
    }
    assert!(Report::check_config(&host).stops(Podman4));
}

/// Podman 4 of a user without configuration makes its storage with vfs.
#[test]
fn a_user_whose_storage_is_vfs_keeps_it() {
    let host = Host::with_podman(Podman4);
    assert_eq!(listed_images(&host, User), nothing());
    let driver = || {
        let info = ["info", "--format", "{{.Store.GraphDriverName}}"];
        listed(&host.engine_that_stays(User, Podman4, &info))
    };
    assert_eq!(driver(), Ok(vec!["vfs".to_owned()]));
    host.storagectl(User, &["add-store", "--init", &format!("{HOME}/images")]);
    assert_eq!(driver(), Ok(vec!["vfs".to_owned()]));
    assert_eq!(listed_images(&host, User), nothing());
}

/// A user of a system whose administrator has chosen vfs.
#[test]
fn a_user_has_the_driver_of_the_system() {
    let host = Host::with_podman(Podman4);
    host.write(CONF, &MAIN.replace("overlay", "vfs"));
    assert_eq!(listed_images(&host, User), nothing());
    host.storagectl(User, &["add-store", "--init", &format!("{HOME}/images")]);
    assert_eq!(listed_images(&host, User), nothing());
}

/// `--init` makes a store for the driver that the engine has.
#[test]
fn a_store_is_made_for_the_driver_that_the_storage_has() {
    let host = Host::with_podman(Podman4);
    let made = host.engine_that_stays(Root, Podman4, &["--storage-driver", "vfs", "images"]);
    assert!(made.status.success(), "{}", text(&made));
    assert_eq!(listed_images(&host, Root), nothing());
    let output = host.storagectl(Root, &["add-store", "--init", STORE]);
    assert_eq!(listed_images(&host, Root), nothing());
    if output.status.success() {
        assert!(host.at("/srv/app/vfs-images").is_dir(), "{}", text(&output));
        assert!(!host.at("/srv/app/overlay-images").is_dir(), "{}", text(&output));
    }
}

#[test]
fn a_store_of_another_driver_is_told_also_after_an_engine_has_been_there() {
    let host = Host::with_podman(Podman4);
    let rootfs = tempfile::tempdir().unwrap();
    run(Command::new("tar").arg("-C").arg(rootfs.path()).arg("-cf").arg(host.at("/srv/rootfs.tar")).arg("."));
    let vfs = ["--storage-driver=vfs", "--root=/srv/app", "--runroot=/run/vfs"];
    let import = [&vfs[..], &["import", "/srv/rootfs.tar", IMAGE]].concat();
    let made = host.engine_that_stays(Root, Podman4, &import);
    assert!(made.status.success(), "{}", text(&made));

    host.write(CONF, MAIN);
    let before = Report::of(&host, Root, &["--dry-run", "add-store", STORE]);
    host.write(CONF, &main_with("\"/srv/app\""));
    for when in ["before", "after an engine was there"] {
        let report = Report::check_config(&host);
        assert!(report.ids().contains("driver-mismatch"), "{when}: {}", report.json);
        assert_eq!(listed_images(&host, Root), nothing(), "{when}");
    }
    assert!(host.at("/srv/app/overlay-images").is_dir(), "the engine has made it");
    host.write(CONF, MAIN);
    let after = Report::of(&host, Root, &["--dry-run", "add-store", STORE]);
    for (when, report) in [("before", before), ("after", after)] {
        let said = report.status == 2 || report.json["warnings"].as_array().is_some_and(|it| !it.is_empty());
        assert!(said, "{when}: {}", report.json);
    }
}
