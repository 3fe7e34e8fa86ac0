//! The health checks, run at boot by greenboot's own runner: tests/greenboot builds it.

use std::process::Command;

use crate::support::{copy_program, run};
use crate::unit::system::System;

const CONF: &str = "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\ngraphroot = \"/var/lib/containers/storage\"\n";

/// What the runner says of a host with this storage.conf.
fn boot(conf: &str, set_up: impl Fn(&System)) -> String {
    let system = System::new();
    system.write("etc/containers/storage.conf", conf);
    // For podmans that give users what root's file says.
    system.write("etc/containers/storage.rootless.conf.d/00-storagectl.conf", storagectl::conf::OWN_ROOTS);
    let runner = run(&mut Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/greenboot/build.sh")));
    copy_program(runner.trim_end(), system.path("usr/bin/run-health-checks"));
    system.unit(
        "health.service",
        "[Unit]\nAfter=storagectl-apply.service\n[Service]\nType=oneshot\nEnvironment=RUST_LOG=info NO_COLOR=1\n\
         ExecStart=sh -c 'run-health-checks >/result/said 2>&1'\n",
    );
    system.start("health.service");
    set_up(&system);
    system.boot();
    system.read("result/said")
}

#[test]
fn a_sound_host_is_green() {
    let said = boot(CONF, |_| {});
    assert!(said.ends_with("green\n"), "{said}");
    for check in ["required.d/40_storagectl_engines.sh", "wanted.d/40_storagectl_warnings.sh"] {
        assert!(said.contains(&format!("/usr/lib/greenboot/check/{check} success!")), "{said}");
    }
    assert!(!said.contains("failed"), "{said}");
}

#[test]
fn what_stops_an_engine_is_red() {
    let said = boot("[storage\n", |_| {});
    assert!(said.contains("red: "), "{said}");
    assert!(
        said.contains("required script /usr/lib/greenboot/check/required.d/40_storagectl_engines.sh failed!"),
        "{said}"
    );
    // It says why.
    assert!(said.contains("What is wrong") && said.contains("/etc/containers/storage.conf"), "{said}");
}

#[test]
fn what_stops_none_stays_green_and_is_told() {
    let listed = format!("{CONF}[storage.options]\nadditionalimagestores = [\"/usr/lib/gone\"]\n");
    // It is set aside at boot.
    let said = boot(&listed, |_| {});
    assert!(said.ends_with("green\n"), "{said}");
    assert!(said.contains("required.d/40_storagectl_engines.sh success!"), "{said}");
    assert!(
        said.contains("wanted script /usr/lib/greenboot/check/wanted.d/40_storagectl_warnings.sh failed!"),
        "{said}"
    );
    assert!(said.contains("`/usr/lib/gone` is set aside"), "{said}");
}

/// A damaged image is no reason to go back to the former system, which has the same store.
#[test]
fn a_damaged_image_stays_green_and_is_told() {
    let said = boot(CONF, |system| {
        let script = "rm \"$0\"/*-layers/*.tar-split.gz";
        run(Command::new("sh")
            .args(["-c", script])
            .arg(system.path("usr/lib/app/images/overlay-layers").parent().unwrap()));
    });
    assert!(said.ends_with("green\n"), "{said}");
    assert!(said.contains("warnings.sh failed!") && said.contains("localhost/app:1"), "{said}");
}
