//! What storagectl is asked to do with a host.

use std::fmt;
use std::path::Path;

use storagectl::conf::Position;
use storagectl::doctor::diagnose;
use storagectl::lint::{self, LintInput};
use storagectl::plan::{
    self, AddOptions, After, ApplyOptions, CommitMode, FileChange, Plan, RemoveOptions, ServedEngines,
    StoreResult,
};
use storagectl::sys::Root;

use super::host::STORES;
use crate::dice::Dice;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Add {
        paths: Vec<String>,
        position: Position,
        init: bool,
    },
    Remove {
        paths: Vec<String>,
    },
    /// The declared stores, from now on.
    Apply {
        declared: Vec<String>,
        boot: bool,
    },
    Fix,
    /// What only looks.
    Look,
}

/// What came of a command.
pub(super) enum Done {
    Panicked(String),
    Refused(String),
    /// The stores that each of root's engines shall see and that it shall not see; the
    /// others stay as they are.
    Did {
        seen: Vec<String>,
        gone: Vec<String>,
        /// Whether what a vendor's drop-in hides of the administrator's list is shown again.
        shows: bool,
        /// The stores that those may not see any more who saw them by a declaration alone.
        ends: Vec<String>,
    },
}

/// Any of them. Not all make sense on every host, and are refused then.
pub(super) fn any(dice: &mut Dice) -> Command {
    match dice.below(11) {
        0..=4 => {
            let paths = paths(dice);
            // Written without blanks.
            let other = dice.one(&["/a", "/b", "/c"]).to_owned();
            let position = match dice.below(8) {
                0..=3 => Position::Any,
                4 => Position::First,
                5 => Position::Last,
                6 => Position::Before(other),
                _ => Position::After(other),
            };
            Command::Add { paths, position, init: dice.chance(30) }
        }
        5 | 6 => Command::Remove { paths: paths(dice) },
        7 | 8 => {
            let declared = if dice.chance(30) { Vec::new() } else { paths(dice) };
            Command::Apply { declared, boot: dice.chance(30) }
        }
        9 => Command::Look,
        _ => Command::Fix,
    }
}

fn paths(dice: &mut Dice) -> Vec<String> {
    let all = [STORES.as_slice(), &["/srv/new", "/closed/below", "/link", "/home/u/s"]].concat();
    let mut paths: Vec<String> = (0..1 + dice.below(2)).map(|_| dice.one(&all).to_owned()).collect();
    paths.dedup();
    paths
}

impl Command {
    /// Runs it on the host in `tree`.
    pub(super) fn run(&self, tree: &Path) -> Done {
        match std::panic::catch_unwind(|| self.outcome(tree)) {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => Done::Refused(format!("{error:#}")),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
                Done::Panicked(text.unwrap_or_default())
            }
        }
    }

    fn outcome(&self, tree: &Path) -> anyhow::Result<Done> {
        let host = plan::Host::new(Root::tree(tree)?, None);
        match self {
            Self::Add { paths, position, init } => {
                let options = AddOptions {
                    paths: paths.clone(),
                    position: position.clone(),
                    init: *init,
                    serve: ServedEngines::All,
                    ..AddOptions::default()
                };
                plan::add_stores(&host, &options, CommitMode::Commit)?;
                Ok(Done::Did { seen: paths.clone(), gone: Vec::new(), shows: false, ends: Vec::new() })
            }
            Self::Remove { paths } => {
                let options = RemoveOptions { paths: paths.clone(), ..RemoveOptions::default() };
                plan::remove_stores(&host, &options, CommitMode::Commit)?;
                Ok(Done::Did { seen: Vec::new(), gone: paths.clone(), shows: false, ends: Vec::new() })
            }
            Self::Apply { declared, boot } => {
                let text: String =
                    declared.iter().map(|path| format!("[[store]]\npath = \"{path}\"\n\n")).collect();
                let dir = tree.join("usr/lib/storagectl/stores.d");
                fs_err::create_dir_all(&dir)?;
                fs_err::write(dir.join("declared.toml"), text)?;
                let declarations = host.declarations()?;
                let ends = listed_for_declarations(tree);
                let ends = ends.into_iter().filter(|store| !declared.contains(store)).collect();
                let outcome = plan::apply(
                    &host,
                    &declarations,
                    ApplyOptions { boot: *boot, ..ApplyOptions::default() },
                    CommitMode::Commit,
                )?;
                let (mut seen, mut gone) = (Vec::new(), Vec::new());
                for (path, result) in outcome.plan.stores {
                    match result {
                        StoreResult::Added | StoreResult::Moved | StoreResult::Listed { .. } => {
                            seen.push(path)
                        }
                        StoreResult::Removed | StoreResult::SetAside => gone.push(path),
                        _ => {}
                    }
                }
                Ok(Done::Did { seen, gone, shows: true, ends })
            }
            Self::Fix => {
                plan::rewrite(&host, CommitMode::Commit, || fixes(&host))?;
                Ok(Done::Did { seen: Vec::new(), gone: Vec::new(), shows: false, ends: Vec::new() })
            }
            Self::Look => {
                let looked = diagnose(&host).and(plan::list_stores(&host));
                let mut own = host.own_readers().into_iter();
                // Where an engine goes on, nothing keeps anybody from looking.
                if let Err(error) = looked
                    && own.any(|reader| !reader.judge(&host.view()).stops())
                {
                    panic!("{error:#}");
                }
                Ok(Done::Did { seen: Vec::new(), gone: Vec::new(), shows: false, ends: Vec::new() })
            }
        }
    }
}

/// Whether a drop-in that is not ours, or root's own file, lists this store: `apply` takes off
/// its own entries.
pub(super) fn is_theirs(tree: &Path, store: &str) -> bool {
    let drop_ins = ["etc/containers", "usr/share/containers", "root/.config/containers"]
        .iter()
        .flat_map(|dir| ["storage.conf.d", "storage.rootful.conf.d"].map(|name| tree.join(dir).join(name)))
        .filter_map(|dir| fs_err::read_dir(dir).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()));
    let named = |text: String| text.split(['"', ',']).any(|part| part.trim() == store);
    drop_ins
        .chain([tree.join("root/.config/containers/storage.conf")])
        .filter_map(|file| fs_err::read_to_string(file).ok())
        .any(|text| !text.starts_with("# Written by storagectl") && named(text))
}

/// The stores that drop-ins of ours list for declarations: with these they end for those who
/// see nothing else that lists them.
fn listed_for_declarations(tree: &Path) -> Vec<String> {
    ["storage.conf.d", "storage.rootful.conf.d", "storage.rootless.conf.d"]
        .iter()
        .filter_map(|dir| fs_err::read_dir(tree.join("etc/containers").join(dir)).ok())
        .flatten()
        .filter_map(|entry| fs_err::read_to_string(entry.ok()?.path()).ok())
        .filter(|text| text.starts_with("# Written by storagectl"))
        .flat_map(|text| {
            let marked = text.lines().filter(|line| line.contains("\", # storagectl: "));
            marked.filter_map(|line| Some(line.split('"').nth(1)?.to_owned())).collect::<Vec<_>>()
        })
        .collect()
}

/// The fixes of `check-config --fix` as a plan.
fn fixes(host: &plan::Host) -> anyhow::Result<Plan> {
    let mut input = LintInput::read(host, None)?;
    let before: Vec<String> = input.files.iter().map(|file| file.text.clone()).collect();
    let fixed = lint::fix(&mut input, &[]);
    let change = |(path, text)| {
        let place = input.files.iter().position(|file| file.path == path);
        let before = place.map(|place| before[place].clone());
        FileChange { before, path, original: None, after: After::Text(text) }
    };
    Ok(Plan { changes: fixed.into_iter().map(change).collect(), ..Plan::default() })
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add { paths, position, init } => {
                write!(f, "add-store")?;
                match position {
                    Position::Any => {}
                    Position::First => write!(f, " --first")?,
                    Position::Last => write!(f, " --last")?,
                    Position::Before(other) => write!(f, " --before={other}")?,
                    Position::After(other) => write!(f, " --after={other}")?,
                }
                write!(f, "{}", if *init { " --init" } else { "" })?;
                write!(f, " -- {}", paths.join(" -- "))
            }
            Self::Remove { paths } => write!(f, "remove-store -- {}", paths.join(" -- ")),
            Self::Apply { declared, boot } => {
                write!(f, "apply{}", if *boot { " --boot" } else { "" })?;
                declared.iter().try_for_each(|path| write!(f, " -- {path}"))
            }
            Self::Fix => write!(f, "check-config --fix"),
            Self::Look => write!(f, "doctor"),
        }
    }
}

/// Reads what [`Command`] displays as.
pub(super) fn parse(text: &str) -> Command {
    let mut parts = text.split(" -- ");
    let mut words = parts.next().unwrap_or_default().split(' ');
    let paths: Vec<String> = parts.map(str::to_owned).collect();
    let name = words.next().unwrap_or_default();
    let options: Vec<&str> = words.collect();
    let has = |option: &str| options.contains(&option);
    let value = |option: &str| options.iter().find_map(|given| given.strip_prefix(option)).map(str::to_owned);
    match name {
        "add-store" => {
            let position = match (value("--before="), value("--after=")) {
                (Some(other), _) => Position::Before(other),
                (_, Some(other)) => Position::After(other),
                _ if has("--first") => Position::First,
                _ if has("--last") => Position::Last,
                _ => Position::Any,
            };
            Command::Add { paths, position, init: has("--init") }
        }
        "remove-store" => Command::Remove { paths },
        "apply" => Command::Apply { declared: paths, boot: has("--boot") },
        "check-config" => Command::Fix,
        "doctor" => Command::Look,
        _ => panic!("`{text}` is not known"),
    }
}
