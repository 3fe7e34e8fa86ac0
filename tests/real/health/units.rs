//! The units of the deep check and of the metrics, as `make install` installs them.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::{promtool, samples};
use crate::support::{finish, run, text};
use crate::unit::system::{System, install};

const UNITS: [&str; 4] = [
    "storagectl-check.service",
    "storagectl-check.timer",
    "storagectl-metrics.service",
    "storagectl-metrics.timer",
];

#[test]
fn the_installed_units_are_without_fault_and_nobody_is_made_to_want_them() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), "/usr");
    let units = dir.path().join("usr/lib/systemd/system");
    for target in [
        "sysinit.target",
        "basic.target",
        "shutdown.target",
        "timers.target",
        "time-sync.target",
        "time-set.target",
    ] {
        fs_err::write(units.join(target), "[Unit]\nDefaultDependencies=no\n").unwrap();
    }
    let root = format!("--root={}", dir.path().display());
    let args = [&["verify", "--man=no", &root][..], &UNITS].concat();
    assert_eq!(text(&finish(Command::new("systemd-analyze").args(args))), "exit status: 0");
    for name in ["*check*", "*metrics*"] {
        assert_eq!(run(Command::new("find").arg(&units).args(["-type", "l", "-name", name])), "");
    }
}

#[test]
fn the_units_may_do_little_beside_their_work() {
    for unit in UNITS.iter().filter(|unit| unit.ends_with(".service")) {
        let unit = format!("{}/scriptlets/systemd/{unit}", env!("CARGO_MANIFEST_DIR"));
        run(Command::new("systemd-analyze").args([
            "security",
            "--offline=true",
            "--threshold=25",
            "--no-pager",
            &unit,
        ]));
    }
}

/// What a unit is kept from changes nothing that is seen; what is wrong fails the one unit, and
/// stands in the file of the other.
#[test]
fn confined_units_see_what_anybody_sees_and_damage_fails_the_check_alone() {
    let system = System::new();
    system.write(
        "etc/containers/storage.conf",
        "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\ngraphroot = \"/var/lib/containers/storage\"\n",
    );
    let textfile = system.path("var/lib/prometheus/node-exporter");
    fs_err::create_dir_all(&textfile).unwrap();
    // The exporter's own user has it.
    std::os::unix::fs::chown(&textfile, Some(1234), Some(1234)).unwrap();
    for unit in ["storagectl-check.service", "storagectl-metrics.service"] {
        system.start(unit);
    }
    system.write(
        "etc/systemd/system/storagectl-metrics.service.d/site.conf",
        "[Unit]\nAfter=storagectl-check.service\n",
    );
    // Beside tests that keep all processors at work, what runs when nothing else does never ends.
    system.write(
        "etc/systemd/system/storagectl-check.service.d/site.conf",
        "[Service]\nNice=0\nCPUSchedulingPolicy=other\n",
    );
    system.unit(
        "after.service",
        "[Unit]\nAfter=storagectl-check.service storagectl-metrics.service\n[Service]\nType=oneshot\n\
         ExecStart=sh -c 'systemctl show -p Id,Result,ExecMainStatus storagectl-check.service storagectl-metrics.service >/result/health; \
         storagectl doctor --format prometheus >/result/plain.prom; \
         storagectl check-store --deep --format json >/result/plain.json; \
         cp /usr/lib/systemd/system/storagectl-check.service /run/systemd/system/shipped.service; \
         systemctl show -p Nice,IOSchedulingClass,CPUSchedulingPolicy shipped.service >/result/idle'\n",
    );
    system.start("after.service");

    let booted = system.boot();
    let health = system.read("result/health");
    assert_eq!(health.matches("Result=success").count(), 2, "{health}{}", booted.journal);
    let file = textfile.join("storagectl.prom");
    assert_eq!(fs_err::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o644);
    let document = fs_err::read_to_string(&file).unwrap();
    assert_eq!(promtool(&document), "");
    let stable = |document: &str| {
        let mut samples = samples(document);
        let changes = ["_run_timestamp", "_duration", "free_"];
        samples.retain(|name, _| !changes.iter().any(|part| name.contains(part)));
        samples
    };
    assert_eq!(stable(&document), stable(&system.read("result/plain.prom")), "{}", booted.journal);
    assert_eq!(
        samples(&document)["storagectl_store_sound{path=\"/usr/lib/app/images\",check=\"deep\"}"],
        1.0
    );
    let idle = system.read("result/idle");
    for line in ["Nice=19", "IOSchedulingClass=3", "CPUSchedulingPolicy=5"] {
        assert!(idle.lines().any(|it| it == line), "{line}: {idle}");
    }
    let record = system.path("var/lib/storagectl/deep-check/verified.json");
    let read: serde_json::Value = serde_json::from_slice(&fs_err::read(&record).unwrap()).unwrap();
    let plain: serde_json::Value = serde_json::from_str(&system.read("result/plain.json")).unwrap();
    let parts = read["stores"]["/usr/lib/app/images"]["parts"].as_object().unwrap();
    assert_eq!(
        parts.len(),
        usize::try_from(plain["assembled"]["layers"].as_u64().unwrap()).unwrap(),
        "{read}"
    );
    assert!(parts.values().all(|part| part["found"].as_array().unwrap().is_empty()), "{read}");

    let busybox = run(Command::new("find").arg(system.path("usr/lib/app")).args(["-name", "busybox"]));
    run(Command::new("sh").args(["-c", "echo more >>\"$0\"", busybox.trim_end()]));
    let booted = system.boot();
    let health = system.read("result/health");
    assert!(health.contains("Result=exit-code"), "{health}{}", booted.journal);
    assert!(booted.journal.contains("error[file-content]"), "{}", booted.journal);
    let samples = samples(&fs_err::read_to_string(&file).unwrap());
    assert_eq!(samples["storagectl_store_sound{path=\"/usr/lib/app/images\",check=\"deep\"}"], 0.0);
}
