//! Blueprints of Image Builder, TOML, as bootc-image-builder and image-builder read them
//! (osbuild/blueprint: pkg/blueprint; osbuild/images: pkg/bib/blueprintload, pkg/policies,
//! pkg/distro/generic).
//!
//! Both make directories before files, and put files over what the image has.
//! bootc-image-builder enables no units: it does not read `customizations.services`, and no file can
//! be a link. So a drop-in of what a unit is wanted by wants it. Both refuse directories outside
//! of /etc on images of ostree, so a unit makes those of stores. image-builder alone pulls
//! `[[containers]]`, into the store at `containers-storage.destination-path`.

use std::collections::BTreeMap;

use super::butane::Machine;
use super::document::{MappingKey, Node, NodeKind, ProvisionDocument};
use super::image_name::check_in_registry;
use super::layout::{Directories, NodeFile, NodeLayout, NodeUnit};
use super::model::NodeModel;
use super::read::{Config, ConfigEntry};
use crate::conf::quoted;
use crate::problem::Problem;

/// Where units are files.
const UNITS: &str = "/etc/systemd/system";
/// The name of a drop-in that has something want units.
const WANTS: &str = "50-storagectl.conf";

/// What of a blueprint no other document has.
#[derive(Debug, Clone, Default)]
pub struct Containers {
    /// `[[containers]]`, by their sources.
    pub images: Vec<ConfigEntry>,
    /// The store that they are put into; without it the engines' own storage.
    pub store: Option<String>,
}

/// A model as a blueprint, and what it puts on hosts.
///
/// # Errors
/// As [`NodeLayout::of`], and if an image is not in a registry.
pub fn write(model: &NodeModel, machine: &Machine, made_by: &str) -> Result<(String, NodeLayout), Problem> {
    let layout = NodeLayout::of(&NodeModel { images: Vec::new(), ..model.clone() }, Directories::ByUnit)?;
    let mut out = format!("{made_by}name = {}\n", quoted(&machine.name));
    for image in &model.images {
        check_in_registry(image, "a blueprint")?;
        out += &format!("\n[[containers]]\nsource = {}\n", quoted(image));
    }
    let store = model.stores.first().filter(|_| !model.images.is_empty());
    if let Some(store) = store {
        let path = quoted(&store.path);
        out += &format!("\n[customizations.containers-storage]\ndestination-path = {path}\n");
    }
    let files = files(&layout);
    let mut directories: Vec<&str> =
        files.iter().filter_map(|file| file.path.rsplit_once('/')).map(|(directory, _)| directory).collect();
    directories.sort_unstable();
    directories.dedup();
    for path in directories {
        // Without a mode, one that is there is no error.
        out += &format!("\n[[customizations.directories]]\npath = {}\nensure_parents = true\n", quoted(path));
    }
    for NodeFile { path, mode, text } in files {
        let (path, text) = (quoted(&path), literal(&text));
        out += &format!("\n[[customizations.files]]\npath = {path}\nmode = \"{mode:04o}\"\ndata = {text}\n");
    }
    Ok((out, layout))
}

/// All files of a layout: its own, its units, and what wants these.
fn files(layout: &NodeLayout) -> Vec<NodeFile> {
    let mut wants: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for NodeUnit { name, text, .. } in &layout.units {
        for by in wanted_by(text) {
            wants.entry(by).or_default().push(name);
        }
    }
    let unit = |unit: &NodeUnit| NodeFile {
        path: format!("{UNITS}/{}", unit.name),
        mode: 0o644,
        text: unit.text.clone(),
    };
    let want = |(by, units): (&str, Vec<&str>)| NodeFile {
        path: format!("{UNITS}/{by}.d/{WANTS}"),
        mode: 0o644,
        text: format!("[Unit]\nWants={}\n", units.join(" ")),
    };
    let own = layout.files.iter().cloned();
    own.chain(layout.units.iter().map(unit)).chain(wants.into_iter().map(want)).collect()
}

/// What a unit is started with.
fn wanted_by(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix("WantedBy=")).flat_map(str::split_whitespace)
}

/// A text as a string over several lines that is read as it stands, or else with escapes.
fn literal(text: &str) -> String {
    let plain = |it: char| it == '\n' || it == '\t' || !it.is_control();
    match text.contains("'''") || text.ends_with('\'') || !text.chars().all(plain) {
        true => quoted(text),
        false => format!("'''\n{text}'''"),
    }
}

/// What there is to know about a blueprint.
pub fn warnings(model: &NodeModel) -> Option<String> {
    let store = model.stores.first().filter(|_| !model.images.is_empty())?;
    Some(format!(
        "image-builder pulls the images into `{}` when it builds; bootc-image-builder does not read `[[containers]]`, and images belong into the Containerfile there: `storagectl generate containerfile`",
        store.path
    ))
}

/// The part of a document that is a blueprint: all of it, or what stands below `blueprint` in JSON
/// that older versions of bootc-image-builder took.
pub(super) fn root(root: &Node) -> Option<&Node> {
    let is_map = |node: &Node| matches!(node.kind, NodeKind::Map { .. });
    let is_one = |node: &Node| {
        node.get("customizations").is_some_and(is_map)
            || node.get("containers").is_some_and(|it| it.items().iter().any(|it| it.get("source").is_some()))
    };
    // A pod has containers, too.
    if root.get("kind").is_some() {
        return None;
    }
    root.get("blueprint").filter(|inner| is_one(inner)).or_else(|| is_one(root).then_some(root))
}

/// The items of one of its lists.
pub(super) fn list<'a>(root: &'a Node, path: &[&str]) -> &'a [Node] {
    root.at(path).map(Node::items).unwrap_or_default()
}

/// A blueprint as what it puts on hosts.
pub(super) fn read(doc: &ProvisionDocument, root: &Node) -> Config {
    let text = |node: &Node, key: &str| node.get(key).and_then(Node::raw).unwrap_or_default().to_owned();
    let all: Vec<ConfigEntry> = list(root, &["customizations", "files"]).iter().map(entry).collect();
    let services = |state: &str| -> Vec<&str> {
        list(root, &["customizations", "services", state]).iter().filter_map(Node::raw).collect()
    };
    let (enabled, masked) = (services("enabled"), services("masked"));
    let names =
        |name: &str, all: &[&str]| all.iter().any(|it| *it == name || format!("{it}.service") == name);
    let (units, files): (Vec<ConfigEntry>, Vec<ConfigEntry>) =
        all.iter().cloned().partition(|it| unit_name(&it.name).is_some());
    let unit = |file: ConfigEntry| {
        let name = unit_name(&file.name).unwrap_or_default().to_owned();
        let text = file.node.at(&["contents", "inline"]).cloned();
        let span = file.node.span.clone();
        let is_wanted = all.iter().any(|other| wants(other, &name));
        let flag = |is: bool| scalar(if is { "true" } else { "false" }, &span, true);
        let path = file.node.get("path").map_or(span.clone(), |path| path.span.clone());
        let pairs = [
            ("name", Some(scalar(&name, &path, false))),
            ("enabled", Some(flag(is_wanted || names(&name, &enabled)))),
            ("mask", Some(flag(names(&name, &masked)))),
            ("contents", text),
        ];
        ConfigEntry { node: map(pairs, &span), name }
    };
    let destination = root.at(&["customizations", "containers-storage", "destination-path"]);
    let container = |node: &Node| ConfigEntry { name: text(node, "source"), node: node.clone() };
    Config {
        doc: doc.clone(),
        is_inner: false,
        node: root.clone(),
        is_butane: false,
        spec: None,
        dialect: None,
        directories: list(root, &["customizations", "directories"]).iter().map(entry).collect(),
        files,
        links: Vec::new(),
        units: units.into_iter().map(unit).collect(),
        containers: Some(Containers {
            images: list(root, &["containers"]).iter().map(container).collect(),
            store: destination.and_then(Node::raw).map(crate::conf::clean),
        }),
    }
}

/// A file or directory with the keys that Butane has for it.
fn entry(node: &Node) -> ConfigEntry {
    let span = &node.span;
    let at = |key: &str| node.get(key).filter(|it| it.raw().is_some());
    let octal = |it: &&Node| it.raw().is_some_and(is_mode);
    let mode = at("mode").filter(octal).map(|it| {
        let digits = it.raw().unwrap_or_default().trim_start_matches('0');
        scalar(&format!("0{digits}"), &it.span, true)
    });
    let contents = match (at("uri"), at("data")) {
        (Some(uri), None) => map([("local", Some(uri.clone()))], span),
        (_, data) => {
            let empty = || scalar("", span, false);
            map([("inline", Some(data.cloned().unwrap_or_else(empty)))], span)
        }
    };
    let pairs = [
        ("path", at("path").cloned()),
        ("mode", mode),
        // A file that is there is replaced.
        ("overwrite", Some(scalar("true", span, true))),
        ("contents", Some(contents)),
    ];
    ConfigEntry {
        name: at("path").and_then(Node::raw).unwrap_or_default().to_owned(),
        node: map(pairs, span),
    }
}

/// Whether the text of a mode is one (`validateModeString` of osbuild/blueprint).
pub(super) fn is_mode(text: &str) -> bool {
    let digits = text.strip_prefix('0').filter(|_| text.len() == 4).unwrap_or(text);
    digits.len() == 3 && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit))
}

/// The name of the unit that a file is.
fn unit_name(path: &str) -> Option<&str> {
    let name = path.strip_prefix(UNITS)?.strip_prefix('/')?;
    (!name.contains('/') && name.contains('.')).then_some(name)
}

/// Whether a file is a drop-in that wants a unit.
fn wants(file: &ConfigEntry, unit: &str) -> bool {
    let is_drop_in = file.name.starts_with(UNITS) && file.name.ends_with(".conf");
    let text = file.node.at(&["contents", "inline"]).and_then(Node::raw).unwrap_or_default();
    let wanted = |line: &str| {
        let units = line.strip_prefix("Wants=").or_else(|| line.strip_prefix("Requires="));
        units.is_some_and(|units| units.split_whitespace().any(|it| it == unit))
    };
    is_drop_in && text.lines().any(wanted)
}

fn scalar(text: &str, span: &std::ops::Range<usize>, plain: bool) -> Node {
    Node { span: span.clone(), kind: NodeKind::Scalar { text: text.to_owned(), plain } }
}

fn map<const N: usize>(pairs: [(&str, Option<Node>); N], span: &std::ops::Range<usize>) -> Node {
    let pair = |(name, node): (&str, Option<Node>)| {
        let node = node?;
        Some((MappingKey { name: name.to_owned(), span: node.span.clone() }, node))
    };
    let pairs = pairs.into_iter().filter_map(pair).collect();
    Node { span: span.clone(), kind: NodeKind::Map { pairs, flow: false } }
}
