//! No text panics, and nothing that strangers named reaches a terminal as it is: every command
//! over a tree in which everything has a hostile name.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests look at their own scratch directories")]

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output};

use storagectl_properties::harmless::{self, is_obeyed};

/// What a terminal obeys or a reader does not see: controls of both sets, a sequence that clears
/// the screen, the mark that writes from right to left.
const NASTY: &str = "a\u{1b}[2J\u{9b}1m\u{7f}\u{202e}b\u{85}\u{200f}\u{2028}c";

/// The same without what cannot stand in a TOML string as it is.
const NASTY_TOML: &str = "a\u{9b}1m\u{202e}b\u{85}\u{200f}\u{2028}c";

/// Characters beyond ASCII where a parser expects something else: C2 and C13.
const UNEXPECTED: [&str; 5] = ["\u{a0}", "\u{201c}", "\u{85}", "\u{feff}", "\u{1f600}"];

#[test]
fn no_command_gives_a_terminal_what_strangers_named() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join(format!("tree {NASTY}"));
    let stores: Vec<String> = ["one", "two"].map(|name| format!("/srv/{name}{NASTY}")).to_vec();
    let quoted = |path: &String| serde_json::to_string(path).unwrap().replace('\u{7f}', "\\u007f");
    let conf = format!(
        "[storage]\ndriver = \"overlay\"\ngraphroot = \"/var/lib/{NASTY_TOML}\"\nrunroot = \"/run/x\"\n\
         \"key{NASTY_TOML}\" = 1\n[storage.options]\nadditionalimagestores = [{}, \"/gone{NASTY_TOML}\", \
         \"rel{NASTY_TOML}\"]\n",
        quoted(&stores[0])
    );
    write(&tree.join("etc/containers/storage.conf"), &conf);
    let declaration = format!("[[store]]\npath = {}\n", quoted(&stores[1]));
    write(&tree.join(format!("usr/lib/storagectl/stores.d/{NASTY}.conf")), &declaration);
    write(&tree.join(format!("usr/lib/storagectl/stores.d/x{NASTY}.conf")), "[[store]\u{9b}\u{202e}\n");
    for store in &stores {
        hostile_store(&tree.join(&store[1..]));
    }
    let yaml = dir.path().join(format!("{NASTY}.yaml"));
    write(&yaml, &format!("packages:\n- \"name{NASTY_TOML}\": \u{202e}\n  path: [\n"));
    let ignition = dir.path().join(format!("{NASTY}.ign"));
    write(&ignition, "{\"ignition\": {\"version\": \"3.4.0\"}, \"storage\u{202e}\": {\"\u{9b}\": 1}}");
    let (yaml, ignition) = (yaml.to_str().unwrap(), ignition.to_str().unwrap());
    let nowhere = format!("/nowhere{NASTY}");
    let lines: Vec<Vec<&str>> = vec![
        vec!["list-stores"],
        vec!["check-config"],
        vec!["show-config", "--origin"],
        vec!["check-store"],
        vec!["check-store", "--deep", &stores[0], &stores[1]],
        vec!["doctor", "-v"],
        vec!["seal-store", &stores[0], "-o", NASTY],
        vec!["keep-layers"],
        vec!["clean-dependents"],
        vec!["list-images"],
        vec!["verify-images", NASTY],
        vec!["generate", "ignition", "--check", ignition],
        vec!["generate", "ignition", "--from", ignition, "--store", &stores[0]],
        vec!["pack", "rpm", yaml],
        vec!["add-store", &stores[1]],
        vec!["remove-store", &stores[1]],
        vec!["init-store", &stores[1]],
        vec!["apply"],
        vec!["apply", "--boot"],
        vec!["remove-store", &stores[0]],
        vec!["add-store", &nowhere],
        vec!["doctor", "--fix", "--remove"],
        vec![NASTY],
        vec!["list-stores", "--engine", NASTY],
    ];
    for line in &lines {
        for format in ["human", "json"] {
            for color in ["never", "always"] {
                let mut command = storagectl_in(&tree, line);
                let output = command.args(["--format", format, "--color", color]).output().unwrap();
                assert_harmless(&output, &format!("{line:?} {format} {color}"));
                if format == "json" && !output.stdout.is_empty() {
                    serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_diff_is_harmless_on_a_terminal_and_itself_in_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    let text = format!("# {NASTY_TOML}\n[storage.options]\n");
    write(&tree.join("etc/containers/storage.conf"), &text);
    fs::create_dir_all(tree.join("srv/a")).unwrap();
    let program = env!("CARGO_BIN_EXE_storagectl");
    let line = format!("{program} --root {} --color never add-store -n --init /srv/a", tree.display());
    let run = |command: &mut Command| String::from_utf8(command.output().unwrap().stdout).unwrap();
    let piped = run(Command::new("sh").args(["-c", &format!("{line} 2>/dev/null")]));
    assert!(piped.contains(&format!("# {NASTY_TOML}\n")), "{piped}");
    let shown = run(Command::new("script").args(["-qec", &line, "/dev/null"]));
    assert!(shown.contains("\\u{9b}1m\\u{202e}"), "{shown}");
    assert!(shown.chars().all(|c| "\r\n".contains(c) || !is_obeyed(c)), "{shown:?}");
}

#[test]
fn a_character_that_no_parser_expects_has_a_place() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("srv/a")).unwrap();
    let file = dir.path().join("file");
    for odd in UNEXPECTED {
        for text in [
            format!("{odd}[storage]\ngraphroot = \"/x\"\n"),
            format!("[storage]{odd}\ngraphroot = {odd}\"/x{odd}\"{odd}\n"),
            format!("[storage.options]\nadditionalimagestores = [{odd}/a{odd}, \"/b\"{odd}]"),
            format!("[storage]\nruns{odd}"),
            format!("packages: {odd}\n- {odd}: [{odd}\n{odd}"),
            format!("{{\"ignition\": {{{odd}\"version\": {odd}}}}}"),
        ] {
            write(&tree.join("etc/containers/storage.conf"), &text);
            write(&tree.join("etc/crio/crio.conf.d/x.conf"), &text);
            write(&tree.join("usr/lib/storagectl/stores.d/x.conf"), &text);
            write(&file, &text);
            let file = file.to_str().unwrap();
            for line in [
                vec!["check-config"],
                vec!["check-config", "--fix", "-n"],
                vec!["list-stores"],
                vec!["show-config"],
                vec!["doctor"],
                vec!["doctor", "--fix", "-n"],
                vec!["check-store"],
                vec!["add-store", "-n", "--init", "/srv/a"],
                vec!["remove-store", "-n", "/b"],
                vec!["init-store", "-n", "/srv/a"],
                vec!["apply", "-n", "--boot"],
                vec!["pack", "rpm", "-n", file],
                vec!["generate", "ignition", "--check", file],
                vec!["generate", "butane", "--check", file],
                vec!["generate", "butane", "--from", file, "--store", "/srv/a"],
            ] {
                let output = storagectl_in(&tree, &line).output().unwrap();
                let code = output.status.code();
                assert!(
                    code.is_some_and(|code| code < 3),
                    "{line:?} {text:?}: {code:?}\n{}",
                    text_of(&output)
                );
            }
        }
    }
}

#[test]
fn help_is_a_command() {
    let of = |arguments: &[&str]| storagectl().args(arguments).output().unwrap();
    let (asked, option) = (of(&["help", "add-store"]), of(&["add-store", "--help"]));
    assert!(asked.status.success());
    assert_eq!(asked.stdout, option.stdout);
}

fn storagectl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_storagectl"));
    command.env_remove("NO_COLOR").env("TERM", "xterm");
    command
}

/// `pack` reads nothing of a host.
fn storagectl_in(tree: &Path, line: &[&str]) -> Command {
    let mut command = storagectl();
    if line[0] != "pack" {
        command.arg("--root").arg(tree);
    }
    command.args(line);
    command
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A store whose records, layers and files have hostile names.
fn hostile_store(dir: &Path) {
    let id = "0".repeat(64);
    let layer = serde_json::json!([
        { "id": id, "names": [NASTY], "created": NASTY, "diff-digest": NASTY },
        { "id": NASTY, "parent": format!("../{NASTY}") },
    ]);
    let image = serde_json::json!([
        { "id": id, "layer": format!("gone{NASTY}"), "names": [format!("localhost/{NASTY}:1")],
          "big-data-names": [NASTY], "digest": NASTY },
        { "id": format!("/{NASTY}"), "layer": id },
    ]);
    write(&dir.join("overlay-layers/layers.json"), &layer.to_string());
    write(&dir.join("overlay-layers/layers.lock"), "");
    write(&dir.join("overlay-images/images.json"), &image.to_string());
    write(&dir.join("overlay-images/images.lock"), "");
    write(&dir.join(format!("overlay/{id}/diff/{NASTY}")), "");
    write(&dir.join(format!("overlay/{id}/link")), NASTY);
    write(&dir.join(format!("overlay/{NASTY}/diff/x")), "");
    write(&dir.join(format!("overlay/l/{NASTY}")), "");
    std::os::unix::fs::symlink(NASTY, dir.join("overlay/l/AAAAAAAAAAAAAAAAAAAAAAAAAA")).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"\xff\x1b\x9b");
    fs::create_dir_all(dir.join("overlay").join(name)).unwrap();
}

/// Fails if an output has more for a terminal than line breaks, tabs and colours of ours.
fn assert_harmless(output: &Output, what: &str) {
    assert!(output.status.code().is_some_and(|code| code < 3), "{what}: {}", text_of(output));
    for stream in [&output.stdout, &output.stderr] {
        let text = String::from_utf8(stream.clone()).unwrap_or_else(|_| panic!("{what}: not UTF-8"));
        harmless::assert_harmless(&text, what);
    }
}

fn text_of(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|stream| String::from_utf8_lossy(stream)).concat()
}
