//! What people read and type: command lines in documents are the program's own, and shells
//! complete what a command takes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests look at their own checkout")]

use std::process::Command;

use clap::error::ErrorKind;

/// Every command line that a document, a unit or a macro shows.
fn shown() -> Vec<(String, String)> {
    let mut shown = Vec::new();
    let mut files = vec!["README.md".to_owned(), "scriptlets/macros.storagectl".to_owned()];
    for dir in ["docs", "scriptlets", "scriptlets/examples", "scriptlets/systemd"] {
        let entries = fs_err::read_dir(dir).unwrap().map(|entry| entry.unwrap());
        let entries = entries.filter(|entry| entry.file_type().unwrap().is_file());
        files.extend(entries.map(|entry| format!("{dir}/{}", entry.file_name().to_str().unwrap())));
    }
    for file in files {
        let text = fs_err::read_to_string(&file).unwrap();
        for line in text.lines() {
            // In Markdown what is not indented is prose.
            let is_code = !file.ends_with(".md") || line.starts_with("    ") || line.starts_with("$ ");
            for part in line.split(" && ").filter(|_| is_code) {
                let part = part.trim_start_matches(|c: char| c.is_whitespace() || "$#".contains(c));
                let part = part.strip_prefix("RUN ").or(part.strip_prefix("ExecStart=")).unwrap_or(part);
                let part =
                    part.strip_prefix("/usr/bin/").or(part.strip_prefix("%{_bindir}/")).unwrap_or(part);
                let end = part.find([';', '|', '\\']).unwrap_or(part.len());
                // Not what a package is called, and not its description.
                let is_command = part.starts_with("storagectl ") && !part.starts_with("storagectl edits ");
                if is_command {
                    shown.push((file.clone(), part[..end].replace("$COPY_IMAGES", "").trim().to_owned()));
                }
            }
        }
    }
    shown
}

#[test]
fn every_command_line_that_is_shown_can_be_given() {
    let shown = shown();
    assert!(shown.len() > 40, "{shown:?}");
    for (file, line) in shown {
        let parsed = storagectl::cli::parse(line.split_whitespace());
        assert!(parsed.is_ok(), "{file}: {line}\n{}", parsed.unwrap_err());
    }
}

/// What hints of findings name, as the documents of tests/cmd show them.
#[test]
fn every_command_that_a_hint_names_can_be_given() {
    let mut count = 0;
    for entry in fs_err::read_dir("tests/cmd").unwrap().map(|entry| entry.unwrap().path()) {
        let text = if entry.is_file() { fs_err::read_to_string(&entry).unwrap() } else { String::new() };
        let hints = text.lines().map(|line| line.trim_start_matches(|c| " \"".contains(c)));
        let hints = hints.filter(|line| line.starts_with("hint: ") || line.starts_with("hint\": "));
        for line in hints.flat_map(|hint| hint.split('`').skip(1).step_by(2)) {
            // What is left out is known to who reads it.
            let is_whole = |line: &&str| line.starts_with("storagectl ") && !line.contains('…');
            let Some(line) = Some(line).filter(is_whole) else { continue };
            let line = line.replace(" NAME", " microshift").replace(" KIND", " butane").replace("\\\"", "");
            let parsed = storagectl::cli::parse(line.split_whitespace());
            // A command by its name alone is what the sentence is about.
            let is_named = |error: &clap::Error| {
                error.kind() == ErrorKind::MissingRequiredArgument && line.split_whitespace().count() == 2
            };
            let refused = parsed.err().filter(|error| !is_named(error));
            assert!(refused.is_none(), "{}: {line}\n{}", entry.display(), refused.unwrap());
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}

/// What bash completes the last word of `line` to.
fn completed(line: &str) -> Vec<String> {
    let program = env!("CARGO_BIN_EXE_storagectl");
    let script = r#"eval "$("$PROGRAM" completions bash)"
        COMP_WORDS=($LINE) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _storagectl storagectl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let output =
        Command::new("bash").args(["-c", script]).env("PROGRAM", program).env("LINE", line).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_their_short_names_and_the_options_that_they_take() {
    assert_eq!(completed("storagectl ad"), ["add-store", "add"]);
    assert_eq!(completed("storagectl add --d"), ["--dry-run"]);
    assert_eq!(completed("storagectl pack --c"), ["--cache", "--color"]);
    assert_eq!(completed("storagectl list-stores --d"), [""], "it changes nothing");
    assert_eq!(completed("storagectl --conf"), ["--config"]);
    assert_eq!(completed("storagectl generate dr"), ["drop-in"]);
}

#[test]
fn every_shell_gets_a_script_that_knows_all_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_storagectl")).args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        for command in storagectl::cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let aliases = command.get_visible_aliases();
            for name in [command.get_name()].into_iter().chain(aliases) {
                assert!(script.contains(name), "{shell}: {name}");
            }
        }
    }
}
