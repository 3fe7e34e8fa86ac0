//! Hosts that were found once, and are looked at first, always.

use std::fmt::Write as _;
use std::path::Path;

use super::host::Host;
use super::plans::Workshop;
use super::{Comparison, Disagreement, text};

/// Every host and its name.
fn hosts() -> Vec<(String, Host)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/compare/corpus");
    let mut files: Vec<_> = fs_err::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let host = |file: &std::path::PathBuf| {
        let name = file.file_name().unwrap().display().to_string();
        (name, text::read(&fs_err::read_to_string(file).unwrap()))
    };
    files.iter().map(host).collect()
}

#[test]
fn the_library_and_storagectl_agree_on_every_host_of_the_corpus() {
    let mut comparison = Comparison::start();
    let mut report = String::new();
    for (name, host) in hosts() {
        for Disagreement { engine, library, ours, .. } in comparison.disagreements(&host) {
            writeln!(report, "{name}: {engine}\n  library: {library}\n  storagectl: {ours}").unwrap();
        }
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
fn no_plan_breaks_a_promise_on_a_host_of_the_corpus() {
    let mut workshop = Workshop::start();
    let mut report = String::new();
    for (name, host) in hosts() {
        if let Some(broken) = workshop.run(&host) {
            writeln!(report, "{name}:\n{}", broken.story).unwrap();
        }
    }
    assert!(report.is_empty(), "{report}");
}
