//! A declaration is one that engines can follow, or says what is wrong with it; what it says goes
//! into a storage.conf and out of it without a trace.

use storagectl::conf::{Document, Mark, MarkedEntry, Position, arrange, clean, listed};
use storagectl::declare::parse;
use storagectl::problem::Problem;
use storagectl::store::store_path;

use super::shown::assert_told;

const FILES: [&str; 2] = [
    "[storage]\ndriver = \"overlay\"\n[storage.options]\nadditionalimagestores = [\"/one\"] # theirs\n",
    "\u{feff}storage.options = { additionalimagestores = [\r\n  '/one' # one\r\n  ] }",
];

/// The name of a file on a line, and its text.
pub fn holds(input: &[u8]) {
    let Some((name, text)) = std::str::from_utf8(input).ok().and_then(|input| input.split_once('\n')) else {
        return;
    };
    let stores = match parse(name, text) {
        Ok(stores) => stores,
        Err(fault) => return assert_told(&Problem::at(fault, "f".into(), text)),
    };
    for store in &stores {
        assert_eq!(store_path(store.path.as_ref()).as_deref(), Ok(store.path.as_str()));
        if let Position::Before(other) | Position::After(other) = &store.position {
            assert_eq!((clean(other), other != &store.path), (other.clone(), true));
        }
    }
    for file in FILES {
        let doc = Document::parse(file).expect("it is TOML");
        let theirs = listed(&doc).expect("it is a list");
        let mut wanted = theirs.clone();
        wanted.extend(stores.iter().map(|store| MarkedEntry {
            path: store.path.clone(),
            mark: Some(Mark::new(&store.name, store.comment.as_deref())),
        }));
        let with = arrange(&doc, &wanted).expect("it can be edited").unwrap_or_else(|| doc.clone());
        assert_eq!(listed(&with).expect("it was edited"), wanted, "{:?}", with.text());
        let without = arrange(&with, &theirs).expect("it can be edited").unwrap_or_else(|| with.clone());
        assert_eq!(without.text(), file, "of {:?}", with.text());
    }
}
