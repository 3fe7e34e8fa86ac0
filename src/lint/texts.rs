//! What is wrong with a file as text, before any key is looked at.

use super::finding::{Found, Sink};
use super::input::{File, Input};
use crate::conf::toml11;
use crate::conf::{Fault, Splice};
use crate::engine::Engines;

const MARK: char = '\u{feff}';

pub(super) fn not_utf8(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for file in &input.files {
        if let Some(at) = file.not_utf8 {
            let message = "this byte is not UTF-8";
            let width = char::REPLACEMENT_CHARACTER.len_utf8();
            sink.at(file, &(at..at + width), Found::stops(file.engines, message, "save the file as UTF-8"));
        }
    }
}

pub(super) fn byte_order_mark(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for file in &input.files {
        if file.text.starts_with(MARK) {
            let engines = file.engines.and(Engines::PODMAN4);
            let message = "this file starts with a byte order mark";
            let found = Found::stops(engines, message, "save the file as UTF-8 without a byte order mark");
            sink.at(file, &(0..MARK.len_utf8()), found.with_fix(vec![Splice::delete(0..MARK.len_utf8())]));
        }
    }
}

pub(super) fn syntax(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for (file, fault) in faults(input, "syntax") {
        sink.at(file, &fault.span, Found::stops(file.engines, fault.message.as_str(), "mend this line"));
    }
}

/// Up to version 1.5, the engines' TOML library (BurntSushi/toml) lets the value
/// that stands there first be redefined if it is an array, and only then.
pub(super) fn duplicate_key(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for (file, fault) in faults(input, "duplicate-key") {
        let name = file.text.get(fault.span.clone()).unwrap_or_default();
        let (message, hint) = (
            format!("`{name}` stands in this table already"),
            "keep one of the two, with the values of both",
        );
        let found = if first_is_array(&file.text, &fault.span) {
            let older = file.engines.and(Engines::OLDER_TOML);
            let stop = file.engines.without(older);
            let mut effect: Vec<String> = Vec::new();
            if !stop.is_empty() {
                effect.push(stop.stop());
            }
            if !older.is_empty() {
                effect.push(older.verb("uses the last one only", "use the last one only"));
            }
            Found { stops: stop, ..Found::new(file.engines, message, effect.join("; "), hint) }
        } else {
            Found::stops(file.engines, message, hint)
        };
        sink.at(file, &fault.span, found);
    }
}

/// Whether the key at `later` stands on a line of its own before, with an array for its value.
fn first_is_array(text: &str, later: &std::ops::Range<usize>) -> bool {
    let Some(key) = text.get(later.clone()) else {
        return false;
    };
    text[..later.start].lines().rev().find_map(|line| {
        let line = line.trim_start();
        if line.starts_with('[') {
            return Some(false);
        }
        let value = line.strip_prefix(key)?.trim_start().strip_prefix('=')?;
        Some(value.trim_start().starts_with('['))
    }) == Some(true)
}

/// BurntSushi/toml reads TOML 1.1 from version 1.6 on, which CRI-O 1.36 and podman 6 have.
pub(super) fn toml_1_1(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for file in &input.files {
        for (what, span) in toml11::scan(&file.text) {
            let engines = file.engines.and(Engines::OLDER_TOML);
            let message = format!("{} is TOML 1.1", what.describe());
            sink.at(file, &span, Found::stops(engines, message, what.hint()));
        }
    }
}

fn faults<'i>(input: &'i Input<'_>, id: &'static str) -> impl Iterator<Item = (&'i File, &'i Fault)> {
    // What follows a byte that is not UTF-8 is not known.
    let readable = input.files.iter().filter(|file| file.not_utf8.is_none());
    readable.filter_map(move |file| Some((file, file.doc.as_ref().err().filter(|fault| fault.id == id)?)))
}
