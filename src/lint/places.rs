//! Rules about files as a whole: where they are, what they are copies of, who
//! can write to them, and what engines make of them together.

use std::ffi::OsStr;
use std::path::Path;

use super::finding::{Found, Sink};
use super::input::{File, Input};
use super::rules::RULES;
use crate::conf::{Leaf, clean};
use crate::engine::Engines;
use crate::engine::{FileKind, Origin, Profile};
use crate::host::Kind;
use crate::plan::Copied;
use crate::problem::Problem;
use crate::problem::Severity;
use crate::store::writer_besides_owner;

const KEY: &str = "storage.options.additionalimagestores";

pub(super) fn drop_in_hides_main(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    let reading = input.reading(Profile::Podman6);
    let Some(main) = input.files.iter().find(|file| file.is_main() && file.engines.has(Profile::Podman6))
    else {
        return;
    };
    if reading.failure.is_some() {
        return;
    }
    let seen: Vec<String> = reading.stores.iter().map(|store| clean(&store.value)).collect();
    let hidden: Vec<&str> = paths(main).into_iter().filter(|path| !seen.contains(&clean(path))).collect();
    // Whichever file came last without `{append=true}`; later ones may have appended to it.
    let culprit = reading.stores.iter().find_map(|store| match &store.origin {
        Origin::File { file, .. } => input.files.iter().find(|other| other.path == *file),
        _ => None,
    });
    let last =
        || input.files.iter().rev().find(|file| file.kind != FileKind::Main && file.key(KEY).is_some());
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
    sink.at(file, &array.span, Found::new(Engines::PODMAN6, message, effect, hint));
}

fn paths(file: &File) -> Vec<&str> {
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

pub(super) fn drop_in_suffix(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
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
                    sink.could_not_look(Problem::io("list", &shown, &error));
                    continue;
                }
            };
            for name in names {
                let path = dir.join(&name);
                let is_file = matches!(input.root.stat(&path), Ok(Some(stat)) if stat.kind == Kind::File);
                if is_file && !is_left_out_on_purpose(&name) {
                    let shown = input.root.show(&path).display().to_string();
                    let message = format!("the name of `{shown}` does not end in `.conf`");
                    let hint = format!("`mv {shown} {shown}.conf`, if it should be read");
                    let found = Found::new(Engines::PODMAN6, message, "podman 6 does not read it", hint);
                    sink.elsewhere(Some(path), found);
                }
            }
        }
    }
}

fn is_left_out_on_purpose(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let lower = name.to_ascii_lowercase();
    name.ends_with(".conf") || lower.starts_with("readme") || MEANT.iter().any(|end| lower.ends_with(end))
}

pub(super) fn stale_copy(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for file in &input.files {
        let Some((head, _)) = Copied::split(&file.text) else {
            continue;
        };
        let Some(from) = head.from.as_deref().map(Path::new) else {
            continue;
        };
        let shown = input.root.show(from).display().to_string();
        let vendors = match input.root.read(from) {
            Ok(vendors) => vendors,
            Err(error) => {
                sink.could_not_look(Problem::io("read", &shown, &error));
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
        sink.at(file, &(0..first_line), Found::new(file.engines, message, effect, hint));
    }
}

pub(super) fn file_writable(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
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
                sink.of_file(file, Found::new(file.engines, message, effect, hint));
            }
            Err(error) => {
                let shown = input.root.show(&file.path).display().to_string();
                sink.could_not_look(Problem::io("look at", &shown, &error));
            }
        }
    }
}

/// What the model of the engines says beyond the other rules.
pub(super) fn engine_stops(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    let explained = explained(input);
    let mut said: Vec<(&str, Engines)> = Vec::new();
    for reading in &input.readings {
        if let Some(failure) = reading.failure.as_ref().filter(|_| !explained.has(reading.profile)) {
            let one = Engines::one(reading.profile);
            match said.iter_mut().find(|(message, _)| *message == failure.message) {
                Some((_, engines)) => *engines = engines.or(one),
                None => said.push((&failure.message, one)),
            }
        }
    }
    for (message, engines) in said {
        let failure = engines.list().next().and_then(|profile| input.reading(profile).failure.as_ref());
        let place = failure.and_then(|failure| failure.place.as_ref());
        let found =
            Found::stops(engines, message, "`storagectl show-config --origin` shows what each engine reads");
        let file =
            place.and_then(|(path, line)| Some((input.files.iter().find(|file| file.path == *path)?, *line)));
        match file {
            Some((file, line)) => sink.at(file, &line_span(&file.text, line), found),
            None => sink.elsewhere(place.map(|(path, _)| path.clone()), found),
        }
    }
}

/// The engines of which some other rule has said that they stop.
fn explained(input: &Input<'_>) -> Engines {
    let mut report = super::Report::default();
    for rule in RULES.iter().filter(|rule| rule.severity == Severity::Error && rule.id != "engine-stops") {
        (rule.check)(input, &mut Sink::new(input, rule, &mut report));
    }
    report.findings.iter().map(|finding| finding.stops).fold(Engines::NONE, Engines::or)
}

/// The text of a line, without white space around it.
fn line_span(text: &str, line: usize) -> std::ops::Range<usize> {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let content = text[start.min(text.len())..].lines().next().unwrap_or_default();
    let indent = content.len() - content.trim_start().len();
    start + indent..start + content.trim_end().len().max(indent)
}
