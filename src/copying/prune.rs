//! Removing images of former lists.
//!
//! Only what was copied here is removed, and of that only names that the list has no more:
//! what an administrator has pulled or named stays. No layer goes that a container, or an image
//! anywhere, builds on. From the engines' own storage nothing goes while CRI-O runs, which has what
//! it knows of that in memory; additional stores it reads again.

use std::collections::BTreeSet;

use super::copy_record::CopyRecord;
use super::in_use::InUse;
use super::presence::CopyTarget;
use crate::plan::{CommitMode, Host};
use crate::problem::Problem;
use crate::store::builder::{RemovalRequest, remove};
use crate::sys::crio_runs;

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The names that went.
    pub names: Vec<String>,
    /// How many images went with them.
    pub images: usize,
    /// How many layers went with these.
    pub layers: usize,
    /// Names of former lists that stay, since a container or another image uses them.
    pub kept: Vec<String>,
    /// Whether an earlier run was cut off before it had removed what it took out.
    pub was_cut_off: bool,
}

/// Removes images of former lists: those that are remembered and not `current`, which are
/// the names and ids of the list.
///
/// # Errors
/// `engine-runs`, `containers-mounted`, or what keeps from reading or writing the records.
pub(super) fn prune(
    host: &Host,
    target: &CopyTarget,
    record: &mut CopyRecord,
    current: &BTreeSet<(String, String)>,
    mode: CommitMode,
) -> anyhow::Result<Pruned> {
    // What somebody has brought here is in no list, and stays.
    let is_current = |name: &str, id: &str| {
        record.is_imported(name, id) || current.contains(&(name.to_owned(), id.to_owned()))
    };
    let former: Vec<_> = record.images.iter().filter(|it| !is_current(&it.name, &it.id)).cloned().collect();
    if former.is_empty() {
        return Ok(Pruned::default());
    }
    if target.own && mode == CommitMode::Commit && !host.root.is_tree() && !host.is_rootless() && crio_runs()
    {
        return Err(Problem::new(
            "engine-runs",
            "CRI-O runs, and would keep using the images that are to be removed",
            "stop it (`systemctl stop crio`) and try again; at boot this is done before it starts",
        )
        .into());
    }
    let mut pruned = Pruned::default();
    let mut going = Vec::new();
    let removed = remove(&host.root, &target.path, mode == CommitMode::DryRun, |records| {
        let in_use = InUse::read(host, &target.path)?;
        let mut removal = RemovalRequest::default();
        let mut staying = BTreeSet::new();
        for copied in former {
            if in_use.has(&copied.id, copied.layers.last().map(String::as_str)) {
                pruned.kept.push(copied.name.clone());
                staying.insert(copied.id.clone());
            } else {
                going.push(copied);
            }
        }
        // A name that has moved to another image since then is that one's.
        let owned = |name: &String, id: &str| {
            let image = records.images.iter().find(|image| image.id.as_deref() == Some(id));
            image.is_some_and(|image| image.names.iter().flatten().any(|it| it == name))
        };
        for copied in &going {
            if owned(&copied.name, &copied.id) {
                removal.names.insert(copied.name.clone());
                pruned.names.push(copied.name.clone());
            }
            removal.images.insert(copied.id.clone());
            removal.layers.extend(copied.layers.iter().cloned());
        }
        // One that is in the list under another name keeps that, and so stays.
        removal.images.retain(|id| !staying.contains(id));
        removal.needed = in_use.layers();
        Ok(removal)
    })?;
    pruned.names.sort();
    pruned.images = removed.images.len();
    pruned.layers = removed.layers.len();
    pruned.was_cut_off = removed.was_cut_off;
    if mode == CommitMode::DryRun {
        return Ok(pruned);
    }
    record.images.retain(|copied| !going.contains(copied));
    for id in &removed.layers {
        record.layers.remove(id);
    }
    Ok(pruned)
}
