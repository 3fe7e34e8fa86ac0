//! Declarations that come and go on generated hosts, and what `storagectl apply` makes
//! of the configuration: by the model of the engines, which tests/real holds against them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests set up their own scratch directories")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::test_runner::Config;
use storagectl::conf::{self, Document, Position, clean};
use storagectl::judgement::Reader;
use storagectl::plan::{self, ApplyOptions, CommitMode, Host, PlanOutcome, StoreResult};
use storagectl::sys::Root;

const MAIN: &str = "etc/containers/storage.conf";
const VENDOR: &str = "usr/share/containers/storage.conf";
/// What leaves normal users their own directories.
const OWN_ROOTS: &str = "etc/containers/storage.rootless.conf.d/00-storagectl.conf";
const ESSENTIALS: &str = "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\ngraphroot = \"/var/lib/containers/storage\"\n";

/// What packages may declare. One is also listed by hand on some hosts.
const DECLARED: [&str; 4] = ["/usr/lib/p", "/usr/lib/q", "/usr/lib/r", "/srv/a"];

/// A main file with these stores, in one of several forms; `number` is found again in it.
fn main_file(form: usize, stores: &[&str], number: u32) -> String {
    let quoted: Vec<String> = stores.iter().map(|store| format!("\"{store}\"")).collect();
    let lines: String = quoted.iter().map(|store| format!("  {store}, # of {store}\n")).collect();
    let (head, end) =
        (format!("# number {number}\n{ESSENTIALS}"), "\n[storage.options.overlay]\nmountopt = \"nodev\"\n");
    match form {
        0 => format!("{head}\n[storage.options]\nadditionalimagestores = [\n{lines}]\n{end}"),
        1 => format!("{head}\n[storage.options]\nadditionalimagestores = [{}]\n{end}", quoted.join(", ")),
        2 => format!("{head}options.additionalimagestores=[{}]", quoted.join(",")),
        3 => {
            format!("{head}[storage.options]\r\nadditionalimagestores = [ {} ]\r\n", quoted.join("\r\n  , "))
        }
        // Without a list.
        _ => format!("{head}{end}"),
    }
}

/// A host before anything is declared.
#[derive(Debug, Clone)]
struct Start {
    main: Option<(usize, Vec<usize>)>,
    vendor: Option<(usize, Vec<usize>)>,
    /// Drop-ins of others: where, which stores, whether they append.
    drop_ins: Vec<(usize, Vec<usize>, bool)>,
}

/// Stores that are listed by hand.
const LISTED: [&str; 4] = ["/srv/a", "/srv/b", "/srv/c/", "/srv/d"];
const PLACES: [&str; 3] = [
    "usr/share/containers/storage.rootful.conf.d/00-vendor.conf",
    "etc/containers/storage.conf.d/50-site.conf",
    "etc/containers/storage.rootful.conf.d/zz-site.conf",
];

fn start() -> impl Strategy<Value = Start> {
    let stores = || proptest::sample::subsequence(vec![0usize, 1, 2, 3], 0..3);
    let file = || proptest::option::of((0..5usize, stores()));
    let drop_in = (0..PLACES.len(), stores(), any::<bool>());
    (file(), file(), proptest::collection::vec(drop_in, 0..3)).prop_map(|(main, vendor, drop_ins)| Start {
        main,
        vendor,
        drop_ins,
    })
}

/// One state of the system: what is declared, what is there, whether it boots, and whether
/// the vendor's file changes.
#[derive(Debug, Clone)]
struct Round {
    declared: Vec<(usize, usize)>,
    there: Vec<bool>,
    listed_there: Vec<bool>,
    boot: bool,
    update: bool,
}

fn round() -> impl Strategy<Value = Round> {
    (
        proptest::collection::vec((0..DECLARED.len(), 0..4usize), 0..4),
        proptest::collection::vec(proptest::bool::weighted(0.8), DECLARED.len()),
        proptest::collection::vec(proptest::bool::weighted(0.8), LISTED.len()),
        any::<bool>(),
        proptest::bool::weighted(0.3),
    )
        .prop_map(|(declared, there, listed_there, boot, update)| Round {
            declared,
            there,
            // Only at boot may what is listed be gone.
            listed_there: if boot { listed_there } else { vec![true; LISTED.len()] },
            boot,
            update,
        })
}

struct System {
    dir: tempfile::TempDir,
}

impl System {
    fn new(start: &Start) -> Self {
        let system = Self { dir: tempfile::tempdir().unwrap() };
        let pick = |stores: &[usize]| stores.iter().map(|&store| LISTED[store]).collect::<Vec<_>>();
        system.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
        std::fs::create_dir_all(system.path("etc/containers")).unwrap();
        if let Some((form, stores)) = &start.main {
            system.write(MAIN, &main_file(*form, &pick(stores), 0));
        }
        if let Some((form, stores)) = &start.vendor {
            system.write(VENDOR, &main_file(*form, &pick(stores), 0));
        }
        for (place, stores, append) in &start.drop_ins {
            let mut list = String::new();
            for store in pick(stores) {
                write!(list, "\"{store}\", ").unwrap();
            }
            let append = if *append { "{append=true}" } else { "" };
            system.write(
                PLACES[*place],
                &format!("[storage.options]\nadditionalimagestores = [{list}{append}]\n"),
            );
        }
        for store in LISTED {
            system.make(store, true);
        }
        system
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside.trim_start_matches('/'))
    }

    fn write(&self, inside: &str, text: &str) {
        let file = self.path(inside);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    fn read(&self, inside: &str) -> Option<String> {
        std::fs::read_to_string(self.path(inside)).ok()
    }

    /// Makes a store that is there, or takes it away.
    fn make(&self, store: &str, there: bool) {
        if there {
            // As a store that everybody may read.
            for part in ["images", "layers"] {
                let dir = format!("{}/overlay-{part}", self.path(store).display());
                std::fs::create_dir_all(&dir).unwrap();
                std::fs::write(format!("{dir}/{part}.lock"), "").unwrap();
            }
        } else {
            let _ = std::fs::remove_dir_all(self.path(store));
        }
    }

    fn declare(&self, declared: &[(usize, usize)]) {
        let dir = "usr/lib/storagectl/stores.d";
        let _ = std::fs::remove_dir_all(self.path(dir));
        for (index, (store, place)) in declared.iter().enumerate() {
            let place = ["", "position = 'first'", "position = 'last'", "before = '/srv/b'"][*place];
            let text = format!("[[store]]\npath = '{}'\n{place}\n", DECLARED[*store]);
            self.write(&format!("{dir}/{index}.toml"), &text);
        }
    }

    fn host(&self) -> Host {
        Host::new(Root::tree(self.dir.path()).unwrap(), None)
    }

    fn apply(&self, boot: bool) -> anyhow::Result<PlanOutcome> {
        let host = self.host();
        plan::apply(
            &host,
            &host.declarations()?,
            ApplyOptions { boot, ..ApplyOptions::default() },
            CommitMode::Commit,
        )
    }

    /// Every file below /etc/containers.
    fn files(&self) -> Vec<(PathBuf, String)> {
        let mut files = Vec::new();
        let mut dirs = vec![self.path("etc/containers")];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => dirs.push(path),
                    false => files.push((path.clone(), std::fs::read_to_string(path).unwrap())),
                }
            }
        }
        files.sort();
        files
    }

    /// Makes the files below /etc/containers those.
    fn restore(&self, files: &[(PathBuf, String)]) {
        let dir = self.path("etc/containers");
        std::fs::remove_dir_all(&dir).unwrap();
        std::fs::create_dir(&dir).unwrap();
        for (path, text) in files {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    /// What a run leaves that was stopped after each of its files but the last, from these files to
    /// those that are there.
    fn stopped(&self, before: &[(PathBuf, String)], outcome: &PlanOutcome) -> Vec<Vec<(PathBuf, String)>> {
        let done = self.files();
        let changed: Vec<PathBuf> =
            outcome.plan.changes.iter().map(|change| self.path(change.path.to_str().unwrap())).collect();
        let half = |written: &[PathBuf]| {
            let old = before.iter().filter(|(path, _)| !written.contains(path));
            let new = done.iter().filter(|(path, _)| written.contains(path));
            old.chain(new).cloned().collect()
        };
        (1..changed.len()).map(|stopped| half(&changed[..stopped])).collect()
    }

    fn show(&self) -> String {
        self.files().into_iter().map(|(path, text)| format!("== {}\n{text}\n", path.display())).collect()
    }

    /// What was written by hand into the main file, also if it is set aside.
    fn by_hand(&self) -> Vec<String> {
        let doc = Document::parse(self.read(MAIN).unwrap()).unwrap();
        let whole = conf::put_back(&doc, |_| true).unwrap().unwrap_or(doc);
        let entries = conf::listed(&whole).unwrap();
        entries.into_iter().filter(|entry| entry.mark.is_none()).map(|entry| entry.path).collect()
    }

    /// What the main file has set aside.
    fn set_aside(&self) -> Vec<String> {
        let doc = Document::parse(self.read(MAIN).unwrap_or_default()).unwrap();
        conf::asides(&doc).unwrap().into_iter().map(|aside| clean(&aside.path)).collect()
    }

    /// What the engine of each generation sees, root's and that of normal users, if it starts.
    fn seen(&self) -> Vec<(String, Option<Vec<String>>)> {
        let host = self.host();
        let seen = |reader: Reader| {
            let reading = reader.read(&host.view());
            let stores = reading.paths().into_iter().map(clean).collect();
            (reader.to_string(), reading.failure().is_none().then_some(stores))
        };
        host.readers().into_iter().map(seen).collect()
    }
}

/// A file in which an array had to be made keeps it, empty.
fn with_array(text: &str) -> String {
    let doc = Document::parse(text).unwrap();
    let added = conf::add(&doc, &["/probe".to_owned()], &Position::Any).unwrap().unwrap();
    conf::remove(&added, |path| path == "/probe").unwrap().unwrap().text().to_owned()
}

proptest! {
    #![proptest_config(Config {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(120),
        failure_persistence: None,
        ..Config::default()
    })]

    #[test]
    fn declared_stores_come_and_go_and_leave_no_trace(start in start(), rounds in proptest::collection::vec(round(), 1..4)) {
        let system = System::new(&start);
        let main = system.read(MAIN);
        // What a vendor's drop-in hides of an administrator's list is shown again whatever is declared.
        system.apply(false).unwrap();
        prop_assert_eq!(&system.read(MAIN), &main);
        let files = system.files();
        let before = system.seen();
        // A store that an engine sees twice is seen once after it was set aside.
        let twice = |list: &Vec<String>| list.iter().any(|path| list.iter().filter(|other| *other == path).count() > 1);
        prop_assume!(!before.iter().filter_map(|(_, seen)| seen.as_ref()).any(twice));
        let by_hand = start.main.as_ref().map(|_| system.by_hand());
        for (number, round) in rounds.iter().enumerate() {
            if round.update && let Some((form, stores)) = &start.vendor {
                let stores: Vec<&str> = stores.iter().map(|&store| LISTED[store]).collect();
                system.write(VENDOR, &main_file(*form, &stores, u32::try_from(number).unwrap() + 1));
            }
            system.declare(&round.declared);
            for (store, there) in LISTED.iter().zip(&round.listed_there) {
                system.make(store, *there);
            }
            for (store, there) in DECLARED.iter().zip(&round.there) {
                if !LISTED.contains(store) {
                    system.make(store, *there);
                }
            }
            let untouched = system.files();
            let outcome = match system.apply(round.boot) {
                Ok(outcome) => outcome,
                Err(error) => {
                    prop_assert_eq!(system.files(), untouched, "an error changes nothing: {:#}", error);
                    prop_assert!(false, "{:#}\n{}", error, system.show());
                    unreachable!();
                }
            };
            let first = system.show();
            let again = system.apply(round.boot).unwrap();
            prop_assert!(again.plan.changes.is_empty(), "{:?}\nafter\n{}", again.plan, first);
            // Had the power gone between two files, the next run would have completed it.
            let (done, seen, own_roots) = (system.files(), system.seen(), system.read(OWN_ROOTS));

            for half in system.stopped(&untouched, &outcome) {
                system.restore(&half);
                // What the main file has set aside is so for all, also if the system runs by now: nobody
                // finds a fault. What a drop-in alone has set aside, engines still stop on, and are
                // helped. It refuses where an engine would stop on what nobody has set aside.
                if system.apply(false).is_ok() {
                    for path in system.set_aside() {
                        for (reader, seen) in system.seen() {
                            prop_assert!(!seen.is_some_and(|seen| seen.contains(&path)), "{}: {} of\n{:?}\nis seen\n{}", reader, path, half, system.show());
                        }
                    }
                }
                system.restore(&half);
                system.apply(round.boot).unwrap();
                prop_assert_eq!(system.seen(), seen.clone(), "{:?} stopped, which left\n{:?}", outcome.plan, half);
                prop_assert_eq!(system.read(OWN_ROOTS), own_roots.clone(), "{:?} stopped, which left\n{:?}", outcome.plan, half);
            }
            system.restore(&done);
            if let Some(by_hand) = &by_hand {
                prop_assert_eq!(&system.by_hand(), by_hand, "{}", system.show());
            }
            for (path, result) in &outcome.plan.stores {
                prop_assert!(!matches!(result, StoreResult::Skipped { id, .. } if *id != "store-missing"), "{path}: {result:?}");
            }
            for ((reader, seen), (_, first)) in system.seen().into_iter().zip(&before) {
                if first.is_none() {
                    continue;
                }
                prop_assert!(seen.is_some(), "{} stops\n{}", reader, system.show());
                let seen = seen.unwrap();
                // An administrator's drop-in may hide what an administrator listed.
let effective = start.main.as_ref().or(start.vendor.as_ref()).filter(|(form, _)| *form != 4);
                let by_hand = |store: &str| effective.iter().flat_map(|(_, stores)| stores).any(|at| clean(LISTED[*at]) == store);
                for store in round.declared.iter().map(|(store, _)| DECLARED[*store]).filter(|store| !by_hand(store)) {
                    let times = seen.iter().filter(|path| *path == store).count();
                    let wanted = system.path(store).is_dir();
                    prop_assert!((times > 0) == wanted, "{reader}: {store} {times}\n{seen:?}\n{}", system.show());
                }
                if round.boot {
                    for path in &seen {
                        prop_assert!(system.path(path).is_dir(), "{reader}: {path} is gone\n{}", system.show());
                    }
                }
            }
        }
        system.declare(&[]);
        for store in LISTED {
            system.make(store, true);
        }
        system.apply(false).unwrap();
        let mut found = system.files();
        if let Some((_, now)) = found.iter_mut().find(|(path, _)| *path == system.path(MAIN))
            && let Some(then) = &main
            && *now == with_array(then)
        {
            now.clone_from(then);
        }
        prop_assert_eq!(found.iter().find(|(path, _)| *path == system.path(MAIN)).map(|(_, text)| text), main.as_ref());
        // Beside drop-ins of others, what was gone or listed there too may stand in another order.
        let of_others = |store: usize| start.drop_ins.iter().any(|(_, stores, _)| stores.iter().any(|at| LISTED[*at] == DECLARED[store]));
        let was_gone = rounds.iter().any(|round| round.listed_there.contains(&false)) && !start.drop_ins.is_empty();
        if was_gone || rounds.iter().flat_map(|round| &round.declared).any(|(store, _)| of_others(*store)) {
            let sorted = |seen: Vec<(String, Option<Vec<String>>)>| {
                seen.into_iter().map(|(reader, list)| (reader, list.map(|list| list.into_iter().collect::<BTreeSet<_>>()))).collect::<Vec<_>>()
            };
            prop_assert_eq!(sorted(system.seen()), sorted(before), "{}", system.show());
        } else {
            prop_assert_eq!(found, files);
        }
    }
}

fn start_with(
    main: Option<(usize, Vec<usize>)>,
    vendor: Option<(usize, Vec<usize>)>,
    drop_in: Option<Vec<usize>>,
) -> System {
    System::new(&Start {
        main,
        vendor,
        drop_ins: drop_in.map(|stores| (0, stores, false)).into_iter().collect(),
    })
}

#[test]
fn a_copy_follows_its_original_while_a_store_is_set_aside() {
    let system = start_with(None, Some((0, vec![])), None);
    system.make("/usr/lib/p", true);
    system.declare(&[(0, 0)]);
    system.apply(false).unwrap();
    let listed =
        system.read(MAIN).unwrap().replace("storagectl: 0\n", "storagectl: 0\n  \"/srv/a\", # ours\n");
    system.write(MAIN, &listed);
    system.make("/srv/a", false);
    system.apply(true).unwrap();
    for (number, boot) in [(1, false), (2, true)] {
        system.write(VENDOR, &main_file(0, &[], number));
        system.apply(boot).unwrap();
        let text = system.read(MAIN).unwrap();
        assert!(text.contains(&format!("# number {number}\n")), "{text}");
        assert!(text.contains("# storagectl: missing at boot: \"/srv/a\""), "{text}");
    }
    system.write(VENDOR, &main_file(0, &[], 3));
    system.make("/srv/a", true);
    system.apply(false).unwrap();
    let text = system.read(MAIN).unwrap();
    assert!(text.contains("# number 3\n") && text.contains("\n  \"/srv/a\""), "{text}");
}

#[test]
fn a_declared_store_that_only_a_vendors_drop_in_lists_is_seen_by_every_engine() {
    let system = start_with(None, None, Some(vec![0, 1]));
    let before = system.seen();
    system.declare(&[(3, 0)]);
    system.apply(false).unwrap();
    for (reader, seen) in system.seen() {
        // The drop-in is for root's podman 6 alone.
        let wanted: &[&str] = if reader == "podman 6" { &["/srv/a", "/srv/b"] } else { &["/srv/a"] };
        assert_eq!(seen.unwrap(), wanted, "{reader}");
    }
    system.declare(&[]);
    system.apply(false).unwrap();
    assert_eq!(system.seen(), before, "{}", system.show());
}

#[test]
fn a_declared_place_is_taken_in_the_first_run() {
    let system = start_with(None, None, None);
    system.write(PLACES[0], "[storage.options]\nadditionalimagestores = [\"/srv/b\", {append=true}]\n");
    system.make("/usr/lib/p", true);
    system.declare(&[(0, 2)]);
    system.apply(false).unwrap();
    let (_, seen) = system.seen().into_iter().find(|(reader, _)| reader == "podman 6").unwrap();
    assert_eq!(seen.unwrap(), ["/srv/b", "/usr/lib/p"]);
    assert!(system.apply(false).unwrap().plan.changes.is_empty());
}

#[test]
fn what_a_drop_in_lists_is_set_aside_in_the_run_that_ends_its_declaration() {
    let system = start_with(None, None, Some(vec![0]));
    system.declare(&[(3, 0)]);
    system.apply(false).unwrap();
    system.declare(&[]);
    system.make("/srv/a", false);
    system.apply(true).unwrap();
    for (reader, seen) in system.seen() {
        assert_eq!(seen.unwrap(), [""; 0], "{reader}\n{}", system.show());
    }
}

/// Root sees the store by the main file, users do not.
#[test]
fn what_is_put_back_by_hand_and_hidden_from_users_alone_is_shown_to_them_in_one_run() {
    let system = System::new(&Start {
        main: Some((0, vec![0])),
        vendor: None,
        drop_ins: vec![(0, vec![], true), (1, vec![], false)],
    });
    system.make("/srv/a", false);
    system.apply(true).unwrap();
    system.declare(&[(3, 0)]);
    system.make("/srv/a", true);
    system.apply(false).unwrap();
    assert!(system.apply(false).unwrap().plan.changes.is_empty(), "{}", system.show());
    let path = "etc/containers/storage.rootless.conf.d/99-storagectl.conf";
    assert!(system.read(path).is_some_and(|text| text.contains("/srv/a")), "{}", system.show());
}

#[test]
fn what_users_alone_see_is_set_aside_for_them_when_it_is_gone() {
    let system = System::new(&Start {
        main: None,
        vendor: None,
        drop_ins: vec![(2, vec![], false), (1, vec![2], false)],
    });
    system.make("/usr/lib/p", true);
    system.declare(&[(0, 1)]);
    system.make("/srv/c/", false);
    system.apply(true).unwrap();
    let path = "etc/containers/storage.rootless.conf.d/zz-storagectl.conf";
    let text = system.read(path).unwrap_or_default();
    assert!(text.contains("# missing at boot: \"/srv/c\""), "{}", system.show());
    system.make("/srv/c/", true);
    system.declare(&[]);
    system.apply(false).unwrap();
    assert_eq!(system.read(path), None);
}

/// Each of ours below /etc/containers.
fn ours(files: &[(PathBuf, String)]) -> Vec<&str> {
    let mut ours: Vec<&str> = files
        .iter()
        .map(|(path, _)| path.to_str().unwrap().split_once("/etc/containers/").unwrap().1)
        .filter(|path| path.ends_with("storagectl.conf") && !path.contains("00-"))
        .collect();
    ours.sort_unstable();
    ours
}

/// Each run that is stopped between two files is completed by the next.
fn assert_completed(system: &System) {
    let before = system.files();
    let outcome = system.apply(false).unwrap();
    let done = system.files();
    for half in system.stopped(&before, &outcome) {
        system.restore(&half);
        system.apply(false).unwrap();
        assert_eq!(system.files(), done, "{half:?}");
    }
}

/// Root's drop-in needs a name behind the administrator's, and users' has it as well: one for all of
/// them takes the place of both.
#[test]
fn drop_ins_of_one_host_have_one_name() {
    let drop_ins = vec![(2, vec![], false), (1, vec![3], false)];
    let system = System::new(&Start { main: None, vendor: None, drop_ins });
    system.make("/usr/lib/p", true);
    system.declare(&[(0, 1)]);
    assert_completed(&system);
    let (root, users) =
        ("storage.rootful.conf.d/zz-storagectl.conf", "storage.rootless.conf.d/zz-storagectl.conf");
    assert_eq!(ours(&system.files()), [root, users], "{}", system.show());
    system.declare(&[(3, 2)]);
    assert_completed(&system);
    assert_eq!(ours(&system.files()), ["storage.conf.d/zz-storagectl.conf"], "{}", system.show());
}

/// Whoever lists a store in all of them has left no room for ours: what needs none goes on.
#[test]
fn where_others_have_all_names_only_what_needs_one_is_refused() {
    let system = System::new(&Start { main: None, vendor: None, drop_ins: vec![] });
    for name in ["99-storagectl", "zz-storagectl", "~storagectl"] {
        let file = format!("etc/containers/storage.conf.d/{name}.conf");
        system.write(&file, "[storage.options]\nadditionalimagestores = [\"/srv/by-hand\"]\n");
    }
    system.make("/srv/by-hand", true);
    let (_, stores) = plan::list_stores(&system.host()).unwrap();
    assert_eq!(stores.iter().map(|store| store.path.as_str()).collect::<Vec<_>>(), ["/srv/by-hand"]);
    system.apply(true).unwrap();
    system.make("/usr/lib/p", true);
    system.declare(&[(0, 1)]);
    let before = system.files();
    let error = system.apply(true).unwrap_err();
    assert!(error.to_string().contains("none is storagectl's"), "{error:#}");
    assert_eq!(system.files(), before);
}

#[test]
fn a_drop_in_that_is_there_keeps_its_name_when_another_needs_a_later_one() {
    let system = System::new(&Start { main: None, vendor: None, drop_ins: vec![] });
    system.make("/usr/lib/p", true);
    system.write(
        "etc/containers/storage.rootless.conf.d/50-site.conf",
        "[storage.options]\nadditionalimagestores = []\n",
    );
    system.declare(&[(0, 1)]);
    assert_completed(&system);
    let users = "storage.rootless.conf.d/99-storagectl.conf";
    assert_eq!(ours(&system.files()), [users], "{}", system.show());
    system.write(PLACES[2], "[storage.options]\nadditionalimagestores = []\n");
    assert_completed(&system);
    let root = "storage.rootful.conf.d/zz-storagectl.conf";
    assert_eq!(ours(&system.files()), [root, users], "{}", system.show());
    system.declare(&[]);
    assert_completed(&system);
    assert_eq!(ours(&system.files()), [""; 0], "{}", system.show());
}
