//! Parsing the arguments, without describing to the parser what nobody asked for.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::commands::{COMMANDS, common_options};
use super::{Cli, Command as Asked, Common, OutputFormat, help};
use crate::problem::series;

/// Reads a command line, whose first word is the program's name.
///
/// # Errors
/// As [`clap::Parser::try_parse_from`]: also for a help that is asked for.
pub fn parse(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Cli, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    if let Some(cli) = parse_one(&arguments) {
        return Ok(cli);
    }
    let mut command = help::parser();
    let matches = command.try_get_matches_from_mut(&arguments);
    let mut matches = matches.map_err(|error| suggesting(error, &arguments))?;
    if let Some((name, option)) = refused(&matches) {
        return Err(refusal(&mut command, name, option));
    }
    let cli = Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))?;
    match contradiction(&cli) {
        Some(what) => Err(command.error(ErrorKind::ArgumentConflict, what)),
        None => Ok(cli),
    }
}

/// The error that suggests for a word only what the command takes.
fn suggesting(error: clap::Error, arguments: &[OsString]) -> clap::Error {
    match error.kind() {
        ErrorKind::UnknownArgument => help::command().try_get_matches_from(arguments).err().unwrap_or(error),
        _ => error,
    }
}

/// Parses with the one command that is asked for, in a small part of the time that
/// describing all of them takes. What that command line means does not depend on the
/// others. What an error or a help says does, so for these there is `None`, and all
/// are described.
fn parse_one(arguments: &[OsString]) -> Option<Cli> {
    // Should this be the value of an option, the command that follows is not known.
    let row =
        arguments.iter().skip(1).find_map(|argument| COMMANDS.iter().find(|row| row.is_called(argument)))?;
    let command = Common::augment_args(Command::new("storagectl"));
    let command = command.subcommand(row.equip((row.describe)(Command::new(row.name)), true));
    let mut matches = command.try_get_matches_from(arguments).ok()?;
    if refused(&matches).is_some() {
        return None;
    }
    Cli::from_arg_matches_mut(&mut matches).ok().filter(|cli| contradiction(cli).is_none())
}

/// What changes nothing has no rehearsal.
pub(super) const DRY_RUN_NEEDS_FIX: &str = "`--dry-run` needs `--fix`: without it nothing is changed";

/// Options that mean nothing together. The parser does not see it, since one of them may stand
/// before the command.
fn contradiction(cli: &Cli) -> Option<&'static str> {
    match &cli.command {
        _ if cli.common.quiet && cli.common.verbose => Some("`--quiet` cannot be used with `--verbose`"),
        Asked::Doctor(doctor) => doctor.contradiction(&cli.common),
        _ if cli.common.format == OutputFormat::Prometheus => {
            Some("`--format prometheus` is of `doctor` alone")
        }
        Asked::CheckConfig(check) if cli.common.dry_run && !check.fix => Some(DRY_RUN_NEEDS_FIX),
        _ => None,
    }
}

/// The common options that some commands do not take.
const OPTIONS: [&str; 6] = ["root", "config", "dry_run", "format", "quiet", "verbose"];

/// A common option that was given and means nothing for the command, with the command's name.
fn refused(matches: &ArgMatches) -> Option<(&'static str, &'static str)> {
    let (name, given) = matches.subcommand()?;
    let row = COMMANDS.iter().find(|row| row.name == name)?;
    let is_given = |id: &str| given.value_source(id) == Some(ValueSource::CommandLine);
    let option = OPTIONS.into_iter().find(|id| !row.takes(id) && is_given(id))?;
    Some((row.name, option))
}

fn refusal(command: &mut Command, name: &str, id: &str) -> clap::Error {
    let option = common_options().find(|option| option.get_id() == id);
    let shown = option.and_then(|option| Some(format!("--{}", option.get_long()?))).unwrap_or_default();
    let names = |takes: bool| {
        let rows = COMMANDS.iter().filter(|row| !row.is_for_scripts() && row.takes(id) == takes);
        rows.map(|row| row.name.to_owned()).collect::<Vec<_>>()
    };
    let (takers, others) = (names(true), names(false));
    let tip = match takers.len() < others.len() {
        true => format!("only {} take it", series(&takers)),
        false => format!("all commands take it but {}", series(&others)),
    };
    let what = format!("`{name}` does not take `{shown}`\n\n  tip: {tip}");
    let command = command.find_subcommand_mut(name).expect("it was found by the parser");
    command.error(ErrorKind::UnknownArgument, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn one(line: &str) -> Option<Cli> {
        parse_one(&words(line))
    }

    fn all(line: &str) -> Cli {
        let mut matches = help::parser().try_get_matches_from(words(line)).unwrap();
        Cli::from_arg_matches_mut(&mut matches).unwrap()
    }

    fn error(line: &str) -> String {
        parse(words(line)).unwrap_err().to_string()
    }

    #[test]
    fn every_command_is_described_as_among_the_others() {
        let mut parser = help::parser();
        let among = parser.get_subcommands_mut().map(|command| command.get_name().to_owned());
        let rows: Vec<&str> = COMMANDS.iter().map(|row| row.name).collect();
        assert!(among.into_iter().all(|name| rows.contains(&&*name)));
        for row in &COMMANDS {
            let alone = row.equip((row.describe)(Command::new(row.name)), true);
            let arguments = |command: &Command| format!("{:?}", command.get_arguments().collect::<Vec<_>>());
            let among = parser.find_subcommand(row.name).unwrap();
            assert_eq!(arguments(&alone), arguments(among), "{}", row.name);
        }
    }

    #[test]
    fn a_command_line_means_the_same_as_with_all_commands() {
        for line in [
            "storagectl add-store /a",
            "storagectl --root /mnt -q add-store --first --engine modern /a /b",
            "storagectl add-store -n --before /x --format json /a --root=/mnt",
            "storagectl --config add-store add-store /a",
            "storagectl add -n /a",
            "storagectl list-stores",
            "storagectl scriptlet post 1 /a",
            "storagectl add-store -- list-stores",
        ] {
            let alone = one(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(format!("{alone:?}"), format!("{:?}", all(line)), "{line}");
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
            "storagectl -n list-stores",
            "storagectl doctor --config /a",
        ] {
            assert!(one(line).is_none(), "{line}");
        }
    }

    #[test]
    fn what_people_type_is_the_command() {
        for (short, long) in [
            ("add /a", "add-store /a"),
            ("rm --if-gone /a", "remove-store --if-gone /a"),
            ("ls", "list-stores"),
        ] {
            let parsed = |line: &str| format!("{:?}", parse(words(&format!("storagectl {line}"))).unwrap());
            assert_eq!(parsed(short), parsed(long));
        }
    }

    #[test]
    fn what_means_nothing_for_a_command_is_refused_wherever_it_stands() {
        for option in common_options() {
            let id = option.get_id().as_str();
            assert!(OPTIONS.contains(&id) || COMMANDS.iter().all(|row| row.takes(id)), "{id}");
        }
        let given = |id: &str| match id {
            "root" | "config" => format!("--{id} /x"),
            "format" => "--format json".to_owned(),
            id => format!("--{}", id.replace('_', "-")),
        };
        for row in &COMMANDS {
            let needed = match row.name {
                "add-store" | "remove-store" | "init-store" => " /a",
                "build-store" => " -o a oci:a",
                "seal-store" => " -o a /a",
                "pack" => " rpm a",
                "generate" => " ignition",
                "completions" => " bash",
                "show-image" => " app",
                "remove-images" => " /srv/a app",
                "scriptlet" => " post",
                _ => "",
            };
            for id in OPTIONS {
                for line in [
                    format!("storagectl {} {}{needed}", given(id), row.name),
                    format!("storagectl {}{needed} {}", row.name, given(id)),
                ] {
                    match (row.takes(id), parse(words(&line))) {
                        (true, Ok(_)) => {}
                        // With `--fix` it does.
                        (true, Err(error))
                            if ["check-config", "doctor"].contains(&row.name) && id == "dry_run" =>
                        {
                            assert!(error.to_string().starts_with("error: `--dry-run` needs `--fix`"));
                            assert!(parse(words(&format!("{line} --fix"))).is_ok());
                        }
                        (false, Err(error)) => {
                            let error = error.to_string();
                            let option = given(id);
                            let option = option.split(' ').next().unwrap();
                            let what = format!("error: `{}` does not take `{option}`\n", row.name);
                            assert!(error.starts_with(&what), "{line}: {error}");
                        }
                        (takes, answer) => panic!("{line}: {takes} {answer:?}"),
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_mistyped_is_suggested_if_the_command_takes_it() {
        assert!(error("storagectl add-store --dry /a").contains("'--dry-run'"));
        assert!(!error("storagectl list-stores --dry").contains("'--dry-run'"));
        assert!(error("storagectl --confg /a add-store /a").contains("'--config'"));
        assert!(error("storagectl lst-stores").contains("'list-stores'"));
    }

    #[test]
    fn quiet_and_verbose_exclude_each_other_wherever_they_stand() {
        for line in ["storagectl -q -v add-store /a", "storagectl -q add-store -v /a", "storagectl apply -qv"]
        {
            assert!(error(line).starts_with("error: `--quiet` cannot be used with `--verbose`"), "{line}");
        }
    }
}
