//! Rules about units.

use super::contents::unit_text;
use super::finding::ProvisionFindings;
use crate::provision::document::Node;
use crate::provision::read::{Config, ConfigEntry};

/// What a unit's name ends in (systemd.unit(5)).
const SUFFIXES: [&str; 11] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];

/// The services that read the stores.
const ENGINES: [&str; 2] = ["crio.service", "kubelet.service"];
/// The one that the others wait for.
const FIRST: &str = ENGINES[0];

pub(super) fn check(config: &Config, findings: &mut ProvisionFindings) {
    for unit in &config.units {
        name(unit, findings);
        let Some((_, text)) = unit_text(unit) else {
            continue;
        };
        let enabled = unit.node.get("enabled").and_then(Node::boolean);
        let installs = has_section(text, "Install");
        if enabled == Some(true) && !installs {
            findings.add(
                "unit-without-install",
                unit.span(&["name"]),
                format!("`{}` is enabled but has no [Install] section", unit.name),
                "nothing starts it",
                "add `[Install]` with `WantedBy=multi-user.target`",
            );
        }
        if !prepares(config, text) {
            continue;
        }
        if installs && enabled != Some(true) && unit.node.get("mask").and_then(Node::boolean) != Some(true) {
            findings.add(
                "unit-not-enabled",
                unit.span(&["name"]),
                format!("`{}` prepares a store but is not enabled", unit.name),
                "nothing starts it, unless the image enables it",
                "add `enabled: true`",
            );
        }
        let before: Vec<&str> = settings(text, "Before").collect();
        if !before.iter().any(|value| value.split_whitespace().any(|it| it == FIRST)) {
            findings.add(
                "unit-late",
                unit.span(&["name"]),
                format!("`{}` prepares a store but is not ordered before {FIRST}", unit.name),
                "CRI-O may start first, and stop because a store is missing, or lack its images",
                format!("add `Before={}` to its [Unit] section", ENGINES.join(" ")),
            );
        }
    }
}

fn name(unit: &ConfigEntry, findings: &mut ProvisionFindings) {
    let name = &unit.name;
    if !SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        findings.add(
            "unit-name",
            unit.span(&["name"]),
            format!("`{name}` is not the name of a unit"),
            "the document is refused",
            "end it in `.service`",
        );
    }
    for drop_in in unit.node.get("dropins").map(Node::items).unwrap_or_default() {
        let Some(name) =
            drop_in.get("name").filter(|name| !name.raw().unwrap_or_default().ends_with(".conf"))
        else {
            continue;
        };
        findings.add(
            "unit-name",
            name.span.clone(),
            format!("the drop-in `{}` does not end in .conf", name.raw().unwrap_or_default()),
            "the document is refused",
            "end it in `.conf`",
        );
    }
}

/// Whether a unit makes or fills something that a file of the document lists as a store.
fn prepares(config: &Config, text: &str) -> bool {
    let stores = super::stores::listed(config);
    let commands: Vec<&str> =
        ["ExecStart", "ExecStartPre"].into_iter().flat_map(|key| settings(text, key)).collect();
    stores.iter().any(|store| {
        commands.iter().any(|command| mentions(command, store) && !command.contains("restorecon -"))
    })
}

/// Whether a command names a path, or something below it, however it is quoted.
pub(super) fn mentions(command: &str, path: &str) -> bool {
    let plain = command.replace("%%", "%").replace("$$", "$").replace("\\\"", "\"").replace("\\\\", "\\");
    let plain = plain.replace("'\\''", "'");
    plain.match_indices(path).any(|(at, _)| {
        let next = plain[at + path.len()..].chars().next();
        next.is_none_or(|next| !next.is_ascii_alphanumeric() && !matches!(next, '-' | '_' | '.'))
    })
}

/// Whether a unit has a section.
fn has_section(text: &str, name: &str) -> bool {
    text.lines().any(|line| line.trim() == format!("[{name}]"))
}

/// The values of a setting, with continued lines.
pub(super) fn settings<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.trim().strip_prefix(key)?.trim_start().strip_prefix('='))
}
