//! Rules about single keys: whether they are known, where they stand, of what
//! type they are.

use super::finding::{LintFindings, RuleHit};
use super::input::{LintFile, LintInput};
use crate::conf::SetKey;
use crate::conf::schema::{self, KeyState, SchemaKey};
use crate::engine::Engines;

/// What a key of a document is.
#[derive(Debug, Clone, Copy)]
pub(super) enum KeyKind {
    /// A key of the schema.
    Known(&'static SchemaKey),
    /// A table of the schema, but its value is none.
    NotATable,
    /// Neither.
    Unknown,
}

/// Every key of a file with what it is, but for what an unknown table holds.
pub(super) fn sorted(file: &LintFile) -> Vec<(KeyKind, &SetKey)> {
    let mut found = Vec::new();
    let mut left: Vec<&SetKey> = file.keys.iter().rev().collect();
    while let Some(key) = left.pop() {
        let is_table = schema::is_table(&key.dotted());
        match (is_table, key.is_table) {
            (true, true) => left.extend(key.inner.iter().rev()),
            (true, false) => found.push((KeyKind::NotATable, key)),
            (false, _) => {
                let known = schema::known(&key.table, &key.name).or_else(|| of_removed_table(&key.table));
                found.push((known.map_or(KeyKind::Unknown, KeyKind::Known), key));
            }
        }
    }
    found
}

/// Of a table that is gone, every key is.
fn of_removed_table(table: &str) -> Option<&'static SchemaKey> {
    schema::KEYS
        .iter()
        .find(|key| key.table == table)
        .filter(|key| matches!(key.state, KeyState::Removed(..)) && !key.table.ends_with(".options"))
}

/// Every known key that is not an empty value, with its row.
pub(super) fn known_keys(file: &LintFile) -> impl Iterator<Item = (&'static SchemaKey, &SetKey)> {
    sorted(file).into_iter().filter_map(|(sort, key)| match sort {
        KeyKind::Known(known) => Some((known, key)),
        KeyKind::NotATable | KeyKind::Unknown => None,
    })
}

/// What engines do with a key that they do not know.
fn passed_over(engines: Engines) -> String {
    let (legacy, modern) = (engines.and(Engines::LEGACY), engines.and(Engines::PODMAN6));
    let mut parts = Vec::new();
    if !legacy.is_empty() {
        parts.push(legacy.verb("warns and goes on without it", "warn and go on without it"));
    }
    if !modern.is_empty() {
        parts.push(modern.verb("silently ignores it", "silently ignore it"));
    }
    parts.join("; ")
}

/// What is probably meant by a key that nobody knows.
enum Guess {
    /// A key of this table.
    Spelling(&'static str),
    /// The same key elsewhere.
    Tables(Vec<&'static str>),
    /// Nothing.
    None,
}

fn guess(key: &SetKey) -> Guess {
    let tables = schema::tables_with(&key.name);
    if !tables.is_empty() && !key.is_table {
        return Guess::Tables(tables);
    }
    if let Some(near) = schema::nearest_in(&key.table, &key.name) {
        return Guess::Spelling(near);
    }
    Guess::None
}

fn unknown<'a>(input: &'a LintInput<'_>) -> impl Iterator<Item = (&'a LintFile, &'a SetKey)> {
    input.files.iter().flat_map(|file| {
        sorted(file).into_iter().filter_map(move |(sort, key)| match sort {
            KeyKind::Unknown => Some((file, key)),
            KeyKind::Known(_) | KeyKind::NotATable => None,
        })
    })
}

/// In a map, unlike in a table, no engine minds a key that it does not know.
fn effect_of_unknown(file: &LintFile, key: &SetKey) -> String {
    if schema::is_map(&key.table) {
        return file.engines.verb("silently ignores it", "silently ignore it");
    }
    passed_over(file.engines)
}

pub(super) fn unknown_key(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    for (file, key) in unknown(input) {
        if matches!(guess(key), Guess::None) {
            let what = if key.is_table { "table" } else { "key" };
            let message = format!("no engine knows the {what} `{}`", key.dotted());
            let hint = "remove it, or see containers-storage.conf(5) for what it should be";
            findings.add(
                file,
                &key.key,
                RuleHit::new(file.engines, message, effect_of_unknown(file, key), hint),
            );
        }
    }
}

pub(super) fn misspelt_key(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    for (file, key) in unknown(input) {
        if let Guess::Spelling(near) = guess(key) {
            let what = if key.is_table { "table" } else { "key" };
            let message = format!("no engine knows the {what} `{}`", key.dotted());
            let hint = format!("did you mean `{near}`?");
            findings.add(
                file,
                &key.key,
                RuleHit::new(file.engines, message, effect_of_unknown(file, key), hint),
            );
        }
    }
}

pub(super) fn misplaced_key(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    for (file, key) in unknown(input) {
        if let Guess::Tables(tables) = guess(key) {
            let place = if key.table.is_empty() {
                "above all tables".to_owned()
            } else {
                format!("in `[{}]`", key.table)
            };
            let message = format!("no engine looks for `{}` {place}", key.name);
            let tables: Vec<String> = tables.iter().map(|table| format!("`[{table}]`")).collect();
            let hint = format!("it belongs in {}", tables.join(" or "));
            findings.add(
                file,
                &key.key,
                RuleHit::new(file.engines, message, effect_of_unknown(file, key), hint),
            );
        }
    }
}

pub(super) fn deprecated_key(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    for file in &input.files {
        for (known, key) in known_keys(file) {
            if let KeyState::Deprecated(version, instead) = known.state {
                let engines = file.engines.and(Engines::by_version(|has| has >= version));
                let message =
                    format!("`{}` is deprecated since podman {}", key.dotted(), schema::podman_with(version));
                let effect = engines.verb(
                    "reads it for normal users only, and not if `graphroot` is set",
                    "read it for normal users only, and not if `graphroot` is set",
                );
                findings.add(file, &key.key, RuleHit::new(engines, message, effect, instead));
            }
        }
    }
}

pub(super) fn removed_key(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    for file in &input.files {
        for (known, key) in known_keys(file) {
            if let KeyState::Removed(version, instead) = known.state {
                let engines = file.engines.and(Engines::by_version(|has| has >= version));
                let since = if version > 43 {
                    format!("podman {} and later do not know", schema::podman_with(version))
                } else {
                    "no current engine knows".to_owned()
                };
                let message = format!("{since} `{}`", key.dotted());
                findings.add(file, &key.key, RuleHit::new(engines, message, passed_over(engines), instead));
            }
        }
    }
}

pub(super) fn new_key(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    for file in &input.files {
        // Of one without effect, there is more to say elsewhere.
        for (known, key) in known_keys(file).filter(|(known, _)| known.state == KeyState::Current) {
            let engines = file.engines.and(Engines::by_version(|has| has < known.since));
            // A map takes every key, and engines look for those that they know.
            let effect = if schema::is_map(&key.table) {
                engines.verb("silently ignores it", "silently ignore it")
            } else {
                passed_over(engines)
            };
            let message = format!(
                "engines before podman {} do not know `{}`",
                schema::podman_with(known.since),
                key.dotted()
            );
            let hint = "leave it out if such an engine must work with this file as with others";
            findings.add(file, &key.key, RuleHit::new(engines, message, effect, hint));
        }
    }
}

pub(super) fn ignored_key(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    for file in &input.files {
        for (known, key) in known_keys(file) {
            if let KeyState::Ignored(instead) = known.state {
                let message = format!("`{}` has no effect in `[{}]`", key.name, known.table);
                let readers = decoders(file, known);
                let others = file.engines.without(readers);
                let mut effect = readers.verb("reads it and does nothing", "read it and do nothing");
                if !others.is_empty() {
                    effect = format!("{effect}; {}", passed_over(others));
                }
                findings.add(file, &key.key, RuleHit::new(file.engines, message, effect, instead));
            }
        }
    }
}

pub(super) fn duplicate_spelling(input: &LintInput<'_>, findings: &mut LintFindings<'_, '_>) {
    for file in &input.files {
        let mut left: Vec<&[SetKey]> = vec![&file.keys];
        while let Some(keys) = left.pop() {
            for (index, key) in keys.iter().enumerate() {
                left.push(&key.inner);
                let first = keys[..index].iter().find(|first| first.name.eq_ignore_ascii_case(&key.name));
                if let Some(first) = first.filter(|_| !schema::is_map(&key.table)) {
                    let message =
                        format!("`{}` is spelled in two ways here, also as `{}`", key.name, first.name);
                    let effect = file.engines.verb(
                        "ignores the case of keys and takes either, not always the same",
                        "ignore the case of keys and take either, not always the same",
                    );
                    findings.add(
                        file,
                        &key.key,
                        RuleHit::new(file.engines, message, effect, "keep one of the two"),
                    );
                }
            }
        }
    }
}

/// The engines that decode this key into a field of its type. Of a key that they
/// do not know, the type does not matter.
fn decoders(file: &LintFile, known: &SchemaKey) -> Engines {
    if schema::is_map(known.table) {
        return file.engines;
    }
    file.engines.and(Engines::by_version(|version| known.is_known_to(version)))
}
