//! Parsing the arguments, without describing to the parser what nobody asked for.

use std::ffi::OsString;

use clap::{Args, FromArgMatches, Parser};

use super::{Cli, Common};

/// Describes the arguments of one command.
type Describe = fn(clap::Command) -> clap::Command;

/// Every command, and what describes its arguments.
const COMMANDS: [(&str, Describe); 20] = [
    ("add-store", super::add_store::AddStore::augment_args),
    ("remove-store", super::remove_store::RemoveStore::augment_args),
    ("list-stores", super::list_stores::ListStores::augment_args),
    ("init-store", super::init_store::InitStore::augment_args),
    ("check-store", super::check_store::CheckStore::augment_args),
    ("show-config", super::show_config::ShowConfig::augment_args),
    ("check-config", super::check_config::CheckConfig::augment_args),
    ("apply", super::apply::Apply::augment_args),
    ("clean-dependents", super::clean_dependents::CleanDependents::augment_args),
    ("doctor", super::doctor::Doctor::augment_args),
    ("generate", super::generate::Generate::augment_args),
    ("build-store", super::build_store::BuildStore::augment_args),
    ("seal-store", super::seal_store::SealStore::augment_args),
    ("pack", super::pack::Pack::augment_args),
    ("embed-images", super::embed_images::EmbedImages::augment_args),
    ("copy-images", super::copy_images::CopyImages::augment_args),
    ("list-images", super::list_images::ListImages::augment_args),
    ("verify-images", super::verify_images::VerifyImages::augment_args),
    ("completions", super::completions::Completions::augment_args),
    ("scriptlet", super::scriptlet::Scriptlet::augment_args),
];

/// The arguments of this process.
///
/// # Errors
/// As [`Parser::try_parse`].
pub(super) fn parse() -> Result<Cli, clap::Error> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match parse_one(&arguments) {
        Some(cli) => Ok(cli),
        None => Cli::try_parse_from(arguments),
    }
}

/// Parses with the one command that is asked for, in a small part of the time that
/// describing all of them takes. What that command line means does not depend on the
/// others. What an error or a help says does, so for these there is `None`, and all
/// are described.
fn parse_one(arguments: &[OsString]) -> Option<Cli> {
    // Should this be the value of an option, the command that follows is not known.
    let (name, describe) = arguments
        .iter()
        .skip(1)
        .find_map(|argument| COMMANDS.into_iter().find(|(name, _)| argument == name))?;
    let command = Common::augment_args(clap::Command::new("storagectl"));
    let command = command.subcommand(describe(clap::Command::new(name)));
    let mut matches = command.try_get_matches_from(arguments).ok()?;
    Cli::from_arg_matches_mut(&mut matches).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Option<Cli> {
        parse_one(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn every_command_is_described_as_among_the_others() {
        for command in super::super::command().get_subcommands() {
            let name = command.get_name();
            let row = COMMANDS.into_iter().find(|(other, _)| *other == name);
            let (name, describe) = row.unwrap_or_else(|| panic!("`{name}` is not in the table"));
            let alone = describe(clap::Command::new(name));
            let arguments =
                |command: &clap::Command| format!("{:?}", command.get_arguments().collect::<Vec<_>>());
            assert_eq!(arguments(&alone), arguments(command), "{name}");
        }
    }

    #[test]
    fn a_command_line_means_the_same_as_with_all_commands() {
        for line in [
            "storagectl add-store /a",
            "storagectl --root /mnt -q add-store --first --engine modern /a /b",
            "storagectl add-store -n --before /x --format json /a --root=/mnt",
            "storagectl --config add-store add-store /a",
            "storagectl list-stores",
            "storagectl scriptlet post 1 /a",
            "storagectl add-store -- list-stores",
        ] {
            let all = Cli::try_parse_from(line.split(' ')).unwrap();
            let alone = one(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(format!("{alone:?}"), format!("{all:?}"), "{line}");
        }
    }

    #[test]
    fn what_is_an_error_or_a_help_is_left_to_the_parser_of_all_commands() {
        for line in [
            "storagectl",
            "storagectl --version",
            "storagectl --help add-store",
            "storagectl add-store --help",
            "storagectl add-store --version /a",
            "storagectl help add-store",
            "storagectl add-store",
            "storagectl --first add-store /a",
            "storagectl add-stores add-store /a",
            "storagectl --config list-stores add-store /a",
            "storagectl -q -v add-store /a",
        ] {
            assert!(one(line).is_none(), "{line}");
        }
    }
}
