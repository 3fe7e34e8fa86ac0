//! Why an engine does not work as it should.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Engines;

/// One reason why an engine stops, or does less than it should.
///
/// A reason is written once, where the rule of the engine is modelled; whoever shows it
/// adds nothing but which engines and users it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Its stable name, such as `store-missing`.
    pub id: &'static str,
    /// What the engine does because of it.
    pub effect: Effect,
    /// What is wrong, with things in backticks, without a full stop.
    pub message: String,
    /// What helps.
    pub hint: String,
    /// Where it stands, if it stands in a file.
    pub place: Option<Site>,
    /// The additional image store that it is about, cleaned.
    pub store: Option<String>,
}

/// A place in a file of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The file, inside the tree.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// The bytes of the file's text, in which what is not UTF-8 is replaced.
    pub span: Range<usize>,
}

/// What an engine does because of a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It stops, whatever the command; CRI-O does not start.
    Stops,
    /// Commands that use an image stop: of one engine, and of several.
    StopsUse(&'static str, &'static str),
    /// It works, and does something else than was meant: of one engine, and of several.
    Loses(&'static str, &'static str),
}

impl Effect {
    /// What these engines do, as a sentence: "podman 6 stops with an error, whatever the command".
    pub fn of(self, engines: Engines) -> String {
        match self {
            Self::Stops => engines.stop(),
            Self::StopsUse(one, several) | Self::Loses(one, several) => engines.verb(one, several),
        }
    }
}

impl Reason {
    /// A reason to stop that stands in no file.
    pub fn stops(id: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            id,
            effect: Effect::Stops,
            message: message.into(),
            hint: hint.into(),
            place: None,
            store: None,
        }
    }

    /// One that no rule of its own is about.
    pub(super) fn other(message: impl Into<String>) -> Self {
        Self::stops("engine-stops", message, SHOW)
    }

    /// The same at a place.
    pub fn at(self, place: Option<Site>) -> Self {
        Self { place, ..self }
    }

    /// The same with another effect.
    pub fn with(self, effect: Effect) -> Self {
        Self { effect, ..self }
    }

    /// The same about a store.
    pub fn about(self, store: impl Into<String>) -> Self {
        Self { store: Some(store.into()), ..self }
    }

    /// Whether it says the same of the same thing, wherever that stands.
    pub fn is_like(&self, other: &Self) -> bool {
        (self.id, self.effect, &self.message, &self.store)
            == (other.id, other.effect, &other.message, &other.store)
    }
}

const SHOW: &str = "`storagectl show-config --origin` shows what each engine reads";

impl Site {
    /// Whether the file is one of CRI-O's own: crio.conf, or a drop-in of it.
    pub fn is_of_crio(&self) -> bool {
        self.file.ancestors().any(|dir| dir.ends_with("etc/crio"))
    }

    /// The place of these bytes of a file's text.
    pub fn of(file: &Path, text: &str, span: Range<usize>) -> Self {
        Sites::new(file, text).at(span)
    }
}

/// The places in a text, whose lines are counted once.
pub(super) struct Sites<'a> {
    file: &'a Path,
    newlines: Vec<usize>,
}

impl<'a> Sites<'a> {
    pub(super) fn new(file: &'a Path, text: &str) -> Self {
        Self { file, newlines: memchr::memchr_iter(b'\n', text.as_bytes()).collect() }
    }

    /// The place of these bytes.
    pub(super) fn at(&self, span: Range<usize>) -> Site {
        let line = self.newlines.partition_point(|&newline| newline < span.start) + 1;
        Site { file: self.file.to_owned(), line, span }
    }
}
