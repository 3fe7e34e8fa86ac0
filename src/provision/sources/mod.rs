//! Where the parts of a document come from, and what comes of all of them.
//!
//! A configuration names others: Ignition merges them into it (`ignition.config.merge`) or takes
//! them instead (`replace`), Butane takes files and directories beside it (`local`, `trees`), and
//! OCNE puts `extraIgnition` before what stands in the document. What stands in the document or
//! lies beside it is followed here, by the rules of those programs, and what does not is told.
//!
//! A place in a part is one behind the end of the document, each part behind the one before:
//! so the rules that read a configuration need not know of parts.

mod local;
mod merging;
mod render;
mod resolve;

pub use local::{FilesBeside, LocalEntry, NoFilesBeside, NotRead, TreeKind};

use std::ops::Range;
use std::rc::Rc;

use super::check::may_list_stores;
use super::document::{Node, ProvisionDocument};
use super::ocne;
use super::read::{Config, DocumentFormat, ParsedDocument};
use crate::problem::Problem;
use merging::merged;
use render::{Follower, PartName};

/// A text that a document is made of, beside itself.
#[derive(Debug, Clone)]
pub struct DocumentPart {
    /// Its name: a file beside the document, or where it stands in it.
    pub name: String,
    /// Whether that is a file.
    pub is_file: bool,
    /// Whether what stands in the document counts more than it, as for OCNE.
    pub gives_way: bool,
    /// Its text.
    pub text: Rc<str>,
    /// The place of its first byte.
    pub start: usize,
    /// It alone, with what lies beside it.
    pub config: Config,
    /// The same as it was written.
    pub written: Config,
}

/// Something that a document names and that is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfollowed {
    /// The rule that it breaks.
    pub id: &'static str,
    /// Where it is named, if that is in the configuration.
    pub span: Option<Range<usize>>,
    /// What it is, as a sentence.
    pub message: String,
    /// What helps.
    pub hint: String,
    /// Whether whatever applies the document stops there, or would take what is not to be taken.
    pub is_refused: bool,
}

/// A document with all that it is made of.
#[derive(Debug, Clone)]
pub struct FollowedDocument {
    /// What the nodes get.
    pub read: ParsedDocument,
    /// The document alone, with what lies beside it.
    pub own: Option<Config>,
    /// What it is merged with or replaced by.
    pub parts: Vec<DocumentPart>,
    /// What could not be followed.
    pub unfollowed: Vec<Unfollowed>,
}

impl FollowedDocument {
    /// Follows all that a document names.
    pub fn of(read: &ParsedDocument, beside: &dyn FilesBeside) -> Self {
        let Some(config) = &read.config else {
            return Self { read: read.clone(), own: None, parts: Vec::new(), unfollowed: Vec::new() };
        };
        let mut follower = Follower::new(config, read.format, beside);
        if read.format == DocumentFormat::Blueprint {
            // It names nothing that lies beside it.
            config.files.iter().for_each(|file| follower.content(file));
            let own = Some(config.clone());
            return Self { read: read.clone(), own, parts: Vec::new(), unfollowed: follower.unfollowed };
        }
        let own = config.with(follower.resolved(&config.node, config.is_butane));
        // OCNE merges before anything is fetched; what stands in the document comes last.
        let extra = match read.format {
            DocumentFormat::Ocne => follower.extra(&read.doc.root),
            _ => None,
        };
        let whole = match extra {
            Some(extra) => merged(extra, own.node.clone()),
            None => own.node.clone(),
        };
        let rendered = follower.render(whole, &PartName::default(), 0);
        let read = ParsedDocument { config: Some(own.with(rendered)), ..read.clone() };
        Self { read, own: Some(own), parts: follower.parts, unfollowed: follower.unfollowed }
    }

    /// The part in which a place is, if it is not in the document.
    fn part_at(&self, at: usize) -> Option<&DocumentPart> {
        self.parts.iter().rfind(|part| part.start <= at)
    }

    /// The configuration that the nodes get.
    pub fn config(&self) -> Option<&Config> {
        self.read.config.as_ref()
    }

    /// # Errors
    /// A [`Problem`] if something is not to be followed.
    pub fn refused(self) -> Result<Self, Problem> {
        match self.unfollowed.iter().find(|it| it.is_refused) {
            Some(it) => Err(Problem::new("document", &it.message, &it.hint)),
            None => Ok(self),
        }
    }

    /// The part that lists a store, if it is not the document.
    pub(super) fn lister(&self, store: &str) -> Option<&DocumentPart> {
        let file = self.config()?.files.iter().find(|file| may_list_stores(file, store))?;
        self.part_at(file.node.span.start)
    }

    /// The name of the part in which a place is, if it is not in the document.
    pub fn name_at(&self, at: usize) -> Option<&str> {
        self.part_at(at).map(|part| part.name.as_str())
    }

    /// Whether configurations are missing in what the nodes get.
    pub fn lacks_configurations(&self) -> bool {
        self.unfollowed.iter().any(|it| matches!(it.id, "merged-elsewhere" | "merged-invalid"))
    }
}

impl Config {
    /// The same with another text of it.
    fn with(&self, node: Node) -> Self {
        let other = Self::of(&self.doc, self.is_inner, node);
        Self { is_butane: self.is_butane, spec: self.spec, dialect: self.dialect, ..other }
    }
}

/// The configuration of OCNE that has none of its own, if it takes one from elsewhere.
pub(super) fn of_extra(doc: &ProvisionDocument) -> Option<Config> {
    doc.root.get(ocne::EXTRA)?.text().filter(|path| !path.is_empty())?;
    let text = format!(r#"{{"ignition": {{"version": "{}"}}}}"#, ocne::NEWEST);
    let empty = ProvisionDocument::parse(&text).ok()?;
    let node = empty.root.clone();
    Some(Config::of(&empty, true, node))
}
