//! `show-config`: what each engine reads here, and where each value comes from.

use std::collections::BTreeSet;
use std::rc::Rc;

use clap::Args;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::output::Output;
use super::{AnyEngine, Common, Status};
use crate::conf::{Leaf, schema};
use crate::engine::{Engines, Profile, Reading, Reason, Sourced, ValueOrigin};
use crate::judgement::{Judgement, judge};
use crate::plan::Host;
use crate::problem::{Place, Problem, Severity};

/// Show the storage configuration that engines read
///
/// Without --engine, shows first what differs between the engines, then what each of
/// them reads. For an engine that would stop, shows why; the exit status is then 1.
#[derive(Debug, Args)]
pub(super) struct ShowConfig {
    /// Which engine, or generation of engines
    #[arg(long, value_name = "ENGINE")]
    engine: Option<AnyEngine>,
    /// Show the file and line of each value
    #[arg(long)]
    origin: bool,
    /// Read as the engines of the normal user with this id would; $HOME is that
    /// user's home
    #[arg(long, value_name = "UID")]
    rootless: Option<u32>,
}

impl ShowConfig {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        let host = common.host()?;
        let mut environment = host.environment_of_process();
        match self.rootless {
            Some(uid) => environment.uid = uid,
            // A tree is a system of its own, which its root runs.
            None if host.root.is_tree() && environment.is_rootless() => environment = host.environment(),
            None => {}
        }
        let engines = self.engine.map_or_else(|| host.engines_asked(), AnyEngine::engines);
        let view = host.view();
        let judgements: Vec<Rc<Judgement>> =
            engines.list().map(|profile| judge(&view, &environment, profile)).collect();
        if output.json {
            match judgements.as_slice() {
                [judgement] if self.engine.is_some() => output.print_json(&document(&host, judgement))?,
                judgements => output.print_json(&json!({
                    "version": 1,
                    "engines": judgements.iter().map(|judgement| document(&host, judgement)).collect::<Vec<_>>(),
                }))?,
            }
        } else {
            output.print_lines(&self.human(&judgements))?;
        }
        let stops = judgements.iter().any(|judgement| judgement.stops());
        Ok(if stops { Status::No } else { Status::Done })
    }

    fn human(&self, judgements: &[Rc<Judgement>]) -> String {
        let mut out = String::new();
        let groups = groups(judgements);
        if judgements.len() > 1 {
            out += &differences(&groups);
        }
        for (index, group) in groups.iter().enumerate() {
            if judgements.len() > 1 {
                out += if index > 0 || !out.is_empty() { "\n" } else { "" };
                out += &format!("# {}\n", names(group));
            }
            out += &self.one(group[0]);
        }
        out
    }

    fn one(&self, judgement: &Judgement) -> String {
        let reading = &judgement.reading;
        let mut out = String::new();
        let told = |verb: &str, reason: &Reason| {
            let place = reason.place.as_ref().map(|site| format!(" ({}:{})", site.file.display(), site.line));
            format!("# {verb}: {}{}\n", reason.message, place.unwrap_or_default())
        };
        if let Some(reason) = judgement.stop() {
            return told("stops", reason);
        }
        for reason in &judgement.reasons {
            out += &told("works with loss", reason);
        }
        for (key, value, origin) in lines(reading) {
            let origin = if self.origin { format!("  # {}", label(origin)) } else { String::new() };
            out += &format!("{key} = {value}{origin}\n");
        }
        if reading.stores.is_empty() {
            return out + "additionalimagestores = []\n";
        }
        out += "additionalimagestores = [\n";
        for store in &reading.stores {
            let origin = if self.origin { format!("  # {}", label(&store.origin)) } else { String::new() };
            out += &format!("  {:?},{origin}\n", store.value);
        }
        out + "]\n"
    }
}

/// Engines that do the same, together, in their order.
fn groups(judgements: &[Rc<Judgement>]) -> Vec<Vec<&Judgement>> {
    let mut groups: Vec<Vec<&Judgement>> = Vec::new();
    for judgement in judgements {
        let same = |group: &&mut Vec<&Judgement>| {
            let other = group[0];
            match (other.stop(), judgement.stop()) {
                (None, None) => {
                    settings(&other.reading) == settings(&judgement.reading)
                        && other.reasons == judgement.reasons
                }
                (one, other) => one == other,
            }
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(judgement),
            None => groups.push(vec![judgement]),
        }
    }
    groups
}

fn names(group: &[&Judgement]) -> String {
    group.iter().map(|judgement| judgement.reading.profile.name()).collect::<Vec<_>>().join(", ")
}

/// Every setting and its value, as text.
fn settings(reading: &Reading) -> Vec<(String, String)> {
    let mut settings: Vec<(String, String)> =
        lines(reading).into_iter().map(|(key, value, _)| (key, value)).collect();
    settings.push(("additionalimagestores".to_owned(), format!("{:?}", reading.paths())));
    settings
}

/// What differs between groups of engines, one line a setting.
fn differences(groups: &[Vec<&Judgement>]) -> String {
    if let [_] = groups {
        return String::new();
    }
    let all: Vec<Vec<(String, String)>> = groups.iter().map(|group| settings(&group[0].reading)).collect();
    let keys: BTreeSet<&String> = all.iter().flatten().map(|(key, _)| key).collect();
    let mut out = String::from("# What differs between the engines of this host:\n");
    for group in groups {
        if let Some(reason) = group[0].stop() {
            let stops = if group.len() > 1 { "stop" } else { "stops" };
            out += &format!("#   {} {stops}: {}\n", names(group), reason.message);
        }
    }
    for key in keys {
        let value = |settings: &[(String, String)]| {
            settings
                .iter()
                .find(|(other, _)| other == key)
                .map_or_else(|| "not set".to_owned(), |(_, value)| value.clone())
        };
        let alive: Vec<_> = groups.iter().zip(&all).filter(|(group, _)| !group[0].stops()).collect();
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
fn lines(reading: &Reading) -> Vec<(String, String, &ValueOrigin)> {
    let mut lines: Vec<(String, String, &ValueOrigin)> = Vec::new();
    for (name, value) in FIRST.into_iter().zip(roots(reading)) {
        lines.extend(value.map(|value| (name.to_owned(), format!("{:?}", value.value), &value.origin)));
    }
    for (key, value) in others(reading) {
        lines.push((key.to_owned(), plain(&value.value).to_string(), &value.origin));
    }
    lines
}

/// The settings beside those of [`FIRST`] and the stores that this engine knows.
fn others(reading: &Reading) -> impl Iterator<Item = (&str, &Sourced<Leaf>)> {
    let version = reading.profile.library();
    reading.values.iter().filter_map(move |(name, value)| {
        let (table, plain) = name.rsplit_once('.')?;
        let knows = schema::is_map(table)
            || schema::known(table, plain).is_some_and(|known| known.is_known_to(version));
        let key = name.strip_prefix("storage.").unwrap_or(name);
        let other = !FIRST.contains(&key) && key != "options.additionalimagestores";
        (knows && other).then_some((key, value))
    })
}

fn roots(reading: &Reading) -> [Option<&Sourced<String>>; 4] {
    [&reading.driver, &reading.graphroot, &reading.runroot, &reading.imagestore].map(Option::as_ref)
}

fn label(origin: &ValueOrigin) -> String {
    origin.label().unwrap_or_else(|| "default".to_owned())
}

/// Why an engine stops.
fn stopped(host: &Host, profile: Profile, reason: &Reason) -> Problem {
    let engines = Engines::one(profile);
    let place = reason.place.as_ref().map(|site| {
        let read = host.root.read(&site.file).ok().flatten();
        let text = read.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        Box::new(Place::new(site.file.clone(), &text, site.span.clone()))
    });
    Problem {
        effect: reason.effect.of(engines),
        engines,
        stops: engines,
        place,
        ..Problem::found(reason.id, Severity::Error, &reason.message, &reason.hint)
    }
}

/// What one engine does as data.
fn document(host: &Host, judgement: &Judgement) -> Json {
    let reading = &judgement.reading;
    if let Some(reason) = judgement.stop() {
        let error = stopped(host, reading.profile, reason);
        return json!({ "version": 1, "engine": reading.profile.name(), "error": error });
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
    for (key, value) in others(reading) {
        settings.insert(key.to_owned(), with_origin(&plain(&value.value), &value.origin));
    }
    let files: Vec<Json> =
        reading.files.iter().map(|file| json!({ "path": file.path, "kind": file.kind })).collect();
    json!({ "version": 1, "engine": reading.profile.name(), "settings": settings, "files": files })
}

fn with_origin(value: &impl Serialize, origin: &ValueOrigin) -> Json {
    let origin = match origin {
        ValueOrigin::File(site) => json!({ "file": site.file, "line": site.line }),
        ValueOrigin::Environment(name) => json!({ "variable": name }),
        ValueOrigin::Default => Json::Null,
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
