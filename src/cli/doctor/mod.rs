//! `doctor`: a host on one page, or as one JSON document.

mod document;
mod fixes;
mod layout;
mod page;

use clap::Args;

use super::output::Output;
use super::status::Strict;
use super::{Common, Status};
use crate::doctor::{FixOptions, diagnose, fix};
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
}

impl Doctor {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        let host = common.host()?;
        if self.fix {
            return self.fix(common, &host, output);
        }
        let diagnosis = diagnose(&host)?;
        if output.json {
            output.json(&document::document(&host, &diagnosis, fixes::offered(&diagnosis)))?;
        } else {
            let page = page::page(&diagnosis, output.is_verbose());
            output.painted(&page.render(output.colors_data()))?;
        }
        // Warnings of the two checks are only counted.
        let (of_config, of_stores) = diagnosis.warnings;
        let counted = std::iter::repeat_n(Severity::Warning, of_config + of_stores);
        let found = diagnosis.troubles.iter().map(|trouble| trouble.severity).chain(counted);
        Ok(self.strict.answer(found, diagnosis.not_looked.is_empty()))
    }

    fn fix(&self, common: &Common, host: &Host, output: &Output) -> anyhow::Result<Status> {
        let options = FixOptions { remove: self.remove };
        let fixed = fix(host, options, common.mode(), &|event| fixes::tell(common, host, event, output))?;
        if output.json {
            output.json(&document::document(host, &fixed.diagnosis, fixes::done(common, host, &fixed)))?;
        } else {
            fixes::tell_left(common, &fixed, output)?;
        }
        let failed = fixed.steps.iter().any(|step| !step.is_done()).then_some(Severity::Error);
        let left = fixed.left.iter().map(|problem| problem.severity).chain(failed);
        Ok(self.strict.answer(left, fixed.diagnosis.not_looked.is_empty()))
    }
}
