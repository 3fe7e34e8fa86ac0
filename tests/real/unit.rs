//! storagectl-apply.service as `make install` installs it: looked at by systemd's own
//! checker, and run by the real systemd, which boots a system of its own in namespaces.

pub(crate) mod system;

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Command;

use crate::support::{IMAGE, finish, run, text};
use system::{Booted, System, install};

const UNIT: &str = "storagectl-apply.service";

const MAIN: &str = "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"
graphroot = \"/var/lib/containers/storage\"\n\n[storage.options]\nadditionalimagestores = [\n  \"/usr/lib/gone\", # by hand\n]\n";

#[test]
fn the_installed_unit_is_without_fault() {
    for prefix in ["/usr", "/usr/local"] {
        let dir = tempfile::tempdir().unwrap();
        install(dir.path(), prefix);
        let unit = format!("{prefix}/lib/systemd/system/{UNIT}");
        let verify = || {
            let root = format!("--root={}", dir.path().display());
            finish(Command::new("systemd-analyze").args(["verify", "--man=no", &root, &unit]))
        };
        let output = verify();
        assert!(
            output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
            "{}",
            text(&output)
        );

        let wanted =
            dir.path().join(format!("{}/lib/systemd/system/basic.target.wants/{UNIT}", &prefix[1..]));
        assert_eq!(fs_err::read_link(wanted).unwrap(), std::path::Path::new("..").join(UNIT));

        // The checker sees what is wrong.
        fs_err::remove_file(dir.path().join(format!("{}/bin/storagectl", &prefix[1..]))).unwrap();
        assert!(text(&verify()).contains("is not executable"), "{}", text(&verify()));
    }
}

/// systemd's measure goes from 0 to 10; what starts engines cannot come near to 0.
#[test]
fn the_unit_may_do_little_beside_its_work() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/scriptlets/systemd/storagectl-apply.service");
    run(Command::new("systemd-analyze").args([
        "security",
        "--offline=true",
        "--threshold=30",
        "--no-pager",
        unit,
    ]));
}

/// Names of units that the unit is ordered before.
fn engines(system: &System) -> Vec<String> {
    let unit = system.read(&format!("usr/lib/systemd/system/{UNIT}"));
    let before = unit.lines().filter_map(|line| line.strip_prefix("Before=")).flat_map(str::split_whitespace);
    before.filter(|unit| unit.ends_with(".service")).map(str::to_owned).collect()
}

#[track_caller]
fn assert_ran(booted: &Booted) {
    assert_eq!(booted.property(UNIT, "Result"), "success", "{}", booted.journal);
    assert_eq!(booted.property(UNIT, "ActiveState"), "active", "{}", booted.journal);
    assert!(!booted.journal.contains("ordering cycle"), "{}", booted.journal);
}

/// /var is a file system of its own, and a tmpfiles.d line makes one of the stores there.
#[test]
fn stores_are_listed_when_their_file_systems_are_there_and_before_any_engine_starts() {
    let system = System::new();
    system.write("etc/containers/storage.conf", MAIN);
    system.write("etc/fstab", "none /var tmpfs mode=755 0 0\n");
    system.write("etc/tmpfiles.d/site.conf", "d /var/site 0755 root root -\nd /var/tmp 1777 root root -\n");
    system.write("etc/storagectl/stores.d/site.toml", "[[store]]\npath = \"/var/site\"\n");
    let engines = engines(&system);
    assert!(engines.contains(&"crio-wipe.service".to_owned()), "{engines:?}");
    for engine in &engines {
        // Nothing else than our unit holds them back.
        let unit = "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=cp /etc/containers/storage.conf /result/%N\n";
        system.unit(engine, unit);
        system.link(&format!("etc/systemd/system/sysinit.target.wants/{engine}"), &format!("../{engine}"));
    }
    system.unit("podman.socket", "[Socket]\nListenStream=/run/podman.sock\n");
    system.link("etc/systemd/system/sockets.target.wants/podman.socket", "../podman.socket");
    system.unit(
        "first.service",
        "[Unit]\nAfter=crio.service\n[Service]\nType=oneshot\n\
         ExecStart=sh -c 'podman images --format {{.Repository}}:{{.Tag}} >/result/images 2>&1'\n",
    );
    system.start("first.service");

    let booted = system.boot();
    assert_ran(&booted);
    for engine in &engines {
        let found = system.read(&format!("result/{}", engine.trim_end_matches(".service")));
        assert_eq!(
            found,
            MAIN.replace(
                "  \"/usr/lib/gone\", # by hand\n",
                "  # storagectl: missing at boot: \"/usr/lib/gone\", # by hand\n  \
                   \"/usr/lib/app/images\", # storagectl: app\n  \"/var/site\", # storagectl: site\n",
            ),
            "{engine}: {}",
            booted.journal
        );
    }
    assert_eq!(system.read("result/images"), format!("{IMAGE}\n"));
    for earlier in ["var.mount", "local-fs.target", "systemd-tmpfiles-setup.service"] {
        assert!(booted.active(earlier) <= booted.began(UNIT), "{earlier}");
    }
    for later in ["basic.target", "podman.socket"] {
        assert!(booted.active(UNIT) <= booted.began(later), "{later}");
    }
}

/// The engines' own storage comes over a network that needs basic.target, and a socket starts
/// before that.
#[test]
fn a_remote_mount_closes_no_ordering_cycle_and_its_stores_are_listed_late() {
    let system = System::new();
    system.write("etc/containers/storage.conf", &MAIN.replace("/usr/lib/gone", "/srv/remote/store"));
    system.write(
        "etc/fstab",
        "none /var/lib/containers tmpfs _netdev,mode=755 0 0\nnone /srv/remote tmpfs _netdev,mode=755 0 0\n",
    );
    system.unit(
        "online.service",
        "[Unit]\nBefore=network-online.target\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\n",
    );
    system.link("etc/systemd/system/network-online.target.wants/online.service", "../online.service");
    system.unit("podman.socket", "[Socket]\nListenStream=/run/podman.sock\n");
    system.link("etc/systemd/system/sockets.target.wants/podman.socket", "../podman.socket");
    // What is on the remote disk.
    system.unit(
        "disk.service",
        "[Unit]\nDefaultDependencies=no\nAfter=srv-remote.mount\nBefore=remote-fs.target\n[Service]\nType=oneshot\n\
         ExecStart=storagectl --quiet init-store /srv/remote/store\n",
    );
    system.link("etc/systemd/system/remote-fs.target.wants/disk.service", "../disk.service");
    for unit in ["remote-fs.target", "storagectl-apply-late.service"] {
        system.start(unit);
    }
    let booted = system.boot();
    assert_ran(&booted);
    assert_eq!(booted.property("podman.socket", "ActiveState"), "active", "{}", booted.journal);
    assert!(booted.active(UNIT) <= booted.began("basic.target"));
    assert!(booted.journal.contains("/srv/remote/store"), "{}", booted.journal);
    let conf = system.read("etc/containers/storage.conf");
    assert!(conf.contains("  \"/srv/remote/store\", # by hand\n"), "{conf}{}", booted.journal);
}

/// A disk that is missing takes others with it, and what is on them is not gone.
#[test]
fn nothing_is_set_aside_in_emergency_mode() {
    let system = System::new();
    system.write("etc/containers/storage.conf", MAIN);
    system.write("etc/fstab", "none /srv no-such-file-system defaults 0 0\n");
    // What a person would find there, in place of a shell.
    let done = system.read("etc/systemd/system/done.service");
    system.unit(
        "emergency.service",
        &done.replace("After=test.target\n", "DefaultDependencies=no\n").replace(
            "ExecStart=/bin/sh -c '",
            "ExecStart=/bin/sh -c 'sleep 3; cp /etc/containers/storage.conf /result/conf; ",
        ),
    );
    let booted = system.boot();
    assert_eq!(system.read("result/conf"), MAIN, "{}", booted.journal);
    assert_eq!(booted.property(UNIT, "ActiveState"), "inactive", "{}", booted.journal);
}

/// What the unit forbids is not what it needs.
#[test]
fn the_unit_may_make_and_replace_what_engines_read() {
    const DROP_IN: &str = "usr/share/containers/storage.conf.d/00-vendor.conf";
    let system = System::new();
    let main = system.path("etc/containers/storage.conf");
    system.write("etc/containers/storage.conf", MAIN);
    fs_err::set_permissions(&main, std::fs::Permissions::from_mode(0o640)).unwrap();
    chown(&main, Some(1234), Some(5678)).unwrap();
    run(Command::new("setfacl").args(["-m", "u:4321:r"]).arg(&main));
    run(Command::new("setfattr").args(["-n", "user.note", "-v", "ours"]).arg(&main));
    fs_err::create_dir_all(system.path("usr/lib/vendor")).unwrap();
    system.write(DROP_IN, "[storage.options]\nadditionalimagestores = [\"/usr/lib/vendor\"]\n");
    // Which engines the system has cannot be told.
    for engine in ["podman", "buildah", "skopeo"] {
        system.write(&format!("usr/bin/{engine}"), "");
    }

    assert_ran(&system.boot());
    assert!(system.read("etc/containers/storage.conf").contains("# storagectl: app"));
    let found = fs_err::metadata(&main).unwrap();
    assert_eq!((found.mode() & 0o7777, found.uid(), found.gid()), (0o640, 1234, 5678));
    let acl = run(Command::new("getfacl").args(["--omit-header", "--numeric"]).arg(&main));
    assert!(acl.contains("user:4321:r--"), "{acl}");
    run(Command::new("getfattr").args(["-n", "user.note"]).arg(&main));
    let drop_in = system.read("etc/containers/storage.rootful.conf.d/99-storagectl.conf");
    assert!(drop_in.contains("/usr/lib/app/images"), "{drop_in}");

    // Another system has no /etc/containers at all.
    fs_err::remove_dir_all(system.path("etc/containers")).unwrap();
    assert_ran(&system.boot());
    for file in ["etc/containers/storage.conf", "etc/containers/storage.rootful.conf.d/99-storagectl.conf"] {
        assert!(system.read(file).contains("/usr/lib/app/images"), "{file}");
        assert_eq!(fs_err::metadata(system.path(file)).unwrap().mode() & 0o7777, 0o644);
    }
}

/// A system that runs podman when it starts; what that says is in `result/podman`.
fn with_podman() -> System {
    let system = System::new();
    system.write("etc/containers/storage.conf", &MAIN.replace("  \"/usr/lib/gone\", # by hand\n", ""));
    system.write("etc/tmpfiles.d/site.conf", "d /var/tmp 1777 root root -\n");
    system.write("etc/containers/policy.json", "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}\n");
    system.start("podman-restart.service");
    system
}

/// What podman is asked at the next start.
fn podman(system: &System, script: &str) {
    system.unit(
        "podman-restart.service",
        &format!("[Service]\nType=oneshot\nExecStart=sh -c '{{ {script}; }} >/result/podman 2>&1'\n"),
    );
}

/// An image that was built on one of a store is lost with it, and engines stop at what
/// is left of it: the unit may remove that.
#[test]
fn what_builds_on_a_replaced_store_is_removed_before_engines_start() {
    let system = with_podman();
    podman(
        &system,
        &format!(
            "podman create --name it {IMAGE} true && podman commit it child && podman rm it && podman images --format {{{{.Repository}}}}"
        ),
    );
    assert_ran(&system.boot());
    assert!(system.read("result/podman").contains("localhost/child\n"), "{}", system.read("result/podman"));
    assert!(system.read("var/lib/storagectl/stores.json").contains("/usr/lib/app/images"));

    fs_err::remove_dir_all(system.path("usr/lib/app/images")).unwrap();
    let store = ["--quiet", "init-store", "/usr/lib/app/images", "--root"];
    run(crate::support::storagectl(&store).arg(system.path("")));
    podman(&system, "podman images --format {{.Repository}}");
    let booted = system.boot();
    assert_ran(&booted);
    assert_eq!(system.read("result/podman"), "", "{}", booted.journal);
}

/// Boots, and fails unless podman has the image that builds on a former store, and mounts a container of it.
#[track_caller]
fn assert_kept(system: &System) {
    let booted = system.boot();
    assert_ran(&booted);
    let said = system.read("result/podman");
    assert!(said.contains("localhost/child\n") && said.contains("/merged"), "{said}: {}", booted.journal);
    assert!(booted.journal.contains("kept "), "{}", booted.journal);
}

/// The deployment before has what an update has replaced: the unit may copy it.
#[test]
fn what_builds_on_a_replaced_store_is_kept_before_engines_start() {
    let system = with_podman();
    let store = system.path("usr/lib/app/images");
    podman(&system, &format!("podman create --name it {IMAGE} true && podman commit it child"));
    assert_ran(&system.boot());

    let former = system.path("sysroot/ostree/deploy/os/deploy/0123.0/usr/lib/app");
    fs_err::create_dir_all(&former).unwrap();
    fs_err::rename(&store, former.join("images")).unwrap();
    run(crate::support::storagectl(&["--quiet", "init-store", "/usr/lib/app/images", "--root"])
        .arg(system.path("")));
    podman(
        &system,
        "podman images --format {{.Repository}} && podman mount $(podman create localhost/child true)",
    );
    assert_kept(&system);
}

/// A soft-reboot starts all units again, and what the former system has left in /run is still there.
#[test]
#[ignore = "systemd 252 has no soft-reboot: `make hosts` has it"]
fn what_builds_on_a_store_is_kept_across_a_soft_reboot() {
    let system = with_podman();
    for dir in ["upper", "work", "sysroot"] {
        fs_err::create_dir(system.path(dir)).unwrap();
    }
    let former = "/sysroot/ostree/deploy/os/deploy/0123.0/usr/lib/app";
    system.unit(
        "soft.service",
        &format!(
            "[Unit]\nAfter=test.target podman-restart.service done.service\nConditionPathExists=!/result/soft\n[Service]\nType=oneshot
ExecStart=sh -c 'touch /result/soft; mkdir -p {former}; cp -a /usr/lib/app/images {former}; rm -r /usr/lib/app/images; \
 storagectl --quiet init-store /usr/lib/app/images; systemctl --no-block soft-reboot'\n"
        ),
    );
    // Nobody would mount again what the test has mounted.
    for mount in ["etc", "var", "result", "sysroot"] {
        system.unit(&format!("{mount}.mount.d/stays.conf"), "[Unit]\nDefaultDependencies=no\n");
    }
    system.unit("done.service.d/soft.conf", "[Unit]\nConditionPathExists=/result/soft\n");
    // It comes after what is asked in the end.
    system.link("etc/systemd/system/test.target.wants/soft.service", "../soft.service");
    system.link("etc/systemd/system/default.target", "test.target");
    podman(
        &system,
        &format!(
            "if [ -e /result/soft ]; then podman images --format {{{{.Repository}}}}; podman mount $(podman create localhost/child true); \
             else podman create --name it {IMAGE} true; podman commit it child; fi"
        ),
    );
    assert_kept(&system);
}

#[test]
fn a_system_whose_etc_cannot_be_written_starts_without_the_unit() {
    let system = System::new();
    system.write("etc/read-only", "");
    let booted = system.boot();
    assert_eq!(booted.property(UNIT, "ConditionResult"), "no", "{}", booted.journal);
    assert_eq!(booted.property("basic.target", "ActiveState"), "active", "{}", booted.journal);
}
