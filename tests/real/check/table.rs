//! The damage table: docs/damage-table.md is what came of it. `make damage` and the update hold each
//! row against engines, `make check` one in [`STEP`], and that no other is missing.
#![allow(clippy::disallowed_macros, reason = "the long run prints its figures")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::cases::{Case, all};
use super::engine::{Answers, Engine, ask, ask_and_explain};
use super::store::{IMAGE, Store, control, made_by_buildah};
use crate::compare::number;
use crate::explain::unexplained;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/damage-table.md");

/// What stands above the table.
const INTRODUCTION: &str = "\
# What becomes of damaged stores

Each row is one damage, made on a copy of a store that buildah made, with whiteouts,
opaque directories, hard links, capabilities, other owners and long names in its
layers. The damaged image has three layers; another store is listed behind. `ro`
says that the store is on a read-only mount. Then `storagectl check-store` is asked,
and real engines, with the store listed: to list images, to mount the image in a
container and read every file of it, and to save it.

An engine's cell says how far the damage reaches with it, from what was heard: `all`,
every command fails; `layers`, listing fails and so does every image of every store;
`listing`, listing fails, other images work; `image`, this image does not work; `saving`, it works
but cannot be saved; `silent`, nothing is said, but images are missing or containers get
other files; `nothing`, no difference was seen. check-store's own verdict for each
engine is compared with the cell, where `silent` and `nothing` count as the same: what
one probe does not meet, another may.

The last column is what podman 6's own check says of the store, in full depth.

What engines say then, and what helps, is in [explain.md](explain.md).

A finding in *italics* needs `--deep`; one in (parentheses) is a warning.

`tests/real/check` runs this; `STORAGECTL_UPDATE=1 cargo test --test real check::table`
writes this file. `make damage` makes damage that nobody thought of and holds check-store's
verdict against the same engines' libraries.

";

/// What stands below it.
const GENERATED: &str = "
## What generated damage showed

`make damage` makes up damage to copies of such a store and of one that a normal user's
engine made: any field of any record is removed, of another type or value, swapped, there
twice or under another key; any file is gone, cut short, something else, a symlink, of
another mode, with another bit or attribute; alone and in pairs. check-store's verdict
is held against what the libraries of podman 4, 5 and 6 list, mount, read and save, as
root, and as a normal user with podman 6. Whatever engines fail on must be said, in its
full reach, and an error must have an effect, or be about what no engine looks at.

Each kind of damage on which they once did not agree is kept, and tried with every run of
the tests:

";

/// The directories of the kinds of damage that were found, and whose engines they are for.
const CORPORA: [(&str, &str); 2] = [("corpus", ""), ("corpus-user", " (a user's store)")];

/// With this variable set the table is written instead of compared.
const UPDATE: &str = "STORAGECTL_UPDATE";

/// With this variable set, as `make damage` does, every damage is made.
const ALL: &str = "STORAGECTL_DAMAGES";

/// One in so many damages is made otherwise; the seed says which.
const STEP: usize = 3;

/// With this variable set podman 5 is asked, too.
const MORE: &str = "STORAGECTL_ALL_ENGINES";

#[test]
fn the_damage_table_is_what_engines_do() {
    let mut engines = vec![Engine::Podman4, Engine::Podman6];
    if std::env::var_os(MORE).is_some() {
        engines.push(Engine::Podman5);
    }
    let original = made_by_buildah("overlay");
    let healthy: Vec<Answers> = engines
        .iter()
        .map(|engine| ask(*engine, &[&Store::copy_of(&original).path, &control(&original)], false))
        .collect();
    healthy.iter().for_each(Answers::assert_healthy);
    let cases = all();
    let seed = number("STORAGECTL_SEED", 1);
    let tries_all = [UPDATE, ALL, MORE].iter().any(|name| std::env::var_os(name).is_some());
    let first = usize::try_from(seed).unwrap() % STEP;
    let tried: Vec<usize> = match tries_all {
        true => (0..cases.len()).collect(),
        false => (first..cases.len()).step_by(STEP).collect(),
    };
    println!("{} of {} damages of the table, seed {seed}", tried.len(), cases.len());
    let before = fs_err::read_to_string(TABLE).unwrap_or_default();
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&index) = tried.get(index) else { break };
                    let case = &cases[index];
                    let (row, mistakes) = case.row(&original, &engines, &healthy);
                    rows.lock().unwrap().push((index, row));
                    wrong.lock().unwrap().extend(mistakes);
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    // The others stand there, each in its place.
    for (index, case) in cases.iter().enumerate().filter(|(index, _)| !tried.contains(index)) {
        let row = before.lines().find(|line| line.starts_with(&case.first_cell()));
        rows.push((index, format!("{}\n", row.unwrap_or(&format!("{}: no row", case.name)))));
    }
    rows.sort();
    let wrong = wrong.into_inner().unwrap();
    let mut table = INTRODUCTION.to_owned();
    table += "| Damage | check-store says | podman 4 | podman 6 | `podman system check` |\n";
    table += "| --- | --- | --- | --- | --- |\n";
    table.extend(rows.into_iter().map(|(_, row)| row));
    table += GENERATED;
    CORPORA.iter().for_each(|corpus| table.extend(kinds(corpus)));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    if std::env::var_os(UPDATE).is_some() {
        fs_err::write(TABLE, &table).unwrap();
    }
    let committed = fs_err::read_to_string(TABLE).unwrap_or_default();
    assert_eq!(table, committed, "`{UPDATE}=1 cargo test --test real check::table` writes the table");
}

/// What was found by generated damage: names of files, and why it is as it is.
fn kinds((corpus, whose): &(&str, &str)) -> Vec<String> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/random_damage").join(corpus);
    let mut files: Vec<_> = fs_err::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let line = |file: &std::path::PathBuf| {
        let text = fs_err::read_to_string(file).unwrap();
        let why = text.lines().next().unwrap().trim_start_matches("# ");
        format!("- {}{whose}: {why}\n", file.file_name().unwrap().to_str().unwrap().replace('-', " "))
    };
    files.iter().map(line).collect()
}

impl Case {
    fn first_cell(&self) -> String {
        format!("| {}{} |", self.name, if self.read_only { " (ro)" } else { "" })
    }

    /// The row of the table, and where check-store's verdict is not the engines'.
    fn row(
        &self,
        original: &std::path::Path,
        engines: &[Engine],
        healthy: &[Answers],
    ) -> (String, Vec<String>) {
        let store = Store::copy_of(original);
        (self.damage)(&store);
        // A mount is for everyone, so check-store is asked under the same one.
        let (answer, deep) = if self.read_only {
            (read_only(&store, &[]), read_only(&store, &["--deep"]))
        } else {
            (store.checked(&[]), store.checked(&["--deep"]))
        };
        let mut wrong = Vec::new();
        let found = ids(&answer);
        for id in &found {
            if !ids(&deep).contains(id) {
                wrong.push(format!("{}: --deep does not say {}", self.name, id.0));
            }
        }
        let said: Vec<String> = ids(&deep)
            .into_iter()
            .map(|(id, severity)| {
                let known = found.contains(&(id.clone(), severity.clone()));
                let id = if known { format!("`{id}`") } else { format!("*{id}*") };
                if severity == "warning" { format!("({id})") } else { id }
            })
            .collect();
        if said.is_empty() != self.harmless {
            wrong.push(format!("{}: {}", self.name, serde_json::to_string_pretty(&deep).unwrap()));
        }
        let mut scopes = Vec::new();
        let mut own_check = "";
        for (engine, healthy) in engines.iter().zip(healthy) {
            let answers = ask_and_explain(*engine, &[&store.path, &control(original)], self.read_only);
            let seen = answers.scope(healthy);
            let verdict = verdict(&deep, *engine);
            if verdict != if seen == "nothing" { "silent" } else { seen } {
                wrong.push(format!(
                    "{}: {} is `{seen}`, check-store says `{verdict}`\n{answers:?}\n{said:?}",
                    self.name,
                    engine.name()
                ));
            }
            // An engine that may write to the store mends symlinks, or makes it worse.
            let now = if self.read_only { answer.clone() } else { store.checked(&[]) };
            wrong.extend(
                unexplained(&answers, &[&deep, &now])
                    .into_iter()
                    .map(|unexplained| format!("{}: {} {unexplained}", self.name, engine.name())),
            );
            scopes.push(seen);
            if *engine == Engine::Podman6 {
                own_check = answers.own_check();
            }
        }
        let said = if said.is_empty() { "nothing".to_owned() } else { said.join(", ") };
        let row = format!("{} {said} | {} | {} | {own_check} |\n", self.first_cell(), scopes[0], scopes[1]);
        (row, wrong)
    }
}

/// check-store in a mount name space where the store is read-only.
fn read_only(store: &Store, args: &[&str]) -> Value {
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && shift && exec \"$@\"";
    let path = store.path.to_str().unwrap();
    let conf = tempfile::NamedTempFile::new().unwrap();
    let text = "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/none\"\ngraphroot = \"/nonexistent\"\n";
    std::fs::write(conf.path(), text).unwrap();
    let output = std::process::Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh", path, crate::support::STORAGECTL, "--config"])
        .arg(conf.path())
        .args(["--format", "json", "check-store", path])
        .args(args)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", crate::support::text(&output)))
}

/// Names and severities of what was found, but for notes, each once.
fn ids(answer: &Value) -> Vec<(String, String)> {
    let mut ids = Vec::new();
    for finding in answer["findings"].as_array().unwrap() {
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        let id = (text("id"), text("severity"));
        if id.1 != "note" && !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// The furthest that any finding reaches with an engine, as root.
fn verdict(answer: &Value, engine: Engine) -> String {
    const ORDER: [&str; 6] = ["all", "layers", "listing", "image", "saving", "silent"];
    let findings = answer["findings"].as_array().unwrap().iter();
    let effects = findings
        .filter(|finding| finding["users_only"] == false)
        // What is said of other images is true, and not asked here.
        .filter(|finding| {
            let images = finding["images"].as_array().unwrap();
            images.is_empty() || images.iter().any(|image| image == IMAGE)
        })
        .flat_map(|finding| finding["effects"].as_array().unwrap())
        .filter(|effect| effect["engines"].as_array().unwrap().iter().any(|name| name == engine.name()));
    let scopes = effects.map(|effect| effect["scope"].as_str().unwrap());
    let rank = |scope: &str| ORDER.iter().position(|other| *other == scope).unwrap();
    ORDER[scopes.map(rank).min().unwrap_or(ORDER.len() - 1)].to_owned()
}
