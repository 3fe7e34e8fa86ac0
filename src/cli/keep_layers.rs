//! `keep-layers`: what [`crate::dependents`] keeps of stores that went, or are about to.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::clean_dependents::dependent_name;
use super::counted::counted;
use super::output::Output;
use super::tense::would;
use super::{Common, Status};
use crate::dependents::{Dependent, KeepOptions, KeptStorage, RestoredBackup, keep_layers};
use crate::plan::Host;
use crate::problem::{Problem, size, total};
use crate::sys::FileKind;

/// Keep layers of a replaced store that containers need
///
/// Containers and images in the engines' own storage need the layers that they build on, also
/// after an update has replaced the store that had them. Those that no listed store has any more
/// are copied into that storage and verified: from the other deployments of the system (ostree,
/// bootc), from what a package update has left in a store, and from embedded images. Engines may
/// run. A container's image is kept without a name, and goes as any other when nothing uses it.
///
/// What normal users' containers need is kept in a store of its own, which is listed for everybody.
/// Run by a normal user, the command lists that store in this user's own configuration, which
/// engines before podman 6 need.
///
/// The boot service does this when a store has changed. What cannot be kept is what
/// clean-dependents removes.
#[derive(Debug, Args)]
pub(super) struct KeepLayers {
    /// Look for the layers in this store, too, such as a copy of the old one; may be given
    /// several times
    #[arg(long, value_name = "DIR")]
    from: Vec<PathBuf>,
    /// Keep what this listed store alone has, before it is removed or replaced; may be given
    /// several times
    #[arg(long, value_name = "STORE")]
    leaving: Vec<PathBuf>,
}

#[derive(Serialize)]
struct KeepLayersJson<'a> {
    version: u32,
    changed: bool,
    dry_run: bool,
    storages: Vec<KeptStorageJson<'a>>,
}

/// What was kept in one storage, as data.
#[derive(Serialize)]
pub(super) struct KeptStorageJson<'a> {
    graphroot: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    layers: Vec<KeptLayerJson<'a>>,
    containers: &'a [Dependent],
    images: &'a [Dependent],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Problem],
}

#[derive(Serialize)]
struct KeptLayerJson<'a> {
    id: &'a str,
    from: &'a str,
    bytes: u64,
}

impl KeepLayers {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        let host = common.host()?;
        let inside = |paths: &[PathBuf]| -> anyhow::Result<Vec<PathBuf>> {
            paths.iter().map(|path| super::inside(&host, path)).collect()
        };
        for path in inside(&self.from)? {
            let stat = host.root.stat(&path).map_err(host.cannot("look at", &path))?;
            if stat.is_none_or(|stat| stat.kind != FileKind::Directory) {
                let message = format!("`{}` is not a directory", host.show(&path));
                return Err(Problem::new("store-missing", message, "give the directory of a store").into());
            }
        }
        let options =
            KeepOptions { from: inside(&self.from)?, leaving: inside(&self.leaving)?, coming: Vec::new() };
        let kept = keep_layers(&host, &options, common.mode())?;
        if output.json {
            let changed = kept.iter().any(|storage| !storage.layers.is_empty());
            let storages = storages(&host, &kept);
            output.print_json(&KeepLayersJson { version: 1, changed, dry_run: common.dry_run, storages })?;
        } else if kept.is_empty() {
            output.status("nothing builds on layers that no store has");
        } else {
            print(common, &host, &kept, output);
        }
        let (failed, all) = kept.iter().fold((0, 0), |(failed, all), storage| {
            (failed + storage.not_kept.len(), all + storage.not_kept.len() + storage.layers.len())
        });
        Ok(Status::of_parts(failed, all))
    }
}

/// What was kept, as data.
pub(super) fn storages<'a>(host: &Host, kept: &'a [KeptStorage]) -> Vec<KeptStorageJson<'a>> {
    let json = |storage: &'a KeptStorage| KeptStorageJson {
        graphroot: host.show(&storage.graphroot),
        user: storage.user.as_ref().map(|user| user.name.as_str()),
        store: storage.store.as_ref().map(|store| host.show(store)),
        layers: storage
            .layers
            .iter()
            .map(|layer| KeptLayerJson { id: &layer.id, from: &layer.from, bytes: layer.bytes })
            .collect(),
        containers: &storage.containers,
        images: &storage.images,
        errors: &storage.not_kept,
    };
    kept.iter().map(json).collect()
}

/// Says what was kept, and what could not be.
pub(super) fn print(common: &Common, host: &Host, kept: &[KeptStorage], output: &Output) {
    let would = would(common.dry_run);
    for storage in kept {
        let mut sources: Vec<&str> = storage.layers.iter().map(|layer| layer.from.as_str()).collect();
        sources.dedup();
        for from in sources {
            let layers = storage.layers.iter().filter(|layer| layer.from == from);
            let (count, bytes) = (layers.clone().count(), total(layers.map(|layer| layer.bytes)));
            let bytes = if bytes > 0 { format!(" ({})", size(bytes)) } else { String::new() };
            let place = host.show(storage.place());
            let kept = format!("{would}kept {}{bytes} of `{from}` in `{place}`", counted(count, "layer"));
            output.status(&match &storage.user {
                Some(user) => format!("{kept} for `{}`", user.name),
                None if storage.store.is_some() => {
                    format!("{would}listed `{place}`, which has {}", counted(count, "needed layer"))
                }
                None => kept,
            });
        }
        let works = if common.dry_run { "would still work" } else { "still works" };
        for (kind, dependents) in [("container", &storage.containers), ("image", &storage.images)] {
            for dependent in dependents {
                output.status(&format!("{kind} {} {works}", dependent_name(dependent)));
            }
        }
        for problem in &storage.not_kept {
            output.problem(problem);
        }
    }
}

/// What was put back from one backup, as data.
#[derive(Serialize)]
pub(super) struct RestoredJson<'a> {
    backup: String,
    containers: &'a [Dependent],
    images: &'a [Dependent],
}

/// What was put back, as data.
pub(super) fn restored<'a>(host: &Host, restored: &'a [RestoredBackup]) -> Vec<RestoredJson<'a>> {
    let json = |it: &'a RestoredBackup| RestoredJson {
        backup: host.show(&it.backup),
        containers: &it.containers,
        images: &it.images,
    };
    restored.iter().map(json).collect()
}

/// Says what was put back.
pub(super) fn print_restored(common: &Common, host: &Host, restored: &[RestoredBackup], output: &Output) {
    let would = would(common.dry_run);
    for it in restored {
        let backup = host.show(&it.backup);
        for (kind, dependents) in [("container", &it.containers), ("image", &it.images)] {
            for dependent in dependents {
                output
                    .status(&format!("{would}restored {kind} {} from `{backup}`", dependent_name(dependent)));
            }
        }
    }
}
