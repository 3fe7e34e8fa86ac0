//! From a text to values, as the engines' decoder does it.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use super::profile::Profile;
use super::reading::{Origin, Reading, Value};
use super::reason::{Effect, Reason, Site};
use super::view::Cache;
use crate::conf::{Document, Fault, Leaf, schema, toml11, type_fault};

/// What each array of an earlier file has been told: `append`, once a file has said it,
/// stays until another one says otherwise.
pub(super) type Appending = BTreeMap<String, bool>;

/// Parses a file for this engine; `None` if it cannot, which is told in `reasons`.
pub(super) fn parse(
    cache: &Cache,
    path: &Path,
    bytes: Vec<u8>,
    profile: Profile,
    reasons: &mut Vec<Reason>,
) -> Option<Rc<Document>> {
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let span = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
            reasons.push(
                Reason::stops("not-utf8", "this byte is not UTF-8", "save the file as UTF-8")
                    .at(Some(Site::of(path, &text, span))),
            );
            return None;
        }
    };
    let mut found: Vec<Reason> = Vec::new();
    let stops = |id, message: String, hint: &str, span| {
        Reason::stops(id, message, hint).at(Some(Site::of(path, &text, span)))
    };
    if text.starts_with(MARK) && profile == Profile::Podman4 {
        let message = "this file starts with a byte order mark".to_owned();
        let hint = "save the file as UTF-8 without a byte order mark";
        found.push(stops("byte-order-mark", message, hint, 0..MARK.len_utf8()));
    }
    // What a TOML parser takes is decided by its own version: podman 4 and 5 have
    // 1.2 and 1.5 of it, CRI-O and podman 6 have 1.6.
    let older = matches!(profile, Profile::Podman4 | Profile::Podman5);
    if older {
        for (what, span) in toml11::scan(&text) {
            found.push(stops("toml-1-1", format!("{} is TOML 1.1", what.describe()), what.hint(), span));
        }
    }
    let parsed = cache.parse(&text, older);
    let doc = match parsed {
        Ok(doc) => {
            let works = found.is_empty();
            // The reading of an engine for which the last one counts differs from the text.
            if let Some(fault) = (doc.text() != text).then(|| Document::parse(text.as_str()).err()).flatten()
            {
                let reason = stops("duplicate-key", twice(&text, &fault), KEEP_ONE, fault.span.clone());
                found.push(reason.with(LAST));
            }
            Some(doc).filter(|_| works)
        }
        Err(fault) => {
            let (message, hint) = match fault.id {
                "duplicate-key" => (twice(&text, &fault), KEEP_ONE),
                _ => (fault.message, "mend this line"),
            };
            let span = fault.span.start.min(text.len())..fault.span.end.min(text.len());
            found.push(stops(fault.id, message, hint, span));
            None
        }
    };
    reasons.append(&mut found);
    doc
}

/// Up to version 1.5, the engines' TOML library (BurntSushi/toml) lets the value that stands
/// there first be redefined if it is an array, and only then.
const LAST: Effect = Effect::Loses("uses the last one only", "use the last one only");

const KEEP_ONE: &str = "keep one of the two, with the values of both";

fn twice(text: &str, fault: &Fault) -> String {
    format!("`{}` stands in this table already", text.get(fault.span.clone()).unwrap_or_default())
}

const MARK: char = '\u{feff}';

/// Merges the settings of a document into a reading. A value of the wrong type is left out
/// and told.
pub(super) fn merge(
    reading: &mut Reading,
    path: &Path,
    doc: &Document,
    mut appending: Option<&mut Appending>,
) {
    for leaf in doc.leaves() {
        let site = Site::of(path, doc.text(), leaf.span.clone());
        if let Some(fault) = type_fault(&leaf, reading.profile.library()) {
            reading.reasons.push(of_fault(path, doc, fault));
            continue;
        }
        let value = Value { value: leaf.value, origin: Origin::File(site) };
        let known = leaf.name.rsplit_once('.').and_then(|(table, key)| schema::known(table, key));
        if known.is_some_and(|known| known.kind == schema::Kind::Strings) {
            let list = items(path, doc, &value, &leaf.items);
            let append = appending.as_deref_mut().is_some_and(|appending| {
                if let Some(said) = append_of(&value.value) {
                    appending.insert(leaf.name.clone(), said);
                }
                appending.get(&leaf.name) == Some(&true)
            });
            let before = reading.lists.entry(leaf.name.clone()).or_default();
            if !append {
                before.clear();
            }
            before.extend(list);
        }
        reading.values.insert(leaf.name, value);
    }
}

/// A fault of a document as a reason to stop.
pub(super) fn of_fault(path: &Path, doc: &Document, fault: Fault) -> Reason {
    Reason::stops(fault.id, fault.message, fault.hint).at(Some(Site::of(path, doc.text(), fault.span)))
}

/// The strings of an array, each with its place.
fn items(
    path: &Path,
    doc: &Document,
    array: &Value<Leaf>,
    spans: &[std::ops::Range<usize>],
) -> Vec<Value<String>> {
    let Leaf::Array(items) = &array.value else {
        return Vec::new();
    };
    let string = |(index, item): (usize, &Leaf)| {
        let Leaf::String(text) = item else {
            return None;
        };
        let origin = match spans.get(index) {
            Some(span) => Origin::File(Site::of(path, doc.text(), span.clone())),
            None => array.origin.clone(),
        };
        Some(Value { value: text.clone(), origin })
    };
    items.iter().enumerate().filter_map(string).collect()
}

/// What the last attribute of an array says of appending.
fn append_of(array: &Leaf) -> Option<bool> {
    let Leaf::Array(items) = array else {
        return None;
    };
    let said = |item: &Leaf| match item {
        Leaf::Table(pairs) => match pairs.get("append") {
            Some(Leaf::Boolean(append)) => Some(*append),
            _ => None,
        },
        _ => None,
    };
    items.iter().rev().find_map(said)
}
