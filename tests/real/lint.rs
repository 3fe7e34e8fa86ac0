//! What check-config says of engines, against the engines: where it says that one
//! stops, that one does; where it says of none, none does.
//!
//! The hosts are those of the documents tests/cmd/lint-*.md, `found` and `silent`.

pub(crate) mod documents;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::hosts::loader_in;
use crate::podman::hermetic_podman;
use crate::support::{finish, storagectl, text};

/// The program that loads a configuration as these engines do.
const LOADERS: [(&str, &[&str]); 3] =
    [("legacy4", &["podman4"]), ("legacy", &["podman5", "crio"]), ("modern", &["podman6"])];

/// Rules about what engines stop on when they open their storage and the stores, which the
/// loaders do not; tests/real/judged asks engines about them.
const OPENING: [&str; 12] = [
    "artifact-store",
    "force-mask-alone",
    "image-digest-invalid",
    "image-name-twice",
    "image-record-invalid",
    "images-json-malformed",
    "mount-option",
    "relative-root",
    "several-drivers",
    "store-is-graphroot",
    "store-malformed",
    "unknown-driver",
];

/// Rules about what the podman that is run here does not have: the host's own storage, its
/// list of ids, and drop-ins without a main file; and what some podmans go on with.
const ELSEWHERE: [&str; 5] =
    ["drop-in-unread", "images-json-malformed", "mount-option", "several-drivers", "subid-missing"];

/// What the TOML parser decides. CRI-O has a newer one than the loader that stands
/// for it here; tests/real/hosts asks CRI-O itself.
const PARSER: [&str; 8] = [
    "duplicate-key",
    "toml-1-1",
    "twice array",
    "escape",
    "inline comment",
    "inline newline",
    "inline trailing",
    "time nosec",
];

/// Every host, with the rule that it is about.
pub(crate) fn hosts() -> Vec<(String, PathBuf)> {
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd");
    let mut hosts = Vec::new();
    for entry in fs_err::read_dir(documents).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let Some(rule) = name.strip_prefix("lint-").and_then(|name| name.strip_suffix(".in")) else {
            continue;
        };
        for host in ["found", "silent"] {
            let tree = entry.path().join(host);
            if tree.is_dir() {
                hosts.push((format!("{rule}, {host}"), tree));
            }
        }
    }
    assert!(hosts.len() > 70, "{hosts:?}");
    hosts.sort();
    hosts
}

/// A copy of a host, so that an engine that makes directories makes them there.
pub(crate) fn copy(tree: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let copied = finish(Command::new("cp").arg("-a").arg(tree.join(".")).arg(copy.path()));
    assert!(copied.status.success(), "{}", text(&copied));
    copy
}

/// The engines that stop on a host, as check-config has it.
fn said_to_stop(tree: &Path) -> BTreeSet<String> {
    let root = tree.to_str().unwrap();
    let output = finish(&mut storagectl(&["--root", root, "--format", "json", "check-config"]));
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .flat_map(|finding| finding["stops"].as_array().unwrap())
        .map(|engine| engine.as_str().unwrap().to_owned())
        .collect()
}

/// What is said of the host in `tree` and is not so.
fn disagreements(name: &str, tree: &Path) -> Vec<String> {
    // Where the loader of the vfs driver makes its directory.
    fs_err::create_dir_all(tree.join("tmp")).unwrap();
    let (said, mut wrong) = (said_to_stop(tree), Vec::new());
    for (loader, names) in LOADERS {
        let output = finish(&mut loader_in(tree, loader));
        let loaded: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        // With an empty one of these, podman 4 goes no further.
        let complete = loaded["graphroot"] != "" && loaded["runroot"] != "";
        let starts = output.status.success() && complete;
        for engine in names {
            let newer_parser = *engine == "crio" && PARSER.iter().any(|case| name.starts_with(case));
            if !newer_parser && said.contains(*engine) == starts {
                wrong.push(format!("{name}: {engine}, said to stop: {said:?}, {}", text(&output)));
            }
        }
    }
    wrong
}

#[test]
fn engines_stop_where_check_config_says_so_and_nowhere_else() {
    let loaded = |name: &str| !OPENING.iter().any(|rule| name.starts_with(rule));
    let hosts = hosts().into_iter().filter(|(name, _)| loaded(name));
    let wrong: Vec<String> =
        hosts.flat_map(|(name, tree)| disagreements(&name, copy(&tree).path())).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn engines_stop_on_the_texts_of_which_check_config_says_so() {
    let mut wrong = Vec::new();
    for (name, text) in documents::DOCUMENTS {
        let tree = tempfile::tempdir().unwrap();
        for dir in ["etc/containers", "a", "b"] {
            fs_err::create_dir_all(tree.path().join(dir)).unwrap();
        }
        let text = match text.strip_prefix(documents::MARK) {
            Some(rest) => [documents::BASE, rest].concat(),
            None => text.to_vec(),
        };
        fs_err::write(tree.path().join("etc/containers/storage.conf"), text).unwrap();
        wrong.extend(disagreements(name, tree.path()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same of a whole podman 4, which opens its store with what it has read.
#[test]
fn podman_4_stops_where_check_config_says_so_and_nowhere_else() {
    let mut wrong = Vec::new();
    let here = |name: &str| !ELSEWHERE.iter().any(|rule| name.starts_with(rule));
    for (name, tree) in hosts().into_iter().filter(|(name, _)| here(name)) {
        let tree = copy(&tree);
        let conf = tree.path().join("etc/containers/storage.conf");
        let said = said_to_stop(tree.path()).contains("podman4");
        // The host's own storage is hidden by `hermetic_podman`; its /srv is by this.
        let srv = tree.path().join("srv");
        let podman = hermetic_podman(&conf, &["ps"]);
        let mut command = Command::new("unshare");
        let script = "mount -t tmpfs none /srv && { [ ! -d \"$0\" ] || cp -a \"$0/.\" /srv; } && \
                      mkdir -p /run/graphroot && exec \"$@\"";
        command.args(["-m", "sh", "-c", script]).arg(&srv);
        let output = finish(&mut crate::support::under(command, &podman));
        if said == output.status.success() {
            wrong.push(format!("{name}: said to stop: {said}, {}", text(&output)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
