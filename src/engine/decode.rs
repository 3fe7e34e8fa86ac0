//! From a text to values, as the engines' decoder does it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use super::Profile;
use super::read_cache::ReadCache;
use super::reading::{Reading, Sourced, ValueOrigin};
use super::reason::{Effect, Reason, Site, Sites};
use crate::conf::{Fault, Leaf, LeafAt, Redefined, TomlLibrary, schema, toml11, type_fault};

/// What each array of an earlier file has been told: `append`, once a file has said it,
/// stays until another one says otherwise.
pub(super) type Appending = BTreeMap<String, bool>;

/// A text as an engine's TOML library takes it.
pub(super) struct Parsed<'a> {
    /// The text, in which spans are.
    pub(super) text: Cow<'a, str>,
    /// All values, with their names and places.
    pub(super) leaves: Vec<LeafAt>,
}

/// Parses a file for this engine; `None` if it cannot, which is told in `reasons`.
pub(super) fn parse<'a>(
    cache: &ReadCache,
    path: &Path,
    bytes: &'a [u8],
    profile: Profile,
    reasons: &mut Vec<Reason>,
) -> Option<Parsed<'a>> {
    let given = bytes;
    let mut bytes = Cow::Borrowed(given);
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        // The library cuts these off, without a thought of UTF-16. Blanks in their place keep
        // everything where it is when what is not UTF-8 is replaced.
        bytes.to_mut().splice(..2, [b' '; 2 * char::REPLACEMENT_CHARACTER.len_utf8()]);
    }
    let text = match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|error| error.utf8_error()),
    };
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            let text = String::from_utf8_lossy(given);
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
    let library = profile.toml();
    if library == TomlLibrary::V1_2 {
        if text.starts_with(MARK) {
            let message = "this file starts with a byte order mark".to_owned();
            let hint = "save the file as UTF-8 without a byte order mark";
            found.push(stops("byte-order-mark", message, hint, 0..MARK.len_utf8()));
        }
        // Its lexer cannot tell this character from a byte that is not UTF-8.
        if let Some(at) = text.find(char::REPLACEMENT_CHARACTER) {
            let message = "here is the replacement character, U+FFFD".to_owned();
            let hint = "write what was here before it was lost";
            let span = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
            found.push(stops("not-utf8", message, hint, span));
        }
    }
    if library < TomlLibrary::V1_6 {
        for (what, span) in toml11::scan(&text) {
            found.push(stops("toml-1-1", format!("{} is TOML 1.1", what.describe()), what.hint(), span));
        }
    }
    let leaves = match cache.parse(&text) {
        Ok(doc) => Ok(doc.leaves().to_vec()),
        Err(strict) if strict.id == "duplicate-key" => match Redefined::read(&text, library) {
            Ok(read) => {
                let message = twice(&text, &strict);
                let reason = stops(strict.id, message, &strict.hint, strict.span);
                found.push(reason.with(effect_of(&read)));
                Ok(read.leaves)
            }
            Err(fault) if fault.id == strict.id => Err(strict),
            Err(fault) => Err(fault),
        },
        Err(fault) => Err(fault),
    };
    let works = found.iter().all(|reason| reason.effect != Effect::Stops);
    let leaves = leaves.map_err(|fault| {
        let (message, hint) = match fault.id {
            "duplicate-key" => (twice(&text, &fault), fault.hint.as_str()),
            _ => (fault.message, "fix this line"),
        };
        let span = fault.span.start.min(text.len())..fault.span.end.min(text.len());
        found.push(stops(fault.id, message, hint, span));
    });
    reasons.append(&mut found);
    Some(Parsed { leaves: leaves.ok().filter(|_| works)?, text })
}

/// What an engine makes of what is defined twice.
fn effect_of(read: &Redefined) -> Effect {
    match (read.replaced, read.dropped) {
        (true, false) => Effect::Loses("uses the last one only", "use the last one only"),
        (false, true) => Effect::Loses("uses the first one only", "use the first one only"),
        (true, true) => Effect::Loses("uses one of the two only", "use one of the two only"),
        (false, false) => Effect::Loses("reads both, which is not TOML", "read both, which is not TOML"),
    }
}

fn twice(text: &str, fault: &Fault) -> String {
    format!("`{}` is already in this table", text.get(fault.span.clone()).unwrap_or_default())
}

const MARK: char = '\u{feff}';

/// Merges the settings of a text into a reading. A value of the wrong type is left out
/// and told.
pub(super) fn merge(
    reading: &mut Reading,
    path: &Path,
    Parsed { text, leaves }: Parsed<'_>,
    mut appending: Option<&mut Appending>,
) {
    let sites = Sites::new(path, &text);
    for leaf in leaves {
        let site = sites.at(leaf.span.clone());
        if let Some(fault) = type_fault(&leaf, reading.profile.library()) {
            reading.reasons.push(of_fault(path, &text, fault));
            continue;
        }
        let value = Sourced { value: leaf.value, origin: ValueOrigin::File(site) };
        let known = leaf.name.rsplit_once('.').and_then(|(table, key)| schema::known(table, key));
        if known.is_some_and(|known| known.kind == schema::ValueType::Strings) {
            let list = items(&sites, &value, &leaf.items);
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

/// A fault of a text as a reason to stop.
fn of_fault(path: &Path, text: &str, fault: Fault) -> Reason {
    Reason::stops(fault.id, fault.message, fault.hint).at(Some(Site::of(path, text, fault.span)))
}

/// The strings of an array, each with its place.
fn items(sites: &Sites<'_>, array: &Sourced<Leaf>, spans: &[std::ops::Range<usize>]) -> Vec<Sourced<String>> {
    let Leaf::Array(items) = &array.value else {
        return Vec::new();
    };
    let string = |(index, item): (usize, &Leaf)| {
        let Leaf::String(value) = item else {
            return None;
        };
        let origin = match spans.get(index) {
            Some(span) => ValueOrigin::File(sites.at(span.clone())),
            None => array.origin.clone(),
        };
        Some(Sourced { value: value.clone(), origin })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What an engine makes of a file: its leaves, or nothing, and the reasons.
    type Found = (Option<Vec<LeafAt>>, Vec<(&'static str, Effect)>);

    fn parsed(bytes: &[u8]) -> Vec<Found> {
        let cache = ReadCache::default();
        let read = |profile| {
            let mut reasons = Vec::new();
            let parsed = parse(&cache, Path::new("/f"), bytes, profile, &mut reasons);
            let reasons = reasons.iter().map(|reason| (reason.id, reason.effect)).collect();
            (parsed.map(|parsed| parsed.leaves), reasons)
        };
        Profile::ALL.map(read).into()
    }

    fn stops(id: &'static str) -> Found {
        (None, vec![(id, Effect::Stops)])
    }

    #[test]
    fn the_replacement_character_stops_podman_4() {
        let found = parsed("a = 1 # \u{fffd}\n".as_bytes());
        assert_eq!(found[0], stops("not-utf8"));
        assert!(found[1..].iter().all(|(leaves, reasons)| leaves.is_some() && reasons.is_empty()));
    }

    #[test]
    fn a_mark_of_utf_16_is_cut_off() {
        for mark in [b"\xff\xfe", b"\xfe\xff"] {
            let bytes = [mark.as_slice(), b"a = 1\n"].concat();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            for (leaves, reasons) in parsed(&bytes) {
                assert_eq!((&text[leaves.unwrap()[0].span.clone()], reasons.len()), ("1", 0));
            }
        }
        assert!(parsed(b"a = 1 # \xff\xfe\n").into_iter().all(|found| found == stops("not-utf8")));
    }

    #[test]
    fn a_number_out_of_range_stops_all() {
        for text in ["a = 1e400\n", "a = 9223372036854775808\n", "a = [1]\na = [1e400]\n"] {
            assert!(parsed(text.as_bytes()).into_iter().all(|found| found == stops("syntax")), "{text}");
        }
    }

    #[test]
    fn what_is_defined_twice_counts_as_the_library_has_it() {
        let loses = |verb: &str, (leaves, reasons): &Found| {
            let effect = reasons.iter().all(
                |reason| matches!(reason, ("duplicate-key", Effect::Loses(one, _)) if one.contains(verb)),
            );
            leaves.is_some() && reasons.len() == 1 && effect
        };
        let found = parsed(b"a = ['/x']\na = ['/y']\n");
        assert!(found[..2].iter().all(|found| loses("last one", found)), "{found:?}");
        assert!(found[2..].iter().all(|found| *found == stops("duplicate-key")), "{found:?}");
        let found = parsed(b"a.x = 1\n[a]\ny = 2\n");
        assert!(found.iter().all(|found| loses("reads both", found)), "{found:?}");
        let found = parsed(b"a.x = 1\na = 2\n");
        assert!(found.iter().all(|found| loses("first one", found)), "{found:?}");
        assert!(parsed(b"[a]\n[a]\n").into_iter().all(|found| found == stops("duplicate-key")));
    }
}
