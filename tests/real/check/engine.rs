//! What real engines make of a store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::store::{CONTROL, IMAGE};
use crate::hosts::program;
use crate::support::{STORAGECTL, finish, text};

/// An engine, by the name that check-store has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Podman4,
    Podman5,
    Podman6,
}

impl Engine {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Podman4 => "podman4",
            Self::Podman5 => "podman5",
            Self::Podman6 => "podman6",
        }
    }

    pub(crate) fn program(self) -> PathBuf {
        match self {
            Self::Podman4 => program("podman-4"),
            Self::Podman5 => program("podman-5"),
            Self::Podman6 => program("podman-6"),
        }
    }
}

/// Every podman: one of each generation, and this machine's own, whichever that is.
pub(crate) fn podmans() -> [(&'static str, PathBuf); 4] {
    let [four, five, six] =
        [Engine::Podman4, Engine::Podman5, Engine::Podman6].map(|engine| (engine.name(), engine.program()));
    [four, five, six, ("own", "/usr/bin/podman".into())]
}

/// The answers to the questions of probe.sh: status and text.
#[derive(Debug, Clone)]
pub(crate) struct Answers(BTreeMap<String, (i32, String)>);

/// Asks an engine that has `stores` listed, in this order.
pub(crate) fn ask(engine: Engine, stores: &[&Path], read_only: bool) -> Answers {
    answers(command(engine, stores, read_only))
}

/// The same, where storagectl explains what the engine says.
pub(crate) fn ask_and_explain(engine: Engine, stores: &[&Path], read_only: bool) -> Answers {
    let mut command = command(engine, stores, read_only);
    command.env("EXPLAIN", STORAGECTL);
    answers(command)
}

fn command(engine: Engine, stores: &[&Path], read_only: bool) -> Command {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/check/probe.sh");
    let stores: Vec<&str> = stores.iter().map(|store| store.to_str().unwrap()).collect();
    let mut command = Command::new("unshare");
    command.args(["-mpf", "--mount-proc", script]).arg(engine.program()).arg(stores.join(" "));
    command.args([IMAGE, CONTROL]).env_remove("XDG_RUNTIME_DIR");
    if read_only {
        command.env("READ_ONLY", "1");
    }
    if engine == Engine::Podman6 {
        command.env("CHECK", "1");
    }
    command
}

fn answers(mut command: Command) -> Answers {
    let output = finish(&mut command);
    let said = String::from_utf8_lossy(&output.stdout);
    let lines = said.lines().filter_map(|line| {
        let (name, rest) = line.split_once(' ')?;
        let (status, answer) = rest.split_once(' ')?;
        Some((name.to_owned(), (status.parse().ok()?, answer.to_owned())))
    });
    let answers = Answers(lines.collect());
    assert!(answers.0.contains_key("images"), "{}", text(&output));
    answers
}

impl Answers {
    pub(crate) fn new(answers: BTreeMap<String, (i32, String)>) -> Self {
        Self(answers)
    }

    fn fails(&self, question: &str) -> bool {
        self.0.get(question).is_some_and(|(status, _)| *status != 0)
    }

    fn said(&self, question: &str) -> &str {
        self.0.get(question).map_or("", |(_, answer)| answer)
    }

    /// How far the damage reaches, by what is heard of it: the scopes of check-store.
    /// `healthy` is what the engine says to the store without it.
    pub(crate) fn scope(&self, healthy: &Self) -> &'static str {
        let lists = |name: &str| self.said("images").contains(name);
        if self.fails("images") {
            return match (self.fails("info"), self.fails("other")) {
                (true, _) => "all",
                (false, true) => "layers",
                (false, false) => "listing",
            };
        }
        // Of a store that it does not see at all, an engine says that the image is not known.
        if !lists(IMAGE) && !self.said("use").contains("corrupted") && !lists(super::store::OTHER) {
            return "silent";
        }
        if !lists(IMAGE) || self.fails("use") {
            return "image";
        }
        if self.fails("save") { "saving" } else { self.quiet(healthy) }
    }

    /// What failed: the question, what the engine said, and how that was explained.
    pub(crate) fn explained(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.failed().filter_map(|(name, said)| {
            let (_, explained) = self.0.get(&format!("explained-{name}"))?;
            Some((name, said, explained.as_str()))
        })
    }

    /// What failed: the question, and what the engine said.
    pub(crate) fn failed(&self) -> impl Iterator<Item = (&str, &str)> {
        let questions = self.0.iter().filter(|(name, _)| !name.starts_with("explained-"));
        let failed = questions.filter(|(_, (status, _))| *status != 0);
        failed.map(|(name, (_, said))| (name.as_str(), said.as_str()))
    }

    /// What failed, and the start of why.
    pub(crate) fn told(&self) -> String {
        let said = self
            .failed()
            .map(|(name, said)| format!("{name}: {}", said.chars().take(200).collect::<String>()));
        said.collect::<Vec<_>>().join(" | ")
    }

    /// Whether the engine's own check finds something.
    pub(crate) fn own_check(&self) -> &'static str {
        let said = self.said("check");
        match (self.fails("check"), said.contains("damage") || said.contains("Damage")) {
            (false, _) => "finds nothing",
            (true, true) => "finds it",
            (true, false) => "fails",
        }
    }

    fn quiet(&self, healthy: &Self) -> &'static str {
        if self.said("use") == healthy.said("use") && self.said("images") == healthy.said("images") {
            "nothing"
        } else {
            "silent"
        }
    }

    /// Whether it answers as it does with a healthy store.
    #[track_caller]
    pub(crate) fn assert_healthy(&self) {
        for question in ["images", "use", "save"] {
            assert!(self.0.contains_key(question) && !self.fails(question), "{self:?}");
        }
        assert_eq!(self.own_check(), "finds nothing", "{self:?}");
        assert!(self.said("images").contains(IMAGE), "{self:?}");
    }
}
