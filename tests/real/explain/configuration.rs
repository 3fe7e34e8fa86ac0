//! What the engines' loaders say of configurations: those of the documents tests/cmd/lint-*.md, and
//! texts of main files.

use std::path::Path;

use serde_json::Value;

use super::list;
use crate::hosts::loader_in;
use crate::lint::documents::{BASE, DOCUMENTS, MARK};
use crate::lint::{copy, hosts};
use crate::support::{finish, storagectl, text};

const LOADERS: [&str; 3] = ["legacy4", "legacy", "modern"];

/// What each loader that stops says of the host in `tree`, where it is not led back to what check-config
/// finds; and how many said something.
fn tried(name: &str, tree: &Path) -> (usize, Vec<String>) {
    fs_err::create_dir_all(tree.join("tmp")).unwrap();
    let (mut count, mut wrong) = (0, Vec::new());
    let root = tree.to_str().unwrap();
    for loader in LOADERS {
        let output = finish(&mut loader_in(tree, loader));
        if output.status.success() {
            continue;
        }
        count += 1;
        let said = text(&output);
        let explained = finish(&mut storagectl(&["--root", root, "--format", "json", "explain", &said]));
        let answer: Value = serde_json::from_slice(&explained.stdout).unwrap();
        let messages = list(&answer, "messages");
        let has_cause = |message: &&Value| !list(message, "causes").is_empty();
        if messages.iter().find(has_cause).is_none() {
            wrong.push(format!("{name}, {loader}: {said}\n  {answer}"));
        }
    }
    (count, wrong)
}

#[test]
fn whatever_loaders_say_is_led_back_to_the_line() {
    let (mut count, mut wrong) = (0, Vec::new());
    let mut note = |(said, mistakes): (usize, Vec<String>)| {
        count += said;
        wrong.extend(mistakes);
    };
    for (name, tree) in hosts() {
        note(tried(&name, copy(&tree).path()));
    }
    for (name, document) in DOCUMENTS {
        let tree = tempfile::tempdir().unwrap();
        for dir in ["etc/containers", "a", "b"] {
            fs_err::create_dir_all(tree.path().join(dir)).unwrap();
        }
        let document = match document.strip_prefix(MARK) {
            Some(rest) => [BASE, rest].concat(),
            None => document.to_vec(),
        };
        fs_err::write(tree.path().join("etc/containers/storage.conf"), document).unwrap();
        note(tried(name, tree.path()));
    }
    assert!(wrong.is_empty(), "{} are wrong\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(count > 150, "{count} is little");
}
