//! The storage library in a process that ends when it has answered.

use std::path::Path;
use std::process::Command;

use super::answer::Answer;
use super::host::{self, Host};
use super::loaders::{Engine, Loaders, answer_of};
use super::{generate, number, text};
use crate::support::{finish, scratch_in_memory};

fn ask(engine: Engine, host: &Host, tree: &Path) -> Answer {
    let mut command = Command::new(engine.program());
    command.arg(tree).arg(engine.identity.uid().to_string());
    let output = finish(command.env_clear().envs(host.variables(engine.identity)));
    let printed = String::from_utf8_lossy(&output.stdout);
    // The library of podman 4 prints warnings there, too.
    match printed.lines().last().and_then(|line| serde_json::from_str(line).ok()) {
        Some(answer) if output.status.success() => answer_of(&answer),
        _ => Answer::Stops(printed.into_owned()),
    }
}

#[test]
fn a_loader_that_stays_up_answers_as_a_new_one_does() {
    let (tree, mut loaders) = (scratch_in_memory(), Loaders::start());
    // One after the other of what could be remembered: files, homes, and what failed.
    for number in 0..number("STORAGECTL_ANEW", 12) {
        let mut host = generate::host(2, number);
        if number % 4 == 0 {
            host.variables.insert("HOME".to_owned(), None);
        }
        for (engine, answer) in {
            host::clear(tree.path());
            host.make(tree.path());
            loaders.ask(&host, tree.path())
        } {
            let new = ask(engine, &host, tree.path());
            let same = match (&answer, &new) {
                (Answer::Stops(why), Answer::Stops(printed)) => printed.contains(why.trim()),
                _ => answer == new,
            };
            assert!(same, "{engine}: {answer}\nanew: {new}\n{}", text::write(&host));
        }
    }
}
