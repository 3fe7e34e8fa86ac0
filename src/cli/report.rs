//! Telling what came of a plan.

use serde::Serialize;

use super::Common;
use super::clean_dependents::{self, StorageJson};
use super::keep_layers::{self, KeptStorageJson, RestoredJson};
use super::output::Output;
use super::tense::would;
use crate::conf::OWN_ROOTS_NAME;
use crate::dependents::BootOutcome;
use crate::plan::{After, FileChange, Host, Note, PlanOutcome, StoreResult};
use crate::problem::{Problem, quoted_series};
use crate::sys::{crio_runs, is_booted, restart_crio};

#[derive(Serialize)]
struct PlanJson<'a> {
    version: u32,
    changed: bool,
    dry_run: bool,
    stores: Vec<StoreResultJson<'a>>,
    files: Vec<FileChangeJson>,
    notes: Vec<&'a str>,
    warnings: Vec<&'a Problem>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Problem],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    restored: Vec<RestoredJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kept: Vec<KeptStorageJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependents: Vec<StorageJson<'a>>,
}

#[derive(Serialize)]
struct StoreResultJson<'a> {
    path: &'a str,
    #[serde(flatten)]
    result: &'a StoreResult,
}

#[derive(Serialize)]
struct FileChangeJson {
    path: String,
    action: &'static str,
    diff: String,
}

/// What there is beside an outcome.
#[derive(Default)]
pub(super) struct OutcomeExtras<'a> {
    /// What was wrong and did not stop it.
    pub(super) problems: &'a [Problem],
    /// What was kept or removed since a store was replaced.
    pub(super) settled: Option<&'a BootOutcome>,
    /// Whether CRI-O is to be restarted after a change.
    pub(super) restart: bool,
}

/// Prints `outcome` and restarts CRI-O if that was asked for.
pub(super) fn report(
    common: &Common,
    host: &Host,
    outcome: &PlanOutcome,
    restart: bool,
    output: &Output,
) -> anyhow::Result<()> {
    report_all(common, host, outcome, &OutcomeExtras { restart, ..OutcomeExtras::default() }, output)
}

/// The same with what there is beside it.
pub(super) fn report_all(
    common: &Common,
    host: &Host,
    outcome: &PlanOutcome,
    besides: &OutcomeExtras<'_>,
    output: &Output,
) -> anyhow::Result<()> {
    print(common, host, outcome, besides, output)?;
    if !common.dry_run && !outcome.plan.changes.is_empty() {
        engines(host, besides.restart, output);
    }
    Ok(())
}

fn print(
    common: &Common,
    host: &Host,
    outcome: &PlanOutcome,
    besides: &OutcomeExtras<'_>,
    output: &Output,
) -> anyhow::Result<()> {
    let OutcomeExtras { problems, settled, .. } = *besides;
    let plan = &outcome.plan;
    let changed = if common.dry_run { !plan.is_empty() } else { outcome.committed };
    if output.json {
        let report = PlanJson {
            version: 1,
            changed,
            dry_run: common.dry_run,
            stores: plan.stores.iter().map(|(path, result)| StoreResultJson { path, result }).collect(),
            files: plan
                .changes
                .iter()
                .map(|change| FileChangeJson {
                    path: host.show(&change.path),
                    action: action(change),
                    diff: change.diff(host),
                })
                .collect(),
            notes: notes(outcome, true).chain(notes(outcome, false)).chain(stays(outcome)).collect(),
            warnings: warnings(outcome).collect(),
            errors: problems,
            restored: settled
                .map(|settled| keep_layers::restored(host, &settled.restored))
                .unwrap_or_default(),
            kept: settled.map(|settled| keep_layers::storages(host, &settled.kept)).unwrap_or_default(),
            dependents: clean_dependents::lines(host, settled.map(|settled| &settled.cleaned)),
        };
        output.print_json(&report)?;
    } else if common.dry_run {
        for change in &plan.changes {
            output.print_document(&change.diff(host))?;
        }
    }
    for problem in problems {
        output.problem(problem);
    }
    status(common, host, outcome, output)?;
    match settled {
        Some(BootOutcome { restored, kept, cleaned }) if !output.json => {
            keep_layers::print_restored(common, host, restored, output);
            keep_layers::print(common, host, kept, output);
            clean_dependents::print(common, host, cleaned, output)
        }
        _ => Ok(()),
    }
}

/// What becomes of a file, in one word.
pub(super) fn action(change: &FileChange) -> &'static str {
    match (&change.before, &change.after) {
        (None, After::Text(_)) => "create",
        (Some(_), After::Text(_)) => "edit",
        (_, After::Link(_)) => "link",
        (_, After::Nothing) => "delete",
    }
}

fn notes(outcome: &PlanOutcome, first: bool) -> impl Iterator<Item = &str> {
    outcome.plan.notes.iter().filter_map(move |note| match note {
        Note::First(text) if first => Some(text.as_str()),
        Note::Then(text) if !first => Some(text.as_str()),
        _ => None,
    })
}

fn warnings(outcome: &PlanOutcome) -> impl Iterator<Item = &Problem> {
    outcome.plan.notes.iter().filter_map(|note| match note {
        Note::Warning(problem) => Some(problem),
        Note::First(_) | Note::Then(_) | Note::Stays(_) => None,
    })
}

fn stays(outcome: &PlanOutcome) -> impl Iterator<Item = &str> {
    outcome.plan.notes.iter().filter_map(|note| match note {
        Note::Stays(text) => Some(text.as_str()),
        _ => None,
    })
}

fn status(common: &Common, host: &Host, outcome: &PlanOutcome, output: &Output) -> anyhow::Result<()> {
    let would = would(common.dry_run);
    // What keeps a store from users, or leaves them what is their own, is written first, and
    // said last.
    let (of_users, lists): (Vec<&FileChange>, Vec<&FileChange>) = outcome
        .plan
        .changes
        .iter()
        .partition(|change| change.path.ends_with(OWN_ROOTS_NAME) || change.user().is_some());
    let mut files: Vec<String> = lists.iter().map(|change| host.show(&change.path)).collect();
    if files.is_empty() {
        files.push(host.show(&host.main_file()?));
    }
    files.sort_by_key(|file| file.contains("/storage.rootless.conf.d/"));
    let file = quoted_series(&files);
    for text in notes(outcome, true) {
        output.status(&format!("{would}{text}"));
    }
    for (path, _) in &outcome.plan.inits {
        output.status(&format!("{would}made `{}` an image store", host.show(path)));
    }
    for (path, result) in &outcome.plan.stores {
        match result {
            StoreResult::Added => output.status(&format!("{would}added `{path}` to {file}")),
            StoreResult::Moved => output.status(&format!("{would}moved `{path}` in {file}")),
            StoreResult::Removed => output.status(&format!("{would}removed `{path}` from {file}")),
            StoreResult::Listed { alias: Some(alias) } => {
                output.status(&format!("`{path}` is listed in {file} already, as `{alias}`"));
            }
            StoreResult::Listed { alias: None } => {
                output.detail(&format!("`{path}` is listed in {file} already"));
            }
            StoreResult::Absent => output.detail(&format!("`{path}` is not listed in {file}")),
            StoreResult::Skipped { reason, .. } => {
                output.warning(&format!("`{path}` is declared, but not listed: {reason}"));
            }
            StoreResult::Unmet { reason } => output.detail(&format!("`{path}` is not wanted here: {reason}")),
            StoreResult::AtBoot { sealed } => output.status(&format!(
                "`{sealed}` will be mounted at `{path}`, and listed, when the system starts"
            )),
            StoreResult::SetAside => {
                output.status(&format!("{would}set `{path}` aside in {file}: its directory is missing"));
            }
            StoreResult::PutBack => {
                output.status(&format!("{would}listed `{path}` in {file} again: its directory is back"));
            }
            StoreResult::Kept => output.status(&format!("`{path}` still holds a store and stays in {file}")),
        }
    }
    for text in notes(outcome, false) {
        output.status(&format!("{would}{text}"));
    }
    for change in of_users {
        let file = host.show(&change.path);
        output.status(&match (&change.after, change.user()) {
            (After::Nothing, _) => format!("{would}removed `{file}`, which is no longer needed"),
            (_, None) => format!("{would}left normal users their own directories, with `{file}`"),
            (_, Some(user)) => {
                format!("{would}left user {user} what their own storage.conf says, with `{file}`")
            }
        });
    }
    for text in stays(outcome) {
        output.status(text);
    }
    for Problem { message, hint, .. } in warnings(outcome) {
        output.warning(&format!("{message}; {hint}"));
    }
    for name in &outcome.lost_attributes {
        output.warning(&format!("could not restore the attribute `{name}` of {file}"));
    }
    Ok(())
}

/// What a running CRI-O makes of the change: it reads storage.conf only when it starts.
fn engines(host: &Host, restart: bool, output: &Output) {
    if host.root.is_tree() || host.config.is_some() {
        if restart {
            output.warning("CRI-O was not restarted: this is not the running system's configuration");
        }
        return;
    }
    if restart && !is_booted() {
        output.warning("CRI-O was not restarted: this is not a booted system");
    } else if restart {
        match restart_crio() {
            Ok(()) => output.status("restarted CRI-O, if it runs"),
            Err(error) => output.warning(&format!("CRI-O could not be restarted: {error}")),
        }
    } else if crio_runs() {
        output.status(
            "CRI-O runs with the old list until it is restarted (`systemctl restart crio`, or `--restart`)",
        );
    }
}
