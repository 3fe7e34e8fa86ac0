//! A document as whatever applies it reads it.

use std::ops::Range;

use super::blueprint::{self, Containers};
use super::butane::{DIALECTS, Dialect};
use super::data_url::{self, Undecodable};
use super::document::{MappingKey, Node, NodeKind, ProvisionDocument, Unreadable};
use super::ignition::SpecVersion;
use super::{ocne, sources};

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentFormat {
    /// Ignition, JSON.
    Ignition,
    /// Butane.
    Butane,
    /// A MachineConfig.
    MachineConfig,
    /// A ContainerRuntimeConfig.
    ContainerRuntimeConfig,
    /// A PinnedImageSet.
    PinnedImageSet,
    /// A cluster configuration of OCNE.
    Ocne,
    /// A blueprint of Image Builder.
    Blueprint,
}

/// What a file shall hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// Nothing is said.
    Nothing,
    /// It is fetched from this place.
    Elsewhere(String),
    /// These bytes, as they stand in the document, before anything is decompressed.
    Bytes(Vec<u8>),
    /// It cannot be decoded.
    Wrong(Undecodable),
}

/// A directory, file, link or unit of a document.
#[derive(Debug, Clone)]
pub struct ConfigEntry {
    /// All that is said of it.
    pub node: Node,
    /// Its path, or a unit's name.
    pub name: String,
}

/// The Ignition or Butane configuration in a document.
#[derive(Debug, Clone)]
pub struct Config {
    /// The text that it stands in: the document, or a string in it.
    pub doc: ProvisionDocument,
    /// Whether that is a string in the document.
    pub is_inner: bool,
    /// Where in that text it stands.
    pub node: Node,
    /// Whether it is Butane.
    pub is_butane: bool,
    /// The specification, if it is a known one.
    pub spec: Option<SpecVersion>,
    /// Butane's variant and version, if they are known.
    pub dialect: Option<Dialect>,
    /// The directories.
    pub directories: Vec<ConfigEntry>,
    /// The files.
    pub files: Vec<ConfigEntry>,
    /// The links.
    pub links: Vec<ConfigEntry>,
    /// The units.
    pub units: Vec<ConfigEntry>,
    /// What only blueprints have; nothing if it is none.
    pub containers: Option<Containers>,
}

/// A document that was read.
#[derive(Debug, Clone)]
pub struct ParsedDocument {
    /// What it is.
    pub format: DocumentFormat,
    /// All of it.
    pub doc: ProvisionDocument,
    /// The configuration in it; a ContainerRuntimeConfig and a PinnedImageSet have none.
    pub config: Option<Config>,
}

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// It is neither JSON nor YAML.
    Text(Unreadable),
    /// The text in `extraIgnitionInline` is neither.
    Inner(String, Unreadable),
    /// It is none of the documents that are known.
    Unknown,
    /// OCNE's configuration has none in it.
    NoInline,
    /// It has something else than a string.
    NotString(Range<usize>),
}

impl ParsedDocument {
    /// Reads a document.
    ///
    /// # Errors
    /// [`Unread`] if it is not one that is known.
    pub fn parse(text: &str) -> Result<Self, Unread> {
        let toml = ProvisionDocument::parse_toml(text);
        let doc = toml.unwrap_or_else(|| ProvisionDocument::parse(text)).map_err(Unread::Text)?;
        let format = format_of(&doc.root).ok_or(Unread::Unknown)?;
        let config = match format {
            DocumentFormat::Ignition | DocumentFormat::Butane => {
                Some(Config::of(&doc, false, doc.root.clone()))
            }
            DocumentFormat::MachineConfig => {
                doc.root.at(&["spec", "config"]).map(|node| Config::of(&doc, false, node.clone()))
            }
            DocumentFormat::ContainerRuntimeConfig | DocumentFormat::PinnedImageSet => None,
            DocumentFormat::Blueprint => blueprint::root(&doc.root).map(|root| blueprint::read(&doc, root)),
            DocumentFormat::Ocne => {
                let node = doc.root.get(ocne::KEY).filter(|node| !node.is_null());
                let Some(node) = node else {
                    let config = Some(sources::of_extra(&doc).ok_or(Unread::NoInline)?);
                    return Ok(Self { format, doc, config });
                };
                let Some(text) = node.text() else {
                    return Err(Unread::NotString(node.span.clone()));
                };
                let inner =
                    ProvisionDocument::parse(text).map_err(|fault| Unread::Inner(text.to_owned(), fault))?;
                let node = inner.root.clone();
                Some(Config::of(&inner, true, node))
            }
        };
        Ok(Self { format, doc, config })
    }
}

pub(super) fn format_of(root: &Node) -> Option<DocumentFormat> {
    match root.get("kind").and_then(Node::raw) {
        Some("MachineConfig") => return Some(DocumentFormat::MachineConfig),
        Some("ContainerRuntimeConfig") => return Some(DocumentFormat::ContainerRuntimeConfig),
        Some("PinnedImageSet") => return Some(DocumentFormat::PinnedImageSet),
        _ => {}
    }
    if blueprint::root(root).is_some() {
        return Some(DocumentFormat::Blueprint);
    }
    let has = |key: &str| root.get(key).is_some();
    if has("variant") {
        return Some(DocumentFormat::Butane);
    }
    if has("ignition") || (has("storage") && !has("providers")) {
        return Some(DocumentFormat::Ignition);
    }
    // What else a cluster's configuration has (pkg/config/types in OCNE's repository).
    let of_ocne = ["extraIgnition", "providers", "provider", "kubernetesVersion", "workerNodes"];
    (has(ocne::KEY) || of_ocne.iter().any(|key| has(key))).then_some(DocumentFormat::Ocne)
}

impl Config {
    pub(super) fn of(doc: &ProvisionDocument, is_inner: bool, node: Node) -> Self {
        let is_butane = node.get("variant").is_some();
        let raw = |path: &[&str]| node.at(path).and_then(Node::raw);
        let dialect = raw(&["variant"]).zip(raw(&["version"])).and_then(|(variant, version)| {
            DIALECTS.iter().find(|it| it.variant == variant && it.version == version).copied()
        });
        let spec = match is_butane {
            true => dialect.map(|dialect| dialect.spec),
            false => {
                raw(&["ignition", "version"]).filter(|it| it.ends_with(".0")).and_then(SpecVersion::named)
            }
        };
        let entries = |path: &[&str], key: &str| -> Vec<ConfigEntry> {
            let items = node.at(path).map(Node::items).unwrap_or_default();
            let entry = |item: &Node| ConfigEntry {
                name: item.get(key).and_then(Node::raw).unwrap_or_default().to_owned(),
                node: item.clone(),
            };
            items.iter().map(entry).collect()
        };
        Self {
            directories: entries(&["storage", "directories"], "path"),
            files: entries(&["storage", "files"], "path"),
            links: entries(&["storage", "links"], "path"),
            units: entries(&["systemd", "units"], "name"),
            doc: doc.clone(),
            is_inner,
            is_butane,
            spec,
            dialect,
            node,
            containers: None,
        }
    }

    /// Whether it becomes a MachineConfig.
    pub fn is_openshift(&self) -> bool {
        self.dialect.is_some_and(Dialect::is_openshift)
    }

    /// The files that can be decoded, by path, with what they will hold.
    pub fn texts(&self) -> Vec<(String, String)> {
        let text = |entry: &ConfigEntry| {
            let bytes = entry.decoded().ok()??;
            Some((entry.name.clone(), String::from_utf8(bytes).ok()?))
        };
        self.files.iter().filter_map(text).collect()
    }
}

impl ConfigEntry {
    /// A resource alone, as if it were the contents of a file.
    pub(super) fn of_resource(resource: &Node, name: String) -> Self {
        let span = resource.span.clone();
        let key = MappingKey { name: "contents".to_owned(), span: span.clone() };
        let pairs = vec![(key, resource.clone())];
        Self { name, node: Node { span, kind: NodeKind::Map { pairs, flow: true } } }
    }

    /// The hash that is said of a file.
    pub(super) fn hash(&self) -> Option<&Node> {
        self.node.at(&["contents", "verification", "hash"]).filter(|node| !node.is_null())
    }

    /// Whether these bytes are not those of which a hash is said.
    pub(super) fn is_another_than_its_hash_says(&self, bytes: &[u8]) -> bool {
        let said = self.hash().and_then(Node::raw);
        said.is_some_and(|said| {
            let right = [data_url::sha512(bytes), data_url::sha256(bytes)];
            !right.iter().any(|it| it.eq_ignore_ascii_case(said))
        })
    }

    /// What a file shall hold.
    pub fn content(&self) -> FileContent {
        let Some(contents) = self.node.get("contents") else {
            return FileContent::Nothing;
        };
        if let Some(text) = contents.get("inline").and_then(Node::raw) {
            return FileContent::Bytes(text.as_bytes().to_vec());
        }
        if let Some(file) = contents.get("local").and_then(Node::raw) {
            return FileContent::Elsewhere(file.to_owned());
        }
        match contents.get("source").and_then(Node::raw) {
            None => FileContent::Nothing,
            Some("") => FileContent::Bytes(Vec::new()),
            Some(source) => match data_url::decode(source) {
                Ok(bytes) => FileContent::Bytes(bytes),
                Err(Undecodable::Scheme(scheme))
                    if ["http", "https", "tftp", "s3", "arn", "gs"].contains(&scheme.as_str()) =>
                {
                    FileContent::Elsewhere(source.to_owned())
                }
                Err(fault) => FileContent::Wrong(fault),
            },
        }
    }

    /// The compression that is said of a file, or nothing.
    pub fn compression(&self) -> &str {
        self.node
            .at(&["contents", "compression"])
            .filter(|node| !node.is_null())
            .and_then(Node::raw)
            .unwrap_or("")
    }

    /// The bytes that will be in the file; `None` if the document does not have them.
    ///
    /// # Errors
    /// [`Undecodable`] if it says something that is not so.
    pub fn decoded(&self) -> Result<Option<Vec<u8>>, Undecodable> {
        match self.content() {
            FileContent::Bytes(bytes) => data_url::decompress(bytes, self.compression()).map(Some),
            FileContent::Wrong(fault) => Err(fault),
            FileContent::Nothing | FileContent::Elsewhere(_) => Ok(None),
        }
    }

    /// Where a part of it stands, or all of it.
    pub fn span(&self, path: &[&str]) -> Range<usize> {
        self.node.at(path).unwrap_or(&self.node).span.clone()
    }
}
