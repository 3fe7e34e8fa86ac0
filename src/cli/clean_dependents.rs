//! `clean-dependents`: what [`crate::dependents`] finds and removes.

use clap::Args;
use serde::Serialize;

use super::Common;
use super::output::Output;
use crate::dependents::{CleanReport, CleanedStorage, Dependent, clean_dependents};
use crate::plan::Host;
use crate::store::short_id;

/// Remove images and containers whose base layers are gone
///
/// Images and containers in the engines' own storage cannot be used once the layers
/// that they build on are in no store, and podman 4 then lists no image at all. Their
/// records are removed while the engines are stopped, after a backup beside them.
/// Nothing is removed while a listed store cannot be read.
#[derive(Debug, Args)]
pub(super) struct CleanDependents {}

#[derive(Serialize)]
struct CleanDependentsJson<'a> {
    version: u32,
    changed: bool,
    dry_run: bool,
    storages: Vec<StorageJson<'a>>,
}

/// What was found in one storage, as data.
#[derive(Serialize)]
pub(super) struct StorageJson<'a> {
    graphroot: String,
    driver: &'a str,
    containers: &'a [Dependent],
    images: &'a [Dependent],
    layers: &'a [Dependent],
    backups: Vec<String>,
}

impl CleanDependents {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let host = common.host()?;
        let cleaned = clean_dependents(&host, common.mode())?;
        if output.json {
            let storages = lines(&host, Some(&cleaned));
            let changed = !storages.is_empty();
            output.print_json(&CleanDependentsJson {
                version: 1,
                changed,
                dry_run: common.dry_run,
                storages,
            })?;
            return Ok(());
        }
        print(common, &host, &cleaned, output)
    }
}

impl<'a> StorageJson<'a> {
    fn new(host: &Host, storage: &'a CleanedStorage) -> Self {
        Self {
            graphroot: host.show(&storage.graphroot),
            driver: &storage.driver,
            containers: &storage.containers,
            images: &storage.images,
            layers: &storage.layers,
            backups: storage.backups.iter().map(|dir| host.show(dir)).collect(),
        }
    }
}

/// What was found, as data.
pub(super) fn lines<'a>(host: &Host, cleaned: Option<&'a CleanReport>) -> Vec<StorageJson<'a>> {
    let storages = cleaned.into_iter().flat_map(|cleaned| &cleaned.storages);
    storages.map(|storage| StorageJson::new(host, storage)).collect()
}

/// Says what was removed, or for a dry run, as data, what would be.
pub(super) fn print(
    common: &Common,
    host: &Host,
    cleaned: &CleanReport,
    output: &Output,
) -> anyhow::Result<()> {
    if cleaned.storages.is_empty() {
        output.detail("nothing builds on layers that no store has");
    }
    for storage in &cleaned.storages {
        let graphroot = host.show(&storage.graphroot);
        let verb = if common.dry_run { "would remove" } else { "removed" };
        let mut lines = Vec::new();
        for (kind, dependents) in [("container", &storage.containers), ("image", &storage.images)] {
            for dependent in dependents {
                lines.push(format!("{verb} {kind} {} from `{graphroot}`", dependent_name(dependent)));
            }
        }
        let layers = match storage.layers.len() {
            1 => "1 layer".to_owned(),
            count => format!("{count} layers"),
        };
        if !storage.layers.is_empty() {
            lines.push(format!("{verb} {layers} from `{graphroot}`"));
        }
        lines.extend(storage.backups.iter().map(|dir| format!("they are kept in `{}`", host.show(dir))));
        let names: Vec<&str> = storage.containers.iter().map(name).collect();
        if !names.is_empty() {
            let names = names.join(" ");
            let when = if common.dry_run { "afterwards, " } else { "" };
            lines.push(format!("{when}`podman rm --force {names}` makes podman forget them too"));
        }
        for line in lines {
            if common.dry_run {
                output.print_lines(&format!("{line}\n"))?;
            } else {
                output.status(&line);
            }
        }
    }
    Ok(())
}

/// What it is called where a person asks for it.
fn name(dependent: &Dependent) -> &str {
    dependent.names.first().map_or(short_id(&dependent.id), String::as_str)
}

pub(super) fn dependent_name(dependent: &Dependent) -> String {
    let id = short_id(&dependent.id);
    let names: Vec<String> = dependent.names.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { format!("`{id}`") } else { format!("{} ({id})", names.join(", ")) }
}
