//! The committed man pages say what the program does.
//!
//! `STORAGECTL_UPDATE=1 cargo test --test man` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};
use storagectl::lint::RULES;
use storagectl::problem::IDS;

#[test]
fn the_man_pages_are_those_of_this_program() {
    let pages = pages();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    if std::env::var_os("STORAGECTL_UPDATE").is_some() {
        fs_err::create_dir_all(&dir).unwrap();
        for (name, page) in &pages {
            fs_err::write(dir.join(name), page).unwrap();
        }
    }
    let mut committed: Vec<String> = fs_err::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    committed.sort();
    assert_eq!(committed, pages.keys().cloned().collect::<Vec<_>>(), "the set of pages");
    for (name, page) in &pages {
        let text = fs_err::read_to_string(dir.join(name)).unwrap();
        assert!(text == *page, "man/{name} is out of date: run `STORAGECTL_UPDATE=1 cargo test --test man`");
    }
}

/// File names and contents.
fn pages() -> BTreeMap<String, String> {
    let mut root = storagectl::cli::command().disable_help_flag(true);
    root.build();
    let mut pages = BTreeMap::new();
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        // clap holds names for ever.
        let name: &'static str = format!("storagectl-{}", command.get_name()).leak();
        let page = page(&command.clone().name(name).display_name(name), false);
        pages.insert(format!("{name}.1"), page);
    }
    pages.insert("storagectl.1".to_owned(), page(&root, true));
    pages
}

fn page(command: &clap::Command, whole: bool) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let man = Man::new(command.clone().after_help("").after_long_help(""))
        .title(command.get_name().to_uppercase())
        .section("1")
        .date("November 2026")
        .source(format!("storagectl {version}"))
        .manual("Container image stores");
    let mut out = Vec::new();
    man.render_title(&mut out).unwrap();
    man.render_name_section(&mut out).unwrap();
    man.render_synopsis_section(&mut out).unwrap();
    man.render_description_section(&mut out).unwrap();
    if whole {
        man.render_subcommands_section(&mut out).unwrap();
    }
    man.render_options_section(&mut out).unwrap();
    exit_status().to_writer(&mut out).unwrap();
    if command.get_name() == "storagectl-check-config" {
        rules().to_writer(&mut out).unwrap();
    }
    if command.get_name() == "storagectl-generate" {
        presets().to_writer(&mut out).unwrap();
        document_rules().to_writer(&mut out).unwrap();
    }
    if whole {
        problems().to_writer(&mut out).unwrap();
        files().to_writer(&mut out).unwrap();
        environment().to_writer(&mut out).unwrap();
    }
    see_also(command.get_name()).to_writer(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    // Each section defines the apostrophe anew; once is enough.
    let (head, rest) = text.split_at(text.find(".TH").unwrap());
    let prelude = |line: &&str| !line.starts_with(".ie \\n(.g") && !line.starts_with(".el .ds Aq");
    head.lines().chain(rest.lines().filter(prelude)).map(|line| format!("{}\n", line.trim_end())).collect()
}

fn entry(roff: &mut Roff, term: &str, meaning: &str) {
    roff.control("TP", []).text([bold(term)]).text([roman(meaning)]);
}

fn exit_status() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    entry(&mut roff, "0", "Done, or already so.");
    entry(&mut roff, "1", "A negative answer: a check found errors.");
    entry(&mut roff, "2", "An error or bad usage; nothing was changed.");
    roff
}

fn problems() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["PROBLEMS"]).text([roman(
        "Every refusal, error and warning has a stable name, which --format json gives as its id:",
    )]);
    for (id, meaning) in IDS {
        entry(&mut roff, id, &format!("{meaning}."));
    }
    roff
}

fn rules() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["RULES"]);
    for rule in RULES {
        entry(&mut roff, rule.id, &format!("{}: {}.", rule.severity.name(), rule.description));
    }
    roff
}

fn files() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["FILES"]);
    entry(
        &mut roff,
        "/etc/containers/storage.conf",
        "The file that is edited. A symlink stays one, unless it leads into the vendor's files.",
    );
    entry(
        &mut roff,
        "/etc/containers/storage.conf.d/99-storagectl.conf",
        "The drop-in that is written where another drop-in would hide the main file from engines that read drop-ins, and that goes when it is not needed any more. Its name is another one if it has to be read later.",
    );
    entry(
        &mut roff,
        "~/.config/containers/storage.conf",
        "A normal user's own file, in $XDG_CONFIG_HOME if that is set.",
    );
    entry(
        &mut roff,
        "/usr/share/containers/storage.conf",
        "The vendor's file, never edited. If the other does not exist, it is made from a copy of this one, and goes again with the last added store.",
    );
    entry(
        &mut roff,
        "/usr/lib/sysimage/storagectl/",
        "What RPM scriptlets have listed, until the packages or storagectl are erased.",
    );
    entry(
        &mut roff,
        "STORE/.storagectl-store",
        "Says that a directory is meant to be a store even while it is empty. Made by init-store.",
    );
    roff
}

fn environment() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["ENVIRONMENT"]);
    entry(&mut roff, "NO_COLOR", "If it is set and not empty, no colour is used unless --color asks for it.");
    entry(&mut roff, "SYSTEMD_OFFLINE", "If it is 1, no service is restarted.");
    roff
}

fn see_also(name: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    let mut words = Vec::new();
    if name != "storagectl" {
        words.extend([bold("storagectl"), roman("(1), ")]);
    }
    words.extend([bold("containers-storage.conf"), roman("(5), ")]);
    words.extend([italic("crio"), roman("(8)")]);
    roff.text(words);
    roff
}

fn presets() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["PRESETS"]);
    for preset in storagectl::provision::PRESETS {
        entry(&mut roff, preset.name, &format!("{}.", preset.description));
    }
    roff
}

fn document_rules() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["RULES"]).text([roman("What --check looks for:")]);
    for rule in storagectl::provision::check::RULES {
        entry(&mut roff, rule.id, &format!("{}: {}.", rule.severity.name(), rule.description));
    }
    roff
}
