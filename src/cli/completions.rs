//! `completions`: scripts for shells, made from the description of the command line.

use clap::Args;
use clap_complete::Shell;

use super::output::Output;

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, output: &Output) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "storagectl", &mut script);
        output.print_document(&String::from_utf8_lossy(&script))
    }
}
