//! What is added and taken off again leaves every byte as it was, in files with the array and
//! without, whatever had to be made for it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use proptest::test_runner::Config;
use storagectl::conf::{Document, StoreList, listed};
use storagectl_properties::edit::{Step, cleared, leaves_the_original_bytes, step};

/// Lines of a file, which may say a key twice or be wrong in another way: such files are left out.
const LINES: &[&str] = &[
    "",
    "",
    " ",
    "# a comment",
    "\t# additionalimagestores = []",
    "# additionalimagestores = [",
    "# \"/example\",",
    "# ]",
    "# [storage]",
    "[storage]",
    "  [storage] # here",
    "[storage.options]",
    "\t[storage.options] # there",
    "[storage.options.overlay]",
    "[storage.options.pull_options] # x",
    "[other]",
    "driver = \"overlay\"",
    "  driver = 'overlay' # d",
    "graphroot = \"/var/lib/containers/storage\"",
    "mountopt = \"nodev\"",
    "size = \"\"",
    "options.size = \"\"",
    "options = {}",
    "options = { }",
    "options = {  } # o",
    "options = { size = \"\" }  ",
    "options = { overlay = { size = '' } }",
    "options.overlay.size = ''",
    "storage = { driver = \"overlay\" }",
    "storage.options.size = \"\"",
    "storage.driver = 'overlay'",
    "text = \"\"\"\n# additionalimagestores = []\n[storage]\n\"\"\"",
    "additionalimagestores = []",
    "additionalimagestores = [ ]",
    "additionalimagestores = [\n  \"/one\",\n  '/two' # two\n]",
    "additionalimagestores = [\"/one\"] # theirs",
];

fn files() -> impl Strategy<Value = String> {
    let lines = proptest::collection::vec(proptest::sample::select(LINES), 0..9);
    let newline = prop_oneof![Just("\n"), Just("\n"), Just("\r\n")];
    (lines, newline, any::<bool>(), any::<bool>()).prop_filter_map(
        "the file is not valid",
        |(lines, newline, ends, bom)| {
            let mut text = lines.join("\n");
            if ends && !text.is_empty() {
                text.push('\n');
            }
            let bom = if bom && text.len() % 5 == 0 { "\u{feff}" } else { "" };
            let doc = Document::parse(format!("{bom}{}", text.replace('\n', newline))).ok()?;
            listed(&doc).is_ok().then(|| doc.text().to_owned())
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..3usize, any::<bool>()).prop_map(|(store, first)| Step::Add(store, first)),
        (0..3usize).prop_map(Step::Remove),
        (0..3usize).prop_map(Step::Declare),
        (0..3usize).prop_map(Step::Undeclare),
    ];
    proptest::collection::vec(step, 1..8)
}

fn config(cases: u32) -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config {
        cases: asked.unwrap_or(cases),
        max_global_rejects: 10_000_000,
        failure_persistence: None,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn whatever_was_listed_and_declared_leaves_the_original_bytes(doc in files(), steps in steps()) {
        leaves_the_original_bytes(&Document::parse(doc).unwrap(), &steps);
    }

    #[test]
    fn what_others_wrote_in_between_stays(doc in files(), steps in steps(), at in 0..99usize, line in 0..LINES.len()) {
        let mut now = Document::parse(doc.as_str()).unwrap();
        for it in &steps {
            now = step(&now, it).unwrap();
        }
        // Somebody writes a line anywhere.
        let ends: Vec<usize> = now.text().match_indices('\n').map(|(at, _)| at + 1).collect();
        let Some(&at) = ends.get(at % ends.len().max(1)) else { return Ok(()) };
        let theirs = format!("{}\n", LINES[line].replace('\n', " "));
        if theirs.trim().is_empty() {
            return Ok(());
        }
        let text = format!("{}{theirs}{}", &now.text()[..at], &now.text()[at..]);
        let Ok(joined) = Document::parse(text) else { return Ok(()) };
        // A header may make another key of the array.
        if listed(&joined).ok() != listed(&now).ok() {
            return Ok(());
        }
        // A comment above an entry belongs to it.
        let list = StoreList::of(&joined).unwrap();
        if list.is_some_and(|list| list.span.contains(&at)) && theirs.trim().starts_with('#') {
            return Ok(());
        }
        let cleared = cleared(joined.clone()).unwrap();
        prop_assert!(cleared.text().contains(theirs.trim_end()), "lost:\n{}\nof\n{}", cleared.text(), joined.text());
        // All that stood there stands there.
        let mut rest = cleared.text().trim_start_matches('\u{feff}').lines();
        for old in doc.trim_start_matches('\u{feff}').lines() {
            prop_assert!(rest.any(|line| line == old) || old.trim().is_empty(), "lost {old:?}:\n{}\nof\n{}", cleared.text(), joined.text());
        }
    }
}
