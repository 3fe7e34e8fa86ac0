//! Rules about the entries of `additionalimagestores` on which no engine stops.

use std::path::Path;

use super::finding::{LintFindings, RuleHit};
use super::input::{LintFile, LintInput};
use crate::conf::{Leaf, SetKey, clean};
use crate::engine::{Engines, Profile, Sourced};
use crate::judgement::{Judgement, Reader, Relation, or_remove, relations};
use crate::problem::Problem;
use crate::store::{in_var_message, left_by_updates, writer_besides_owner};
use crate::sys::FileKind;

/// One entry of one file.
struct ListedEntry<'i> {
    file: &'i LintFile,
    array: &'i SetKey,
    index: usize,
    path: &'i str,
    /// The engines that end up with it.
    engines: Engines,
    /// Who ends up with it, as places in the list of those who are asked.
    readers: Vec<usize>,
}

impl ListedEntry<'_> {
    fn span(&self) -> &std::ops::Range<usize> {
        &self.array.items[self.index]
    }

    fn clean(&self) -> String {
        clean(self.path)
    }

    /// Whether it is a path at all, so that the disk can be asked about it.
    fn is_plain(&self) -> bool {
        self.path.starts_with('/') && !self.path.contains(',')
    }
}

fn entries<'i>(input: &'i LintInput<'_>) -> Vec<ListedEntry<'i>> {
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
                let readers = with_it(input, file, path, array.items[index].start);
                let engines = engines_of(input, &readers);
                entries.push(ListedEntry { file, array, index, path, engines, readers });
            }
        }
    }
    entries
}

/// Those in whose list this entry is.
fn with_it(input: &LintInput<'_>, file: &LintFile, path: &str, start: usize) -> Vec<usize> {
    let here = |store: &Sourced<String>| {
        let site = store.origin.site();
        site.is_some_and(|site| site.file == file.path && site.span.start == start)
            && store.value == path.trim()
    };
    let has =
        |(_, (_, judgement)): &(usize, (&Reader, &Judgement))| judgement.reading.stores.iter().any(here);
    input.judged().enumerate().filter(has).map(|(index, _)| index).collect()
}

fn engines_of(input: &LintInput<'_>, readers: &[usize]) -> Engines {
    let all = input.judged().enumerate().filter(|(index, _)| readers.contains(index));
    all.map(|(_, (reader, _))| reader.profile).collect()
}

/// The engines that have both entries, run by one user.
fn with_both(input: &LintInput<'_>, one: &ListedEntry<'_>, other: &ListedEntry<'_>) -> Engines {
    let both: Vec<usize> =
        one.readers.iter().copied().filter(|reader| other.readers.contains(reader)).collect();
    engines_of(input, &both)
}

pub(super) fn duplicate_entry(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    let entries = entries(input);
    for (place, entry) in entries.iter().enumerate() {
        let same = |other: &&ListedEntry<'_>| {
            other.clean() == entry.clean() && !with_both(input, other, entry).is_empty()
        };
        let Some(first) = entries[..place].iter().find(same) else {
            continue;
        };
        let engines = with_both(input, first, entry);
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
        let mut found = RuleHit::new(engines, message, effect, "remove this entry");
        if let (Ok(doc), true) = (&entry.file.doc, first.file.path == entry.file.path) {
            found = found.with_fix(doc.without_item(entry.array, entry.index));
        }
        findings.add(entry.file, entry.span(), found);
    }
}

pub(super) fn alias_entry(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    let mut seen: Vec<((u64, u64), ListedEntry<'_>)> = Vec::new();
    for entry in entries(input).into_iter().filter(ListedEntry::is_plain) {
        let id = match input.stat(&entry.clean()) {
            Ok(Some(stat)) => stat.id,
            Ok(None) => continue,
            Err(problem) => {
                findings.could_not_look(problem);
                continue;
            }
        };
        let alias = |(other, first): &&((u64, u64), ListedEntry<'_>)| {
            *other == id && first.clean() != entry.clean() && !first.engines.and(entry.engines).is_empty()
        };
        if let Some((_, first)) = seen.iter().find(alias) {
            let engines = with_both(input, first, &entry);
            let message = format!("`{}` and `{}` are the same directory", entry.path, first.path);
            let effect =
                engines.verb("lists every image of this store twice", "list every image of this store twice");
            findings.add(
                entry.file,
                entry.span(),
                RuleHit::new(engines, message, effect, "remove one of the two entries"),
            );
        }
        seen.push((id, entry));
    }
}

/// The engines for which an entry lies so to their own storage, and which directory it is.
fn related(input: &LintInput<'_>, entry: &ListedEntry<'_>, wanted: Relation) -> (Engines, String) {
    let mut own_path = String::new();
    let mut engines = Engines::NONE;
    for profile in entry.engines.list() {
        let Some(reading) = input.reading(profile) else {
            continue;
        };
        for (relation, key, own) in relations(&input.host.view(), reading, entry.path) {
            if relation == wanted {
                engines = engines.or(Engines::one(profile));
                own_path = format!("`{own}` ({key})");
            }
        }
    }
    (engines, own_path)
}

pub(super) fn store_in_graphroot(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    for entry in entries(input).iter().filter(|entry| entry.is_plain()) {
        let (engines, own) = related(input, entry, Relation::Inside);
        let crio = engines.has(Profile::Crio);
        let who = if crio { "CRI-O, and `podman system reset`," } else { "`podman system reset`" };
        let removes = if crio { "remove" } else { "removes" };
        let when = if crio { ", CRI-O after an unclean stop" } else { "" };
        let effect = format!("{who} {removes} the store together with the engine's own storage{when}");
        let message = format!("`{}` is inside the engine's own storage, {own}", entry.path);
        let hint = or_remove(entry.path, "move the store elsewhere, such as to /var/images");
        findings.add(entry.file, entry.span(), RuleHit::new(engines, message, effect, hint));
    }
}

pub(super) fn store_in_var(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    for entry in entries(input).iter().filter(|entry| entry.is_plain()) {
        match left_by_updates(input.root, Path::new(&entry.clean()), false) {
            Ok(None) => {}
            Ok(Some(real)) => {
                let (message, hint) = in_var_message(entry.path, &real);
                let effect = entry.engines.verb("stops where it is missing", "stop where it is missing");
                findings.add(entry.file, entry.span(), RuleHit::new(entry.engines, message, effect, hint));
            }
            Err(error) => {
                let shown = input.root.show(Path::new(entry.path)).display().to_string();
                findings.could_not_look(Problem::io("look at", &shown, &error));
            }
        }
    }
}

pub(super) fn store_contains_graphroot(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    for entry in entries(input).iter().filter(|entry| entry.is_plain()) {
        let (engines, own) = related(input, entry, Relation::Above);
        let message = format!("`{}` contains the engine's own storage, {own}", entry.path);
        let effect = engines.verb(
            "looks for images in a directory that is not a store, and makes lock files there",
            "look for images in a directory that is not a store, and make lock files there",
        );
        let hint = or_remove(entry.path, "give the directory of the store alone");
        findings.add(entry.file, entry.span(), RuleHit::new(engines, message, effect, hint));
    }
}

pub(super) fn store_writable(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    for entry in entries(input).iter().filter(|entry| entry.is_plain()) {
        let cleaned = entry.clean();
        let path = Path::new(&cleaned);
        // What is missing or no directory is another rule's.
        match input.stat(&cleaned) {
            Ok(Some(stat)) if stat.kind == FileKind::Directory => {}
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
                findings.add(entry.file, entry.span(), RuleHit::new(engines, message, effect, hint));
            }
            Err(error) => {
                let shown = input.root.show(path).display().to_string();
                findings.could_not_look(Problem::io("look at", &shown, &error));
            }
        }
    }
}
