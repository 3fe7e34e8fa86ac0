//! Rules about what files hold: URLs, compression, hashes.

use super::finding::Sink;
use crate::provision::data_url::{self, Undecodable};
use crate::provision::document::Node;
use crate::provision::ignition::Spec;
use crate::provision::read::{Config, ConfigEntry, Content, Format, Read};

const REFUSED: &str = "the document is refused";
const NO_BOOT: &str = "the node does not boot";

pub(super) fn check(read: &Read, config: &Config, sink: &mut Sink) {
    for file in &config.files {
        url(read, config, file, sink);
        if let Content::Bytes(bytes) = file.content() {
            compression(file, &bytes, sink);
            hash(config, file, &bytes, sink);
        }
    }
}

fn concerns_stores(file: &ConfigEntry) -> bool {
    file.name.starts_with("/etc/containers/storage") || file.name.starts_with("/etc/crio/")
}

/// Says which configurations this one is merged with or replaced by.
pub(super) fn merged(config: &Config, sink: &mut Sink) {
    let Some(others) = config.node.at(&["ignition", "config"]) else { return };
    let merged = others.get("merge").map(Node::items).unwrap_or_default().iter();
    let merged = merged.map(|other| (other, "is merged into this"));
    let replacing = others.get("replace").map(|other| (other, "replaces this"));
    for (other, does) in merged.chain(replacing) {
        let place = ["source", "local"].into_iter().find_map(|key| other.get(key)?.text());
        let what = match place.filter(|place| !place.starts_with("data:")) {
            Some(place) => format!("`{place}`"),
            None if other.get("inline").is_some() || place.is_some() => "what stands here".to_owned(),
            None => continue,
        };
        sink.at(
            "merged-elsewhere",
            other.span.clone(),
            format!("{what} {does} on the nodes, and was not checked"),
            "what nodes get from it is not known",
            "check that document, too, with `storagectl generate --check`",
        );
    }
}

fn url(read: &Read, config: &Config, file: &ConfigEntry, sink: &mut Sink) {
    let span = file.span(&["contents", "source"]);
    match file.content() {
        Content::Wrong(Undecodable::Scheme(scheme)) => sink.at(
            "url-invalid",
            span,
            format!("Ignition does not know the scheme `{scheme}`"),
            REFUSED,
            "use a `data:` URL",
        ),
        Content::Wrong(Undecodable::Url(why)) => sink.at(
            "url-invalid",
            span,
            format!("this data URL is not valid: {why}"),
            REFUSED,
            "`storagectl generate ignition` encodes files",
        ),
        Content::Elsewhere(_) if read.format == Format::MachineConfig || config.is_openshift() => sink.at(
            "url-invalid",
            span,
            "a MachineConfig takes `data:` URLs only",
            "the operator refuses the object, and its pool is degraded",
            "put the content into a `data:` URL",
        ),
        Content::Elsewhere(place) if concerns_stores(file) => sink.at(
            "content-elsewhere",
            file.span(&["contents"]),
            format!("what `{}` holds is fetched from `{place}`, and was not checked", file.name),
            "nothing is known of what engines do with it",
            "put the content into the document",
        ),
        _ => {}
    }
}

fn compression(file: &ConfigEntry, bytes: &[u8], sink: &mut Sink) {
    let said = file.compression();
    let span = file.span(&["contents", "compression"]);
    if file.node.at(&["contents", "inline"]).is_some() {
        return;
    }
    match data_url::decompress(bytes.to_vec(), said) {
        Err(Undecodable::Compression(other)) => sink.at(
            "compression-unknown",
            span,
            format!("Ignition does not know the compression `{other}`"),
            REFUSED,
            "use `gzip`, or an empty string for none",
        ),
        Err(_) => sink.at(
            "compression-wrong",
            span,
            format!("the contents of `{}` are not compressed with {said}", file.name),
            NO_BOOT,
            "leave `compression` empty, or compress the content",
        ),
        Ok(_) if said.is_empty() && data_url::looks_compressed(bytes) && concerns_stores(file) => sink.at(
            "compression-missing",
            file.span(&["contents"]),
            format!("the contents of `{}` are compressed, but `compression` is not set", file.name),
            "the file holds the compressed bytes, and engines stop",
            "add `compression: gzip`",
        ),
        Ok(_) => {}
    }
}

fn hash(config: &Config, file: &ConfigEntry, bytes: &[u8], sink: &mut Sink) {
    let Some(node) = file.node.at(&["contents", "verification", "hash"]).filter(|node| !node.is_null())
    else {
        return;
    };
    let said = node.raw().unwrap_or_default();
    let (function, digits) = said.split_once('-').unwrap_or((said, ""));
    let hash: fn(&[u8]) -> String = match function {
        "sha512" => data_url::sha512,
        "sha256" if config.spec.is_none_or(Spec::has_sha256) => data_url::sha256,
        _ => {
            let message = format!("there is no hash `{function}` in this specification");
            let hint = "use `sha512-`, or `sha256-` with 3.1.0 or later, and the hexadecimal digest";
            return sink.at("hash-function", node.span.clone(), message, REFUSED, hint);
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
        return sink.at(
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
    sink.at(id, node.span.clone(), message, NO_BOOT, format!("the right one is `{right}`"));
}

/// The node of a unit's text, and the text.
pub(super) fn unit_text(unit: &ConfigEntry) -> Option<(&Node, &str)> {
    let node = unit.node.get("contents")?;
    Some((node, node.raw()?))
}
