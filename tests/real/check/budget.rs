//! A deep check in parts, over a store that buildah made: what is read when, what is remembered,
//! and what a kill, damage and others' hands on the record change about that.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::store::made_by_buildah;
use crate::interrupt::{CONF, write};
use crate::strace::{changes, own, tamper, trace};
use crate::support::{finish, run, storagectl, text};

const RECORD: &str = "var/lib/storagectl/deep-check/verified.json";

/// A host with the store, and a second one in which nothing is.
struct Host {
    scratch: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let host = Self { scratch: tempfile::tempdir().unwrap() };
        run(Command::new("cp").arg("-a").arg(made_by_buildah("overlay")).arg(host.path("srv")));
        write(&host.path("etc/containers/storage.conf"), CONF);
        host
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.scratch.path().join(inside)
    }

    fn command(&self, args: &[&str]) -> Command {
        let root = self.scratch.path().to_str().unwrap();
        storagectl(
            &[&["--root", root, "--format", "json", "check-store", "--deep", "--budget"], args].concat(),
        )
    }

    #[track_caller]
    fn check(&self, args: &[&str]) -> Value {
        let output = finish(&mut self.command(args));
        let answer = parsed(&output);
        let errors =
            answer["findings"].as_array().unwrap().iter().any(|finding| finding["severity"] == "error");
        assert_eq!(output.status.code(), Some(i32::from(errors)), "{}", text(&output));
        answer
    }

    fn record(&self) -> Value {
        serde_json::from_slice(&fs_err::read(self.path(RECORD)).unwrap()).unwrap()
    }

    /// The layers that were read in the present round.
    fn read(&self) -> BTreeSet<String> {
        let record = self.record();
        let store = &record["stores"]["/srv"];
        let parts = store["parts"].as_object().unwrap().iter();
        parts.filter(|(_, part)| part["round"] == store["round"]).map(|(id, _)| id.clone()).collect()
    }

    /// The layers, in the order of their record.
    fn layers(&self) -> Vec<String> {
        let records = fs_err::read(self.path("srv/overlay-layers/layers.json")).unwrap();
        let records: Value = serde_json::from_slice(&records).unwrap();
        records.as_array().unwrap().iter().map(|layer| layer["id"].as_str().unwrap().to_owned()).collect()
    }

    /// A file in a layer that has one.
    fn file_of(&self, layer: &str) -> PathBuf {
        let find = ["-type", "f", "-size", "+0", "-not", "-name", "not-utf8*", "-print", "-quit"];
        let found = run(Command::new("find").arg(self.path(&format!("srv/overlay/{layer}/diff"))).args(find));
        PathBuf::from(found.trim_end())
    }
}

fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

fn ids(answer: &Value) -> Vec<&str> {
    let findings = answer["findings"].as_array().unwrap().iter();
    let findings = findings.filter(|finding| finding["severity"] != "note");
    findings.map(|finding| finding["id"].as_str().unwrap()).collect()
}

#[test]
fn a_run_goes_on_where_the_last_stopped_and_after_the_last_layer_the_round_begins_again() {
    let host = Host::new();
    let layers = host.layers();
    assert!(layers.len() > 3, "{layers:?}");
    let mut known = BTreeSet::new();
    for number in 1..=layers.len() {
        // Less than any layer has: each run gets on by one.
        let round = host.check(&["1kB"])["round"].clone();
        let read = host.read();
        assert!(read.is_superset(&known) && read.len() == number, "{read:?} {round}");
        assert_eq!(round["parts_checked"], number, "{round}");
        assert_eq!(round["parts"], layers.len(), "{round}");
        assert_eq!(round["complete"], number == layers.len(), "{round}");
        assert_eq!(round["oldest_check"].is_null(), number < layers.len(), "{round}");
        known = read;
    }
    let whole = host.check(&["1kB"])["round"].clone();
    assert_eq!(
        (&whole["parts_checked"], &whole["complete"]),
        (&Value::from(1), &Value::from(false)),
        "{whole}"
    );
    assert!(whole["oldest_check"].is_string(), "{whole}");
    // What is left of this round fits, and the next is not begun in the same run.
    let rest = host.check(&["10GB"]);
    assert_eq!(rest["assembled"]["layers"], layers.len() - 1, "{rest}");
    assert_eq!(rest["round"]["complete"], true, "{rest}");
    assert_eq!(host.check(&["10GB"])["assembled"]["layers"], layers.len());
}

/// What is read is counted by the system, not by what the program says.
#[test]
fn a_run_reads_no_more_than_it_may() {
    let host = Host::new();
    let sizes: Vec<u64> = {
        let records = fs_err::read(host.path("srv/overlay-layers/layers.json")).unwrap();
        let records: Value = serde_json::from_slice(&records).unwrap();
        records.as_array().unwrap().iter().map(|layer| layer["diff-size"].as_u64().unwrap()).collect()
    };
    let budget = sizes[0] + sizes[1];
    let (output, calls) = trace(&host.command(&[&budget.to_string(), "--progress", "none"]));
    assert_eq!(parsed(&output)["assembled"]["layers"], 2, "{}", text(&output));
    let of_content = |call: &&crate::strace::Call| {
        call.name == "read" && call.line.contains("/srv/overlay/") && call.line.contains("/diff/")
    };
    let bytes: u64 = calls
        .iter()
        .filter(of_content)
        .filter_map(|call| call.line.rsplit_once("= ")?.1.trim().parse::<u64>().ok())
        .sum();
    assert!(bytes > 0 && bytes <= budget, "{bytes} of {budget}");
}

#[test]
fn damage_is_told_by_every_run_until_its_layer_was_read_again_and_what_was_replaced_comes_first() {
    let host = Host::new();
    let layers = host.layers();
    host.check(&["10GB"]);
    let last = layers.last().unwrap();
    let file = host.file_of(last);
    let before = fs_err::read(&file).unwrap();
    let kept = host.path("kept");
    run(Command::new("cp").arg("-a").arg(&file).arg(&kept));
    let mut other = before.clone();
    other[0] ^= 1;
    fs_err::write(&file, &other).unwrap();
    run(Command::new("touch").arg("-r").arg(&kept).arg(&file));
    // No run sees what it does not read.
    for _ in 1..layers.len() {
        assert_eq!(ids(&host.check(&["1kB"])), [""; 0]);
    }
    let first = host.check(&["1kB"]);
    assert_eq!(ids(&first), ["file-content"]);
    for _ in 1..layers.len() {
        let again = host.check(&["1kB"]);
        assert_eq!(ids(&again), ["file-content"], "{again}");
        for key in ["severity", "file", "layer", "images", "files", "effects", "scope", "engines"] {
            assert_eq!(again["findings"][0][key], first["findings"][0][key], "{key}: {again}");
        }
        let message = again["findings"][0]["message"].as_str().unwrap();
        assert!(message.contains("(read 20"), "{message}");
    }
    // Mended in its place, where nobody sees it: with room for it, it is read again at once.
    run(Command::new("cp").arg("-a").arg(&kept).arg(&file));
    assert_eq!(ids(&host.check(&["10GB"])), [""; 0]);

    // Replaced as an engine does it, with a directory of its own.
    host.check(&["1kB"]);
    let dir = host.path(&format!("srv/overlay/{last}/diff"));
    run(Command::new("cp").arg("-a").arg(&dir).arg(host.path("copy")));
    fs_err::remove_dir_all(&dir).unwrap();
    fs_err::rename(host.path("copy"), &dir).unwrap();
    let read = host.read();
    host.check(&["1kB"]);
    let more: Vec<String> = host.read().difference(&read).cloned().collect();
    assert_eq!(more, std::slice::from_ref(last));
}

/// Killed at each call that changes something, and before each layer: what is noted is whole, and
/// the next run has lost one layer at most.
#[test]
fn a_kill_loses_one_layer_at_most() {
    let host = Host::new();
    let record = host.path(RECORD);
    host.check(&["1kB"]);
    let before = fs_err::read(&record).unwrap();
    let read_before = host.read();
    let command = host.command(&["1kB", "--progress", "none"]);
    let (_, calls) = trace(&command);
    let done = host.read();
    let calls: Vec<_> = own(&calls).iter().filter(|call| changes(call)).collect();
    assert!(calls.len() > 6, "{calls:?}");
    for call in calls {
        fs_err::write(&record, &before).unwrap();
        let output = tamper(&[&call.inject("signal=KILL")], &command);
        assert_eq!(output.status.signal(), Some(9), "{call:?} {}", text(&output));
        let read = host.read();
        assert!(read == read_before || read == done, "{call:?}: {read:?}");
        let next = host.check(&["1kB"]);
        assert!(next["round"]["parts_checked"].as_u64().unwrap() >= 2, "{call:?}: {next}");
        let names: Vec<_> = fs_err::read_dir(record.parent().unwrap()).unwrap().collect();
        assert_eq!(names.len(), 1, "{call:?}: {names:?}");
    }
}

#[test]
fn a_record_that_is_not_what_was_written_is_told_and_begun_anew() {
    let host = Host::new();
    host.check(&["10GB"]);
    let record = host.path(RECORD);
    let good = fs_err::read_to_string(&record).unwrap();
    let elsewhere = host.path("elsewhere");
    fs_err::write(&elsewhere, &good).unwrap();
    let cases: &[(&str, &dyn Fn())] = &[
        ("is malformed", &|| fs_err::write(&record, &good[..good.len() / 2]).unwrap()),
        ("is malformed", &|| fs_err::write(&record, "").unwrap()),
        ("is malformed", &|| {
            fs_err::write(&record, good.replacen("{\"version\"", "{\"more\":1,\"version\"", 1)).unwrap()
        }),
        ("unknown version", &|| {
            fs_err::write(&record, good.replacen("\"version\":1", "\"version\":2", 1)).unwrap()
        }),
        ("larger than", &|| fs_err::File::create(&record).unwrap().set_len(1 << 40).unwrap()),
        ("is not a file", &|| run_in(&record, "mkfifo \"$0\"")),
        ("is not a file", &|| run_in(&record, "ln -s ../../../../elsewhere \"$0\"")),
        ("can be changed by other users", &|| {
            fs_err::write(&record, &good).unwrap();
            fs_err::set_permissions(&record, std::fs::Permissions::from_mode(0o666)).unwrap();
        }),
        ("can be changed by other users", &|| {
            fs_err::write(&record, &good).unwrap();
            std::os::unix::fs::chown(&record, Some(1000), None).unwrap();
        }),
    ];
    for (what, damage) in cases {
        fs_err::remove_file(&record).unwrap();
        damage();
        let output = finish(&mut host.command(&["1kB"]));
        let said = text(&output);
        assert!(said.contains(what) && said.contains("everything is read again"), "{what}: {said}");
        let round = parsed(&output)["round"].clone();
        assert_eq!(round["parts_checked"], 1, "{what}: {said}");
        assert_eq!(output.status.code(), Some(0), "{what}: {said}");
        assert!(!text(&finish(&mut host.command(&["1kB"]))).contains("everything"), "{what}");
    }
    assert_eq!(fs_err::read_to_string(&elsewhere).unwrap(), good);
}

fn run_in(file: &Path, script: &str) {
    run(Command::new("sh").args(["-c", script]).arg(file));
}

/// Whatever a record claims, nothing of it keeps a layer from being read for longer than a round.
#[test]
fn a_record_that_lies_delays_what_it_lies_about_by_one_round() {
    let host = Host::new();
    let layers = host.layers();
    host.check(&["10GB"]);
    let mut record = host.record();
    let lie = layers.first().unwrap();
    let part = &mut record["stores"]["/srv"]["parts"][lie];
    (part["read"], part["round"]) = (u64::MAX.into(), u64::MAX.into());
    part["found"] = serde_json::json!([{
        "rule": "store-missing", "severity": "error", "message": "\u{1b}[2J", "path": "/etc/shadow",
        "files": [], "effects": [["all", ["podman5"]]], "for_users": false,
    }]);
    record["stores"]["/srv"]["parts"]["gone"] = record["stores"]["/srv"]["parts"][lie].clone();
    fs_err::write(host.path(RECORD), record.to_string()).unwrap();
    let answer = host.check(&["1kB"]);
    assert_eq!(ids(&answer), [""; 0], "{answer}");
    for _ in 0..2 * layers.len() {
        host.check(&["1kB"]);
    }
    assert!(host.read().contains(lie) || host.record()["stores"]["/srv"]["parts"][lie]["read"] != u64::MAX);
}

#[test]
fn two_runs_at_once_do_not_read_the_same() {
    let host = Host::new();
    let dir = host.path("var/lib/storagectl/deep-check");
    fs_err::create_dir_all(&dir).unwrap();
    let args = [dir.to_str().unwrap(), "-c"];
    let line = format!("{:?}", host.command(&["1kB"]));
    let output = finish(Command::new("flock").args(args).arg(line));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("another `check-store --deep --budget` is running"), "{}", text(&output));
}

#[test]
fn a_store_that_is_gone_for_a_while_keeps_what_was_read_of_it() {
    let host = Host::new();
    host.check(&["10GB"]);
    let read = host.read();
    fs_err::rename(host.path("srv"), host.path("away")).unwrap();
    assert_eq!(ids(&host.check(&["1kB"])), ["store-missing"]);
    fs_err::rename(host.path("away"), host.path("srv")).unwrap();
    assert_eq!(host.read(), read);
    // Once engines have it listed no more, it is forgotten.
    write(&host.path("etc/containers/storage.conf"), &CONF.replace("\"/srv\"", "\"/other\""));
    fs_err::create_dir(host.path("other")).unwrap();
    host.check(&["1kB"]);
    assert!(host.record()["stores"]["/srv"].is_null(), "{}", host.record());
}

/// A normal user's record is among that user's own files.
#[test]
fn a_normal_user_notes_what_was_read_at_home() {
    let host = Host::new();
    let home = host.path("home");
    fs_err::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(1234), Some(1234)).unwrap();
    fs_err::set_permissions(host.scratch.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = host.path("storagectl");
    crate::support::copy_program(crate::support::STORAGECTL, &program);
    let mut command = Command::new("setpriv");
    command.args(["--reuid=1234", "--regid=1234", "--clear-groups"]).arg(&program);
    command.args(["check-store", "--deep", "--budget", "1kB"]).arg(host.path("srv"));
    let output = finish(command.env_clear().env("HOME", &home).env("PATH", "/usr/bin"));
    assert!(home.join(".local/state/storagectl/deep-check/verified.json").exists(), "{}", text(&output));
    assert!(!host.path("var").exists());
}

/// A disk that is full keeps nothing secret.
#[test]
fn what_was_found_is_told_even_if_it_cannot_be_noted() {
    let host = Host::new();
    let file = host.file_of(&host.layers()[0]);
    let mut other = fs_err::read(&file).unwrap();
    other[0] ^= 1;
    for (damage, expected) in [(false, 2), (true, 1)] {
        if damage {
            fs_err::write(&file, &other).unwrap();
        }
        let output =
            tamper(&["inject=renameat:error=ENOSPC:when=2+"], &host.command(&["10GB", "--progress", "none"]));
        assert_eq!(output.status.code(), Some(expected), "{}", text(&output));
        let answer = parsed(&output);
        assert_eq!(ids(&answer).contains(&"file-content"), damage, "{answer}");
        let said = answer["not_looked"][0]["message"].as_str().unwrap();
        assert!(said.starts_with("cannot write ") && said.contains("verified.json"), "{answer}");
    }
}

/// Whoever made a store has named its files, and there may be very many of them.
#[test]
fn long_names_of_damaged_files_do_not_fill_the_record() {
    let host = Host::new();
    let long = ["d".repeat(250), "e".repeat(250), "f".repeat(250)].join("/");
    for layer in host.layers() {
        let dir = host.path(&format!("srv/overlay/{layer}/diff/{long}"));
        fs_err::create_dir_all(&dir).unwrap();
        for number in 0..100 {
            fs_err::write(dir.join(format!("{number:0>250}")), "").unwrap();
        }
    }
    let first = host.check(&["10GB"]);
    assert!(ids(&first).contains(&"file-added"), "{first}");
    let size = fs_err::metadata(host.path(RECORD)).unwrap().len();
    assert!(size < 64 << 10, "{size}");
    assert!(ids(&host.check(&["1kB"])).contains(&"file-added"));
}
