//! A host with any files: engines are judged, what is wrong is told, fixes make nothing worse, and
//! what is listed and taken off leaves the tree as it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use storagectl::conf::Position;
use storagectl::doctor::diagnose;
use storagectl::engine::{Engines, Profile};
use storagectl::lint::{self, LintInput};
use storagectl::plan::{
    AddOptions, ApplyOptions, CommitMode, Host, RemoveOptions, ServedEngines, add_stores, apply, list_stores,
    remove_stores,
};
use storagectl::problem::{Problem, Several, Severity};

use super::shown::assert_told;
use super::tree::Tree;

/// A tree, in which /srv/new and /usr/lib/app are stores.
pub fn holds(input: &[u8]) {
    let tree = Tree::new(input, |name, _| vec![name.to_owned()]);
    for store in ["srv/new", "usr/lib/app"] {
        for part in ["images", "layers"] {
            tree.write(&format!("{store}/overlay-{part}/{part}.lock"), b"");
        }
    }
    let _ = fs::create_dir_all(tree.dir().join("etc/containers"));
    let before = files(tree.dir());
    looked_at(&tree);
    assert_eq!(files(tree.dir()), before, "looking has changed something");
    listed_and_taken_off(&tree, &before);
    declared(&tree);
}

fn host(tree: &Tree) -> Host {
    Host::new(tree.root(), None)
}

fn told(error: &anyhow::Error) {
    if let Some(problem) = error.downcast_ref::<Problem>() {
        assert_ne!(problem.id, "internal", "{}", problem.message);
        assert_told(problem);
    } else if let Some(several) = error.downcast_ref::<Several>() {
        let (first, more) = several.split();
        assert_told(first);
        more.iter().for_each(assert_told);
    }
}

fn looked_at(tree: &Tree) {
    let host = host(tree);
    for profile in Profile::ALL {
        let _ = host.judge(profile).outcome();
    }
    if let Err(error) = list_stores(&host) {
        told(&error);
    }
    match diagnose(&host) {
        Ok(diagnosis) => diagnosis.not_looked.iter().for_each(assert_told),
        Err(error) => told(&error),
    }
    let mut input = match LintInput::read(&host, Some(Engines::ALL)) {
        Ok(input) => input,
        Err(problem) => return assert_told(&problem),
    };
    let report = lint::check(&input, &[]);
    for finding in &report.findings {
        assert_told(finding);
    }
    report.not_looked.iter().for_each(assert_told);
    lint::fix(&mut input, &[]);
    let after = lint::check(&input, &[]);
    assert_eq!(after.fixable(), 0, "fixes are left: {:?}", after.findings);
    assert!(after.count(Severity::Error) <= report.count(Severity::Error), "fixes have made errors");
}

fn listed_and_taken_off(tree: &Tree, before: &BTreeMap<PathBuf, String>) {
    let paths = vec!["/srv/new".to_owned()];
    let add = AddOptions { paths: paths.clone(), position: Position::Any, ..AddOptions::default() };
    let all_work = {
        let host = host(tree);
        host.readers().iter().all(|reader| !reader.judge(&host.view()).stops())
    };
    let dry = add_stores(&host(tree), &add, CommitMode::DryRun);
    assert_eq!(&files(tree.dir()), before, "a dry run has changed something");
    let added = match add_stores(&host(tree), &add, CommitMode::Commit) {
        Ok(outcome) => outcome,
        Err(error) => {
            assert_eq!(&files(tree.dir()), before, "changed, and failed: {error:#}");
            return told(&error);
        }
    };
    assert_eq!(dry.expect("it was done afterwards").plan, added.plan);
    if !added.committed {
        return;
    }
    let again = add_stores(&host(tree), &add, CommitMode::Commit).expect("it was done before");
    assert!(!again.committed, "listed twice: {:?}", again.plan);
    // A text in which we have been says what we did there, and may lie. And a file with which an
    // engine works that did not before stays.
    if !all_work || before.values().any(|text| text.contains("storagectl")) {
        return;
    }
    let remove = RemoveOptions { paths, serve: ServedEngines::All, ..RemoveOptions::default() };
    match remove_stores(&host(tree), &remove, CommitMode::Commit) {
        Ok(_) => assert_eq!(&files(tree.dir()), before, "after:\n{:?}", added.plan),
        Err(error) => panic!("listed and not taken off: {error:#}\n{:?}", added.plan),
    }
}

fn declared(tree: &Tree) {
    let follow = |boot| {
        let host = host(tree);
        let declarations = host.declarations()?;
        declarations.problems.iter().for_each(assert_told);
        apply(&host, &declarations, ApplyOptions { boot, ..ApplyOptions::default() }, CommitMode::Commit)
    };
    for boot in [false, true] {
        match follow(boot) {
            Ok(_) => {
                let again = follow(boot).expect("it was done before");
                assert!(!again.committed, "applied twice: {:?}", again.plan);
            }
            Err(error) => told(&error),
        }
    }
}

/// Every file below `dir` with its bytes, or what it leads to; directories are empty.
fn files(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).expect("it is there") {
            let path = entry.expect("it is there").path();
            let kind = fs::symlink_metadata(&path).expect("it is there").file_type();
            let content = if kind.is_dir() {
                dirs.push(path.clone());
                Vec::new()
            } else if kind.is_symlink() {
                fs::read_link(&path).expect("it is one").into_os_string().into_encoded_bytes()
            } else {
                fs::read(&path).expect("it is a file")
            };
            files.insert(path, content.escape_ascii().to_string());
        }
    }
    files
}
