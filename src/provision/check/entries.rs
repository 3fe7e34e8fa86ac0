//! Rules about directories, files and links: paths, modes, what replaces what.

use std::collections::HashSet;

use super::finding::{ExpectedNode, ProvisionFindings};
use crate::conf::clean;
use crate::provision::document::{Node, NodeKind};
use crate::provision::ignition::SpecVersion;
use crate::provision::model::MAIN_FILE;
use crate::provision::read::{Config, ConfigEntry, DocumentFormat, FileContent, ParsedDocument};

const REFUSED: &str = "the document is refused";

pub(super) fn check(
    read: &ParsedDocument,
    config: &Config,
    expected: &ExpectedNode,
    findings: &mut ProvisionFindings,
) {
    let mut seen = HashSet::new();
    for entry in config.directories.iter().chain(&config.files).chain(&config.links) {
        path(entry, findings);
        mode(config, entry, findings);
        if !entry.name.is_empty() && !seen.insert(&entry.name) {
            findings.add(
                "path-twice",
                entry.span(&["path"]),
                format!("`{}` is written twice", entry.name),
                REFUSED,
                "merge its entries into one",
            );
        }
    }
    for file in &config.files {
        overwrite(file, expected, findings);
    }
    if read.format == DocumentFormat::MachineConfig || config.is_openshift() {
        for entry in config.directories.iter().chain(&config.links) {
            findings.add(
                "directory-refused",
                entry.span(&["path"]),
                format!("`{}` is a directory or link, which a MachineConfig cannot have", entry.name),
                "the operator refuses the object, and its pool is degraded",
                "create it with a unit: `storagectl generate machineconfig` writes one",
            );
        }
    }
}

fn path(entry: &ConfigEntry, findings: &mut ProvisionFindings) {
    let path = &entry.name;
    let span = entry.span(&["path"]);
    if !path.starts_with('/') {
        let message = format!("the path `{path}` is not absolute");
        findings.add("path-invalid", span, message, REFUSED, "start it with `/`");
    } else if clean(path) != *path {
        let message = format!("the path `{path}` is not in its shortest form");
        findings.add("path-invalid", span, message, REFUSED, format!("write it as `{}`", clean(path)));
    }
}

fn mode(config: &Config, entry: &ConfigEntry, findings: &mut ProvisionFindings) {
    let Some(mode) = entry.node.get("mode").filter(|node| !node.is_null()) else {
        return;
    };
    let (NodeKind::Scalar { plain, .. }, Some(shown)) = (&mode.kind, mode.raw()) else {
        return;
    };
    let octal = u32::from_str_radix(shown.trim_start_matches("0o"), 8).ok();
    let right = |value: u32| match config.doc.is_json {
        true => format!("write it as `{value}`, which is {value:o} in octal"),
        false => format!("write it as `0{value:o}`"),
    };
    let hint = octal.filter(|value| *value <= 0o7777).map_or("give a mode such as 0644".to_owned(), right);
    if !plain {
        let message = format!("the mode `{shown}` is a string, and must be a number");
        return findings.add("mode-string", mode.span.clone(), message, REFUSED, hint);
    }
    let Some(value) = mode.number() else {
        let message = format!("`{shown}` is not a mode");
        return findings.add("mode-invalid", mode.span.clone(), message, REFUSED, hint);
    };
    if !(0..=0o7777).contains(&value) {
        let message = format!("`{shown}` is not a mode: the largest is 07777");
        return findings.add("mode-invalid", mode.span.clone(), message, REFUSED, hint);
    }
    // Decimal, and its digits make a usual mode when they are read as octal ones, as 420
    // and 493 do not.
    let usual = octal.is_some_and(is_usual) && shown.len() >= 3;
    let decimal = !shown.starts_with('0');
    let sensible = u32::try_from(value).is_ok_and(is_usual);
    if decimal && usual && !sensible {
        let message = format!("the mode `{shown}` is decimal: in octal that is {value:o}");
        let effect = "the file gets unintended permissions";
        findings.add("mode-decimal", mode.span.clone(), message, effect, hint);
    } else if value > 0o777 && config.spec.is_some_and(|spec| spec < SpecVersion(6)) {
        let message = format!("`{shown}` sets setuid, setgid or sticky, which only specification 3.6.0 does");
        findings.add(
            "mode-invalid",
            mode.span.clone(),
            message,
            "Ignition ignores these bits with a warning",
            "leave them out",
        );
    }
}

/// Whether somebody would want a mode: the owner may read, the group may do no more than
/// the owner, others no more than the group, and nobody may write without reading.
fn is_usual(mode: u32) -> bool {
    let [owner, group, others] = [mode >> 6 & 7, mode >> 3 & 7, mode & 7];
    let blind = |bits: u32| bits & 0o6 == 0o2;
    mode <= 0o777
        && owner & 4 != 0
        && group & !owner == 0
        && others & !group == 0
        && ![owner, group, others].into_iter().any(blind)
}

/// Whether a file replaces the one that is there.
fn overwrite(file: &ConfigEntry, expected: &ExpectedNode, findings: &mut ProvisionFindings) {
    let overwrite = file.node.get("overwrite").and_then(Node::boolean) == Some(true);
    let has = file.content() != FileContent::Nothing;
    if overwrite && !has {
        findings.add(
            "no-contents",
            file.span(&["overwrite"]),
            format!("`{}` has `overwrite` but no contents", file.name),
            REFUSED,
            "give its contents, or leave `overwrite` out",
        );
    }
    let is_conf = file.name == MAIN_FILE;
    let appends = file.node.get("append").is_some_and(|node| !node.items().is_empty());
    if is_conf && appends {
        findings.add(
            "append-to-file",
            file.span(&["append"]),
            format!("text is appended to `{MAIN_FILE}`"),
            "a key is then set twice, and engines stop or take one of the two",
            "write the whole file, with `overwrite: true`",
        );
    } else if is_conf && has && !overwrite && expected.has_main {
        findings.add(
            "no-overwrite",
            file.span(&["path"]),
            format!("`{MAIN_FILE}` lacks `overwrite: true`, but most images have that file"),
            "the node does not boot: `A file exists there already and overwrite is false`",
            "add `overwrite: true`",
        );
    }
}
