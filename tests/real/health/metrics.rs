//! `doctor --format prometheus`.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{example, promtool, samples};
use crate::interrupt::{CONF, write};
use crate::strace::{changes, own, tamper, trace};
use crate::support::{STORAGECTL, copy_store, finish, run, storagectl, text};

/// A host with a store that is sound, one that is missing and two with odd names.
fn host(dir: &Path) {
    let listed = "\"/srv\", \"/gone\", '/a\"b\\c', \"/new\\nline é\"";
    write(&dir.join("etc/containers/storage.conf"), &CONF.replace("\"/srv\"", listed));
    copy_store(&dir.join("srv"));
    for store in ["a\"b\\c", "new\nline é"] {
        copy_store(&dir.join(store));
    }
}

fn doctor(dir: &Path, args: &[&str]) -> Command {
    storagectl(&[&["--root", dir.to_str().unwrap(), "doctor"], args].concat())
}

/// The path as the label has it.
fn label(dir: &Path, inside: &str) -> String {
    format!("path=\"{}{inside}\"", dir.display())
}

#[test]
fn the_document_is_what_prometheus_reads_whatever_stores_are_called() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    host(dir);
    run(&mut storagectl(&[
        "--root",
        dir.to_str().unwrap(),
        "check-store",
        "--deep",
        "--budget",
        "1GB",
        "/srv",
    ]));
    let output = finish(&mut doctor(dir, &["--format", "prometheus"]));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let document = String::from_utf8(output.stdout).unwrap();
    assert_eq!(promtool(&document), "");
    // The checker sees what is wrong.
    assert!(
        promtool(&document.replace("# HELP storagectl_images How", "# HELP storagectl_other How"))
            .contains("no help text")
    );
    assert_ne!(promtool(&document.replace("\\\"b", "\"b")), "");

    let samples = samples(&document);
    let json = finish(&mut doctor(dir, &["--format", "json"]));
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let errors = json["findings"].as_array().unwrap().iter().filter(|it| it["severity"] == "error").count();
    assert!(errors > 0, "{json}");
    let of = |name: &str| samples.get(&format!("storagectl_{name}")).copied();
    assert_eq!(of("findings{severity=\"error\"}"), Some(f64::from(u32::try_from(errors).unwrap())));
    for (name, value) in [
        ("stores_listed".to_owned(), 4.0),
        (format!("store_present{{{}}}", label(dir, "/gone")), 0.0),
        (format!("store_present{{{}}}", label(dir, "/srv")), 1.0),
        (format!("store_present{{{}}}", label(dir, "/a\\\"b\\\\c")), 1.0),
        (format!("store_present{{{}}}", label(dir, "/new\\nline é")), 1.0),
        (format!("store_sound{{{},check=\"quick\"}}", label(dir, "/gone")), 0.0),
        (format!("store_sound{{{},check=\"quick\"}}", label(dir, "/srv")), 1.0),
        (format!("store_sound{{{},check=\"deep\"}}", label(dir, "/srv")), 1.0),
        (format!("images{{{}}}", label(dir, "/srv")), 1.0),
        (format!("images_forecast{{{},outcome=\"survives\"}}", label(dir, "/srv")), 1.0),
        ("engine_stopped{engine=\"podman5\"}".to_owned(), 1.0),
        ("doctor_success".to_owned(), 1.0),
    ] {
        assert_eq!(of(&name), Some(value), "{name}\n{document}");
    }
    let bytes = of(&format!("deep_check_bytes{{{}}}", label(dir, "/srv"))).unwrap();
    assert!(bytes > 0.0, "{document}");
    assert_eq!(of(&format!("deep_check_checked_bytes{{{}}}", label(dir, "/srv"))), Some(bytes), "{document}");
}

#[test]
fn damage_that_a_deep_check_found_is_watched_until_it_was_read_again() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    write(&dir.join("etc/containers/storage.conf"), CONF);
    copy_store(&dir.join("srv"));
    let deep = || {
        let root = dir.to_str().unwrap();
        finish(&mut storagectl(&["--root", root, "check-store", "--deep", "--budget", "1GB"])).status.code()
    };
    let sound = |check: &str| {
        let document = finish(&mut doctor(dir, &["--format", "prometheus"]));
        let samples = samples(&String::from_utf8(document.stdout).unwrap());
        samples.get(&format!("storagectl_store_sound{{{},check=\"{check}\"}}", label(dir, "/srv"))).copied()
    };
    assert_eq!((sound("quick"), sound("deep")), (Some(1.0), None));
    assert_eq!(deep(), Some(0));
    assert_eq!(sound("deep"), Some(1.0));
    let busybox = run(Command::new("find").arg(dir.join("srv")).args(["-name", "busybox"]));
    let kept = dir.join("kept");
    run(Command::new("cp").arg("-a").arg(busybox.trim_end()).arg(&kept));
    run(Command::new("sh").args(["-c", "echo more >>\"$0\"", busybox.trim_end()]));
    assert_eq!(deep(), Some(1));
    assert_eq!((sound("quick"), sound("deep")), (Some(1.0), Some(0.0)));
    run(Command::new("cp").arg("-a").arg(&kept).arg(busybox.trim_end()));
    assert_eq!(deep(), Some(0));
    assert_eq!(sound("deep"), Some(1.0));
}

/// The collector reads at any instant: it finds the old file or the new one, and no other.
#[test]
fn the_file_is_the_old_one_or_the_new_one_at_each_instant() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    host(dir);
    let file = dir.join("textfile/storagectl.prom");
    fs_err::create_dir(dir.join("textfile")).unwrap();
    let command = doctor(dir, &["--format", "prometheus", "--output", "/textfile/storagectl.prom"]);
    let (output, calls) = trace(&command);
    // What is wrong is in the file, and in the status.
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(output.stdout.is_empty(), "{}", text(&output));
    assert_eq!(fs_err::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o644);
    assert_eq!(promtool(&fs_err::read_to_string(&file).unwrap()), "");
    let before = "# the former run\n";
    let calls: Vec<_> =
        own(&calls).iter().filter(|call| changes(call) && !call.line.contains("/locks")).collect();
    assert!(calls.iter().any(|call| call.name == "renameat"), "{calls:?}");
    let mut seen = [false, false];
    for call in calls {
        fs_err::write(&file, before).unwrap();
        let output = tamper(&[&call.inject("signal=KILL")], &command);
        assert_eq!(output.status.signal(), Some(9), "{call:?} {}", text(&output));
        let found = fs_err::read_to_string(&file).unwrap();
        let is_new = found != before;
        assert!(!is_new || promtool(&found).is_empty(), "{call:?} {found}");
        seen[usize::from(is_new)] = true;
        let names = fs_err::read_dir(dir.join("textfile")).unwrap().map(|entry| entry.unwrap().file_name());
        let read: Vec<_> = names.filter(|name| name.to_string_lossy().ends_with(".prom")).collect();
        assert_eq!(read, ["storagectl.prom"], "{call:?}: the collector reads all files of that ending");
    }
    assert!(seen[0], "no call before the rename was hit");
}

#[test]
fn a_host_that_cannot_be_looked_at_leaves_no_old_file_to_be_believed() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    host(dir);
    fs_err::create_dir(dir.join("textfile")).unwrap();
    // Which engines there are, nobody can tell: the link has no end.
    fs_err::create_dir_all(dir.join("usr")).unwrap();
    fs_err::os::unix::fs::symlink("bin", dir.join("usr/bin")).unwrap();
    let output = finish(&mut doctor(dir, &["--format", "prometheus", "--output", "/textfile/x.prom"]));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let document = fs_err::read_to_string(dir.join("textfile/x.prom")).unwrap();
    assert_eq!(promtool(&document), "");
    assert_eq!(samples(&document)["storagectl_doctor_success"], 0.0, "{document}");
}

#[test]
fn the_alerts_of_the_documentation_are_rules_and_fire_when_they_should() {
    let rules = example("storagectl.rules.yml");
    run(Command::new("promtool").args(["check", "rules"]).arg(&rules));
    run(Command::new("promtool").args(["test", "rules"]).arg(example("storagectl.rules.test.yml")));
    // Every metric that they name is one.
    let text = fs_err::read_to_string(&rules).unwrap();
    let page = fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/monitoring.md")).unwrap();
    for word in text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_') {
        if word.starts_with("storagectl_") {
            assert!(page.contains(&format!("`{word}`")), "{word} is not in docs/monitoring.md");
        }
    }
}

/// The plugin says in Nagios' way what doctor says in its own.
#[test]
fn the_plugin_ends_as_nagios_wants_it() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    // `storagectl` of that host.
    let wrapper = dir.join("bin/storagectl");
    write(&wrapper, &format!("#!/bin/sh\nexec {STORAGECTL} --root \"$HOST\" \"$@\"\n"));
    fs_err::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap());
    let plugin = |host: &Path| {
        let output = finish(Command::new(example("check_storagectl")).env("PATH", &path).env("HOST", host));
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let host = |name: &str| {
        let host = dir.join(name);
        fs_err::create_dir(&host).unwrap();
        run(&mut storagectl(&["--root", host.to_str().unwrap(), "add-store", "--init", "/srv"]));
        host
    };
    let sound = host("sound");
    let (status, said) = plugin(&sound);
    assert_eq!((status, said.split(" - ").next()), (0, Some("STORAGECTL OK")), "{said}");
    let lax = host("lax");
    fs_err::set_permissions(lax.join("srv"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let (status, said) = plugin(&lax);
    assert_eq!((status, said.split(" - ").next()), (1, Some("STORAGECTL WARNING")), "{said}");
    assert!(said.contains("| errors=0 warnings="), "{said}");
    let broken = host("broken");
    write(&broken.join("etc/containers/storage.conf"), "[storage\n");
    let (status, said) = plugin(&broken);
    assert_eq!((status, said.split(" - ").next()), (2, Some("STORAGECTL CRITICAL")), "{said}");
    let (status, said) = plugin(&dir.join("none"));
    assert_eq!((status, said.split(" - ").next()), (3, Some("STORAGECTL UNKNOWN")), "{said}");
}
