//! Following what a configuration names.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::local::{FilesBeside, NotRead};
use super::merging::merged;
use super::{DocumentPart, Unfollowed};
use crate::limits;
use crate::provision::document::{MappingKey, Node, NodeKind, ProvisionDocument};
use crate::provision::ocne;
use crate::provision::read::{Config, ConfigEntry, DocumentFormat, FileContent, format_of};

/// What a part is called.
#[derive(Debug, Clone, Default)]
pub(super) struct PartName {
    /// The file that it is, or is in.
    pub(super) file: Option<String>,
    /// Where it stands there.
    pub(super) at: String,
}

impl PartName {
    /// What stands at this place in it.
    fn inner(&self, at: &str) -> Self {
        let at = match self.at.is_empty() {
            true => format!("ignition.config.{at}"),
            false => format!("{}.{at}", self.at),
        };
        Self { file: self.file.clone(), at }
    }

    fn shown(&self) -> String {
        match (&self.file, self.at.as_str()) {
            (Some(file), "") => file.clone(),
            (Some(file), at) => format!("{file} ({at})"),
            (None, at) => at.to_owned(),
        }
    }
}

/// Follows one document.
pub(super) struct Follower<'a> {
    pub(super) beside: &'a dyn FilesBeside,
    pub(super) parts: Vec<DocumentPart>,
    pub(super) unfollowed: Vec<Unfollowed>,
    /// Whether OCNE translates Butane, which takes nothing from beside it.
    pub(super) is_ocne: bool,
    /// The bytes that may still be taken.
    pub(super) left: u64,
    /// The files and links of trees.
    pub(super) entries: usize,
    /// Which files beside the document stand where a resource does, by its place.
    pub(super) files: BTreeMap<usize, String>,
    /// Behind all that has a place.
    end: usize,
}

impl<'a> Follower<'a> {
    pub(super) fn new(config: &Config, format: DocumentFormat, beside: &'a dyn FilesBeside) -> Self {
        Self {
            beside,
            parts: Vec::new(),
            unfollowed: Vec::new(),
            is_ocne: format == DocumentFormat::Ocne,
            left: limits::BESIDE_DOCUMENT,
            entries: 0,
            files: BTreeMap::new(),
            end: config.doc.text.len() + 1,
        }
    }

    /// Notes what was not followed.
    pub(super) fn note(&mut self, id: &'static str, at: Option<&Node>, message: String, hint: &str) {
        let is_refused = matches!(id, "local-refused" | "merged-invalid");
        let (span, hint) = (at.map(|node| node.span.clone()), hint.to_owned());
        self.unfollowed.push(Unfollowed { id, span, message, hint, is_refused });
    }

    /// Notes why something beside the document was not read. `does` is what it would do.
    pub(super) fn not_read(&mut self, id: &'static str, at: Option<&Node>, what: &str, why: &NotRead) {
        match why {
            NotRead::Unknown => self.note(
                id,
                at,
                format!("{what}, and was not read"),
                "give the directory in which it is with `--files-dir`",
            ),
            NotRead::Missing => self.note(
                id,
                at,
                format!("{what}, and does not exist"),
                "give the directory in which it is with `--files-dir`",
            ),
            NotRead::Refused(why) => self.note(
                "local-refused",
                at,
                format!("{what}, and is refused: {why}"),
                "put the files into the directory of `--files-dir`",
            ),
        }
    }

    /// What comes of a configuration and all that it is replaced by and merged with, as Ignition
    /// renders it (`RenderConfig` in its internal/exec): what is merged into it counts more than it.
    pub(super) fn render(&mut self, node: Node, name: &PartName, depth: usize) -> Node {
        let Some(others) = node.at(&["ignition", "config"]).cloned() else {
            return node;
        };
        if let Some(other) = others.get("replace").filter(|other| names_something(other)) {
            let inner = name.inner("replace");
            return match self.load(other, &inner, "replaces this", depth) {
                Some((other, name)) => self.render(other, &name, depth + 1),
                None => node,
            };
        }
        let mut whole = node;
        for (number, other) in others.get("merge").map(Node::items).unwrap_or_default().iter().enumerate() {
            let inner = name.inner(&format!("merge[{number}]"));
            if let Some((other, name)) = self.load(other, &inner, "is merged into this", depth) {
                let other = self.render(other, &name, depth + 1);
                whole = merged(whole, other);
            }
        }
        whole
    }

    /// The configuration that a resource is.
    fn load(
        &mut self,
        resource: &Node,
        name: &PartName,
        does: &str,
        depth: usize,
    ) -> Option<(Node, PartName)> {
        let what = || format!("`{}` {does}", name.shown());
        let check = "check that document, too, with `storagectl generate --check`";
        let entry = ConfigEntry::of_resource(resource, name.shown());
        match entry.content() {
            // That was said where it was looked for.
            FileContent::Elsewhere(_) if resource.get("local").is_some() => return None,
            FileContent::Elsewhere(place) => {
                let message = format!("`{place}` {does} on the nodes, and was not checked");
                self.note("merged-elsewhere", Some(resource), message, check);
                return None;
            }
            FileContent::Nothing => {
                let hint = "give its `source`, or leave it out";
                self.note("merged-invalid", Some(resource), format!("{}, and has no source", what()), hint);
                return None;
            }
            FileContent::Bytes(_) | FileContent::Wrong(_) => {}
        }
        let refused = match entry.decoded() {
            Err(fault) => format!("cannot be decoded: {fault}"),
            Ok(_) if depth >= limits::MERGED_DEPTH => "is nested too deeply".to_owned(),
            Ok(_) if self.parts.len() >= limits::MERGED => {
                format!("is one of more than {}", limits::MERGED)
            }
            Ok(bytes) => {
                let bytes = bytes.unwrap_or_default();
                match self.configuration(&bytes, &entry) {
                    Ok(doc) => {
                        let file = self.files.get(&resource.span.start).cloned();
                        let name = match file {
                            Some(file) => PartName { file: Some(file), at: String::new() },
                            None => name.clone(),
                        };
                        return Some((self.add(doc, &name), name));
                    }
                    Err(why) => why,
                }
            }
        };
        let message = format!("{} and {refused}", what());
        self.note("merged-invalid", Some(resource), message, "give an Ignition configuration, in JSON");
        None
    }

    /// Bytes as a configuration that Ignition takes.
    fn configuration(&mut self, bytes: &[u8], entry: &ConfigEntry) -> Result<ProvisionDocument, String> {
        if entry.is_another_than_its_hash_says(bytes) {
            return Err("is another one than its hash says".to_owned());
        }
        if bytes.len() as u64 > limits::GIVEN_DOCUMENT {
            return Err(limits::too_large(limits::GIVEN_DOCUMENT).to_string());
        }
        let size = bytes.len() as u64;
        self.left = self.left.checked_sub(size).ok_or_else(too_much)?;
        let doc = document(bytes)?;
        match format_of(&doc.root) {
            Some(DocumentFormat::Ignition)
                if doc.is_json && doc.root.at(&["ignition", "version"]).is_some() =>
            {
                Ok(doc)
            }
            _ => Err("is not an Ignition configuration".to_owned()),
        }
    }

    /// Adds a part.
    fn add(&mut self, doc: ProvisionDocument, name: &PartName) -> Node {
        let start = self.end;
        self.end += doc.text.len() + 1;
        let root = doc.root.moved(start);
        let doc = ProvisionDocument { root, ..doc };
        let written = Config::of(&doc, false, doc.root.clone());
        let node = self.resolved(&doc.root, written.is_butane);
        let config = written.with(node.clone());
        let text: Rc<str> = doc.text.into();
        let is_file = name.file.is_some();
        self.parts.push(DocumentPart {
            name: name.shown(),
            is_file,
            gives_way: false,
            text,
            start,
            config,
            written,
        });
        node
    }

    /// The configurations that OCNE takes from elsewhere, merged in their order (`FromPath` in its
    /// pkg/cluster/ignition): of a directory, all files that are one.
    pub(super) fn extra(&mut self, root: &Node) -> Option<Node> {
        let path = root.get(ocne::EXTRA)?.text().filter(|path| !path.is_empty())?;
        let directory = root.get("directory").and_then(Node::text).unwrap_or_default();
        let path = match path.starts_with('/') || directory.is_empty() {
            true => path.to_owned(),
            false => format!("{}/{path}", directory.trim_end_matches('/')),
        };
        let what = format!("`{path}` comes before this (`{}`)", ocne::EXTRA);
        let names = match self.beside.below(&path).and_then(|path| Ok((self.beside.names(&path)?, path))) {
            Ok(names) => names,
            Err(why) => {
                self.not_read("merged-elsewhere", None, &what, &why);
                return None;
            }
        };
        let (files, is_directory) = match names {
            (Some(names), path) => (names.iter().map(|name| format!("{path}/{name}")).collect(), true),
            (None, path) => (vec![path], false),
        };
        let mut whole: Option<Node> = None;
        for file in files {
            match self.extra_file(&file) {
                Ok(node) => whole = Some(whole.map_or(node.clone(), |whole| merged(whole, node))),
                Err(NotRead::Refused(why)) if is_directory => {
                    let message = format!("`{file}` is in the directory of `{}`, and {why}", ocne::EXTRA);
                    self.note("extra-ignored", None, message, "move what is no configuration elsewhere");
                }
                Err(why) => {
                    self.not_read("merged-elsewhere", None, &what, &why);
                    break;
                }
            }
        }
        whole
    }

    fn extra_file(&mut self, file: &str) -> Result<Node, NotRead> {
        if self.parts.len() >= limits::MERGED {
            return Err(NotRead::Refused(format!("is one of more than {}", limits::MERGED)));
        }
        let bytes = self.beside.file(file, self.left.min(limits::GIVEN_DOCUMENT))?;
        self.left = self.left.saturating_sub(bytes.len() as u64);
        let doc = document(&bytes).map_err(NotRead::Refused)?;
        let config = Config::of(&doc, false, doc.root.clone());
        match format_of(&doc.root) {
            Some(DocumentFormat::Ignition | DocumentFormat::Butane)
                if config.spec.is_some_and(|it| it <= ocne::NEWEST) =>
            {
                let node = self.add(doc, &PartName { file: Some(file.to_owned()), at: String::new() });
                self.parts.iter_mut().for_each(|part| part.gives_way = true);
                Ok(node)
            }
            _ => Err(NotRead::Refused("is neither Butane nor Ignition that OCNE takes".to_owned())),
        }
    }
}

/// More than is followed.
pub(super) fn too_much() -> String {
    format!("more than {} MiB lie beside the document or are merged into it", limits::BESIDE_DOCUMENT >> 20)
}

fn document(bytes: &[u8]) -> Result<ProvisionDocument, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    ProvisionDocument::parse(text).map_err(|fault| format!("cannot be read: {}", fault.message))
}

/// Whether a resource has anything of which it could be.
fn names_something(resource: &Node) -> bool {
    ["source", "inline", "local"].iter().any(|key| resource.get(key).is_some_and(|node| !node.is_null()))
}

/// A mapping of one pair, where `at` is.
pub(super) fn pair(name: &str, at: &Node, node: Node) -> (MappingKey, Node) {
    (MappingKey { name: name.to_owned(), span: at.span.clone() }, node)
}

/// A string, where `at` is.
pub(super) fn string(at: &Node, text: String) -> Node {
    Node { span: at.span.clone(), kind: NodeKind::Scalar { text, plain: false } }
}
