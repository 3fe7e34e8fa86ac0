//! The command line: arguments in, calls, rendering out. Only this module prints.
#![allow(clippy::disallowed_macros, reason = "printing belongs here")]

mod add_store;
mod any_engine;
mod apply;
mod build_store;
mod byte_size;
mod check_config;
mod check_store;
mod clean_dependents;
mod commands;
mod completions;
mod copy_images;
mod counted;
mod defaults;
mod doctor;
mod embed_images;
mod explain;
mod generate;
mod help;
mod import_images;
mod init_store;
mod keep_layers;
mod list_images;
mod list_stored;
mod list_stores;
mod output;
mod owner;
mod pack;
mod parse;
mod position;
pub mod problem_text;
mod progress;
mod readers_json;
mod references_given;
mod remove_images;
mod remove_store;
mod report;
mod rules;
mod scriptlet;
mod seal_store;
mod show_config;
mod show_image;
mod snippet;
mod status;
mod tense;
pub mod terminal_text;
mod verify_images;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::conf::clean;
use crate::plan::{CommitMode, Host, ServedEngines};
use crate::problem::Problem;
use crate::sys::Root;
use output::Output;

use any_engine::AnyEngine;
use status::Status;

pub use help::{EXAMPLES, command, common_options_of, examples, groups};
pub use parse::parse;
pub use status::EXIT_STATUS;

/// Give a host read-only container image stores, safely
///
/// Container engines (podman, buildah, skopeo, CRI-O) read additional image
/// stores beside their own storage. Which ones is an array in storage.conf, and
/// one bad line there stops every engine. storagectl edits it: idempotently,
/// without touching any other byte, never into a state that stops an engine,
/// and so that an interruption at any instant leaves the old file or the new.
#[derive(Debug, Parser)]
#[command(name = "storagectl", version, term_width = 80)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
struct Common {
    /// Work on the system tree under DIR, and on nothing outside it
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Use FILE instead of the host's storage.conf; with --root, a path inside DIR
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show what would change, and change nothing
    #[arg(long, short = 'n', global = true)]
    dry_run: bool,
    /// Write results for people, or as one JSON document
    #[arg(long, global = true, value_name = "FORMAT", default_value = "human")]
    format: OutputFormat,
    /// When to use colour; NO_COLOR is honoured
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,
    /// Print errors only
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Print more, also what needs no change
    #[arg(long, short, global = true)]
    verbose: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    /// For people
    Human,
    /// For programs: one JSON document with "version": 1
    Json,
    /// For Prometheus, of doctor alone
    Prometheus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Generations of engines, for commands that change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EngineGeneration {
    /// All: the main file, and a drop-in where one would hide it
    All,
    /// Those that read the main file alone: podman 4 and 5, CRI-O
    Legacy,
    /// Those that read drop-ins, podman 6: a drop-in alone
    Modern,
}

impl From<EngineGeneration> for ServedEngines {
    fn from(engines: EngineGeneration) -> Self {
        match engines {
            EngineGeneration::All => Self::All,
            EngineGeneration::Legacy => Self::Legacy,
            EngineGeneration::Modern => Self::Modern,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    AddStore(add_store::AddStore),
    RemoveStore(remove_store::RemoveStore),
    ListStores(list_stores::ListStores),
    InitStore(init_store::InitStore),
    CheckStore(check_store::CheckStore),
    ShowConfig(show_config::ShowConfig),
    CheckConfig(check_config::CheckConfig),
    Apply(apply::Apply),
    KeepLayers(keep_layers::KeepLayers),
    CleanDependents(clean_dependents::CleanDependents),
    Doctor(doctor::Doctor),
    Explain(explain::Explain),
    Generate(Box<generate::Generate>),
    BuildStore(build_store::BuildStore),
    SealStore(seal_store::SealStore),
    Pack(Box<pack::Pack>),
    EmbedImages(embed_images::EmbedImages),
    CopyImages(copy_images::CopyImages),
    ImportImages(import_images::ImportImages),
    ListImages(list_images::ListImages),
    VerifyImages(verify_images::VerifyImages),
    ShowImage(show_image::ShowImage),
    RemoveImages(remove_images::RemoveImages),
    Completions(completions::Completions),
    Scriptlet(scriptlet::Scriptlet),
}

/// Runs storagectl with the arguments of this process.
pub fn run() -> ExitCode {
    let cli = match parse::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            output::usage(&error);
            return if error.use_stderr() { Status::Failed } else { Status::Done }.into();
        }
    };
    // What is created is meant for all engines, whatever the umask of the caller.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let output = Output::new(&cli.common);
    let status = cli.command.run(&cli.common, &output).unwrap_or_else(|error| {
        output.error(&error);
        Status::Failed
    });
    status.into()
}

impl Command {
    fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        let done = |()| Status::Done;
        match self {
            Self::AddStore(command) => command.run(common, output).map(done),
            Self::RemoveStore(command) => command.run(common, output).map(done),
            Self::ListStores(command) => command.run(common, output),
            Self::InitStore(command) => command.run(common, output).map(done),
            Self::ShowConfig(command) => command.run(common, output),
            Self::CheckConfig(command) => command.run(common, output),
            Self::Apply(command) => command.run(common, output),
            Self::KeepLayers(command) => command.run(common, output),
            Self::CleanDependents(command) => command.run(common, output).map(done),
            Self::Doctor(command) => command.run(common, output),
            Self::Explain(command) => command.run(common, output),
            Self::CheckStore(command) => command.run(common, output),
            Self::Generate(command) => command.run(common, output),
            Self::BuildStore(command) => command.run(common, output).map(done),
            Self::SealStore(command) => command.run(common, output),
            Self::Pack(command) => command.run(common, output).map(done),
            Self::EmbedImages(command) => command.run(common, output),
            Self::CopyImages(command) => command.run(common, output),
            Self::ImportImages(command) => command.run(common, output),
            Self::ListImages(command) => command.run(common, output),
            Self::VerifyImages(command) => command.run(common, output),
            Self::ShowImage(command) => command.run(common, output),
            Self::RemoveImages(command) => command.run(common, output),
            Self::Completions(command) => command.run(output).map(done),
            Self::Scriptlet(command) => {
                command.run(common, output);
                Ok(Status::Done)
            }
        }
    }
}

impl Common {
    fn host(&self) -> anyhow::Result<Host> {
        let root = match &self.root {
            Some(dir) => Root::tree(dir).map_err(Problem::cannot("open the tree", dir.display()))?,
            None => Root::system().map_err(Problem::cannot("open", "/"))?,
        };
        let config = match &self.config {
            None => None,
            Some(file) if file.is_absolute() || self.root.is_some() => Some(PathBuf::from("/").join(file)),
            Some(file) => Some(
                std::env::current_dir()
                    .map_err(Problem::cannot("find the directory of", file.display()))?
                    .join(file),
            ),
        };
        Ok(Host::new(root, config))
    }

    fn mode(&self) -> CommitMode {
        if self.dry_run { CommitMode::DryRun } else { CommitMode::Commit }
    }
}

/// The stores named on the command line, each once.
fn store_paths(given: &[OsString]) -> anyhow::Result<Vec<String>> {
    let mut paths = Vec::new();
    for path in given {
        let path = crate::store::store_path(path)?;
        debug_assert_eq!(path, clean(&path));
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// A path as given, inside the tree.
fn inside(host: &Host, path: &Path) -> anyhow::Result<PathBuf> {
    let absolute = if path.is_absolute() || host.root.is_tree() {
        Path::new("/").join(path)
    } else {
        std::env::current_dir().map_err(Problem::cannot("find the directory of", path.display()))?.join(path)
    };
    Ok(match absolute.to_str() {
        Some(text) => PathBuf::from(clean(text)),
        None => absolute,
    })
}
