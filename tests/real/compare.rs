//! What storagectl says that engines make of a host, held against the storage library of
//! each, on hosts that nobody thought of.
//!
//! A host is made up from the table of keys that engines know, is sane at first, and gets
//! odd in one way or another, or not at all. It is a function of two numbers, so that each
//! can be made again. [`loaders`] has the library of every engine in a process that stays
//! up; [`ours`] asks storagectl.
//! A host on which they do not agree is made smaller as long as they still do not
//! ([`minimal`]), and is printed as a [`text`]. Such texts are kept in `corpus/`, each named
//! for what it is about; they are compared first, always.
//!
//! [`plans`] has storagectl work on such hosts, [`podman`] asks real engines about a few.
//!
//! `make compare HOSTS=20000` compares more hosts than a run of all tests does.
#![allow(clippy::disallowed_macros, reason = "the long run prints its figures")]

mod anew;
mod answer;
mod command;
mod corpus;
mod document;
mod generate;
mod grammar;
mod host;
mod loaders;
mod minimal;
mod oddities;
mod ours;
mod plans;
mod podman;
mod text;
mod values;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

use answer::{Answer, difference};
use host::Host;
use loaders::{Engine, Loaders};

use crate::support::scratch_in_memory;

/// An engine about which library and storagectl do not agree, and what each says.
struct Disagreement {
    /// What is the same for all hosts with this fault.
    kind: String,
    engine: Engine,
    library: Answer,
    ours: Answer,
}

/// A place to make hosts in, and whom to ask about them.
struct Comparison {
    tree: tempfile::TempDir,
    loaders: Loaders,
    /// How many engines it was about, and how many of them stopped.
    engines: usize,
    stopped: usize,
}

impl Comparison {
    fn start() -> Self {
        Self { tree: scratch_in_memory(), loaders: Loaders::start(), engines: 0, stopped: 0 }
    }

    fn disagreements(&mut self, host: &Host) -> Vec<Disagreement> {
        let tree = self.tree.path();
        host::clear(tree);
        host.make(tree);
        let library = self.loaders.ask(host, tree);
        self.engines += library.len();
        self.stopped += library.iter().filter(|(_, answer)| matches!(answer, Answer::Stops(_))).count();
        let both = library.into_iter().zip(ours::ask(host, tree));
        let differs = |((engine, library), (_, ours)): ((Engine, Answer), (Engine, Answer))| {
            let kind = difference(&library, &ours)?;
            Some(Disagreement { kind, engine, library, ours })
        };
        let mut found: Vec<Disagreement> = both.filter_map(differs).collect();
        // What the library makes of a key in two spellings changes from run to run.
        for _ in 0..AGAIN {
            if found.is_empty() {
                break;
            }
            let again: BTreeMap<Engine, Answer> = self.loaders.ask(host, tree).into_iter().collect();
            found.retain(|it| difference(&again[&it.engine], &it.ours).is_some());
        }
        found
    }

    /// The smallest host with a disagreement of this kind, and all that it shows.
    fn smallest(&mut self, host: &Host, kind: &str) -> (Host, String) {
        let host = minimal::minimal(host, |less| self.disagreements(less).iter().any(|it| it.kind == kind));
        // Engines that say the same share a line.
        let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for Disagreement { engine, library, ours, .. } in self.disagreements(&host) {
            let both = format!("#   library: {library}\n#   storagectl: {ours}\n");
            said.entry(both).or_default().push(engine.to_string());
        }
        let shown = said.iter().map(|(both, engines)| format!("# {}\n{both}", engines.join(", "))).collect();
        (host, shown)
    }
}

/// A number that the environment gives.
pub(crate) fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |value| value.parse().expect("it is a number"))
}

/// How often the library is asked again before it does not agree. Go goes through two keys
/// in one order seven times out of eight.
const AGAIN: usize = 100;

/// How many kinds of disagreement are made small and shown, the most frequent first. Each
/// takes a second or two.
const SHOWN: u64 = 15;

#[test]
fn the_library_and_storagectl_agree_on_generated_hosts() {
    let (hosts, seed) = (number("STORAGECTL_HOSTS", 400), number("STORAGECTL_SEED", 1));
    let start = Instant::now();
    let mut comparison = Comparison::start();
    let mut kinds: BTreeMap<String, (usize, Host)> = BTreeMap::new();
    let mut wrong = 0;
    for number in 0..hosts {
        let host = generate::host(seed, number);
        let disagreements = comparison.disagreements(&host);
        wrong += usize::from(!disagreements.is_empty());
        for Disagreement { kind, .. } in disagreements {
            kinds.entry(kind).or_insert_with(|| (0, host.clone())).0 += 1;
        }
    }
    let took = start.elapsed().as_secs_f64();
    let percent = 100 * comparison.stopped / comparison.engines.max(1);
    println!(
        "{hosts} hosts, 4 loaders, 2 identities: {wrong} disagreements, {took:.0} s; {percent} % of the engines stop"
    );
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    let mut report = String::new();
    let shown = usize::try_from(number("STORAGECTL_KINDS", SHOWN)).expect("it is a small number");
    for (kind, (count, host)) in kinds.iter().take(shown) {
        let (host, shown) = comparison.smallest(host, kind);
        writeln!(report, "\n## {kind} ({count})\n\n{}{shown}", text::write(&host)).unwrap();
    }
    assert!(kinds.is_empty(), "{} kinds of disagreement:\n{report}", kinds.len());
}
