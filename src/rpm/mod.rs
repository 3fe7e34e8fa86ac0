//! What RPM scriptlets call, through the macros in scriptlets/macros.storagectl.
//!
//! RPM runs, on an upgrade, the *old* package's %preun and %postun after the new
//! package's %post. So %post lists the store, only the %preun of a real erase
//! takes it off, while its directory still exists (an entry without a directory
//! stops every engine), and %postun settles what is true then: a store that is
//! gone is not listed, and one that still holds something, since another package
//! shares it or an administrator put images there, is listed again as it was.
//!
//! Between %preun and %postun, and until storagectl itself is erased, a record
//! beside the rpm database keeps what the scriptlets did. It is part of the
//! image, like the database: writable while rpm-ostree or an image build runs
//! scriptlets, when /var is not.

mod owner;
mod record;

use std::path::Path;

use crate::declare::Declarations;
use crate::plan::{
    AddOptions, ApplyOptions, CommitMode, Host, PlanOutcome, RemoveOptions, StoreResult, add_stores, apply,
    relist_store, remove_stores, taken_entry,
};
use crate::problem::Problem;
use crate::store::{is_gone, provided_at_boot};
use crate::sys::is_booted;
use owner::{hand_over, take_over};
use record::ScriptletRecord;

/// Which scriptlet runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// %post
    Post,
    /// %preun
    Preun,
    /// %postun
    Postun,
}

/// Does what the scriptlet `phase` of a package has to do for its store at
/// `path`. `count` is the scriptlet's `$1`: how many of the package are
/// installed when the transaction is over.
///
/// # Errors
/// A [`Problem`] that says why the store is not listed, or still is.
pub fn scriptlet(host: &Host, phase: Phase, count: u32, path: &str) -> anyhow::Result<Vec<PlanOutcome>> {
    let one = |outcome| vec![outcome];
    match (phase, count) {
        (Phase::Post, _) => post(host, path),
        (Phase::Preun, 0) => preun(host, path).map(one),
        (Phase::Preun, _) => Ok(Vec::new()),
        (Phase::Postun, count) => {
            let settled = if count == 0 { postun_erase(host, path)? } else { unlist_if_gone(host, path)? };
            Ok([vec![settled], hand_over(host, path)?].concat())
        }
    }
}

/// Whether the store at `path` is listed, for what has failed half-way.
pub fn is_listed(host: &Host, path: &str) -> anyhow::Result<bool> {
    Ok(taken_entry(host, path)?.is_some())
}

/// Takes off the list what scriptlets and declarations have put there: storagectl
/// itself is being erased, and nothing will do so when the packages go.
pub fn unlist_all(host: &Host) -> anyhow::Result<Vec<PlanOutcome>> {
    let mut outcomes =
        vec![apply(host, &Declarations::default(), ApplyOptions::default(), CommitMode::Commit)?];
    let records = ScriptletRecord::all(&host.root)?;
    let paths: Vec<String> =
        records.iter().filter(|record| record.added).map(|record| record.path.clone()).collect();
    if !paths.is_empty() {
        let options = RemoveOptions { paths, ..RemoveOptions::default() };
        outcomes.push(remove_stores(host, &options, CommitMode::Commit)?);
    }
    for record in &records {
        ScriptletRecord::forget(&host.root, &record.path)?;
    }
    Ok(outcomes)
}

fn post(host: &Host, path: &str) -> anyhow::Result<Vec<PlanOutcome>> {
    let there = host.root.stat(Path::new(path)).map_err(host.cannot("look at", Path::new(path)))?;
    let mut allow_missing = false;
    if there.is_none() {
        let provided = provided_at_boot(&host.root, path)?;
        let offline = host.root.is_tree() || !is_booted();
        if !(provided && offline) {
            return Err(left_to_boot(path, provided).into());
        }
        allow_missing = true;
    }
    let taken_over = take_over(host, path)?;
    let options = AddOptions { paths: vec![path.to_owned()], allow_missing, ..AddOptions::default() };
    let planned = add_stores(host, &options, CommitMode::DryRun)?;
    let before = ScriptletRecord::read(&host.root, path)?;
    let mut record = before.clone().unwrap_or_else(|| ScriptletRecord::new(path));
    record.added |= planned.plan.stores.iter().any(|(_, result)| *result == StoreResult::Added);
    record.taken = None;
    // Before the entry: without the record nobody would know whose that is.
    if record.added {
        record.write(&host.root)?;
    }
    let outcome = add_stores(host, &options, CommitMode::Commit).inspect_err(|_| {
        // What cannot be listed is the error.
        let _ = match &before {
            Some(before) => before.write(&host.root),
            None => ScriptletRecord::forget(&host.root, path),
        };
    })?;
    Ok(taken_over.into_iter().chain([outcome]).collect())
}

fn left_to_boot(path: &str, provided: bool) -> Problem {
    let message = format!("the store `{path}` is not listed: its directory does not exist");
    if provided {
        return Problem::new(
            "store-missing",
            format!("{message} until `systemd-tmpfiles --create` or its mount unit has run"),
            format!("then run `storagectl add-store {path}`; until then the entry would stop every engine"),
        );
    }
    Problem::new(
        "store-missing",
        format!("{message}, and nothing in this system provides it at boot"),
        format!(
            "own the directory in the package, or ship a tmpfiles.d line such as `d {path} 0755 root root -`"
        ),
    )
}

fn preun(host: &Host, path: &str) -> anyhow::Result<PlanOutcome> {
    let taken = taken_entry(host, path)?;
    if let Some(taken) = taken {
        let mut record =
            ScriptletRecord::read(&host.root, path)?.unwrap_or_else(|| ScriptletRecord::new(path));
        record.taken = Some(taken);
        // Without the record %postun cannot list the store again, but engines must not stop.
        let kept = record.write(&host.root);
        let outcome = remove(host, path, false)?;
        kept?;
        return Ok(outcome);
    }
    ScriptletRecord::forget(&host.root, path)?;
    remove(host, path, false)
}

fn postun_erase(host: &Host, path: &str) -> anyhow::Result<PlanOutcome> {
    let record = ScriptletRecord::read(&host.root, path)?;
    let gone = is_gone(&host.root, Path::new(path)).map_err(host.cannot("look at", Path::new(path)))?;
    match record {
        Some(ScriptletRecord { added, taken: Some(taken), .. }) if !gone => {
            let outcome = relist_store(host, path, &taken, CommitMode::Commit)?;
            if added {
                ScriptletRecord { added, taken: None, path: path.to_owned() }.write(&host.root)?;
            } else {
                ScriptletRecord::forget(&host.root, path)?;
            }
            Ok(outcome)
        }
        _ => unlist_if_gone(host, path),
    }
}

fn unlist_if_gone(host: &Host, path: &str) -> anyhow::Result<PlanOutcome> {
    let outcome = remove(host, path, true)?;
    let stays = outcome.plan.stores.iter().any(|(_, result)| *result == StoreResult::Kept);
    if !stays {
        ScriptletRecord::forget(&host.root, path)?;
    }
    Ok(outcome)
}

fn remove(host: &Host, path: &str, if_gone: bool) -> anyhow::Result<PlanOutcome> {
    remove_stores(
        host,
        &RemoveOptions { paths: vec![path.to_owned()], if_gone, ..RemoveOptions::default() },
        CommitMode::Commit,
    )
}
