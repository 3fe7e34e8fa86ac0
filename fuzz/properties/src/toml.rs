//! A configuration is read as TOML has it, and as each version of the engines' library has it.

use storagectl::conf::{Document, Essentials, Redefined, TomlLibrary, add_essentials, toml11};
use storagectl::conf::{set_aside, without_essentials};

use super::shown::assert_told;
use storagectl::problem::Problem;

/// Versions of the engines' library.
pub const LIBRARIES: [TomlLibrary; 3] = [TomlLibrary::V1_2, TomlLibrary::V1_5, TomlLibrary::V1_6];

/// A text.
pub fn holds(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    is_read_alike(&text);
    for (newer, span) in toml11::scan(&text) {
        assert!(text.get(span).is_some(), "{} of {text:?}", newer.describe());
    }
    let doc = match Document::parse(text.as_ref()) {
        Ok(doc) => doc,
        Err(fault) => return assert_told(&Problem::at(fault, "f".into(), &text)),
    };
    assert_eq!(doc.text(), text);
    let spans = doc.values().iter().chain(doc.headers());
    for span in spans {
        assert!(text.get(span.clone()).is_some(), "{span:?} of {text:?}");
    }
    for leaf in doc.leaves() {
        assert!(text.get(leaf.span.clone()).is_some(), "{leaf:?} of {text:?}");
        assert!(doc.line(leaf.span.start) <= text.matches('\n').count() + 1);
    }
    for key in doc.set_keys() {
        assert!(text.get(key.span.clone()).is_some(), "{:?} of {text:?}", key.span);
    }
    settings(&doc);
}

/// The settings that older engines need come and go without a trace.
fn settings(doc: &Document) {
    if doc.text().contains("storagectl") {
        return;
    }
    match add_essentials(doc, &Essentials::default(), false) {
        Ok(Some(with)) => {
            let again = add_essentials(&with, &Essentials::default(), false);
            assert!(matches!(again, Ok(None)), "twice in {:?}", with.text());
            let without = without_essentials(&with).expect("it was edited before");
            assert_eq!(without.as_ref().unwrap_or(&with).text(), doc.text(), "of {:?}", with.text());
        }
        Ok(None) => {}
        Err(fault) => {
            assert_ne!(fault.id, "internal", "{}: {:?}", fault.message, doc.text());
            assert_told(&Problem::at(fault, "f".into(), doc.text()));
        }
    }
    if let Err(fault) = set_aside(doc, |_| true) {
        assert_ne!(fault.id, "internal", "{}: {:?}", fault.message, doc.text());
    }
}

/// The reader of what is no TOML refuses what has no syntax, and its places are in the text.
pub fn is_read_alike(text: &str) {
    for library in LIBRARIES {
        let read = Redefined::read(text, library);
        match Document::parse(text) {
            Err(fault) if fault.id == "syntax" => {
                assert_eq!(read.expect_err("there is no syntax").id, "syntax", "of:\n{text}");
            }
            _ => {
                let mut spans = read.into_iter().flat_map(|read| read.leaves).map(|leaf| leaf.span);
                assert!(spans.all(|span| text.get(span).is_some()), "of:\n{text}");
            }
        }
    }
}
