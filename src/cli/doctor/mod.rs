//! `doctor`: a host on one page, or as one JSON document.

mod document;
mod fixes;
mod layout;
mod page;
mod prometheus;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::output::Output;
use super::parse::DRY_RUN_NEEDS_FIX;
use super::status::Strict;
use super::{Common, OutputFormat, Status, inside};
use crate::doctor::{Diagnosis, FixOptions, Metrics, diagnose, fix};
use crate::plan::Host;
use crate::problem::Severity;

const AFTER_HELP: &str = "\
Of each image it says what a power cut at this moment would do to it:
  survives        it is there when the host is up again
  would be wiped  an engine removes it then, or it is in memory
  at risk         its store is damaged, or it was written so recently that it
                  may not have reached the disk
  unknown         its store cannot be read, or arguments of CRI-O decide

That an image would be wiped is no error of the host. With --root, CRI-O is
taken to have been started and to run.";

/// Diagnose a host
///
/// Shows on one page the engines that are installed and what they see, CRI-O's
/// settings, what is wrong, what a power cut would do to each image and which setting
/// decides that, and what would make it safe. Changes nothing without --fix. A problem is an engine
/// that stops, a damaged store, or what check-config reports.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Doctor {
    /// Do what has one right answer, step by step, and say how to undo each; what is left is
    /// told with the command that helps. Removes no image and no container
    #[arg(long)]
    fix: bool,
    /// With --fix, also remove images and containers that nobody can use any more, or that
    /// nothing uses and a former list had
    #[arg(long, requires = "fix")]
    remove: bool,
    #[command(flatten)]
    strict: Strict,
    /// Exit with status 1 only if an engine stops
    #[arg(long, conflicts_with_all = ["strict", "fix"])]
    stopped_only: bool,
    /// Write to FILE, whole or not at all; with --format prometheus
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Doctor {
    /// What of this does not go together.
    pub(super) fn contradiction(&self, common: &Common) -> Option<&'static str> {
        match common.format {
            OutputFormat::Prometheus if self.fix => Some("`--fix` cannot be used with `--format prometheus`"),
            OutputFormat::Human | OutputFormat::Json if self.output.is_some() => {
                Some("`--output` needs `--format prometheus`")
            }
            _ if common.dry_run && !self.fix => Some(DRY_RUN_NEEDS_FIX),
            _ => None,
        }
    }

    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        let host = common.host()?;
        if self.fix {
            return self.fix(common, &host, output);
        }
        let began = Instant::now();
        let diagnosis = match diagnose(&host) {
            Err(error) if common.format == OutputFormat::Prometheus => {
                let metrics = Metrics::of_run(false, began.elapsed());
                self.write(&host, &metrics, output)?;
                return Err(error);
            }
            diagnosis => diagnosis?,
        };
        match common.format {
            OutputFormat::Prometheus => {
                let (metrics, problem) = Metrics::of(&host, &diagnosis, began.elapsed());
                self.write(&host, &metrics, output)?;
                if let Some(problem) = problem {
                    output.warning(&problem.message);
                }
            }
            OutputFormat::Json => {
                output.print_json(&document::document(&host, &diagnosis, fixes::offered(&diagnosis)))?;
            }
            OutputFormat::Human => {
                let page = page::page(&diagnosis, output.is_verbose());
                output.print_text(&page.render(output.colors_data()))?;
            }
        }
        Ok(self.answer(&diagnosis))
    }

    fn answer(&self, diagnosis: &Diagnosis) -> Status {
        let all_looked = diagnosis.not_looked.is_empty();
        if !self.stopped_only {
            return self.strict.answer(diagnosis.severities(), all_looked);
        }
        let stopping = diagnosis.problems.iter().filter(|problem| !problem.stops.is_empty());
        self.strict.answer(stopping.map(|problem| problem.severity), all_looked)
    }

    fn write(&self, host: &Host, metrics: &Metrics, output: &Output) -> anyhow::Result<()> {
        let text = prometheus::document(metrics);
        let Some(file) = &self.output else {
            return output.print_document(&text);
        };
        let file = inside(host, file)?;
        host.root.replace_file(&file, text.as_bytes()).map_err(host.cannot("write", &file))?;
        Ok(())
    }

    fn fix(&self, common: &Common, host: &Host, output: &Output) -> anyhow::Result<Status> {
        let options = FixOptions { remove: self.remove };
        let fixed = fix(host, options, common.mode(), &|event| fixes::print(common, host, event, output))?;
        if output.json {
            output.print_json(&document::document(
                host,
                &fixed.diagnosis,
                fixes::done(common, host, &fixed),
            ))?;
        } else {
            fixes::print_left(common, &fixed, output)?;
        }
        let failed = fixed.steps.iter().any(|step| !step.is_done()).then_some(Severity::Error);
        let left = fixed.left.iter().map(|problem| problem.severity).chain(failed);
        Ok(self.strict.answer(left, fixed.diagnosis.not_looked.is_empty()))
    }
}
