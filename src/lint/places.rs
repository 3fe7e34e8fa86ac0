//! Rules about files as a whole: where they are, what they are copies of, who
//! can write to them, and what engines make of them together.

use std::ffi::OsStr;
use std::path::Path;

use super::finding::{LintFindings, RuleHit};
use super::input::{LintFile, LintInput};
use crate::conf::{Document, Leaf, clean};
use crate::engine::Engines;
use crate::engine::{FileRole, Profile, ValueOrigin};
use crate::plan::VendorCopy;
use crate::problem::Problem;
use crate::store::writer_besides_owner;
use crate::sys::{FileKind, is_temporary_of};

const KEY: &str = "storage.options.additionalimagestores";

pub(super) fn drop_in_hides_main(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    let Some(reading) = input.reading(Profile::Podman6) else {
        return;
    };
    let Some(main) = input.files.iter().find(|file| file.is_main() && file.engines.has(Profile::Podman6))
    else {
        return;
    };
    if reading.failure().is_some() {
        return;
    }
    let seen: Vec<String> = reading.stores.iter().map(|store| clean(&store.value)).collect();
    let hidden: Vec<&str> = paths(main).into_iter().filter(|path| !seen.contains(&clean(path))).collect();
    // Whichever file came last without `{append=true}`; later ones may have appended to it.
    let culprit = reading.stores.iter().find_map(|store| match &store.origin {
        ValueOrigin::File(site) => input.files.iter().find(|other| other.path == site.file),
        _ => None,
    });
    let last =
        || input.files.iter().rev().find(|file| file.kind != FileRole::Main && file.key(KEY).is_some());
    let Some(file) = culprit.filter(|file| !file.is_main()).or_else(last) else {
        return;
    };
    let (Some(array), false) = (file.key(KEY), hidden.is_empty()) else {
        return;
    };
    let message = format!(
        "this list replaces that of `{}`, which has `{}`",
        input.root.show(&main.path).display(),
        hidden.join("`, `")
    );
    let effect =
        format!("podman 6 does not see {}", if hidden.len() == 1 { "that store" } else { "those stores" });
    let hint = format!(
        "`storagectl add-store {}` lists {} for every engine",
        hidden.join(" "),
        if hidden.len() == 1 { "it" } else { "them" }
    );
    findings.add(file, &array.span, RuleHit::new(Engines::PODMAN6, message, effect, hint));
}

fn paths(file: &LintFile) -> Vec<&str> {
    match file.key(KEY).map(|key| &key.value) {
        Some(Leaf::Array(items)) => items
            .iter()
            .filter_map(|item| match item {
                Leaf::String(path) if !path.is_empty() => Some(path.as_str()),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Where drop-ins are looked for (containers-storage.conf(5)).
const DROP_IN_DIRS: [&str; 3] = ["storage.conf.d", "storage.rootful.conf.d", "storage.rootless.conf.d"];

/// Ends of names that somebody gave to a file so that it is not read.
const MEANT: [&str; 12] = [
    "~",
    ".bak",
    ".orig",
    ".old",
    ".save",
    ".rpmsave",
    ".rpmnew",
    ".rpmorig",
    ".dpkg-old",
    ".dpkg-dist",
    ".disabled",
    ".off",
];

/// A list in a drop-in where no engine reads drop-ins.
pub(super) fn drop_in_unread(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    if !input.whole_host || input.engines().has(Profile::Podman6) {
        return;
    }
    let dirs = DROP_IN_DIRS.map(|name| Path::new("/etc/containers").join(name));
    for dir in dirs {
        let names = input.root.list(&dir).ok().flatten().unwrap_or_default();
        for path in names.into_iter().map(|name| dir.join(name)) {
            let read = input.root.read(&path).ok().flatten();
            let text = read.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned());
            let doc = text.and_then(|text| Document::parse(text).ok());
            let list = doc.and_then(|doc| doc.attributed_list().ok().flatten());
            let Some((store, _)) = list.and_then(|list| list.items.into_iter().next()) else {
                continue;
            };
            let is_read = path.extension().is_some_and(|end| end == "conf");
            let seen = input.judged().any(|(_, judgement)| {
                judgement.reading.stores.iter().any(|other| clean(&other.value) == clean(&store))
            });
            if is_read && !seen {
                let engines = input.engines();
                let shown = input.root.show(&path).display().to_string();
                let message = format!("`{shown}` lists `{store}`, and no engine here reads drop-ins");
                let effect = engines.verb("does not see that store", "do not see that store");
                let hint = format!("`storagectl add-store {store}` lists it where they do");
                findings.add_elsewhere(Some(path), RuleHit::new(engines, message, effect, hint));
            }
        }
    }
}

pub(super) fn drop_in_suffix(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    if !input.whole_host {
        return;
    }
    for base in ["/etc/containers", "/usr/share/containers"] {
        for dir in DROP_IN_DIRS.map(|name| Path::new(base).join(name)) {
            let names = match input.root.list(&dir) {
                Ok(names) => names.unwrap_or_default(),
                // Engines stop on that, which is said elsewhere.
                Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => continue,
                Err(error) => {
                    let shown = input.root.show(&dir).display().to_string();
                    findings.could_not_look(Problem::io("list", &shown, &error));
                    continue;
                }
            };
            for name in names {
                let path = dir.join(&name);
                let is_file = matches!(input.root.stat(&path), Ok(Some(stat)) if stat.kind == FileKind::File);
                if is_file && !is_left_out_on_purpose(&name) {
                    let shown = input.root.show(&path).display().to_string();
                    let message = format!("the name of `{shown}` does not end in `.conf`");
                    let hint = format!("`mv {shown} {shown}.conf`, if it should be read");
                    let found = RuleHit::new(Engines::PODMAN6, message, "podman 6 does not read it", hint);
                    findings.add_elsewhere(Some(path), found);
                }
            }
        }
    }
}

fn is_left_out_on_purpose(name: &OsStr) -> bool {
    // What a run of ours left that was killed; the next one that writes the file removes it.
    if is_temporary_of(name).is_some() {
        return true;
    }
    let name = name.to_string_lossy();
    let lower = name.to_ascii_lowercase();
    name.ends_with(".conf") || lower.starts_with("readme") || MEANT.iter().any(|end| lower.ends_with(end))
}

pub(super) fn stale_copy(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    for file in &input.files {
        let Some((head, _)) = VendorCopy::split(&file.text) else {
            continue;
        };
        let Some(from) = head.from.as_deref().map(Path::new) else {
            continue;
        };
        let shown = input.root.show(from).display().to_string();
        let vendors = match input.root.read(from) {
            Ok(vendors) => vendors,
            Err(error) => {
                findings.could_not_look(Problem::io("read", &shown, &error));
                continue;
            }
        };
        let vendors = vendors.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned());
        if vendors.as_ref().is_some_and(|vendors| head.is_made_from(vendors)) {
            continue;
        }
        let (message, hint) = if vendors.is_some() {
            (
                format!("this is a copy of `{shown}`, which has changed since"),
                format!(
                    "compare the two (`diff {shown} {}`) and take over what is new",
                    input.root.show(&file.path).display()
                ),
            )
        } else {
            (
                format!("this is a copy of `{shown}`, which is gone"),
                "make the file your own: remove the comment lines at its top".to_owned(),
            )
        };
        let effect = file.engines.verb("reads the old settings", "read the old settings");
        let first_line = file.text.find('\n').unwrap_or(file.text.len());
        findings.add(file, &(0..first_line), RuleHit::new(file.engines, message, effect, hint));
    }
}

pub(super) fn file_writable(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    for file in &input.files {
        match writer_besides_owner(input.root, &file.path) {
            Ok(None) => {}
            Ok(Some(writer)) => {
                let shown = input.root.show(&writer.dir);
                let message = format!("{} can write to `{}`", writer.who, shown.display());
                let effect = format!(
                    "{} whatever is written there, also a `mount_program` to run as root",
                    file.engines.verb("does", "do")
                );
                let hint = format!("`chmod go-w {}`", shown.display());
                findings.add_for_file(file, RuleHit::new(file.engines, message, effect, hint));
            }
            Err(error) => {
                let shown = input.root.show(&file.path).display().to_string();
                findings.could_not_look(Problem::io("look at", &shown, &error));
            }
        }
    }
}
