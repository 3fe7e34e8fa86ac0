//! `check-config`: what the rules of [`crate::lint`] find, and their fixes.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use super::counted::tally;
use super::output::Output;
use super::rules::{RuleJson, print_rules};
use super::status::Strict;
use super::tense::would;
use super::{AnyEngine, Common, Status};
use crate::lint::{self, LintFinding, LintInput, RULES, Severity};
use crate::plan::{self, Host, PlanOutcome};
use crate::problem::Problem;

/// Find problems in the storage configuration
///
/// Checks every file that an engine reads, what each engine makes of them together,
/// and the directories that they name. Each finding says which engines do what
/// because of it.
#[derive(Debug, Args)]
pub(super) struct CheckConfig {
    /// Apply the fixes that are unambiguous
    #[arg(long)]
    pub(super) fix: bool,
    /// Leave out the rule with this name; may be given several times
    #[arg(long, value_name = "ID", value_parser = PossibleValuesParser::new(RULES.iter().map(|rule| rule.id)),
          hide_possible_values = true)]
    skip: Vec<String>,
    /// Ask about this engine or generation of engines, even if it is not installed
    #[arg(long, value_name = "ENGINE")]
    engine: Option<AnyEngine>,
    #[command(flatten)]
    strict: Strict,
    /// List the rules, and check nothing
    #[arg(long, conflicts_with_all = ["engine", "fix", "skip"])]
    list: bool,
}

#[derive(Serialize)]
struct CheckConfigJson<'a> {
    version: u32,
    #[serde(flatten)]
    fixed: Option<Fixed>,
    findings: Vec<LintFindingJson<'a>>,
    not_looked: &'a [Problem],
}

/// What `--fix` did.
#[derive(Serialize)]
struct Fixed {
    changed: bool,
    dry_run: bool,
    files: Vec<FixedFile>,
}

#[derive(Serialize)]
struct FixedFile {
    path: String,
    action: &'static str,
    diff: String,
}

#[derive(Serialize)]
struct LintFindingJson<'a> {
    #[serde(flatten)]
    problem: &'a Problem,
    fixable: bool,
}

impl<'a> LintFindingJson<'a> {
    fn of(finding: &'a LintFinding) -> Self {
        Self { problem: &finding.problem, fixable: finding.is_fixable() }
    }
}

impl CheckConfig {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        if self.list {
            return list(output).map(|()| Status::Done);
        }
        let host = common.host()?;
        let mut input = self.read(&host)?;
        let mut fixed = None;
        if self.fix {
            let outcome =
                plan::rewrite(&host, common.mode(), || Ok(lint::plan_fixes(self.read(&host)?, &self.skip)))?;
            fixed = Some(print_fixes(common, &host, &outcome, output)?);
            // What is left is what is told, also of a dry run.
            lint::fix(&mut input, &self.skip);
        }
        let report = lint::check(&input, &self.skip);
        if output.json {
            let findings = report.findings.iter().map(LintFindingJson::of).collect();
            output.print_json(&CheckConfigJson {
                version: 1,
                fixed,
                findings,
                not_looked: &report.not_looked,
            })?;
        } else {
            self.print(&host, &input, &report, output)?;
        }
        let found = report.findings.iter().map(|finding| finding.severity);
        Ok(self.strict.answer(found, report.not_looked.is_empty()))
    }

    fn print(
        &self,
        host: &Host,
        input: &LintInput<'_>,
        report: &lint::LintReport,
        output: &Output,
    ) -> anyhow::Result<()> {
        for finding in &report.findings {
            // The diff of a dry run has standard output to itself.
            output.print_finding(finding, !self.fix)?;
        }
        for problem in &report.not_looked {
            output.print_unchecked(problem);
        }
        output.status(&summary(host, input, report));
        Ok(())
    }

    fn read<'h>(&self, host: &'h Host) -> anyhow::Result<LintInput<'h>> {
        Ok(LintInput::read(host, self.engine.map(AnyEngine::engines))?)
    }
}

fn list(output: &Output) -> anyhow::Result<()> {
    let rules = RULES.iter().map(|rule| RuleJson {
        id: rule.id,
        severity: rule.severity,
        deep: None,
        description: rule.description,
    });
    print_rules(output, &rules.collect::<Vec<_>>())
}

/// Says what was fixed, and returns it as data.
fn print_fixes(
    common: &Common,
    host: &Host,
    outcome: &PlanOutcome,
    output: &Output,
) -> anyhow::Result<Fixed> {
    let would = would(common.dry_run);
    let mut files = Vec::new();
    for change in &outcome.plan.changes {
        let (path, diff) = (host.show(&change.path), change.diff(host));
        if common.dry_run && !output.json {
            output.print_document(&diff)?;
        }
        output.status(&format!("{would}fixed `{path}`"));
        files.push(FixedFile { path, action: "edit", diff });
    }
    for name in &outcome.lost_attributes {
        output.warning(&format!("could not restore the attribute `{name}` of a file"));
    }
    let changed = if common.dry_run { !outcome.plan.is_empty() } else { outcome.committed };
    Ok(Fixed { changed, dry_run: common.dry_run, files })
}

fn summary(host: &Host, input: &LintInput<'_>, report: &lint::LintReport) -> String {
    let Some(counts) = tally(report.count(Severity::Error), report.count(Severity::Warning)) else {
        return match input.files.as_slice() {
            [] => "this host has no storage.conf".to_owned(),
            [file] => format!("no problems in `{}`", host.show(&file.path)),
            files => format!("no problems in {} files", files.len()),
        };
    };
    let mend = match (report.fixable(), report.findings.len()) {
        (0, _) => String::new(),
        (1, 1) => "; `storagectl check-config --fix` repairs it".to_owned(),
        (count, _) => format!("; `storagectl check-config --fix` repairs {count} of them"),
    };
    format!("{}{mend}", counts)
}
