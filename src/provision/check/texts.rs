//! Rules about the text, its kind, its specification and its keys.

use super::finding::ProvisionFindings;
use crate::provision::butane::DIALECTS;
use crate::provision::document::{MappingKey, Node, Unreadable};
use crate::provision::ignition::SpecVersion;
use crate::provision::ocne;
use crate::provision::read::{Config, DocumentFormat, ParsedDocument, Unread};

const REFUSED: &str = "the document is refused";

/// Why a document could not be read.
pub(super) fn unread(text: &str, format: DocumentFormat, unread: &Unread, findings: &mut ProvisionFindings) {
    match unread {
        Unread::Text(fault) => syntax(text, fault, findings),
        Unread::Inner(inner, fault) => {
            findings.enter_text(inner);
            syntax(inner, fault, findings);
        }
        Unread::Unknown => findings.add_whole(
            "unknown-document",
            format!("this is {}", what(format)),
            REFUSED,
            match format {
                DocumentFormat::Ignition => "an Ignition configuration has `ignition` at its top",
                DocumentFormat::Butane => "a Butane configuration has `variant` and `version` at its top",
                DocumentFormat::MachineConfig => "a MachineConfig has `kind: MachineConfig`",
                DocumentFormat::PinnedImageSet => "such an object has `kind: PinnedImageSet`",
                DocumentFormat::ContainerRuntimeConfig => "such an object has `kind: ContainerRuntimeConfig`",
                DocumentFormat::Blueprint => "a blueprint has `[customizations]` or `[[containers]]`",
                DocumentFormat::Ocne => "put Butane into `extraIgnitionInline`, as a block after `|`",
            },
        ),
        Unread::NoInline if format == DocumentFormat::Ocne => findings.add_whole(
            "inline-missing",
            "there is no `extraIgnitionInline` in this configuration",
            "the nodes get none of it",
            "`storagectl generate ocne --from` adds it",
        ),
        Unread::NoInline | Unread::NotString(_) if format != DocumentFormat::Ocne => {
            other("a configuration of OCNE", format, findings);
        }
        Unread::NotString(span) => findings.add(
            "inline-not-string",
            span.clone(),
            "`extraIgnitionInline` is a mapping, and must be a string",
            "OCNE stops: it cannot be unmarshalled into a string",
            "put `|` after the key, so that the lines below it become a string",
        ),
        Unread::NoInline => {}
    }
}

fn what(format: DocumentFormat) -> &'static str {
    match format {
        DocumentFormat::Ignition => "not an Ignition configuration",
        DocumentFormat::Butane => "not a Butane configuration",
        DocumentFormat::MachineConfig => "not a MachineConfig",
        DocumentFormat::ContainerRuntimeConfig => "not a ContainerRuntimeConfig",
        DocumentFormat::PinnedImageSet => "not a PinnedImageSet",
        DocumentFormat::Ocne => "not a configuration of OCNE",
        DocumentFormat::Blueprint => "not a blueprint",
    }
}

fn syntax(text: &str, fault: &Unreadable, findings: &mut ProvisionFindings) {
    // A JSON reader stops behind the zero of `0644`.
    let before = &text[..fault.at.min(text.len())];
    let digits =
        text.get(before.trim_end_matches(|it: char| it.is_ascii_digit()).len()..).unwrap_or_default();
    let number: String = digits.chars().take_while(char::is_ascii_digit).collect();
    let start = text.len() - digits.len();
    if number.len() > 1 && number.starts_with('0') && before.trim_start().starts_with('{') {
        let decimal = u32::from_str_radix(&number, 8).unwrap_or_default();
        findings.add(
            "octal-in-json",
            start..start + number.len(),
            format!("`{number}` is not a number in JSON, which has no octal numbers"),
            REFUSED,
            format!("write it as `{decimal}`"),
        );
        return;
    }
    findings.add("syntax", fault.at..fault.at + 1, fault.message.clone(), REFUSED, "fix this place");
}

/// A document of another kind.
pub(super) fn other_kind(read: &ParsedDocument, format: DocumentFormat, findings: &mut ProvisionFindings) {
    let is = match read.format {
        DocumentFormat::Ignition => "an Ignition configuration",
        DocumentFormat::Butane => "a Butane configuration",
        DocumentFormat::MachineConfig => "a MachineConfig",
        DocumentFormat::ContainerRuntimeConfig => "a ContainerRuntimeConfig",
        DocumentFormat::PinnedImageSet => "a PinnedImageSet",
        DocumentFormat::Ocne => "a configuration of OCNE",
        DocumentFormat::Blueprint => "a blueprint",
    };
    other(is, format, findings);
}

fn other(is: &str, format: DocumentFormat, findings: &mut ProvisionFindings) {
    findings.add_whole(
        "other-kind",
        format!("this is {is}, {}", what(format)),
        "what reads one does not read the other",
        "leave out the kind, which the document tells",
    );
}

/// A key that stands twice.
pub(super) fn duplicate_key(read: &ParsedDocument, findings: &mut ProvisionFindings) {
    if let Some(key) = read.doc.root.key_twice() {
        twice(key, "one of the two is lost, or the document refused", findings);
    }
    let Some(config) = read.config.as_ref().filter(|config| config.is_inner) else {
        return;
    };
    if let Some(key) = config.node.key_twice() {
        findings.enter(config);
        twice(key, "OCNE refuses the document", findings);
    }
}

fn twice(key: &MappingKey, effect: &str, findings: &mut ProvisionFindings) {
    let message = format!("`{}` is set twice here", key.name);
    findings.add("duplicate-key", key.span.clone(), message, effect, "put both into one");
}

/// The version of the specification.
pub(super) fn spec(read: &ParsedDocument, config: &Config, findings: &mut ProvisionFindings) {
    let path: &[&str] = if config.is_butane { &["version"] } else { &["ignition", "version"] };
    let version = config.node.at(path);
    let Some(version) = version.filter(|node| !node.is_null()) else {
        let key = path.join(".");
        findings.add_whole(
            "spec-missing",
            format!("`{key}` is missing"),
            REFUSED,
            format!("add it; `{}` is read everywhere", if config.is_butane { "1.5.0" } else { "3.2.0" }),
        );
        return;
    };
    let shown = version.raw().unwrap_or_default();
    let Some(spec) = config.spec else {
        let hint = if config.is_butane {
            let variant = config.node.get("variant").and_then(Node::raw).unwrap_or_default();
            let known: Vec<&str> =
                DIALECTS.iter().filter(|it| it.variant == variant).map(|it| it.version).collect();
            match known.as_slice() {
                [] => "the variants are fcos, flatcar, r4e, fiot and openshift".to_owned(),
                known => format!("the versions of `{variant}` are {}", known.join(", ")),
            }
        } else {
            format!("the stable versions are {} to {}", SpecVersion(0), SpecVersion::NEWEST)
        };
        let message = format!("there is no stable version `{shown}`");
        return findings.add("spec-unsupported", version.span.clone(), message, REFUSED, hint);
    };
    if read.format == DocumentFormat::Ocne && spec > ocne::NEWEST {
        findings.add(
            "spec-unsupported",
            version.span.clone(),
            format!("this is Ignition {spec}, and OCNE takes up to {}", ocne::NEWEST),
            "OCNE stops",
            "use `fcos` 1.5.0 or older",
        );
    }
    if read.format == DocumentFormat::MachineConfig && spec > SpecVersion(5) {
        findings.add(
            "spec-unsupported",
            version.span.clone(),
            format!(
                "this is Ignition {spec}, and the Machine Config Operator takes up to {}",
                SpecVersion(5)
            ),
            "the operator refuses the object, and its pool is degraded",
            "use 3.2.0, which has all that is needed",
        );
    }
}

/// The keys of a mapping: by name, and the specification that has them first.
type Keys = &'static [(&'static str, u8)];

const TOP: Keys = &[("ignition", 0), ("passwd", 0), ("storage", 0), ("systemd", 0), ("kernelArguments", 3)];
const TOP_BUTANE: Keys = &[
    ("variant", 0),
    ("version", 0),
    ("metadata", 0),
    ("ignition", 0),
    ("passwd", 0),
    ("storage", 0),
    ("systemd", 0),
    ("kernel_arguments", 3),
    ("boot_device", 2),
    ("grub", 4),
    ("openshift", 0),
    ("extensions", 4),
];
const STORAGE: Keys = &[
    ("disks", 0),
    ("raid", 0),
    ("filesystems", 0),
    ("directories", 0),
    ("files", 0),
    ("links", 0),
    ("luks", 2),
];
const STORAGE_BUTANE: Keys = &[
    ("disks", 0),
    ("raid", 0),
    ("filesystems", 0),
    ("directories", 0),
    ("files", 0),
    ("links", 0),
    ("luks", 2),
    ("trees", 1),
];
const DIRECTORY: Keys = &[("path", 0), ("overwrite", 0), ("user", 0), ("group", 0), ("mode", 0)];
const FILE: Keys =
    &[("path", 0), ("overwrite", 0), ("contents", 0), ("append", 0), ("mode", 0), ("user", 0), ("group", 0)];
const CONTENTS: Keys = &[("source", 0), ("compression", 0), ("httpHeaders", 1), ("verification", 0)];
const CONTENTS_BUTANE: Keys = &[
    ("source", 0),
    ("compression", 0),
    ("http_headers", 1),
    ("verification", 0),
    ("inline", 0),
    ("local", 1),
];
const LINK: Keys = &[("path", 0), ("overwrite", 0), ("target", 0), ("hard", 0), ("user", 0), ("group", 0)];
const SYSTEMD: Keys = &[("units", 0)];
const UNIT: Keys = &[("name", 0), ("enabled", 0), ("mask", 0), ("contents", 0), ("dropins", 0)];
const UNIT_BUTANE: Keys =
    &[("name", 0), ("enabled", 0), ("mask", 0), ("contents", 0), ("contents_local", 4), ("dropins", 0)];
const DROP_IN: Keys = &[("name", 0), ("contents", 0)];
const DROP_IN_BUTANE: Keys = &[("name", 0), ("contents", 0), ("contents_local", 4)];

/// Keys that the specification does not have, where stores are concerned.
pub(super) fn keys(config: &Config, findings: &mut ProvisionFindings) {
    let Some(spec) = config.spec else {
        return;
    };
    let either = |ignition: Keys, butane: Keys| if config.is_butane { butane } else { ignition };
    let node = &config.node;
    let mut look = |node: &Node, keys: Keys| {
        for (key, _) in node.pairs() {
            let since = keys.iter().find(|(name, _)| *name == key.name).map(|(_, since)| *since);
            let message = match since {
                Some(since) if SpecVersion(since) <= spec => continue,
                Some(since) => {
                    format!(
                        "`{}` came with specification {}, and this is {spec}",
                        key.name,
                        SpecVersion(since)
                    )
                }
                None => format!("the specification has no key `{}` here", key.name),
            };
            let nearest = keys.iter().map(|(name, _)| *name).find(|name| {
                name.eq_ignore_ascii_case(&key.name) || strsim::damerau_levenshtein(name, &key.name) <= 2
            });
            let hint = match nearest.filter(|name| *name != key.name) {
                Some(name) => format!("`{name}` was probably meant"),
                None => "leave it out, or use a specification that has it".to_owned(),
            };
            let effect = "Ignition ignores it with a warning, and OCNE refuses the document";
            findings.add("key-unknown", key.span.clone(), message, effect, hint);
        }
    };
    look(node, either(TOP, TOP_BUTANE));
    if let Some(storage) = node.get("storage") {
        look(storage, either(STORAGE, STORAGE_BUTANE));
    }
    for directory in &config.directories {
        look(&directory.node, DIRECTORY);
    }
    for link in &config.links {
        look(&link.node, LINK);
    }
    for file in &config.files {
        look(&file.node, FILE);
        if let Some(contents) = file.node.get("contents") {
            look(contents, either(CONTENTS, CONTENTS_BUTANE));
        }
    }
    if let Some(systemd) = node.get("systemd") {
        look(systemd, SYSTEMD);
    }
    for unit in &config.units {
        look(&unit.node, either(UNIT, UNIT_BUTANE));
        for drop_in in unit.node.get("dropins").map(Node::items).unwrap_or_default() {
            look(drop_in, either(DROP_IN, DROP_IN_BUTANE));
        }
    }
}
