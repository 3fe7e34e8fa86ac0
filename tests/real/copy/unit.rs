//! storagectl-copy-images.service as `make install` installs it, run by the real systemd.

use std::process::Command;

use super::machine::{directory, embedded, reference};
use crate::registry::images;
use crate::support::{finish, run, text};
use crate::unit::system::{System, install};

const UNIT: &str = "storagectl-copy-images.service";

/// What takes the place of MicroShift's drop-in: a file of the same name hides it.
const MICROSHIFT: &str = include_str!("../../../scriptlets/examples/microshift-copy-images.conf");

#[test]
fn the_installed_unit_and_what_replaces_microshift_s_script_are_without_fault() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), "/usr");
    let units = dir.path().join("usr/lib/systemd/system");
    let write = |name: &str, content: &str| {
        fs_err::create_dir_all(units.join(name).parent().unwrap()).unwrap();
        fs_err::write(units.join(name), content).unwrap();
    };
    for target in
        ["sysinit.target", "basic.target", "shutdown.target", "local-fs.target", "multi-user.target"]
    {
        write(target, "[Unit]\nDefaultDependencies=no\n");
    }
    write("microshift.service", "[Service]\nExecStart=/usr/bin/storagectl run\nRestart=always\n");
    let drop_in = "microshift.service.d/microshift-copy-images.conf";
    write(drop_in, "[Service]\nExecStartPre=/usr/bin/microshift-copy-images\n");
    let verify = || {
        let root = format!("--root={}", dir.path().display());
        let args = ["verify", "--man=no", &root, UNIT, "microshift.service"];
        text(&finish(Command::new("systemd-analyze").args(args)))
    };
    // The checker reads drop-ins: the script is not installed.
    assert!(verify().contains("microshift-copy-images is not executable"), "{}", verify());
    let etc = dir.path().join("etc/systemd/system").join(drop_in);
    fs_err::create_dir_all(etc.parent().unwrap()).unwrap();
    fs_err::write(etc, MICROSHIFT).unwrap();
    assert_eq!(verify(), "exit status: 0");
    let wanted = units.join("multi-user.target.wants").join(UNIT);
    assert_eq!(fs_err::read_link(wanted).unwrap(), std::path::Path::new("..").join(UNIT));
}

/// systemd's measure goes from 0 to 10. Layers hold devices and setuid programs, and
/// attributes of overlayfs need CAP_SYS_ADMIN.
#[test]
fn the_unit_may_do_little_beside_its_work() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/scriptlets/systemd/storagectl-copy-images.service");
    run(Command::new("systemd-analyze").args([
        "security",
        "--offline=true",
        "--threshold=30",
        "--no-pager",
        unit,
    ]));
}

fn system() -> System {
    let system = System::new();
    fs_err::create_dir_all(system.path("usr/lib/containers")).unwrap();
    run(Command::new("cp").arg("-aT").arg(embedded()).arg(system.path("usr/lib/containers/storage")));
    system.write("etc/tmpfiles.d/site.conf", "d /var/tmp 1777 root root -\n");
    let crio = "[Service]\nType=oneshot\nRemainAfterExit=yes\n\
        ExecStart=sh -c 'podman images --format {{.Repository}} | sort -u >/result/images 2>&1'\n";
    system.unit("crio.service", crio);
    for unit in ["crio.service", UNIT] {
        system.start(unit);
    }
    system
}

#[test]
fn images_are_there_before_engines_start_and_a_bad_one_keeps_nothing_down() {
    let system = system();
    let booted = system.boot();
    assert_eq!(booted.property(UNIT, "Result"), "success", "{}", booted.journal);
    assert_eq!(booted.property(UNIT, "ActiveState"), "active", "{}", booted.journal);
    assert!(!booted.journal.contains("ordering cycle"), "{}", booted.journal);
    assert!(booted.active(UNIT) <= booted.began("crio.service"));
    assert!(booted.active("storagectl-apply.service") <= booted.began(UNIT));
    // All repositories, and that of the store that is declared.
    assert_eq!(system.read("result/images").lines().count(), 22, "{}", booted.journal);
    assert!(system.read("etc/containers/storage.conf").contains("\"/var/lib/containers/bound-images\""));
    for image in images() {
        assert!(booted.journal.contains(&format!("copied `{image}`\n")), "{}", booted.journal);
    }

    // Another image is embedded, and is broken; and one that was there has lost its layer.
    let source = system.path("usr/lib/containers/storage");
    let list = fs_err::read_to_string(source.join("image-list.txt")).unwrap();
    fs_err::write(source.join("image-list.txt"), format!("{list}example.com/broken:1,broken\n")).unwrap();
    let manifest = directory(&source, &reference("app-0:1"));
    assert!(manifest.is_dir());
    let overlay = system.path("var/lib/containers/bound-images/overlay");
    for layer in crate::tree::names(&overlay).into_iter().filter(|name| name.len() == 64).take(1) {
        fs_err::remove_dir_all(overlay.join(layer).join("diff")).unwrap();
    }
    let booted = system.boot();
    assert_eq!(booted.property(UNIT, "Result"), "exit-code", "{}", booted.journal);
    assert_eq!(booted.property(UNIT, "ActiveState"), "failed", "{}", booted.journal);
    assert!(booted.journal.contains("error: the image `example.com/broken:1`"), "{}", booted.journal);
    assert_eq!(booted.property("crio.service", "ActiveState"), "active", "{}", booted.journal);
    assert_eq!(system.read("result/images").lines().count(), 22, "{}", booted.journal);
    assert!(overlay.read_dir().unwrap().all(|entry| {
        let layer = entry.unwrap().path();
        layer.ends_with("l") || layer.join("diff").is_dir()
    }));

    // Without a list there is nothing to do.
    fs_err::remove_file(source.join("image-list.txt")).unwrap();
    let booted = system.boot();
    assert_eq!(booted.property(UNIT, "ConditionResult"), "no", "{}", booted.journal);
    assert_eq!(booted.property("crio.service", "ActiveState"), "active", "{}", booted.journal);
}
