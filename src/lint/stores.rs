//! Rules about the entries of `additionalimagestores`.
//!
//! The overlay driver looks at each path before anything else (`parseOptions` in
//! drivers/overlay/overlay.go); the vfs driver does not look at all.

use std::path::{Path, PathBuf};

use super::finding::{Found, Sink};
use super::input::{File, Input};
use crate::conf::{Leaf, SetKey, clean};
use crate::engine::Engines;
use crate::engine::{Origin, Profile};
use crate::host::Kind;
use crate::problem::Problem;
use crate::store::writer_besides_owner;

/// One entry of one file.
struct Entry<'i> {
    file: &'i File,
    array: &'i SetKey,
    index: usize,
    path: &'i str,
    /// The engines that end up with it, or would if they did not stop.
    engines: Engines,
    /// The engines that end up with it.
    listed: Engines,
}

impl Entry<'_> {
    fn span(&self) -> &std::ops::Range<usize> {
        &self.array.items[self.index]
    }

    fn clean(&self) -> String {
        clean(self.path)
    }

    /// The engines that look at the path when they start: those with the overlay driver.
    fn looking(&self, input: &Input<'_>) -> Engines {
        self.engines.and(Engines::which(|profile| matches!(input.driver(profile), None | Some("overlay"))))
    }

    /// Whether it is a path at all, so that the disk can be asked about it.
    fn is_plain(&self) -> bool {
        self.path.starts_with('/') && !self.path.contains(',')
    }
}

fn entries<'i>(input: &'i Input<'_>) -> Vec<Entry<'i>> {
    let mut entries = Vec::new();
    for file in &input.files {
        let Some(array) = file.key("storage.options.additionalimagestores") else {
            continue;
        };
        let Leaf::Array(items) = &array.value else {
            continue;
        };
        for (index, item) in items.iter().enumerate().take(array.items.len()) {
            // An empty one is passed over by every engine.
            if let Leaf::String(path) = item
                && !path.is_empty()
            {
                let listed = with_it(input, file, path, file.line(array.items[index].start));
                let stopped = Engines::which(|profile| input.reading(profile).failure.is_some());
                let engines = listed.or(stopped.and(file.engines));
                entries.push(Entry { file, array, index, path, engines, listed });
            }
        }
    }
    entries
}

/// The engines in whose list this entry is.
fn with_it(input: &Input<'_>, file: &File, path: &str, line: usize) -> Engines {
    let here = Origin::File { file: file.path.clone(), line };
    Engines::which(|profile| {
        let stores = &input.reading(profile).stores;
        file.engines.has(profile) && stores.iter().any(|store| store.origin == here && store.value == path)
    })
}

/// The engines that have both entries. Of two files that is known only of
/// engines that do not stop.
fn with_both(one: &Entry<'_>, other: &Entry<'_>) -> Engines {
    if one.file.path == other.file.path {
        one.engines.and(other.engines)
    } else {
        one.listed.and(other.listed)
    }
}

fn entry_hint(entry: &Entry<'_>, otherwise: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-,:+@%".contains(letter);
    let argument = if entry.path.chars().all(plain) {
        entry.path.to_owned()
    } else {
        // As a shell takes it.
        format!("'{}'", entry.path.replace('\'', "'\\''"))
    };
    format!("{otherwise}, or `storagectl remove-store {argument}`")
}

pub(super) fn duplicate_entry(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    let entries = entries(input);
    for (place, entry) in entries.iter().enumerate() {
        let same = |other: &&Entry<'_>| other.clean() == entry.clean() && !with_both(other, entry).is_empty();
        let Some(first) = entries[..place].iter().find(same) else {
            continue;
        };
        let engines = with_both(first, entry);
        let line = first.file.line(first.span().start);
        let at = if first.file.path == entry.file.path {
            format!("on line {line} already")
        } else {
            format!("in `{}` already", input.root.show(&first.file.path).display())
        };
        let spelling =
            if first.path == entry.path { String::new() } else { format!(", as `{}`", first.path) };
        let message = format!("`{}` is listed {at}{spelling}", entry.path);
        let effect =
            engines.verb("lists every image of this store twice", "list every image of this store twice");
        let mut found = Found::new(engines, message, effect, "remove this entry");
        if let (Ok(doc), true) = (&entry.file.doc, first.file.path == entry.file.path) {
            found = found.with_fix(doc.without_item(entry.array, entry.index));
        }
        sink.at(entry.file, entry.span(), found);
    }
}

pub(super) fn alias_entry(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    let mut seen: Vec<((u64, u64), Entry<'_>)> = Vec::new();
    for entry in entries(input).into_iter().filter(Entry::is_plain) {
        let id = match input.stat(&entry.clean()) {
            Ok(Some(stat)) => stat.id,
            Ok(None) => continue,
            Err(problem) => {
                sink.could_not_look(problem);
                continue;
            }
        };
        let alias = |(other, first): &&((u64, u64), Entry<'_>)| {
            *other == id && first.clean() != entry.clean() && !first.engines.and(entry.engines).is_empty()
        };
        if let Some((_, first)) = seen.iter().find(alias) {
            let engines = with_both(first, &entry);
            let message = format!("`{}` and `{}` are the same directory", entry.path, first.path);
            let effect =
                engines.verb("lists every image of this store twice", "list every image of this store twice");
            sink.at(
                entry.file,
                entry.span(),
                Found::new(engines, message, effect, "remove one of the two entries"),
            );
        }
        seen.push((id, entry));
    }
}

pub(super) fn store_comma(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for entry in entries(input).iter().filter(|entry| entry.path.contains(',')) {
        let parts: Vec<&str> = entry.path.split(',').collect();
        let message = format!("`{}` has a comma, at which engines split it", entry.path);
        let hint =
            entry_hint(entry, "write each path as an entry of its own, rename a directory with a comma");
        let mut bad = None;
        for part in &parts {
            if !part.starts_with('/') {
                bad = Some(format!("`{part}` is not absolute"));
                continue;
            }
            match input.stat(&clean(part)) {
                Ok(Some(stat)) if stat.kind == Kind::Directory => {}
                Ok(Some(_)) => bad = Some(format!("`{part}` is not a directory")),
                Ok(None) => bad = Some(format!("`{part}` does not exist")),
                Err(problem) => sink.could_not_look(problem),
            }
        }
        let found = match bad {
            Some(bad) => Found::stops(entry.looking(input), format!("{message}, and {bad}"), hint),
            None => {
                let stores = format!("the stores `{}`", parts.join("` and `"));
                let effect = entry.engines.verb(&format!("reads {stores}"), &format!("read {stores}"));
                Found::new(entry.engines, message, effect, hint)
            }
        };
        sink.at(entry.file, entry.span(), found);
    }
}

pub(super) fn store_relative(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for entry in entries(input).iter().filter(|entry| !entry.path.starts_with('/')) {
        let (why, hint) = match entry.path.as_bytes()[0] {
            b'~' => (", and engines do not expand `~`", "write the home directory out"),
            b'$' => (", and engines do not expand variables in this list", "write the variable's value"),
            _ => ("", "write the absolute path"),
        };
        let message = format!("`{}` is not an absolute path{why}", entry.path);
        sink.at(
            entry.file,
            entry.span(),
            Found::stops(entry.looking(input), message, entry_hint(entry, hint)),
        );
    }
}

pub(super) fn store_missing(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for entry in entries(input).iter().filter(|entry| entry.is_plain()) {
        match input.stat(&entry.clean()) {
            Ok(Some(_)) => {}
            Ok(None) => {
                let message = format!("`{}` does not exist", entry.path);
                let hint = entry_hint(entry, "create it, install the package that it belongs to");
                sink.at(entry.file, entry.span(), Found::stops(entry.looking(input), message, hint));
            }
            Err(problem) => sink.could_not_look(problem),
        }
    }
}

pub(super) fn store_not_directory(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for entry in entries(input).iter().filter(|entry| entry.is_plain()) {
        match input.stat(&entry.clean()) {
            Ok(Some(stat)) if stat.kind != Kind::Directory => {
                let message = format!("`{}` is not a directory", entry.path);
                let hint = entry_hint(entry, "mount it if it is an image of a store");
                sink.at(entry.file, entry.span(), Found::stops(entry.looking(input), message, hint));
            }
            Ok(_) => {}
            Err(problem) => sink.could_not_look(problem),
        }
    }
}

/// How a store lies to a directory of the engine's own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    Same,
    Inside,
    Above,
}

/// The engines for which an entry lies so to their graphroot or imagestore, and
/// which of the two it is.
fn relations(input: &Input<'_>, entry: &Entry<'_>, wanted: Relation) -> (Engines, String) {
    let real_store = real(input, entry.path);
    let mut own_path = String::new();
    let mut engines = Engines::NONE;
    for profile in entry.engines.list() {
        let reading = input.reading(profile);
        let owns = [("graphroot", &reading.graphroot), ("imagestore", &reading.imagestore)];
        for (key, own) in owns {
            let Some(own) = own.as_ref().filter(|own| own.value.starts_with('/')) else {
                continue;
            };
            let forms = [
                (PathBuf::from(entry.clean()), PathBuf::from(clean(&own.value))),
                (real_store.clone(), real(input, &own.value)),
            ];
            let relation = forms.iter().find_map(|(store, own)| match () {
                () if store == own => Some(Relation::Same),
                () if store.starts_with(own) => Some(Relation::Inside),
                () if own.starts_with(store) => Some(Relation::Above),
                () => None,
            });
            if relation == Some(wanted) {
                engines = engines.or(Engines::one(profile));
                own_path = format!("`{}` ({key})", own.value);
            }
        }
    }
    (engines, own_path)
}

/// `path` with its symlinks resolved as far as it exists.
fn real(input: &Input<'_>, path: &str) -> PathBuf {
    let cleaned = clean(path);
    let mut rest = Vec::new();
    let mut here = Path::new(&cleaned);
    loop {
        if let Ok(found) = input.root.resolve(here) {
            return rest.iter().rev().fold(found.path, |path, part| path.join(part));
        }
        let (Some(parent), Some(name)) = (here.parent(), here.file_name()) else {
            return PathBuf::from(&cleaned);
        };
        rest.push(name);
        here = parent;
    }
}

pub(super) fn store_is_graphroot(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for entry in entries(input).iter().filter(|entry| entry.is_plain()) {
        let (engines, own) = relations(input, entry, Relation::Same);
        // podman 4 looks at all stores when it starts, the library's later
        // versions when they are used; each finds that its own lock is not read-only.
        let (old, new) = (engines.and(Engines::PODMAN4), engines.without(Engines::PODMAN4));
        let mut effects = Vec::new();
        if !old.is_empty() {
            effects.push(old.stop());
        }
        if !new.is_empty() {
            effects.push(new.verb("stops as soon as it uses an image", "stop as soon as they use an image"));
        }
        let message = format!("`{}` is the engine's own storage, {own}", entry.path);
        let hint = "remove this entry: the engine reads its own storage anyway";
        let found = Found::new(engines, message, effects.join("; "), hint);
        sink.at(entry.file, entry.span(), Found { stops: old, ..found });
    }
}

pub(super) fn store_in_graphroot(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for entry in entries(input).iter().filter(|entry| entry.is_plain()) {
        let (engines, own) = relations(input, entry, Relation::Inside);
        let crio = engines.has(Profile::Crio);
        let who = if crio { "CRI-O, and `podman system reset`," } else { "`podman system reset`" };
        let removes = if crio { "remove" } else { "removes" };
        let when = if crio { ", CRI-O after an unclean stop" } else { "" };
        let effect = format!("{who} {removes} the store together with the engine's own storage{when}");
        let message = format!("`{}` lies inside the engine's own storage, {own}", entry.path);
        let hint = entry_hint(entry, "move the store elsewhere, such as to /var/images");
        sink.at(entry.file, entry.span(), Found::new(engines, message, effect, hint));
    }
}

pub(super) fn store_contains_graphroot(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for entry in entries(input).iter().filter(|entry| entry.is_plain()) {
        let (engines, own) = relations(input, entry, Relation::Above);
        let message = format!("`{}` contains the engine's own storage, {own}", entry.path);
        let effect = engines.verb(
            "looks for images in a directory that is not a store, and makes lock files there",
            "look for images in a directory that is not a store, and make lock files there",
        );
        let hint = entry_hint(entry, "give the directory of the store alone");
        sink.at(entry.file, entry.span(), Found::new(engines, message, effect, hint));
    }
}

pub(super) fn store_writable(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for entry in entries(input).iter().filter(|entry| entry.is_plain()) {
        let cleaned = entry.clean();
        let path = Path::new(&cleaned);
        // What is missing or no directory is another rule's.
        match input.stat(&cleaned) {
            Ok(Some(stat)) if stat.kind == Kind::Directory => {}
            _ => continue,
        }
        match writer_besides_owner(input.root, path) {
            Ok(None) => {}
            Ok(Some(writer)) => {
                let dir = input.root.show(&writer.dir);
                let message = format!("{} can write to `{}`", writer.who, dir.display());
                let engines = entry.engines;
                let effect = format!(
                    "{} whatever image is put into `{}` that way",
                    engines.verb("trusts and runs", "trust and run"),
                    entry.path
                );
                let hint = format!("`chmod go-w {}`", dir.display());
                sink.at(entry.file, entry.span(), Found::new(engines, message, effect, hint));
            }
            Err(error) => {
                let shown = input.root.show(path).display().to_string();
                sink.could_not_look(Problem::io("look at", &shown, &error));
            }
        }
    }
}
