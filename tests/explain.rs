//! The table of messages: docs/explain.md is made of it, what it names exists, and what it
//! advises can be typed.
//!
//! `STORAGECTL_UPDATE=1 cargo test --test explain` writes the page anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests look at their own checkout")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use storagectl::doctor::FINDINGS;
use storagectl::explain::{SECTIONS, messages};
use storagectl::problem::IDS;
use storagectl::{lint, store};

const HEAD: &str = "\
# What engines say, and what helps

podman, buildah, skopeo, CRI-O, kubelet and systemd say these things about storage. A text of
theirs, as it stands in a terminal or a journal, is explained by

    podman images 2>&1 | storagectl explain

which looks on the host for what causes it, and names the command that helps. Words are in lower
case and without quotes here, since versions set these differently; what stands in braces is a name.
Engines wrap errors from the outside, so of several in one line the last one is the cause.

`storagectl explain --list` prints this table, and `STORAGECTL_UPDATE=1 cargo test --test explain`
writes this page from it. In `tests/real/explain` real engines say these things of damaged stores
and broken hosts, and the page must know each of them. [damage-table.md](damage-table.md) has what
each kind of damage to a store does.
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    for (title, messages) in SECTIONS {
        write!(page, "\n## {title}\n").unwrap();
        for message in *messages {
            write!(page, "\n### {}\n\n", message.id).unwrap();
            for says in message.says {
                writeln!(page, "- `{says}`").unwrap();
            }
            let causes: Vec<String> = message.causes.iter().map(|id| format!("`{id}`")).collect();
            write!(
                page,
                "\n{}\n\n**What helps:** {}.\n\n**Looked for:** {}, by `{}`. **Said by:** {}.\n",
                message.meaning,
                message.cure,
                causes.join(", "),
                message.check,
                message.by
            )
            .unwrap();
        }
    }
    page
}

#[test]
fn the_page_is_the_table() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/explain.md");
    let page = page();
    if std::env::var_os("STORAGECTL_UPDATE").is_some() {
        fs_err::write(&file, &page).unwrap();
    }
    let committed = fs_err::read_to_string(file).unwrap();
    assert!(committed == page, "run `STORAGECTL_UPDATE=1 cargo test --test explain`");
}

#[test]
fn names_are_there_once_and_causes_are_what_checks_find() {
    let ids: Vec<&str> = messages().map(|message| message.id).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    assert!(ids.len() > 60);
    let mut known: BTreeSet<&str> = IDS.iter().map(|(id, _)| *id).collect();
    known.extend(FINDINGS.iter().map(|(id, ..)| *id));
    known.extend(lint::RULES.iter().map(|rule| rule.id));
    known.extend(store::check::RULES.iter().map(|rule| rule.id));
    for message in messages() {
        for cause in message.causes {
            assert!(known.contains(cause), "{}: {cause}", message.id);
        }
        assert!(!message.causes.is_empty(), "{}", message.id);
    }
}

#[test]
fn what_is_advised_can_be_typed() {
    let mut count = 0;
    for message in messages() {
        let check = format!("`{}`", message.check);
        let texts = [message.cure, message.meaning, &check];
        for line in texts.iter().flat_map(|text| text.split('`').skip(1).step_by(2)) {
            if let Some(line) = Some(line).filter(|line| line.starts_with("storagectl ")) {
                let parsed = storagectl::cli::parse(line.split_whitespace());
                assert!(parsed.is_ok(), "{}: {line}\n{}", message.id, parsed.unwrap_err());
                count += 1;
            }
        }
        assert!(!message.cure.ends_with('.') && message.meaning.ends_with('.'), "{}", message.id);
        let commands = message.cure.matches("`storagectl ").count();
        assert!(commands <= 2, "{}: more than two steps", message.id);
    }
    assert!(count > 80, "{count}");
}
