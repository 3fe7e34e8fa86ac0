//! What storagectl does to hosts that nobody thought of: by the word of the storage library,
//! no engine that worked may stop, and what root's engines see may change by what was asked
//! for and by nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use super::answer::{Answer, plain};
use super::command::{self, Done};
use super::host::{self, Host, Identity};
use super::loaders::{Engine, Loaders};
use super::{SHOWN, generate, minimal, number, text};
use crate::dice::Dice;
use crate::support::scratch_in_memory;
use storagectl::engine::{Environment, ReadCache, View};
use storagectl::judgement::judge;
use storagectl::sys::Root;

/// A host and commands.
fn host_with_commands(seed: u64, number: u64) -> Host {
    let mut host = generate::host(seed, number);
    let dice = &mut Dice::new(seed ^ 0x5eed, number);
    // What an administrator's shell has set is not what engines are started with.
    host.variables.clear();
    host.commands = (0..1 + dice.below(4)).map(|_| command::any(dice)).collect();
    host
}

/// How often the library is asked again before its answer is believed.
const AGAIN: usize = 2;

/// How often a promise has to be broken in the same way: what the library makes of a key in
/// two spellings changes from run to run, though rarely.
const EVER: usize = 40;

/// A promise that was not kept.
pub(super) struct Broken {
    /// What is the same for all hosts with this fault.
    kind: String,
    /// What happened here.
    pub(super) story: String,
}

pub(super) struct Workshop {
    tree: tempfile::TempDir,
    loaders: Loaders,
    /// How many commands did something, and how many were refused.
    done: usize,
    refused: usize,
}

impl Workshop {
    pub(super) fn start() -> Self {
        Self { tree: scratch_in_memory(), loaders: Loaders::start(), done: 0, refused: 0 }
    }

    /// The promise that is broken here, whenever it is tried.
    pub(super) fn run(&mut self, host: &Host) -> Option<Broken> {
        let counts = (self.done, self.refused);
        let broken = self.once(host)?;
        let always = (0..EVER).all(|_| self.once(host).is_some_and(|again| again.kind == broken.kind));
        (self.done, self.refused) = counts;
        always.then_some(broken)
    }

    fn once(&mut self, host: &Host) -> Option<Broken> {
        let tree = self.tree.path();
        host::clear(tree);
        host.make(tree);
        let mut before = self.loaders.ask(host, tree);
        // What the library makes of a key in two spellings changes from run to run.
        if (0..AGAIN).any(|_| self.loaders.ask(host, tree) != before) {
            return None;
        }
        let asked = asked(host, tree, &before);
        for command in &host.commands {
            let done = command.run(tree);
            match done {
                Done::Panicked(_) | Done::Refused(_) => self.refused += 1,
                Done::Did { .. } => self.done += 1,
            }
            let name = command.to_string();
            let name = name.split(' ').next().unwrap_or_default();
            if let Done::Panicked(why) = &done {
                let story = format!("# {command}: panics: {why}\n");
                return Some(Broken { kind: format!("{name}: panics: {}", plain(why)), story });
            }
            let after = self.loaders.ask(host, tree);
            for ((engine, before), (_, after)) in before.iter().zip(&after) {
                if !asked.contains(engine) {
                    continue;
                }
                if let Some(what) = broken(*engine, before, after, &done, tree) {
                    return Some(Broken {
                        kind: format!("{name}: {engine}: {what}"),
                        story: format!(
                            "# {command}, {engine}: {what}\n#   before: {before}\n#   after: {after}\n#   said: {done}\n"
                        ),
                    });
                }
            }
            before = after;
        }
        None
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Panicked(why) => write!(f, "panics: {why}"),
            Self::Refused(why) => write!(f, "refused: {}", why.lines().next().unwrap_or_default()),
            Self::Did { seen, gone, .. } => write!(f, "done, {seen:?} are listed and {gone:?} are not"),
        }
    }
}

/// The engines whose word counts: those that the host may have by its vendor's files, and that
/// work before anything is done, also by what loaders do not see.
fn asked(host: &Host, tree: &Path, before: &[(Engine, Answer)]) -> Vec<Engine> {
    let present = storagectl::plan::Host::new(Root::tree(tree).unwrap(), None).engines();
    let cache = ReadCache::default();
    let root = Root::tree(tree).unwrap();
    let works = |engine: Engine| {
        !judge(&View::of(&root, &cache), &host.environment(engine.identity), engine.profile).stops()
    };
    // Who has another driver by files for that user alone is not looked after
    // (docs/files.md, known limits).
    let alone =
        ["etc", "usr/share"].map(|dir| tree.join(dir).join("containers/storage.rootless.conf.d/1000"));
    let driver = |environment: &Environment, profile| {
        judge(&View::of(&root, &cache), environment, profile).driver.clone()
    };
    let is_alone = |engine: Engine| {
        engine.identity == Identity::User
            && engine.profile.is_modern()
            && alone.iter().any(|dir| dir.exists())
            && driver(&host.environment(Identity::User), engine.profile)
                != driver(&Environment::ordinary_user(), engine.profile)
    };
    // Nor is who hides, by a file of the same name, what leaves users their own directories.
    let names = |dir: &str| {
        let entries = fs_err::read_dir(tree.join(dir)).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect::<Vec<_>>()
    };
    let of_user = names("home/u/.config/containers/storage.conf.d");
    let is_hidden = ["etc", "usr/share"].iter().any(|dir| {
        let dir = format!("{dir}/containers/storage.rootless.conf.d");
        let sets_roots =
            |name| fs_err::read_to_string(tree.join(&dir).join(name)).is_ok_and(|it| it.contains("root"));
        names(&dir).iter().any(|name| of_user.contains(name) && sets_roots(name))
    });
    let hides = |engine: Engine| is_hidden && engine.identity == Identity::User && engine.profile.is_modern();
    let counts = |engine: &Engine| {
        present.has(engine.profile) && works(*engine) && !is_alone(*engine) && !hides(*engine)
    };
    let working = before.iter().filter(|(_, answer)| matches!(answer, Answer::Works(_)));
    working.map(|(engine, _)| *engine).filter(counts).collect()
}

/// Which promise to an engine was not kept.
fn broken(engine: Engine, before: &Answer, after: &Answer, done: &Done, tree: &Path) -> Option<&'static str> {
    let (Answer::Works(before), after) = (before, after) else {
        return None;
    };
    let Answer::Works(after) = after else {
        return Some("worked, and stops");
    };
    // Who has set nothing takes the driver that root's engines are given (docs/files.md, known
    // limits): podman 4 always, podman 6 where its storage was made with one that nobody named.
    let is_users = engine.identity == Identity::User;
    let follows = is_users && (!engine.profile.is_modern() || before.driver.is_empty());
    if (&before.graphroot, &before.runroot, &before.imagestore)
        != (&after.graphroot, &after.runroot, &after.imagestore)
        || (before.uses != after.uses && !follows)
    {
        return Some("uses another driver or other places");
    }
    let (seen, gone) = match done {
        Done::Panicked(_) | Done::Refused(_) => {
            return (before.stores != after.stores).then_some("sees a refused change");
        }
        Done::Did { seen, gone, .. } => (stores(tree, seen), stores(tree, gone)),
    };
    let ends = match done {
        Done::Did { ends, .. } if engine.profile.is_modern() => stores(tree, ends),
        _ => Vec::new(),
    };
    let (before, after) = (stores(tree, &before.stores), stores(tree, &after.stores));
    if engine.identity != Identity::Root {
        let lost = |store: &&str| !gone.contains(store) && !ends.contains(store) && !after.contains(store);
        return before.iter().any(lost).then_some("does not see a store any more");
    }
    let count = |list: &[&str], store: &str| list.iter().filter(|entry| **entry == store).count();
    if seen.iter().any(|store| count(&after, store) == 0) {
        return Some("does not see a store that was asked for");
    }
    if seen.iter().any(|store| count(&after, store) > count(&before, store).max(1)) {
        return Some("sees a store twice");
    }
    let stays =
        |store: &str| count(&after, store) > 0 && !seen.contains(&store) && !command::is_theirs(tree, store);
    if gone.iter().any(|store| stays(store)) {
        return Some("sees a store that was to go");
    }
    let others = |list: &[&str]| -> Vec<String> {
        let others = list.iter().filter(|store| !seen.contains(store) && !gone.contains(store));
        // `check-config --fix` takes out what is listed twice.
        let mut once: Vec<String> = Vec::new();
        for store in others {
            if !once.contains(&(*store).to_owned()) {
                once.push((*store).to_owned());
            }
        }
        once
    };
    let (mut before, after) = (others(&before), others(&after));
    before.retain(|store| !ends.contains(&store.as_str()) || after.contains(store));
    // `apply` shows again what a vendor's drop-in hides of the administrator's list.
    let mut rest = after.iter();
    let shown_again = matches!(done, Done::Did { shows: true, .. })
        && before.iter().all(|store| rest.any(|other| other == store));
    (before != after && !shown_again).then_some("sees other stores than were asked for")
}

/// The directories that are meant. Drivers split entries at commas.
fn stores<'a>(tree: &Path, entries: &'a [String]) -> Vec<&'a str> {
    let is_link = tree.join("link").is_symlink();
    let parts = entries.iter().flat_map(|entry| entry.split(',')).map(str::trim);
    let named = parts.filter(|part| !part.is_empty());
    named.map(|part| if part == "/link" && is_link { "/a" } else { part }).collect()
}

#[test]
fn no_plan_breaks_an_engine_or_changes_what_was_not_asked_for() {
    let (plans, seed) = (number("STORAGECTL_PLANS", 150), number("STORAGECTL_SEED", 1));
    let start = Instant::now();
    let mut workshop = Workshop::start();
    let mut kinds: BTreeMap<String, (usize, Host)> = BTreeMap::new();
    for number in 0..plans {
        let host = host_with_commands(seed, number);
        if let Some(broken) = workshop.run(&host) {
            kinds.entry(broken.kind).or_insert_with(|| (0, host)).0 += 1;
        }
    }
    let (done, refused, took) = (workshop.done, workshop.refused, start.elapsed().as_secs_f64());
    let wrong: usize = kinds.values().map(|(count, _)| count).sum();
    println!(
        "{plans} plans, {done} commands done and {refused} refused: {wrong} broken promises, {took:.0} s"
    );
    let mut report = String::new();
    let shown = usize::try_from(number("STORAGECTL_KINDS", SHOWN)).expect("it is a small number");
    for (kind, (count, host)) in kinds.iter().take(shown) {
        let happens = |less: &Host| workshop.run(less).is_some_and(|broken| broken.kind == *kind);
        let host = minimal::minimal(host, happens);
        let story = workshop.run(&host).map(|broken| broken.story).unwrap_or_default();
        writeln!(report, "\n## {kind} ({count})\n\n{}{story}", text::write(&host)).unwrap();
    }
    assert!(kinds.is_empty(), "{report}");
}
