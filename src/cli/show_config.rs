use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::output::Output;
use super::{Common, NO};
use crate::conf::Leaf;
use crate::engine::{Environment, Origin, Profile, Reading, Value, read};

/// Show the storage configuration that engines read
///
/// Without --engine, what differs between the engines comes first, then what
/// each of them reads. The exit status is 1 if an engine would stop.
#[derive(Debug, Args)]
pub(super) struct ShowConfig {
    /// Which engine, or generation of engines
    #[arg(long, value_name = "ENGINE")]
    engine: Option<Engine>,
    /// Show the file and line of each value
    #[arg(long)]
    origin: bool,
    /// Read as the engines of the normal user with this id would; $HOME is that
    /// user's home
    #[arg(long, value_name = "UID")]
    rootless: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// podman 4
    Podman4,
    /// podman 5
    Podman5,
    /// CRI-O
    Crio,
    /// podman 6
    Podman6,
    /// Those that read one file: podman 5's reading
    Legacy,
    /// Those that read drop-ins
    Modern,
    /// All of them
    All,
}

impl Engine {
    fn profiles(self) -> Vec<Profile> {
        match self {
            Self::Podman4 => vec![Profile::Podman4],
            Self::Podman5 | Self::Legacy => vec![Profile::Podman5],
            Self::Crio => vec![Profile::Crio],
            Self::Podman6 | Self::Modern => vec![Profile::Podman6],
            Self::All => Profile::ALL.to_vec(),
        }
    }
}

impl ShowConfig {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<ExitCode> {
        let host = common.host()?;
        let mut environment = Environment::of_process();
        if let Some(uid) = self.rootless {
            environment.uid = uid;
        } else if host.root.is_tree() {
            // A tree is a system of its own, which its root runs.
            environment.uid = 0;
        }
        let profiles = self.engine.unwrap_or(Engine::All).profiles();
        let view = host.view();
        let readings: Vec<Reading> =
            profiles.iter().map(|profile| read(&view, &environment, *profile)).collect();
        if output.json {
            match readings.as_slice() {
                [reading] => output.json(&document(reading))?,
                readings => output.json(&json!({
                    "version": 1,
                    "engines": readings.iter().map(document).collect::<Vec<_>>(),
                }))?,
            }
        } else {
            output.data(&self.human(&readings))?;
        }
        let stops = readings.iter().any(|reading| reading.failure.is_some());
        Ok(if stops { ExitCode::from(NO) } else { ExitCode::SUCCESS })
    }

    fn human(&self, readings: &[Reading]) -> String {
        let mut out = String::new();
        let groups = groups(readings);
        if readings.len() > 1 {
            out += &differences(&groups);
        }
        for (index, group) in groups.iter().enumerate() {
            if readings.len() > 1 {
                out += if index > 0 || !out.is_empty() { "\n" } else { "" };
                out += &format!("# {}\n", names(group));
            }
            out += &self.one(group[0]);
        }
        out
    }

    fn one(&self, reading: &Reading) -> String {
        let mut out = String::new();
        if let Some(failure) = &reading.failure {
            let place = failure.place.as_ref().map(|(file, line)| format!(" ({}:{line})", file.display()));
            return format!("# stops: {}{}\n", failure.message, place.unwrap_or_default());
        }
        for (key, value, origin) in lines(reading) {
            let origin = if self.origin { format!("  # {}", shown(origin)) } else { String::new() };
            out += &format!("{key} = {value}{origin}\n");
        }
        if reading.stores.is_empty() {
            return out + "additionalimagestores = []\n";
        }
        out += "additionalimagestores = [\n";
        for store in &reading.stores {
            let origin = if self.origin { format!("  # {}", shown(&store.origin)) } else { String::new() };
            out += &format!("  {:?},{origin}\n", store.value);
        }
        out + "]\n"
    }
}

/// Readings that say the same, together, in their order.
fn groups(readings: &[Reading]) -> Vec<Vec<&Reading>> {
    let mut groups: Vec<Vec<&Reading>> = Vec::new();
    for reading in readings {
        let same = |group: &&mut Vec<&Reading>| {
            let other = group[0];
            settings(other) == settings(reading) && other.failure == reading.failure
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(reading),
            None => groups.push(vec![reading]),
        }
    }
    groups
}

fn names(group: &[&Reading]) -> String {
    group.iter().map(|reading| reading.profile.name()).collect::<Vec<_>>().join(", ")
}

/// Every setting and its value, as text.
fn settings(reading: &Reading) -> Vec<(String, String)> {
    let mut settings: Vec<(String, String)> =
        lines(reading).into_iter().map(|(key, value, _)| (key, value)).collect();
    settings.push(("additionalimagestores".to_owned(), format!("{:?}", reading.paths())));
    settings
}

/// What differs between groups of engines, one line a setting.
fn differences(groups: &[Vec<&Reading>]) -> String {
    if let [_] = groups {
        return String::new();
    }
    let all: Vec<Vec<(String, String)>> = groups.iter().map(|group| settings(group[0])).collect();
    let keys: BTreeSet<&String> = all.iter().flatten().map(|(key, _)| key).collect();
    let mut out = String::from("# What differs between the engines of this host:\n");
    for group in groups {
        if let Some(failure) = &group[0].failure {
            let stops = if group.len() > 1 { "stop" } else { "stops" };
            out += &format!("#   {} {stops}: {}\n", names(group), failure.message);
        }
    }
    for key in keys {
        let value = |settings: &[(String, String)]| {
            settings
                .iter()
                .find(|(other, _)| other == key)
                .map_or_else(|| "not set".to_owned(), |(_, value)| value.clone())
        };
        let alive: Vec<_> = groups.iter().zip(&all).filter(|(group, _)| group[0].failure.is_none()).collect();
        let values: BTreeSet<String> = alive.iter().map(|(_, settings)| value(settings)).collect();
        if values.len() > 1 {
            out += &format!("#   {key}\n");
            for (group, settings) in alive {
                out += &format!("#     {}: {}\n", names(group), value(settings));
            }
        }
    }
    out
}

/// The settings that decide where things are.
const FIRST: [&str; 4] = ["driver", "graphroot", "runroot", "imagestore"];

/// The settings but for the stores: those that decide where things are, then the rest.
fn lines(reading: &Reading) -> Vec<(String, String, &Origin)> {
    let mut lines: Vec<(String, String, &Origin)> = Vec::new();
    for (name, value) in FIRST.into_iter().zip(roots(reading)) {
        lines.extend(value.map(|value| (name.to_owned(), format!("{:?}", value.value), &value.origin)));
    }
    for (name, value) in &reading.values {
        let key = name.strip_prefix("storage.").unwrap_or(name);
        if !FIRST.contains(&key) && key != "options.additionalimagestores" {
            lines.push((key.to_owned(), plain(&value.value).to_string(), &value.origin));
        }
    }
    lines
}

fn roots(reading: &Reading) -> [Option<&Value<String>>; 4] {
    [&reading.driver, &reading.graphroot, &reading.runroot, &reading.imagestore].map(Option::as_ref)
}

fn shown(origin: &Origin) -> String {
    match origin {
        Origin::File { file, line } => format!("{}:{line}", file.display()),
        Origin::Environment(name) => format!("${name}"),
        Origin::Default => "default".to_owned(),
    }
}

/// One engine's reading as data.
fn document(reading: &Reading) -> Json {
    if let Some(failure) = &reading.failure {
        let (file, line) = failure.place.clone().unzip();
        return json!({
            "version": 1,
            "engine": reading.profile.name(),
            "error": { "message": failure.message, "file": file, "line": line },
        });
    }
    let mut settings = serde_json::Map::new();
    for (name, value) in FIRST.into_iter().zip(roots(reading)) {
        if let Some(value) = value {
            settings.insert(name.to_owned(), with_origin(&value.value, &value.origin));
        }
    }
    let stores: Vec<Json> =
        reading.stores.iter().map(|store| with_origin(&store.value, &store.origin)).collect();
    settings.insert("additionalimagestores".to_owned(), json!({ "value": stores }));
    for (name, value) in &reading.values {
        let key = name.strip_prefix("storage.").unwrap_or(name);
        if !FIRST.contains(&key) && key != "options.additionalimagestores" {
            settings.insert(key.to_owned(), with_origin(&plain(&value.value), &value.origin));
        }
    }
    let files: Vec<Json> =
        reading.files.iter().map(|file| json!({ "path": file.path, "kind": file.kind })).collect();
    json!({ "version": 1, "engine": reading.profile.name(), "settings": settings, "files": files })
}

fn with_origin(value: &impl Serialize, origin: &Origin) -> Json {
    let origin = match origin {
        Origin::File { file, line } => json!({ "file": file, "line": line }),
        Origin::Environment(name) => json!({ "variable": name }),
        Origin::Default => Json::Null,
    };
    json!({ "value": value, "origin": origin })
}

fn plain(leaf: &Leaf) -> Json {
    match leaf {
        Leaf::String(text) | Leaf::Datetime(text) => json!(text),
        Leaf::Integer(number) => json!(number),
        Leaf::Float(bits) => json!(f64::from_bits(*bits)),
        Leaf::Boolean(flag) => json!(flag),
        Leaf::Array(items) => Json::Array(items.iter().map(plain).collect()),
        Leaf::Table(table) => {
            Json::Object(table.iter().map(|(key, value)| (key.clone(), plain(value))).collect())
        }
    }
}
