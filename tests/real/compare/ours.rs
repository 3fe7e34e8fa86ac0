//! What storagectl says of a host.

use std::path::Path;

use storagectl::engine::{self, Cache, View};
use storagectl::host::Root;

use super::answer::{Answer, Seen, cleaned};
use super::host::Host;
use super::loaders::{ENGINES, Engine};

/// What storagectl says that each engine makes of the host in `tree`.
pub(super) fn ask(host: &Host, tree: &Path) -> Vec<(Engine, Answer)> {
    let root = Root::tree(tree).unwrap();
    let cache = Cache::default();
    let view = View::of(&root, &cache);
    let answer = |engine: Engine| {
        let reading = engine::read(&view, &host.environment(engine.identity), engine.profile);
        if let Some(failure) = &reading.failure {
            return Answer::Stops(failure.message.clone());
        }
        let value = |value: &Option<engine::Value<String>>| {
            value.as_ref().map(|value| value.value.clone()).unwrap_or_default()
        };
        let settings = engine::Settings {
            driver: value(&reading.driver),
            graphroot: value(&reading.graphroot),
            imagestore: None,
            stores: Vec::new(),
        };
        for store in reading.paths() {
            let harm = engine::entry_harm(&root, &settings, store.trim());
            if let Some(harm) = harm.filter(|harm| harm.id != "store-is-graphroot") {
                return Answer::Stops(format!("{}: {}", harm.id, harm.what));
            }
        }
        Answer::Works(Box::new(Seen {
            driver: value(&reading.driver),
            uses: reading.driver_at(&root, Path::new(&value(&reading.graphroot))),
            graphroot: value(&reading.graphroot),
            runroot: value(&reading.runroot),
            imagestore: value(&reading.imagestore),
            stores: cleaned(reading.paths()),
        }))
    };
    ENGINES.iter().map(|engine| (*engine, answer(*engine))).collect()
}
