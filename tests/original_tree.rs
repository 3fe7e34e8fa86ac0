//! Stores that come and go leave a host as it was: every file and every directory.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests look at their own scratch directories")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const VENDOR: &str = "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\ngraphroot = \"/var/lib/containers/storage\"\n\n[storage.options]\n# additionalimagestores = []\n";
const VENDOR_OF_PODMAN_6: &str = "[storage]\ndriver = \"overlay\"\n";
const HIDES: &str = "[storage.options]\nadditionalimagestores = [\"/usr/lib/vendor\"]\n";
const LISTS: &str = "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/x\"\ngraphroot = \"/var/x\"\n[storage.options]\nadditionalimagestores = []\n";

/// Hosts by what is in them.
const HOSTS: &[(&str, &[(&str, &str)])] = &[
    ("nothing", &[]),
    ("an empty directory", &[("etc/containers/storage.conf.d/", "")]),
    ("the vendor's file", &[("usr/share/containers/storage.conf", VENDOR)]),
    (
        "podman 6 alone",
        &[
            ("usr/share/containers/storage.conf", VENDOR_OF_PODMAN_6),
            ("usr/share/containers/storage.conf.d/", ""),
        ],
    ),
    ("a file with a list", &[("etc/containers/storage.conf", LISTS)]),
    ("a file without one", &[("etc/containers/storage.conf", VENDOR)]),
    (
        "a vendor's drop-in",
        &[
            ("usr/share/containers/storage.conf", VENDOR),
            ("usr/share/containers/storage.conf.d/10-x.conf", HIDES),
        ],
    ),
    (
        "a drop-in that hides",
        &[("etc/containers/storage.conf", LISTS), ("etc/containers/storage.conf.d/10-x.conf", HIDES)],
    ),
    (
        "a vendor's drop-in that hides",
        &[("etc/containers/storage.conf", LISTS), ("usr/share/containers/storage.conf.d/10-x.conf", HIDES)],
    ),
    (
        "a user's own list",
        &[
            ("usr/share/containers/storage.conf", VENDOR),
            ("etc/passwd", "u:x:1000:1000::/home/u:/bin/sh\n"),
            ("home/u/.config/containers/storage.conf", HIDES),
        ],
    ),
    (
        "a user's directories",
        &[
            ("etc/passwd", "u:x:1000:1000::/home/u:/bin/sh\n"),
            (
                "home/u/.config/containers/storage.conf",
                "[storage]\ndriver = \"overlay\"\ngraphroot = \"/home/u/s\"\n",
            ),
        ],
    ),
];

#[test]
fn stores_that_come_and_go_leave_no_trace() {
    for (name, files) in HOSTS {
        for closed in [false, true] {
            for (number, line) in SEQUENCES.iter().enumerate() {
                let dir = tempfile::tempdir().unwrap();
                let tree = dir.path();
                host(tree, files, closed);
                let before = state(tree);
                let mut said = String::new();
                for command in line.split(';') {
                    said += &run(tree, command.trim());
                }
                let after = state(tree);
                let what = format!("{name}, closed {closed}, sequence {number}: {line}\n{said}");
                for (path, content) in &after {
                    assert_eq!(before.get(path), Some(content), "{}: {what}", path.display());
                }
                assert_eq!(after.len(), before.len(), "something is missing: {what}");
            }
        }
    }
}

const SEQUENCES: [&str; 7] = [
    "add /srv/a; remove /srv/a",
    "add /srv/a; add /srv/b; remove /srv/a; remove /srv/b",
    "add --first /srv/a; add --before /srv/a /srv/b; remove /srv/b /srv/a",
    "declare x /srv/a; apply; undeclare x; apply",
    "declare x /srv/a; apply; add /srv/b; undeclare x; apply; remove /srv/b",
    "add /srv/b; declare x /srv/a; apply; declare y /srv/c; apply; remove /srv/b; undeclare x; apply; undeclare y; apply",
    "post /srv/a; post /srv/b; erase /srv/a; erase /srv/b",
];

fn run(tree: &Path, line: &str) -> String {
    let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
    let words: Vec<&str> = rest.split(' ').filter(|word| !word.is_empty()).collect();
    let declaration = |name: &str| tree.join(format!("usr/lib/storagectl/stores.d/{name}.toml"));
    let args: Vec<&str> = match what {
        "add" => [&["add-store"], words.as_slice()].concat(),
        "remove" => [&["remove-store"], words.as_slice()].concat(),
        "apply" => vec!["apply"],
        "post" => vec!["scriptlet", "post", "1", words[0]],
        "preun" | "postun" => vec!["scriptlet", what, "0", words[0]],
        "erase" => {
            let store = tree.join(&words[0][1..]);
            let said = run(tree, &format!("preun {}", words[0]));
            fs::rename(&store, store.with_extension("gone")).unwrap();
            let said = said + &run(tree, &format!("postun {}", words[0]));
            fs::rename(store.with_extension("gone"), &store).unwrap();
            return said;
        }
        "declare" => {
            fs::write(declaration(words[0]), format!("[[store]]\npath = \"{}\"\n", words[1])).unwrap();
            return String::new();
        }
        "undeclare" => {
            fs::remove_file(declaration(words[0])).unwrap();
            return String::new();
        }
        other => panic!("{other}"),
    };
    let output = Command::new(env!("CARGO_BIN_EXE_storagectl"))
        .arg("--root")
        .arg(tree)
        .args(&args)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{line}: {said}");
    format!("$ {line}\n{said}")
}

fn host(tree: &Path, files: &[(&str, &str)], closed: bool) {
    for dir in ["usr/lib/storagectl/stores.d", "usr/lib/sysimage/storagectl", "etc", "usr/lib/vendor"] {
        fs::create_dir_all(tree.join(dir)).unwrap();
    }
    for (path, text) in files {
        let path = tree.join(path);
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
    for store in ["srv/a", "srv/b", "srv/c"] {
        let store = tree.join(store);
        for lock in ["overlay-images/images.lock", "overlay-layers/layers.lock"] {
            fs::create_dir_all(store.join(lock).parent().unwrap()).unwrap();
            fs::write(store.join(lock), "").unwrap();
        }
    }
    // A store that normal users cannot enter.
    let mode = if closed { 0o700 } else { 0o755 };
    fs::set_permissions(tree.join("srv/a"), fs::Permissions::from_mode(mode)).unwrap();
}

/// Every path below `dir`, with its mode and its content.
fn state(dir: &Path) -> BTreeMap<PathBuf, (u32, Option<String>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let text = metadata.is_file().then(|| fs::read_to_string(&path).unwrap());
            found.insert(path.strip_prefix(dir).unwrap().to_owned(), (metadata.permissions().mode(), text));
            if metadata.is_dir() {
                open.push(path);
            }
        }
    }
    found
}
