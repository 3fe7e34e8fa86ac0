mod document;
mod layout;
mod page;

use std::process::ExitCode;

use clap::Args;

use super::output::Output;
use super::{Common, NO};
use crate::doctor::diagnose;
use crate::problem::Severity;

const AFTER_HELP: &str = "\
Of each image it says what a power cut at this moment would do to it:
  survives        it is there when the host is up again
  would be wiped  an engine removes it then, or it is in memory
  at risk         its store is damaged, or it was written so recently that it may
                  not have reached the disk
  unknown         its store cannot be read, or arguments of CRI-O decide

That an image would be wiped is no error of the host. With --root, CRI-O is taken
to have been started and to run.";

/// Show what is good and bad about a host, on one page
///
/// The engines that are installed and what they see, CRI-O's settings, what is
/// wrong, what a power cut would do to each image and which setting decides that,
/// and what would make it safe. Changes nothing. The exit status is 1 if an engine
/// stops, a store is damaged, or check-config finds another error.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Doctor {}

impl Doctor {
    #[allow(clippy::unused_self, reason = "every command is run like this")]
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<ExitCode> {
        let host = common.host()?;
        let diagnosis = diagnose(&host)?;
        if output.json {
            output.json(&document::document(&host, &diagnosis))?;
        } else {
            let page = page::page(&diagnosis, output.is_verbose());
            output.painted(&page.render(output.colors_data()))?;
        }
        let errors = diagnosis.troubles.iter().any(|trouble| trouble.severity == Severity::Error);
        Ok(match (errors, diagnosis.not_looked.is_empty()) {
            (true, _) => ExitCode::from(NO),
            (false, false) => ExitCode::from(2),
            (false, true) => ExitCode::SUCCESS,
        })
    }
}
