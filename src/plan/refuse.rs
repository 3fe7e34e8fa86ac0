//! Stores that are not listed, however it is asked for, and why.

use std::path::Path;

use super::add::AddOptions;
use super::generations::ServedEngines;
use super::host::Host;
use super::snapshot::Snapshot;
use super::verify::refused;
use crate::engine::{Effect, Profile};
use crate::judgement::{Relation, gather, judge_store, relations};
use crate::problem::Problem;
use crate::store::writer_besides_owner;

/// Refuses to edit the configuration of a node that the Machine Config Operator
/// manages, unless forced.
///
/// # Errors
/// The [`Problem`] `mco-managed`.
pub(super) fn managed_node(host: &Host, snapshot: &Snapshot, force: bool) -> anyhow::Result<()> {
    if force || host.config.is_some() || !manages(host, snapshot.doc.text()) {
        return Ok(());
    }
    Err(Problem::new(
        "mco-managed",
        "OpenShift's Machine Config Operator owns this node's storage.conf; a local edit would degrade the node",
        "list the store in a MachineConfig, which `storagectl generate machineconfig` writes; `--force` edits it all the same",
    )
    .into())
}

/// Whether the Machine Config Operator manages a node whose main file has this text.
fn manages(host: &Host, text: &str) -> bool {
    // The daemon keeps the applied configuration there on every node it manages.
    let daemon = Path::new("/etc/machine-config-daemon/currentconfig");
    host.root.stat(daemon).unwrap_or(None).is_some()
        || text
            .lines()
            .take_while(|line| line.is_empty() || line.starts_with('#'))
            .any(|line| line.contains("Machine Config Operator"))
}

/// Whether OpenShift's Machine Config Operator manages this host's configuration.
pub fn is_managed(host: &Host) -> bool {
    let read = host.main_file().ok().and_then(|file| host.root.read(&file).ok().flatten());
    manages(host, &read.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default())
}

/// Refuses a store that must not be added, or that an engine cannot use. One that is made, or
/// is there later, may be missing.
pub(super) fn store(host: &Host, path: &str, options: &AddOptions) -> anyhow::Result<()> {
    bootc_storage(host, path, options.force)?;
    refuse_own_storage(host, path)?;
    usable(host, path, options)?;
    writable(host, path, options)
}

/// Refuses what root's engines, or those of the user whose configuration this is, cannot use.
/// What normal users cannot use is listed for root alone.
fn usable(host: &Host, path: &str, options: &AddOptions) -> anyhow::Result<()> {
    let view = host.view();
    let view = if options.init || options.allow_missing { view.expecting([path.to_owned()]) } else { view };
    let mut found = Vec::new();
    let mut readers = host.own_readers();
    readers.retain(|reader| serves(options.serve, reader.profile));
    for reader in readers {
        for reason in judge_store(&view, &reader.environment, reader.profile, path) {
            gather(&mut found, &reader, &reason);
        }
    }
    let worst = found.iter().find(|(reason, _)| reason.effect == Effect::Stops);
    let Some((reason, readers)) = worst.or(found.first()) else {
        return Ok(());
    };
    let mut problem = refused(reason, readers);
    match reason.id {
        "store-missing" => {
            "`--init` creates it as an empty store; `--allow-missing` is for one that appears at boot"
                .clone_into(&mut problem.hint);
        }
        "store-not-directory" => {
            "give the directory that holds `overlay-images`; a store in an image file must be mounted first"
                .clone_into(&mut problem.hint);
        }
        _ => {}
    }
    Err(problem.into())
}

fn serves(serve: ServedEngines, profile: Profile) -> bool {
    match serve {
        ServedEngines::All => true,
        ServedEngines::Legacy => !profile.is_modern(),
        ServedEngines::Modern => profile.is_modern(),
    }
}

fn writable(host: &Host, path: &str, options: &AddOptions) -> anyhow::Result<()> {
    if options.allow_writable {
        return Ok(());
    }
    let writer = writer_besides_owner(&host.root, Path::new(path))
        .map_err(host.cannot("look at what is above", Path::new(path)))?;
    let Some(writer) = writer else {
        return Ok(());
    };
    let (shown, dir) = (host.show(Path::new(path)), host.show(&writer.dir));
    let where_ = if writer.dir == Path::new(path) { String::new() } else { format!(" through `{dir}`") };
    Err(Problem::new(
        "store-writable",
        format!("{} can write to the store `{shown}`{where_} and could plant images", writer.who),
        format!("`chmod go-w {dir}`, or `--allow-writable` if that is meant to be so"),
    )
    .into())
}

fn bootc_storage(host: &Host, path: &str, force: bool) -> anyhow::Result<()> {
    const BOOTC: &str = "/usr/lib/bootc/storage";
    let same = || {
        let id = |path: &str| host.root.stat(Path::new(path)).ok().flatten().map(|stat| stat.id);
        id(path).is_some_and(|ours| id(BOOTC) == Some(ours))
    };
    if force || !(path == BOOTC || same()) {
        return Ok(());
    }
    Err(Problem::new(
        "bootc-storage",
        format!("`{BOOTC}` belongs to bootc, which forbids listing it for all engines: it removes layers there that other images may build on"),
        "use it for one unit only, with `GlobalArgs=--storage-opt=additionalimagestore=/usr/lib/bootc/storage`; `--force` lists it all the same",
    )
    .into())
}

/// Refuses the engine's own storage, what is inside it, and what it is inside of.
///
/// # Errors
/// `store-is-graphroot`, `store-in-graphroot`, `store-contains-graphroot`.
pub fn refuse_own_storage(host: &Host, path: &str) -> anyhow::Result<()> {
    for reader in host.own_readers() {
        let reading = reader.read(&host.view());
        let Some((relation, key, own)) = relations(&host.view(), &reading, path).into_iter().next() else {
            continue;
        };
        let (id, what, hint) = match relation {
            Relation::Same => {
                ("store-is-graphroot", "is", "the engine reads it anyway; give another directory")
            }
            Relation::Inside => (
                "store-in-graphroot",
                "is inside",
                "CRI-O removes everything there after a power cut; put the store elsewhere, such as /var/images",
            ),
            Relation::Above => {
                ("store-contains-graphroot", "contains", "give the directory of the store alone")
            }
        };
        let shown = host.show(Path::new(path));
        let message = format!("the store `{shown}` {what} the engine's own storage, `{own}` ({key})");
        return Err(Problem::new(id, message, hint).into());
    }
    Ok(())
}
