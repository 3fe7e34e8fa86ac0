//! Rules about what files hold: URLs, compression, hashes.

use super::finding::ProvisionFindings;
use crate::provision::data_url::{self, Undecodable};
use crate::provision::document::Node;
use crate::provision::ignition::SpecVersion;
use crate::provision::read::{Config, ConfigEntry, DocumentFormat, FileContent, ParsedDocument};
use crate::provision::sources::Unfollowed;

const REFUSED: &str = "the document is refused";
const NO_BOOT: &str = "the node does not boot";

pub(super) fn check(read: &ParsedDocument, config: &Config, findings: &mut ProvisionFindings) {
    for file in &config.files {
        url(read, config, file, findings);
        if let FileContent::Bytes(bytes) = file.content() {
            compression(file, &bytes, findings);
            hash(config, file, &bytes, findings);
        }
    }
}

/// Whether a file is one that says which stores engines use.
pub(in crate::provision) fn concerns_stores(path: &str) -> bool {
    path.starts_with("/etc/containers/storage") || path.starts_with("/etc/crio/")
}

/// Says what a document names and what is not known.
pub(super) fn unfollowed(all: &[Unfollowed], findings: &mut ProvisionFindings) {
    // What a MachineConfig does not take is not fetched.
    let refused = findings.has(&["url-invalid"]);
    for it in all.iter().filter(|it| !refused || it.id != "content-elsewhere") {
        let effect = match it.id {
            "content-elsewhere" => "nothing is known of what engines do with it",
            "extra-ignored" => "OCNE ignores it without a word",
            "local-refused" => "Butane refuses the document, or would read what it should not",
            "merged-invalid" => NO_BOOT,
            _ => "what nodes get from it is not known",
        };
        match &it.span {
            Some(span) => findings.add(it.id, span.clone(), &it.message, effect, &it.hint),
            None => findings.add_whole(it.id, &it.message, effect, &it.hint),
        }
    }
}

fn url(read: &ParsedDocument, config: &Config, file: &ConfigEntry, findings: &mut ProvisionFindings) {
    let span = file.span(&["contents", "source"]);
    match file.content() {
        FileContent::Wrong(fault) => {
            let hint = match fault {
                Undecodable::Scheme(_) => "use a `data:` URL",
                _ => "`storagectl generate ignition` encodes files",
            };
            findings.add("url-invalid", span, fault.to_string(), REFUSED, hint);
        }
        FileContent::Elsewhere(_)
            if (read.format == DocumentFormat::MachineConfig || config.is_openshift())
                && file.node.at(&["contents", "source"]).is_some() =>
        {
            findings.add(
                "url-invalid",
                span,
                "a MachineConfig takes `data:` URLs only",
                "the operator refuses the object, and its pool is degraded",
                "put the content into a `data:` URL",
            );
        }
        _ => {}
    }
}

fn compression(file: &ConfigEntry, bytes: &[u8], findings: &mut ProvisionFindings) {
    let said = file.compression();
    let span = file.span(&["contents", "compression"]);
    match data_url::decompress(bytes.to_vec(), said) {
        Err(Undecodable::Compression(other)) => findings.add(
            "compression-unknown",
            span,
            format!("Ignition does not know the compression `{other}`"),
            REFUSED,
            "use `gzip`, or an empty string for none",
        ),
        Err(_) => findings.add(
            "compression-wrong",
            span,
            format!("the contents of `{}` are not compressed with {said}", file.name),
            NO_BOOT,
            "leave `compression` empty, or compress the content",
        ),
        Ok(_) if said.is_empty() && data_url::looks_compressed(bytes) && concerns_stores(&file.name) => {
            findings.add(
                "compression-missing",
                file.span(&["contents"]),
                format!("the contents of `{}` are compressed, but `compression` is not set", file.name),
                "the file holds the compressed bytes, and engines stop",
                "add `compression: gzip`",
            )
        }
        Ok(_) => {}
    }
}

fn hash(config: &Config, file: &ConfigEntry, bytes: &[u8], findings: &mut ProvisionFindings) {
    let Some(node) = file.hash() else {
        return;
    };
    let said = node.raw().unwrap_or_default();
    let (function, digits) = said.split_once('-').unwrap_or((said, ""));
    let hash: fn(&[u8]) -> String = match function {
        "sha512" => data_url::sha512,
        "sha256" if config.spec.is_none_or(SpecVersion::has_sha256) => data_url::sha256,
        _ => {
            let message = format!("there is no hash `{function}` in this specification");
            let hint = "use `sha512-`, or `sha256-` with 3.1.0 or later, and the hexadecimal digest";
            return findings.add("hash-function", node.span.clone(), message, REFUSED, hint);
        }
    };
    let Ok(Some(content)) = file.decoded() else {
        return;
    };
    let right = hash(&content);
    if said.eq_ignore_ascii_case(&right) {
        return;
    }
    if digits.len() != right.len() - function.len() - 1 {
        let message = format!(
            "the hash has {} digits, and {function} has {}",
            digits.len(),
            right.len() - function.len() - 1
        );
        return findings.add(
            "hash-function",
            node.span.clone(),
            message,
            REFUSED,
            format!("the right one is `{right}`"),
        );
    }
    let name = &file.name;
    let (id, message) = if said == hash(bytes) {
        ("hash-of-compressed", format!("this is the hash of the compressed contents of `{name}`"))
    } else {
        ("hash-wrong", format!("this is not the hash of the contents of `{name}`"))
    };
    findings.add(id, node.span.clone(), message, NO_BOOT, format!("the right one is `{right}`"));
}

/// The node of a unit's text, and the text.
pub(super) fn unit_text(unit: &ConfigEntry) -> Option<(&Node, &str)> {
    let node = unit.node.get("contents")?;
    Some((node, node.raw()?))
}
