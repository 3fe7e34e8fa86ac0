//! Stores that are not listed, however it is asked for, and why.

use std::path::Path;

use super::add::AddOptions;
use super::snapshot::{Host, Snapshot};
use crate::conf::clean;
use crate::engine::{Profile, Settings};
use crate::host::Kind;
use crate::problem::Problem;
use crate::store::{content_harms, writer_besides_owner};

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
        "list the store in a MachineConfig or a ContainerRuntimeConfig, which `storagectl generate` is going to write; `--force` edits it all the same",
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

/// Refuses a store that must not be added; `init` says that the directory will
/// be made if it is missing.
///
/// # Errors
/// A [`Problem`].
pub(super) fn store(
    host: &Host,
    settings: &Settings,
    path: &str,
    options: &AddOptions,
) -> anyhow::Result<()> {
    let shown = host.show(Path::new(path));
    bootc_storage(host, path, options.force)?;
    own_storage(host, settings, path)?;
    let stat = host.root.stat(Path::new(path)).map_err(host.cannot("look at", Path::new(path)))?;
    match stat {
        None if options.init || options.allow_missing => {}
        None => {
            return Err(Problem::new(
                "store-missing",
                format!("the directory `{shown}` does not exist; an entry for it would stop every engine"),
                "`--init` creates it as an empty store; `--allow-missing` is for one that appears at boot",
            )
            .into());
        }
        Some(stat) if stat.kind != Kind::Directory => {
            return Err(Problem::new(
                "store-not-directory",
                format!("`{shown}` is not a directory; an entry for it would stop every engine"),
                "give the directory that holds `overlay-images`; a store in an image file has to be mounted first",
            )
            .into());
        }
        Some(_) => {}
    }
    if !options.allow_writable
        && let Some(writer) = writer_besides_owner(&host.root, Path::new(path))
            .map_err(host.cannot("look at what is above", Path::new(path)))?
    {
        let dir = host.show(&writer.dir);
        let where_ = if writer.dir == Path::new(path) { String::new() } else { format!(" through `{dir}`") };
        return Err(Problem::new(
            "store-writable",
            format!("{} can write to the store `{shown}`{where_} and could plant images", writer.who),
            format!("`chmod go-w {dir}`, or `--allow-writable` if that is meant to be so"),
        )
        .into());
    }
    if stat.is_none() {
        return Ok(());
    }
    let harms = content_harms(&host.root, Path::new(path), &settings.driver)
        .map_err(host.cannot("read the store", Path::new(path)))?;
    // With --init missing lock files are made.
    match harms
        .into_iter()
        .find(|harm| !(options.init && harm.id == "lock-missing" && !read_only(host, path)))
    {
        Some(harm) => Err(Problem::new(
            harm.id,
            format!("the store `{shown}` would stop {}: {}", stops(harm.scope), harm.message),
            harm.hint,
        )
        .into()),
        None => Ok(()),
    }
}

fn read_only(host: &Host, path: &str) -> bool {
    host.root.is_read_only(Path::new(path)).unwrap_or(true)
}

fn stops(scope: crate::store::Scope) -> &'static str {
    match scope {
        crate::store::Scope::All => "every engine",
        crate::store::Scope::Layer => "every engine that uses a layer",
    }
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
fn own_storage(host: &Host, settings: &Settings, path: &str) -> anyhow::Result<()> {
    let mut owns =
        vec![("graphroot", Some(settings.graphroot.clone())), ("imagestore", settings.imagestore.clone())];
    if host.config.is_none() {
        // Drop-ins and a normal user's defaults can say otherwise.
        for profile in [Profile::Podman5, Profile::Podman6] {
            let reading = host.reading(profile);
            owns.push(("graphroot", reading.graphroot.map(|own| own.value)));
            owns.push(("imagestore", reading.imagestore.map(|own| own.value)));
        }
        owns.dedup();
    }
    for (key, own) in owns {
        let Some(own) = own.filter(|own| own.starts_with('/')) else {
            continue;
        };
        let own = own.as_str();
        let (real, own_real) = (real(host, path), real(host, own));
        let pairs = [(Path::new(path).to_owned(), Path::new(&clean(own)).to_owned()), (real, own_real)];
        for (path_form, own_form) in &pairs {
            let (id, what, hint) = if path_form == own_form {
                ("store-is-graphroot", "is", "the engine reads it anyway; give another directory")
            } else if path_form.starts_with(own_form) {
                (
                    "store-in-graphroot",
                    "lies inside",
                    "CRI-O removes everything there after a power cut; put the store elsewhere, such as /var/images",
                )
            } else if own_form.starts_with(path_form) {
                ("store-contains-graphroot", "contains", "give the directory of the store alone")
            } else {
                continue;
            };
            return Err(Problem::new(
                id,
                format!(
                    "the store `{}` {what} the engine's own storage, `{own}` ({key})",
                    host.show(Path::new(path))
                ),
                hint,
            )
            .into());
        }
    }
    Ok(())
}

/// `path` with its symlinks resolved as far as it exists.
fn real(host: &Host, path: &str) -> std::path::PathBuf {
    let cleaned = clean(path);
    let path = Path::new(&cleaned);
    let mut rest = Vec::new();
    let mut here = path;
    loop {
        if let Ok(found) = host.root.resolve(here) {
            return rest.iter().rev().fold(found.path, |path, part| path.join(part));
        }
        let (Some(parent), Some(name)) = (here.parent(), here.file_name()) else {
            return path.to_owned();
        };
        rest.push(name);
        here = parent;
    }
}
