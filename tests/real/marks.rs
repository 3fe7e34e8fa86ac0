//! What storagectl lists for packages, and what it sets aside at boot, in every form
//! of the array: real podman and the storage library of every generation read it.

use std::path::Path;

use storagectl::conf::{self, Document, Mark, MarkedEntry, Position, StoreList, clean};

use crate::generations::{ENGINES, seen};
use crate::podman::{Bench, assert_served, forms, path};
use crate::support::{run, scratch_in_memory, storagectl, text};

fn parse(text: &str) -> Document {
    Document::parse(text).unwrap()
}

/// Every form as it is after a store has come and gone: with an array, and with
/// what podman 4 needs.
fn benches() -> impl Iterator<Item = (&'static str, Bench, String)> {
    let bench = |(name, form): (&'static str, String)| {
        let bench = Bench::new(&form);
        run(&mut bench.storagectl(&["add-store", path(&bench.store())]));
        run(&mut bench.storagectl(&["remove-store", path(&bench.store())]));
        let text = String::from_utf8(bench.bytes()).unwrap();
        (name, bench, text)
    };
    forms::all().into_iter().map(bench)
}

/// Marked entries before, between and behind those of the document.
fn with_marked(doc: &Document, other: &str, store: &str) -> Document {
    let entry = |path: &str| MarkedEntry {
        path: path.to_owned(),
        mark: Some(Mark::new("10-app@1", Some("\"images\" of the 'app' # ], [ é"))),
    };
    let mut wanted = Vec::new();
    for theirs in conf::listed(doc).unwrap() {
        wanted.extend([entry(other), theirs]);
    }
    wanted.extend([entry(other), entry(store)]);
    conf::arrange(doc, &wanted).unwrap().expect("nothing was marked before")
}

/// Checks that podman serves the store's image with `doc`, and that the libraries
/// list what the document says.
#[track_caller]
fn assert_all_read(bench: &Bench, doc: &Document, what: &str) {
    let what = format!("{what}:\n{}", doc.text());
    std::fs::write(bench.conf(), doc.text()).unwrap();
    assert_served(&bench.images(), &what);
    // The libraries take a directory as their root; the stores have the same paths in it.
    let host = scratch_in_memory();
    for store in [bench.other(), bench.store()] {
        run(&mut storagectl(&["--root", path(host.path()), "--quiet", "init-store", path(&store)]));
    }
    std::fs::create_dir_all(host.path().join("etc/containers")).unwrap();
    std::fs::write(host.path().join("etc/containers/storage.conf"), doc.text()).unwrap();
    let mut listed: Vec<String> = StoreList::paths(doc).unwrap().iter().map(|path| clean(path)).collect();
    listed.dedup();
    for engine in ENGINES {
        assert_eq!(stores(engine, host.path()), listed, "{engine}, {what}");
    }
}

fn stores(engine: &str, root: &Path) -> Vec<String> {
    let mut stores: Vec<String> = seen(engine, root).iter().map(|path| clean(path)).collect();
    stores.dedup();
    stores
}

#[test]
fn every_engine_reads_marked_entries_in_every_form() {
    for (name, bench, text) in benches() {
        let doc = parse(&text);
        let marked = with_marked(&doc, path(&bench.other()), path(&bench.store()));
        assert_all_read(&bench, &marked, name);
        assert_eq!(conf::without_marked(&marked).unwrap().text(), text, "{name}");
    }
}

#[test]
fn every_engine_starts_once_a_missing_store_is_set_aside_in_every_form() {
    for (name, bench, form) in benches() {
        let gone = bench.dir().join("gone");
        let position = if name.len() % 2 == 0 { Position::First } else { Position::Last };
        let doc = conf::add(&parse(&form), &[path(&gone).to_owned()], &position).unwrap().unwrap();
        let marked = with_marked(&doc, path(&bench.other()), path(&bench.store()));
        std::fs::write(bench.conf(), marked.text()).unwrap();
        let stopped = bench.images();
        assert!(!stopped.status.success(), "{name}: {}", text(&stopped));

        let aside = conf::set_aside(&marked, |listed| clean(listed) == path(&gone)).unwrap().unwrap();
        assert_all_read(&bench, &aside, name);
        let back = conf::put_back(&aside, |_| true).unwrap().unwrap();
        assert_eq!(back.text(), marked.text(), "{name}");

        let mine = |listed: &str| listed == path(&bench.store());
        let alone = conf::set_aside(&marked, |listed| !mine(listed)).unwrap().unwrap();
        let lines = StoreList::paths(&alone).unwrap();
        // What is written over several lines stays.
        if lines.iter().all(|listed| mine(listed)) {
            assert_all_read(&bench, &alone, name);
        } else {
            assert_eq!(name, "multi_line_strings", "{}", alone.text());
        }
        assert_eq!(conf::put_back(&alone, |_| true).unwrap().unwrap().text(), marked.text(), "{name}");
    }
}
