//! `doctor --fix`: each step as it is done, and what is left.

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::page;
use crate::cli::output::Output;
use crate::cli::report::{self, OutcomeExtras};
use crate::cli::tense::would;
use crate::cli::{Common, clean_dependents, copy_images, init_store, keep_layers};
use crate::doctor::{Cure, Diagnosis, FixEvent, FixOutcome, FixReport, FixStep, why_not};
use crate::plan::Host;
use crate::problem::{Problem, Severity, quoted_series};

/// A step as data.
#[derive(Serialize)]
pub(super) struct FixJson<'a> {
    id: &'static str,
    findings: &'a [&'static str],
    what: String,
    state: &'static str,
    files: Vec<Json>,
    undo: &'a [String],
    errors: &'a [Problem],
}

/// The steps that `--fix` would do, of whoever only asks what is wrong.
pub(super) fn offered(diagnosis: &Diagnosis) -> Vec<Json> {
    let step = |cure: &Cure| {
        let findings = diagnosis.findings_of(cure);
        let what = cure.command();
        let fix = FixJson {
            id: cure.row().id,
            findings: &findings,
            what,
            state: "offered",
            files: Vec::new(),
            undo: &[],
            errors: &[],
        };
        serde_json::to_value(fix).expect("it has no keys that are not text")
    };
    diagnosis.cures.iter().map(step).collect()
}

/// The steps that were done.
pub(super) fn done(common: &Common, host: &Host, fixed: &FixReport) -> Vec<Json> {
    let step = |step: &FixStep| {
        let state = match (step.is_done(), common.dry_run) {
            (false, _) => "failed",
            (true, true) => "would",
            (true, false) => "done",
        };
        let files = step.work.changes().iter();
        let fix = FixJson {
            id: step.cure.row().id,
            findings: &step.findings,
            what: step.cure.command(),
            state,
            files: files
                .map(|change| json!({ "path": host.show(&change.path), "action": report::action(change), "diff": change.diff(host) }))
                .collect(),
            undo: &step.undo,
            errors: &step.problems,
        };
        serde_json::to_value(fix).expect("it has no keys that are not text")
    };
    fixed.steps.iter().map(step).collect()
}

/// Says what begins, and what became of it, in the words of the command that does the same.
pub(super) fn print(common: &Common, host: &Host, event: FixEvent<'_>, output: &Output) {
    if output.json {
        return;
    }
    match event {
        FixEvent::Begins(cure, findings) => {
            let does = if common.dry_run { "would run" } else { "running" };
            output.status(&format!("{does} `{}`, for {}", cure.command(), quoted_series(findings)));
        }
        FixEvent::Ended(step) => {
            // The line of a closed pipe is no reason to stop in the middle.
            let _ = print_work(common, host, step, output);
            step.problems.iter().for_each(|problem| output.problem(problem));
            for undo in &step.undo {
                output.status(&format!("to undo it: {}", spelt(undo)));
            }
        }
    }
}

/// A command in backticks, and a sentence as it is.
fn spelt(undo: &str) -> String {
    let is_command =
        ["cp ", "rm ", "ln ", "storagectl ", "podman "].iter().any(|name| undo.starts_with(name));
    if is_command { format!("`{undo}`") } else { undo.to_owned() }
}

fn print_work(common: &Common, host: &Host, step: &FixStep, output: &Output) -> anyhow::Result<()> {
    match &step.work {
        FixOutcome::Nothing => Ok(()),
        FixOutcome::Repaired(outcome) => {
            for change in &outcome.plan.changes {
                if common.dry_run {
                    output.print_document(&change.diff(host))?;
                }
                output.status(&format!("{}fixed `{}`", would(common.dry_run), host.show(&change.path)));
            }
            Ok(())
        }
        FixOutcome::Applied(outcome) => {
            report::report_all(common, host, outcome, &OutcomeExtras::default(), output)
        }
        FixOutcome::Initialised { store, created, opened } => {
            init_store::print(common, host, store, created, opened, output);
            Ok(())
        }
        FixOutcome::Kept(kept) => {
            keep_layers::print(common, host, kept, output);
            Ok(())
        }
        FixOutcome::Cleaned(cleaned) => clean_dependents::print(common, host, cleaned, output),
        FixOutcome::Copied(report) => copy_images::print_copied(common, host, report, output),
    }
}

/// Says what is left, and why nothing was done about it.
pub(super) fn print_left(common: &Common, fixed: &FixReport, output: &Output) -> anyhow::Result<()> {
    // A note is for nobody to act on.
    let left = fixed.left.iter().filter(|problem| problem.severity != Severity::Note);
    let left: Vec<(&Problem, String)> = left.map(|problem| (problem, why_left(fixed, problem))).collect();
    if left.is_empty() {
        output.status(match (fixed.steps.is_empty(), common.dry_run) {
            (true, _) => "nothing to fix",
            (false, true) => "nothing of what was found would be left",
            (false, false) => "nothing is left",
        });
        return Ok(());
    }
    if fixed.steps.is_empty() {
        output.status("nothing to fix");
    }
    output.print_text(&page::left(&left).render(output.colors_data()))
}

fn why_left(fixed: &FixReport, problem: &Problem) -> String {
    let cure = fixed.diagnosis.cures.iter().find(|cure| cure.covers(problem));
    let Some(cure) = cure else { return why_not(problem).to_owned() };
    match fixed.steps.iter().find(|step| step.cure == *cure) {
        Some(step) if step.is_done() => "it was done, and that is still so".to_owned(),
        Some(_) => "it could not be done, as told above".to_owned(),
        None if cure.row().removes => "that is done with `--remove` alone".to_owned(),
        None => "the configuration has to work first".to_owned(),
    }
}
