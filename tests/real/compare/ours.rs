//! What storagectl says of a host.

use std::path::Path;

use storagectl::engine::{Effect, ReadCache, Reason, Sourced, View};
use storagectl::judgement::judge;
use storagectl::sys::Root;

use super::answer::{Answer, Seen, cleaned};
use super::host::Host;
use super::loaders::{ENGINES, Engine};

/// Reasons to stop that the loaders cannot see: the name, a part of the message, and why.
const BEYOND_LOADERS: [(&str, &str, &str); 11] = [
    ("mount-option", "", "a test mount, behind the driver's options"),
    ("root-closed", "", "no directory of the engine's own is made"),
    ("relative-root", "`graphroot`", "podman's own check"),
    ("relative-root", "`imagestore`", "the store is not opened"),
    ("force-mask-alone", "", "the driver's Init, behind its options"),
    ("composefs", "", "the driver's Init, behind its options"),
    ("quota", "", "the driver's Init, behind its options"),
    ("store-is-graphroot", "", "no store is opened"),
    ("store-unreadable", "may not read", "no store is opened"),
    ("store-unreadable", "cannot be read", "no store is opened"),
    ("lock-missing", "", "no store is opened"),
];

/// Whether an engine stops for this reason as far as the loaders go.
fn stops(reason: &&Reason) -> bool {
    let beyond = BEYOND_LOADERS.iter().any(|(id, part, _)| reason.id == *id && reason.message.contains(part));
    reason.effect == Effect::Stops && !beyond
}

/// What storagectl says that each engine makes of the host in `tree`.
pub(super) fn ask(host: &Host, tree: &Path) -> Vec<(Engine, Answer)> {
    let root = Root::tree(tree).unwrap();
    let cache = ReadCache::default();
    let view = View::of(&root, &cache);
    let answer = |engine: Engine| {
        let judgement = judge(&view, &host.environment(engine.identity), engine.profile);
        if let Some(reason) = judgement.reasons.iter().find(stops) {
            return Answer::Stops(format!("{}: {}", reason.id, reason.message));
        }
        let reading = &judgement.reading;
        let value = |value: &Option<Sourced<String>>| {
            value.as_ref().map(|value| value.value.clone()).unwrap_or_default()
        };
        Answer::Works(Box::new(Seen {
            driver: value(&reading.driver),
            uses: judgement.driver.clone(),
            graphroot: value(&reading.graphroot),
            runroot: value(&reading.runroot),
            imagestore: value(&reading.imagestore),
            stores: cleaned(reading.paths().into_iter().flat_map(|entry| entry.split(','))),
        }))
    };
    ENGINES.iter().map(|engine| (*engine, answer(*engine))).collect()
}
