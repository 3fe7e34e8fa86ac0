//! What check-store says of damaged stores, held against what the libraries of podman 4, 5
//! and 6 then list, mount, read and save, for damage that nobody thought of.
//!
//! A damage is one act, or two: any member of any record becomes another, any file of the
//! layout something else. It is a function of two numbers, so that each can be made again.
//! A **miss** is an engine that fails or serves something else while check-store says
//! nothing; **understated** is one that does worse than check-store says; a **false
//! alarm** is an error where every engine serves what it serves of a sound store.
//!
//! Acts that were found once are kept in `corpus/`, one damage a file, and are done first,
//! always. `make damage DAMAGES=5000` does more than a run of all tests.
#![allow(clippy::disallowed_macros, reason = "the long run prints its figures")]

mod act;
mod generate;
mod names;
mod readers;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use act::Act;
use generate::Targets;
use names::Names;
use readers::{IMAGES, ROOTS, Reader, USERS, ask, made_by_user};
use storagectl::engine::{Engines, Profile};
use storagectl::explain::recognize;
use storagectl::problem::Severity;
use storagectl::store::check::{self, CheckRequest, Progress, Scope, StoreFinding, StoreReport};
use storagectl::sys::Root;

use crate::check::engine::{Answers, Engine};
use crate::check::store::{control, made_by_buildah};
use crate::compare::number;
use crate::support::{run, scratch_in_memory};

/// Rules about what no engine looks at: an error of theirs is no false alarm. (What a
/// manifest or a signature says counts when somebody else reads it.)
const UNSEEN: [&str; 6] = [
    "big-data-digest",
    "big-data-size",
    "image-digest-wrong",
    "manifest-digest",
    "tar-split-damaged",
    "whiteout-added",
];

struct Workshop {
    original: PathBuf,
    /// A healthy one beside it.
    control: (tempfile::TempDir, PathBuf),
    readers: &'static [Reader],
    names: Names,
    targets: Targets,
    healthy: Vec<Answers>,
}

/// Where check-store and an engine do not agree.
struct Disagreement {
    kind: String,
    story: String,
}

/// A copy that a user's engine can get to, who need not get to the checkout.
fn copy_for_anybody(original: &Path) -> (tempfile::TempDir, PathBuf) {
    let scratch = scratch_in_memory();
    run(Command::new("chmod").arg("0755").arg(scratch.path()));
    let store = scratch.path().join("store");
    run(Command::new("cp").arg("-a").arg(original).arg(&store));
    (scratch, store)
}

impl Workshop {
    /// Root's store and engines.
    fn of_root() -> Self {
        Self::new(made_by_buildah("overlay"), &ROOTS)
    }

    /// A normal user's.
    fn of_user() -> Self {
        Self::new(made_by_user(&made_by_buildah("overlay")), &USERS)
    }

    fn new(original: PathBuf, readers: &'static [Reader]) -> Self {
        let names = Names::of(&original);
        let targets = Targets::of(&original, &names);
        let control = copy_for_anybody(&control(&original));
        let mut workshop = Self { original, control, readers, names, targets, healthy: Vec::new() };
        let (_scratch, store) = workshop.damaged(&[]);
        workshop.healthy = readers.iter().map(|reader| workshop.ask(*reader, &store)).collect();
        for answers in &workshop.healthy {
            assert_eq!(answers.scope(answers), "nothing", "{answers:?}");
        }
        workshop
    }

    /// A copy of the store with this damage.
    fn damaged(&self, acts: &[Act]) -> (tempfile::TempDir, PathBuf) {
        let (scratch, store) = copy_for_anybody(&self.original);
        act::all(acts, &store, &self.names);
        (scratch, store)
    }

    fn ask(&self, reader: Reader, store: &Path) -> Answers {
        ask(reader, &[store, &self.control.1])
    }

    fn disagreements(&self, acts: &[Act]) -> Vec<Disagreement> {
        let (_scratch, store) = self.damaged(acts);
        let engines =
            self.readers.iter().fold(Engines::NONE, |all, reader| all.or(Engines::one(profile(*reader))));
        let request =
            CheckRequest { deep: true, engines, ..CheckRequest::quick(vec![store.clone()], "overlay") };
        let report = check::check(&Root::system().unwrap(), &request, &Progress::default());
        let kinds: Vec<String> = acts.iter().map(Act::kind).collect();
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        let mut worst = "nothing";
        // A store in which images have other names is another store.
        let names = image_names(&store);
        let asked = names.is_empty() || names == image_names(&self.original);
        // All at once: most of what takes long is waiting for what never ends.
        let answers: Vec<Answers> = std::thread::scope(|scope| {
            let (workshop, store) = (self, store.as_path());
            let ask = |reader: &Reader| {
                let reader = *reader;
                scope.spawn(move || workshop.ask(reader, store))
            };
            let asked: Vec<_> = self.readers.iter().map(ask).collect();
            asked.into_iter().map(|answers| answers.join().expect("a thread asks")).collect()
        });
        for ((reader, healthy), answers) in self.readers.iter().zip(&self.healthy).zip(&answers) {
            // It crashed, or waited for ever.
            let said = answers.failed().filter(|(_, said)| *said != "died" && !said.is_empty());
            for (question, said) in said.filter(|(_, said)| recognize(said).is_empty()) {
                let kind = format!("not explained: {}", kinds.join(" + "));
                writeln!(found.entry(kind).or_default(), "#   {} {question}: {said}", reader.name()).unwrap();
            }
            let scope = match answers.scope(healthy) {
                "image" | "saving" | "silent" if !asked => "nothing",
                scope => scope,
            };
            worst = if rank(scope) < rank(worst) { scope } else { worst };
            let says = verdict(&report, profile(*reader));
            let way = match (says, scope) {
                (_, "nothing") => continue,
                (None, _) if !report.not_looked.is_empty() => continue,
                (None, _) => "miss",
                // What becomes of a document with other content depends on that.
                (Some(says), _) if rank(says) > rank(scope) && !has(&report, "manifest-digest") => {
                    "understated"
                }
                _ => continue,
            };
            let story = format!(
                "{}: {scope}, check-store: {}; {}",
                reader.name(),
                says.unwrap_or("nothing"),
                answers.told()
            );
            let kind = format!("{way}: {} ({scope}, not {})", kinds.join(" + "), says.unwrap_or("nothing"));
            writeln!(found.entry(kind).or_default(), "#   {story}").unwrap();
        }
        let errors =
            report.findings.iter().filter(|finding| concerns(finding) && finding.severity == Severity::Error);
        let seen = |finding: &&StoreFinding| {
            let mapped = finding.id == "file-owner" && has(&report, "layer-mapped");
            !UNSEEN.contains(&finding.id) && !may_be_unseen(finding) && !mapped
        };
        for finding in errors.filter(|_| worst == "nothing" && asked).filter(seen) {
            let kind = format!("false alarm: {} ({})", kinds.join(" + "), finding.id);
            writeln!(found.entry(kind).or_default(), "#   {}", finding.message).unwrap();
        }
        let said: String = report
            .findings
            .iter()
            .map(|finding| {
                format!("#   says {} {}: {}\n", finding.severity.name(), finding.id, finding.message)
            })
            .collect();
        found.into_iter().map(|(kind, story)| Disagreement { kind, story: story + &said }).collect()
    }

    /// Those of one act, if one is enough.
    fn smallest(&self, acts: &[Act]) -> (Vec<Act>, Vec<Disagreement>) {
        let alone = acts.iter().filter(|_| acts.len() > 1).map(|act| vec![act.clone()]);
        for acts in alone {
            let found = self.disagreements(&acts);
            if !found.is_empty() {
                return (acts, found);
            }
        }
        (acts.to_vec(), self.disagreements(acts))
    }
}

const ORDER: [&str; 7] = ["all", "layers", "listing", "image", "saving", "silent", "nothing"];

fn rank(scope: &str) -> usize {
    ORDER.iter().position(|other| *other == scope).expect("it is a scope")
}

fn has(report: &StoreReport, rule: &str) -> bool {
    report.findings.iter().any(|finding| finding.id == rule)
}

/// Whether it is about what the engines are asked for.
fn concerns(finding: &StoreFinding) -> bool {
    let reaches = finding.scope() <= Scope::Listing || finding.images.is_empty();
    !finding.for_users && (reaches || finding.images.iter().any(|image| IMAGES.contains(&image.as_str())))
}

/// Whether it may make no difference to what engines are asked for here, although it would
/// to something else.
fn may_be_unseen(finding: &StoreFinding) -> bool {
    let says = |text: &str| finding.message.contains(text);
    match finding.id {
        // Of a layer too many everything may be hidden by those above.
        "lower-wrong" | "lower-layers-wrong" => !says("which is not a layer"),
        // There may be nothing to hide but a file.
        "whiteout-missing" => true,
        // What overlayfs makes of its attributes depends on the kernel.
        "file-xattr" => says("trusted.overlay.") || says("user.overlay."),
        // A device can be locked, unless it is on a file system that is mounted `nodev`, and
        // through a symlink a file be made, unless it is read-only.
        "store-malformed" => says(".lock` is not a file"),
        // Archives have no signatures.
        _ => says("`signature-"),
    }
}

/// The names that a store gives to its images, in their order; nothing if it reports nothing.
fn image_names(store: &Path) -> Vec<Vec<String>> {
    let images = storagectl::store::images(&Root::system().unwrap(), store, "overlay").unwrap_or_default();
    let mut names: Vec<_> = images.into_iter().map(|image| image.names.unwrap_or_default()).collect();
    names.sort();
    names
}

fn profile(reader: Reader) -> Profile {
    match reader.engine {
        Engine::Podman4 => Profile::Podman4,
        Engine::Podman5 => Profile::Podman5,
        Engine::Podman6 => Profile::Podman6,
    }
}

/// The furthest that any finding reaches with an engine; `silent` for what has no effect.
fn verdict(report: &StoreReport, profile: Profile) -> Option<&'static str> {
    let findings =
        report.findings.iter().filter(|finding| concerns(finding) && finding.severity != Severity::Note);
    findings
        .map(|finding| {
            let effects = finding.effects.iter().filter(|effect| effect.engines.has(profile));
            effects.map(|effect| effect.scope).min().unwrap_or(Scope::Silent)
        })
        .min()
        .map(Scope::name)
}

#[test]
fn check_store_says_what_engines_do_with_generated_damage() {
    compare_generated(&Workshop::of_root(), number("STORAGECTL_DAMAGES", 25));
}

#[test]
fn check_store_says_what_a_users_engine_does_with_generated_damage() {
    compare_generated(&Workshop::of_user(), number("STORAGECTL_DAMAGES", 25).div_ceil(5));
}

fn compare_generated(workshop: &Workshop, damages: u64) {
    let (first, seed) = (number("STORAGECTL_FIRST", 0), number("STORAGECTL_SEED", 1));
    let start = Instant::now();
    let next = AtomicU64::new(first);
    let kinds: Mutex<BTreeMap<String, (usize, String)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..number("STORAGECTL_JOBS", 2) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= first + damages {
                        break;
                    }
                    if number.is_multiple_of(500) && number > first {
                        println!("{number} after {:.0} s", start.elapsed().as_secs_f64());
                    }
                    let acts = generate::damage(seed, number, &workshop.targets);
                    if workshop.disagreements(&acts).is_empty() {
                        continue;
                    }
                    let (acts, found) = workshop.smallest(&acts);
                    let text: String = acts.iter().map(|act| format!("{act}\n")).collect();
                    for Disagreement { kind, story } in found {
                        let mut kinds = kinds.lock().unwrap();
                        if !kinds.contains_key(&kind) {
                            println!("## {kind}\n# number {number}\n{text}{story}");
                        }
                        let new = || (0, format!("# number {number}\n{text}{story}"));
                        kinds.entry(kind).or_insert_with(new).0 += 1;
                    }
                }
            });
        }
    });
    let kinds = kinds.into_inner().unwrap();
    let wrong: usize = kinds.values().map(|(count, _)| count).sum();
    println!(
        "{damages} damages, {} engines: {wrong} disagreements, {:.0} s",
        workshop.readers.len(),
        start.elapsed().as_secs_f64()
    );
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(kind, (count, _))| {
        (kind.split(':').next().map(str::to_owned), std::cmp::Reverse(*count))
    });
    let report: String =
        kinds.iter().map(|(kind, (count, text))| format!("\n## {kind} ({count})\n{text}")).collect();
    assert!(kinds.is_empty(), "{} kinds of disagreement:\n{report}", kinds.len());
}

#[test]
fn check_store_says_what_engines_do_with_every_damage_of_the_corpus() {
    compare_corpus(&Workshop::of_root(), "corpus");
}

#[test]
fn check_store_says_what_a_users_engine_does_with_every_damage_of_its_corpus() {
    compare_corpus(&Workshop::of_user(), "corpus-user");
}

fn compare_corpus(workshop: &Workshop, corpus: &str) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/random_damage").join(corpus);
    let mut files: Vec<_> = fs_err::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let report = Mutex::new(String::new());
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..number("STORAGECTL_JOBS", 4) {
            scope.spawn(|| {
                let at = || usize::try_from(next.fetch_add(1, Ordering::Relaxed)).expect("there are few");
                while let Some(file) = files.get(at()) {
                    let text = fs_err::read_to_string(file).unwrap();
                    let lines = text.lines().filter(|line| !line.starts_with('#'));
                    let acts: Vec<Act> = lines.map(act::parse).collect();
                    assert!(acts.iter().map(|act| act::parse(&act.to_string())).eq(acts.clone()), "{text}");
                    for Disagreement { kind, story } in workshop.disagreements(&acts) {
                        let name = file.file_name().unwrap().display();
                        writeln!(report.lock().unwrap(), "{name}: {kind}\n{story}").unwrap();
                    }
                }
            });
        }
    });
    let report = report.into_inner().unwrap();
    assert!(report.is_empty(), "{report}");
}

/// An erofs image of what is in the layer: what engines mount of it serves the same files.
#[test]
fn roots_engines_read_a_layer_for_composefs_and_normal_users_cannot_mount_it() {
    let script = "cd overlay/$TOP; mkdir composefs-data
        mkfs.erofs --quiet composefs-data/composefs.blob diff
        chown -R --reference=. composefs-data; chmod 0755 composefs-data";
    for (workshop, scopes) in [(Workshop::of_root(), &["nothing"; 3][..]), (Workshop::of_user(), &["image"])]
    {
        let (_scratch, store) = workshop.damaged(&[]);
        let images: Vec<serde_json::Value> =
            serde_json::from_slice(&fs_err::read(store.join("overlay-images/images.json")).unwrap()).unwrap();
        let is_it = |image: &&serde_json::Value| image["names"].to_string().contains("\"localhost/app:2\"");
        let top = images.iter().find(is_it).unwrap()["layer"].as_str().unwrap();
        run(Command::new("sh").args(["-euc", script]).current_dir(&store).env("TOP", top));
        let asked = workshop.readers.iter().zip(&workshop.healthy);
        let seen: Vec<&str> =
            asked.map(|(reader, healthy)| workshop.ask(*reader, &store).scope(healthy)).collect();
        assert_eq!(seen, scopes);
        let request = CheckRequest::quick(vec![store], "overlay");
        let report = check::check(&Root::system().unwrap(), &request, &Progress::default());
        let composefs = report.findings.iter().filter(|finding| finding.id == "composefs-layer");
        let (users, roots): (Vec<&StoreFinding>, Vec<&StoreFinding>) =
            composefs.partition(|finding| finding.for_users);
        let said =
            |findings: &[&StoreFinding]| findings.iter().map(|it| it.effect.clone()).collect::<Vec<_>>();
        assert_eq!(
            said(&users),
            ["as a normal user, podman 5, CRI-O and podman 6 cannot use `localhost/app:2`"]
        );
        assert_eq!(
            said(&roots),
            [
                "podman 4 cannot push or save `localhost/app:2`; podman 4 gives its containers files named by digests, and reports no error"
            ]
        );
    }
}
