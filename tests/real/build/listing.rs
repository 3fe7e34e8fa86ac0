//! Everything that a file system tells of a tree, as text that can be compared.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::support::run;

/// Path, and type, mode, owner, size, target, number of names, attributes, content.
pub(crate) type Listing = BTreeMap<String, String>;

/// Lists the tree below `dir`. Times of directories and whiteouts are left out where
/// they are later than `latest`: those of an engine that made them without an entry.
pub(crate) fn listing(dir: &Path, latest: f64) -> Listing {
    let script = "cd \"$1\"
        find . -mindepth 1 -printf '%P\\t%y %m %U:%G %n %l \\t%T@\\t%s\\t%y\\n'
        echo ==
        find . -type f -print0 | xargs -0r sha256sum -z | tr '\\0' '\\n'
        echo ==
        find . '(' -type c -o -type b ')' -exec stat -c '%n\t%t:%T' {} +
        echo ==
        getfattr -P -R -h -d -m - -e hex . 2>/dev/null";
    let text = String::from_utf8_lossy(
        &Command::new("sh").args(["-c", script, "sh"]).arg(dir).output().unwrap().stdout,
    )
    .into_owned();
    let mut parts = text.splitn(4, "==\n");
    let mut listing = Listing::new();
    for line in parts.next().unwrap().lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [path, facts, time, size, kind] = fields[..] else { panic!("{line}") };
        let made_by_engine = matches!(kind, "d" | "c") && time.parse::<f64>().unwrap() > latest;
        let time = if made_by_engine { "now" } else { time };
        let size = if kind == "f" { size } else { "" };
        listing.insert(path.to_owned(), format!("{facts} {time} {size}"));
    }
    let mut add = |path: &str, fact: &str| {
        let path = path.trim_start_matches("./");
        let entry = listing.entry(path.to_owned()).or_default();
        entry.push(' ');
        entry.push_str(fact);
    };
    for line in parts.next().unwrap().lines() {
        let (sum, path) = line.split_once("  ").unwrap();
        add(path, sum);
    }
    for line in parts.next().unwrap().lines() {
        let (path, device) = line.split_once('\t').unwrap();
        add(path, device);
    }
    let mut path = String::new();
    for line in parts.next().unwrap().lines() {
        match line.strip_prefix("# file: ") {
            Some(file) => file.clone_into(&mut path),
            None if line.is_empty() => {}
            // The host's labels, and what engines before podman 5 leave out.
            None if line.starts_with("security.selinux") || line.ends_with("=0x") => {}
            None => add(&path, line),
        }
    }
    listing
}

/// Compares two trees; times that an engine took from its clock do not count.
#[track_caller]
pub(crate) fn assert_same(ours: &Path, theirs: &Path, latest: f64) {
    let theirs = listing(theirs, latest);
    let mut ours = listing(ours, f64::MAX);
    for (path, facts) in &mut ours {
        // What the engine took from its clock has a fixed time in ours.
        if let Some(other) = theirs.get(path)
            && other.contains(" now ")
        {
            let mut fields: Vec<&str> = facts.split(' ').collect();
            let place = other.split(' ').position(|field| field == "now").unwrap();
            fields[place] = "now";
            *facts = fields.join(" ");
        }
    }
    for (path, facts) in &theirs {
        assert_eq!(ours.get(path), Some(facts), "{path}");
    }
    let more: Vec<_> = ours.keys().filter(|path| !theirs.contains_key(*path)).collect();
    assert!(more.is_empty(), "{more:?}");
    assert!(!theirs.is_empty());
}

/// A tree with all that tar can hold, as one digest; also the times of everything.
pub(crate) fn fingerprint(dir: &Path) -> String {
    let script = "tar -C \"$1\" --sort=name --numeric-owner --xattrs '--xattrs-include=*' --format=posix --pax-option=delete=atime,delete=ctime -cf - . | sha256sum";
    run(Command::new("sh").args(["-c", script, "sh"]).arg(dir))
}
