//! The additional image stores.
//!
//! The overlay driver looks at each path before anything else (`parseOptions` in
//! drivers/overlay/overlay.go); the vfs driver does not look at all.

use std::path::Path;

use super::{Case, Relation, content, path_of, relations};
use crate::conf::clean;
use crate::engine::{Effect, FileAt, Profile, Reason, Sourced};
use crate::problem::shell_word;
use crate::sys::{FileKind, is_hidden_here};

pub(super) fn check(case: &Case<'_>, reasons: &mut Vec<Reason>) {
    // The others take none, which is an option too much.
    if !["overlay", "vfs"].contains(&case.driver) {
        return;
    }
    for entry in &case.reading.stores {
        let before = reasons.len();
        reasons.extend(entry_reason(case, entry));
        let looks_inside = !reasons[before..].iter().any(|reason| reason.effect == Effect::Stops);
        if looks_inside && !entry.value.contains(',') {
            content::check(case, entry, reasons);
        }
    }
}

/// What is wrong with an entry by its path and what stands there.
fn entry_reason(case: &Case<'_>, entry: &Sourced<String>) -> Option<Reason> {
    let path = &entry.value;
    let stops = |id, message: String, hint: String| {
        Some(Reason::stops(id, message, hint).at(entry.origin.site().cloned()).about(clean(path)))
    };
    if case.driver == "vfs" {
        return own_storage(case, entry);
    }
    if path.contains(',') {
        return comma(case, entry);
    }
    let or_remove = |path: &str, otherwise: &str| or_remove_from(entry, path, otherwise);
    if !path.starts_with('/') {
        let (why, hint) = match path.as_bytes().first() {
            Some(b'~') => (", and engines do not expand `~`", "write the home directory out"),
            Some(b'$') => {
                (", and engines do not expand variables in this list", "write the variable's value")
            }
            _ => ("", "write the absolute path"),
        };
        return stops(
            "store-relative",
            format!("`{path}` is not an absolute path{why}"),
            or_remove(path, hint),
        );
    }
    if let Some(bad) = not_a_directory(case, path) {
        return stops(bad.id, format!("`{path}` {}", bad.what), or_remove(path, bad.hint));
    }
    own_storage(case, entry)
}

/// Why the driver does not take a path.
struct Bad {
    id: &'static str,
    what: String,
    hint: &'static str,
}

fn not_a_directory(case: &Case<'_>, path: &str) -> Option<Bad> {
    let path = path_of(path);
    case.root()?;
    let expected = case.view.is_expected(&path);
    match case.view.find(Path::new(&path)) {
        FileAt::Thing(stat) if stat.kind == FileKind::Directory => None,
        FileAt::Thing(_) => Some(Bad {
            id: "store-not-directory",
            what: "is not a directory".to_owned(),
            hint: "mount it if it is an image of a store",
        }),
        // What only this process does not see, engines do.
        FileAt::Nothing if expected || hidden(case, &path) => None,
        FileAt::Nothing => Some(Bad {
            id: "store-missing",
            what: "does not exist".to_owned(),
            hint: "create it, install the package that it belongs to",
        }),
        FileAt::Closed(why) if case.view.is_limited() => Some(Bad {
            id: "store-unreadable",
            what: format!("cannot be accessed by normal users ({why})"),
            hint: "`chmod a+x` the directories above it, list it for root alone",
        }),
        FileAt::Closed(why) => Some(Bad {
            id: "store-unreadable",
            what: format!("cannot be accessed ({why})"),
            hint: "fix what the system reports",
        }),
    }
}

fn hidden(case: &Case<'_>, path: &str) -> bool {
    case.root().is_some_and(|root| !root.is_tree()) && is_hidden_here(Path::new(path))
}

/// An entry with a comma, at which the driver splits it.
fn comma(case: &Case<'_>, entry: &Sourced<String>) -> Option<Reason> {
    let path = &entry.value;
    let message = format!("`{path}` has a comma, at which engines split it");
    let hint = or_remove(path, "write each path as an entry of its own, rename a directory with a comma");
    let reason = |message| {
        Some(
            Reason::stops("store-comma", message, hint.clone())
                .at(entry.origin.site().cloned())
                .about(clean(path)),
        )
    };
    for part in path.split(',') {
        if !path_of(part).starts_with('/') {
            return reason(format!("{message}, and `{part}` is not absolute"));
        }
        if let Some(bad) = not_a_directory(case, part) {
            return reason(format!("{message}, and `{part}` {}", bad.what));
        }
    }
    let parts = Effect::Loses("reads two stores instead", "read two stores instead");
    reason(message).map(|reason| reason.with(parts))
}

/// podman 4 looks at all stores when it starts, the library's later versions when they are
/// used; each finds that its own lock is not read-only.
fn own_storage(case: &Case<'_>, entry: &Sourced<String>) -> Option<Reason> {
    let relations = relations(case.view, case.reading, &entry.value);
    let (_, key, own) = relations.into_iter().find(|(relation, ..)| *relation == Relation::Same)?;
    let message = format!("`{}` is the engine's own storage, `{own}` ({key})", entry.value);
    let hint = "remove this entry: the engine reads its own storage anyway";
    let reason = Reason::stops("store-is-graphroot", message, hint)
        .at(entry.origin.site().cloned())
        .about(clean(&entry.value));
    Some(match case.profile() {
        Profile::Podman4 => reason,
        _ => reason.with(content::USE),
    })
}

/// The same of an entry that may stand in CRI-O's own files, which no command here edits.
fn or_remove_from(entry: &Sourced<String>, path: &str, otherwise: &str) -> String {
    match entry.origin.site().filter(|site| site.is_of_crio()) {
        Some(site) => format!("{otherwise}, or remove it from `{}`", site.file.display()),
        None => or_remove(path, otherwise),
    }
}

/// A hint that ends with the command that takes the entry off the list.
pub fn or_remove(path: &str, otherwise: &str) -> String {
    format!("{otherwise}, or `storagectl remove-store {}`", shell_word(path))
}
