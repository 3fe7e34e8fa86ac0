//! From a document to values, as the engines' decoder does it.

use std::path::Path;
use std::rc::Rc;

use super::profile::Profile;
use super::reading::{Failure, Origin, Reading, Value};
use super::view::Cache;
use crate::conf::{Document, Fault, Leaf};

/// How far arrays of an earlier file have been told to stay.
#[derive(Debug, Default)]
pub(super) struct Appending {
    /// `append`, once a file has said it: it stays until another one says otherwise.
    append: Option<bool>,
}

/// Parses a file for this engine.
///
/// # Errors
/// A [`Failure`] if the engine cannot.
pub(super) fn parse(
    cache: &Cache,
    path: &Path,
    bytes: Vec<u8>,
    profile: Profile,
) -> Result<Rc<Document>, Failure> {
    let failure = |message: String, before: &[u8]| Failure {
        message,
        place: Some((path.to_owned(), before.iter().filter(|&&byte| byte == b'\n').count() + 1)),
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        failure("the file is not UTF-8".to_owned(), &error.as_bytes()[..valid])
    })?;
    if text.starts_with('\u{feff}') && profile == Profile::Podman4 {
        return Err(failure("the file starts with a byte order mark".to_owned(), b""));
    }
    // What a TOML parser takes is decided by its own version: podman 4 and 5 have
    // 1.2 and 1.5 of it, CRI-O and podman 6 have 1.6.
    let older = matches!(profile, Profile::Podman4 | Profile::Podman5);
    if let Some((what, span)) = crate::conf::toml11::scan(&text).into_iter().next().filter(|_| older) {
        let message = format!("{} is TOML 1.1, which this engine does not read", what.describe());
        return Err(failure(message, &text.as_bytes()[..span.start]));
    }
    cache.parse(text.clone(), older).map_err(|fault| {
        let at = fault.span.start.min(text.len());
        failure(fault.message, &text.as_bytes()[..at])
    })
}

/// Merges the settings of a document into a reading.
///
/// # Errors
/// A [`Failure`] for a value of the wrong type.
pub(super) fn merge(
    reading: &mut Reading,
    path: &Path,
    doc: &Document,
    appending: Option<&mut Appending>,
) -> Result<(), Failure> {
    let failure = |fault: &Fault| Failure::at(path, Some(doc), fault);
    let origin = |at: usize| Origin::File { file: path.to_owned(), line: doc.line(at) };
    if let Some(fault) = crate::conf::type_fault(doc, reading.profile.library()) {
        return Err(failure(&fault));
    }
    for leaf in doc.leaves() {
        let value = Value { value: leaf.value.clone(), origin: origin(leaf.span.start) };
        reading.values.insert(leaf.name.clone(), value);
        // An empty string leaves the default, or what an earlier file says.
        let Leaf::String(text) = leaf.value else {
            continue;
        };
        let value =
            Some(Value { value: text, origin: origin(leaf.span.start) }).filter(|it| !it.value.is_empty());
        let place = match leaf.name.as_str() {
            "storage.driver" => &mut reading.driver,
            "storage.graphroot" => &mut reading.graphroot,
            "storage.runroot" => &mut reading.runroot,
            "storage.imagestore" => &mut reading.imagestore,
            _ => continue,
        };
        *place = value;
    }
    let legacy = appending.is_none();
    let Some(list) = doc.attributed_list().map_err(|fault| failure(&fault))? else {
        return Ok(());
    };
    if let (true, Some(span)) = (legacy, list.attributes.first()) {
        return Err(failure(&Fault {
            id: "wrong-type",
            message: "incompatible types: an item of `additionalimagestores` is a table, and this engine reads strings only".to_owned(),
            hint: String::new(),
            span: span.clone(),
        }));
    }
    let items = list.items.into_iter().map(|(value, at)| Value { value, origin: origin(at) });
    match appending {
        None => reading.stores = items.collect(),
        Some(appending) => {
            appending.append = list.append.or(appending.append);
            if appending.append != Some(true) {
                reading.stores.clear();
            }
            reading.stores.extend(items);
        }
    }
    Ok(())
}
