//! storagectl-import-images.path and .service as `make install` installs them, run by the real systemd.

use std::process::Command;

use super::{skopeo, text_of};
use crate::support::{finish, run, text};
use crate::unit::system::{System, install};

const SERVICE: &str = "storagectl-import-images.service";
const PATH: &str = "storagectl-import-images.path";
const START: &str = "storagectl-import-images-start.service";

#[test]
fn the_installed_units_are_without_fault_and_nobody_is_made_to_want_them() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), "/usr");
    let units = dir.path().join("usr/lib/systemd/system");
    for target in ["sysinit.target", "basic.target", "shutdown.target", "local-fs.target", "paths.target"] {
        fs_err::write(units.join(target), "[Unit]\nDefaultDependencies=no\n").unwrap();
    }
    fs_err::copy("/usr/bin/true", dir.path().join("usr/bin/true")).unwrap();
    let root = format!("--root={}", dir.path().display());
    let args = ["verify", "--man=no", &root, SERVICE, PATH, START];
    assert_eq!(text(&finish(Command::new("systemd-analyze").args(args))), "exit status: 0");
    let found = run(Command::new("find").arg(dir.path()).args(["-type", "l", "-name", "*import*"]));
    assert_eq!(found, "");
}

#[test]
fn the_unit_may_do_little_beside_its_work() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/scriptlets/systemd/storagectl-import-images.service");
    let args = ["security", "--offline=true", "--threshold=30", "--no-pager", unit];
    run(Command::new("systemd-analyze").args(args));
}

/// One image lies there at boot, one comes when that was imported and its unit has not ended, one comes
/// later; one that is bad, and one that is still written.
#[test]
fn what_lies_there_at_boot_and_what_comes_later_is_imported_and_nothing_runs_again_and_again() {
    let system = System::new();
    system.write("etc/containers/policy.json", "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}\n");
    system.write("etc/tmpfiles.d/site.conf", "d /var/tmp 1777 root root -\n");
    let incoming = system.path("var/lib/storagectl/incoming");
    fs_err::create_dir_all(&incoming).unwrap();
    skopeo("app-0:1", &format!("oci-archive:{}:example.com/early:1", text_of(&incoming.join("early.tar"))));
    let late = system.path("var/late.tar");
    skopeo("app-1:1", &format!("docker-archive:{}:example.com/late:1", text_of(&late)));
    let plain = fs_err::read(&late).unwrap();
    fs_err::write(&late, crate::build::image::gzip(&plain)).unwrap();
    skopeo(
        "app-2:1",
        &format!("docker-archive:{}:example.com/between:1", text_of(&system.path("var/between.tar"))),
    );
    system.start(PATH);
    // A drop-in as the documentation has it.
    system.write(
        &format!("etc/systemd/system/{SERVICE}.d/site.conf"),
        "[Service]\nEnvironment=\"IMPORT_IMAGES=--store /var/lib/containers/bound-images --settle 1\"\n\
         ExecStopPost=sh -c 'cd /var; [ ! -e between.tar ] || mv between.tar lib/storagectl/incoming'\n",
    );
    let script = "cd /var/lib/storagectl; \
        wait() { for n in $$(seq 200); do [ -e $$1 ] && return; sleep 0.1; done; echo no $$1; ls -R; }; \
        wait imported/early.tar; wait imported/between.tar; \
        cp /var/late.tar incoming/.late.tar; mv incoming/.late.tar incoming/late.tar; wait imported/late.tar; \
        echo nothing >incoming/bad; wait refused/bad.reason.txt; \
        echo nothing >incoming/half.part; sleep 4; ls incoming imported refused; \
        podman images --format {{.Repository}} | sort";
    system.unit(
        "arrive.service",
        &format!("[Service]\nType=oneshot\nExecStart=sh -c '{{ {script}; }} >/result/said 2>&1'\n"),
    );
    system.start("arrive.service");
    let booted = system.boot();
    let expected = "imported:\nbetween.tar\nearly.tar\nlate.tar\n\nincoming:\nhalf.part\n\nrefused:\nbad\nbad.reason.txt\nexample.com/between\nexample.com/early\nexample.com/late\nlocalhost/app\n";
    let expected_order = "incoming:\nhalf.part\n\n";
    let said = system.read("result/said");
    assert!(said.contains(expected_order), "{said}\n{}", booted.journal);
    for line in expected.lines() {
        assert!(said.lines().any(|it| it == line), "no {line}: {said}\n{}", booted.journal);
    }
    assert!(!booted.journal.contains("ordering cycle"), "{}", booted.journal);
    let starts = booted.journal.matches("Starting storagectl-import-images.service").count()
        + booted.journal.matches("Starting Import container images").count();
    assert!((4..=9).contains(&starts), "{starts}\n{}", booted.journal);
    for line in [
        "imported `early.tar`: `example.com/early:1`",
        "imported `late.tar`: `example.com/late:1`",
        "refused `bad`:",
    ] {
        assert!(booted.journal.contains(line), "{}", booted.journal);
    }
}

/// What comes while the service that the watch starts is waiting, at work or at its end, all of which
/// takes longer here.
#[test]
fn what_arrives_while_nothing_watches_is_looked_at() {
    let system = System::new();
    system.start(PATH);
    system.write(
        &format!("etc/systemd/system/{SERVICE}.d/site.conf"),
        "[Service]\nEnvironment=\"IMPORT_IMAGES=--store /var/lib/containers/bound-images --settle 0\"\n",
    );
    let slow = "[Service]\nExecStart=sleep 0.1\nExecStopPost=sleep 0.1\n";
    system.write(&format!("etc/systemd/system/{START}.d/slow.conf"), slow);
    // Each comes a little later after the one before it was found bad.
    let script = "cd /var/lib/storagectl; \
        for late in $$(seq -w 0 3 48); do \
            sleep 0.$$late; echo nothing >incoming/.bad; mv incoming/.bad incoming/$$late; \
            for n in $$(seq 200); do [ ! -e refused/$$late.reason.txt ] || continue 2; sleep 0.02; done; \
            echo $$late; \
        done";
    system.unit(
        "arrive.service",
        &format!("[Service]\nType=oneshot\nExecStart=sh -c '{{ {script}; }} >/result/said 2>&1'\n"),
    );
    system.start("arrive.service");
    let booted = system.boot();
    assert_eq!(system.read("result/said"), "", "{}", booted.journal);
    assert!(booted.journal.contains("refused `48`:"), "{}", booted.journal);
}
