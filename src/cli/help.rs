//! The command line as a whole, as the parser, the help, man pages and completions have it.

use std::fmt::Write as _;

use clap::{Command, CommandFactory};

use super::Cli;
use super::commands::{COMMANDS, CommandRow, Group, common_options};
use super::status::EXIT_STATUS;

/// Examples of what people do most.
pub const EXAMPLES: &[(&str, &str)] = &[
    ("Add a store that is part of the operating system", "storagectl add-store /usr/lib/containers/app"),
    ("See the stores, and what is wrong with them", "storagectl list-stores"),
    ("", "storagectl doctor"),
    ("Do the same to a system that is being built", "storagectl --root /mnt/sysroot list-stores"),
];

/// The titles of the groups, and the names of the commands in each.
pub fn groups() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    Group::ALL.into_iter().map(|group| {
        let rows = COMMANDS.iter().filter(move |row| row.group == Some(group));
        (group.title(), rows.map(|row| row.name).collect())
    })
}

/// What each example of a command is for, and its line; what it is for is empty if the one before
/// says it.
pub fn examples(command: &str) -> &'static [(&'static str, &'static str)] {
    CommandRow::named(command).examples
}

/// The command line's definition, for man pages and completions.
pub fn command() -> Command {
    let command = common_options().fold(Cli::command(), |command, option| {
        command.mut_arg(option.get_id(), |option| option.global(false))
    });
    with_help(command, false)
}

/// The same for the parser: what a command does not take is there, to be refused.
pub(super) fn parser() -> Command {
    with_help(Cli::command(), true)
}

fn with_help(command: Command, refused: bool) -> Command {
    let command = command.mut_subcommands(|command| {
        let row = CommandRow::named(command.get_name());
        let extra = extra(row, &command);
        let prose = command.get_after_help().map(|prose| format!("{prose}\n\n")).unwrap_or_default();
        row.equip(command, refused).after_help(&extra).after_long_help(format!("{prose}{extra}"))
    });
    let styles = command.get_styles().clone();
    let (title, literal) = (styles.get_header(), styles.get_literal());
    let mut groups = String::new();
    for (group, names) in self::groups() {
        let _ = writeln!(groups, "\n{title}{group}:{title:#}");
        for row in names.into_iter().map(CommandRow::named) {
            let about = command.find_subcommand(row.name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let names = [row.name].into_iter().chain(row.alias);
            let plain = names.clone().collect::<Vec<_>>().join(", ");
            let names: Vec<String> = names.map(|name| format!("{literal}{name}{literal:#}")).collect();
            let gap = " ".repeat(18 - plain.len());
            let _ = writeln!(groups, "  {}{gap}{about}", names.join(", "));
        }
    }
    let statuses: Vec<String> =
        EXIT_STATUS.iter().map(|(status, what)| format!("  {status}  {what}")).collect();
    let after = format!(
        "{title}Exit status:{title:#}\n{}\n\n{title}Examples:{title:#}\n{}\n\n\
         `storagectl help COMMAND` explains a command, with examples. Options may stand\n\
         before a command or after it; its help names those that it takes.\n\
         `storagectl completions SHELL` prints a completion script.",
        statuses.join("\n"),
        examples_text(EXAMPLES)
    );
    command
        .help_template(format!(
            "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{groups}\n{title}Options:{title:#}\n{{options}}{{after-help}}"
        ))
        .after_help(after)
}

/// What stands below the options of a command: the common ones in a line, and examples.
fn extra(row: &CommandRow, command: &Command) -> String {
    let title = command.get_styles().get_header();
    let mut parts = Vec::new();
    if let Some(alias) = row.alias {
        parts.push(format!("{title}Alias:{title:#} {alias}"));
    }
    parts.push(format!("{title}Common options{title:#} (see `storagectl --help`):\n  {}", common_line(row)));
    if !row.examples.is_empty() {
        parts.push(format!("{title}Examples:{title:#}\n{}", examples_text(row.examples)));
    }
    parts.join("\n\n")
}

/// The common options that a command takes, but for `--dry-run`, which each explains itself: each as
/// it is typed, and the name of its value.
pub fn common_options_of(command: &str) -> Vec<(String, Option<String>)> {
    let row = CommandRow::named(command);
    let taken = common_options().filter(|option| {
        let id = option.get_id().as_str();
        id != "dry_run" && row.takes(id)
    });
    let typed = taken.map(|option| match (option.get_short(), option.get_value_names()) {
        (Some(short), _) => (format!("-{short}"), None),
        (None, values) => {
            (format!("--{}", option.get_id()), values.and_then(|names| Some(names.first()?.to_string())))
        }
    });
    typed.collect()
}

fn common_line(row: &CommandRow) -> String {
    let options = common_options_of(row.name).into_iter();
    let words = options.map(|(option, value)| option + &value.map(|it| format!(" {it}")).unwrap_or_default());
    words.collect::<Vec<_>>().join(", ")
}

fn examples_text(examples: &[(&str, &str)]) -> String {
    let lines = examples.iter().map(|(what, line)| match *what {
        "" => format!("  {line}"),
        what => format!("  # {what}\n  {line}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Command as Asked, parse};

    /// The name of the command that a line asks for.
    fn asked(line: &str) -> String {
        // What a shell does with input and output is no argument.
        let line = line.split(" | ").find(|part| part.starts_with("storagectl ")).unwrap();
        let line = line.split(" > ").next().unwrap();
        let cli = parse(line.split_whitespace()).unwrap_or_else(|error| panic!("{line}: {error}"));
        let asked: Asked = cli.command;
        format!("{asked:?}").split('(').next().unwrap().to_lowercase()
    }

    #[test]
    fn every_example_is_a_command_line_of_its_command() {
        for row in COMMANDS.iter().filter(|row| !row.is_for_scripts()) {
            assert!((2..=4).contains(&row.examples.len()), "{}", row.name);
            for (_, line) in row.examples {
                assert_eq!(asked(line), row.name.replace('-', ""), "{line}");
            }
        }
        for (_, line) in EXAMPLES {
            asked(line);
        }
    }

    #[test]
    fn every_command_is_in_one_group_but_for_those_of_scripts_and_shells() {
        let grouped: Vec<&str> = groups().flat_map(|(_, names)| names).collect();
        let others: Vec<&str> =
            COMMANDS.iter().map(|row| row.name).filter(|name| !grouped.contains(name)).collect();
        assert_eq!(others, ["completions", "scriptlet"]);
        assert_eq!(grouped.len() + others.len(), COMMANDS.len());
    }

    #[test]
    fn no_line_of_a_help_is_wider_than_a_terminal() {
        let mut command = parser();
        command.build();
        let mut helps = vec![command.render_help(), command.render_long_help()];
        // What is broken is no line that can be pasted.
        let unbroken = |command: &Command| {
            let texts = [command.get_after_help(), command.get_after_long_help()];
            texts.into_iter().flatten().cloned().collect::<Vec<_>>()
        };
        helps.extend(unbroken(&command));
        for command in command.get_subcommands_mut() {
            helps.extend([command.render_help(), command.render_long_help()]);
            helps.extend(unbroken(command));
        }
        for help in helps {
            let help = help.to_string();
            assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        }
    }
}
