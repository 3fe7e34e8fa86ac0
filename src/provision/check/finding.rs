//! A finding, and what a node is expected to be.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::rules::RULES;
use crate::limits;
use crate::problem::{Place, Problem};
use crate::provision::model::{Generations, PlatformFile};
use crate::provision::ocne;
use crate::provision::preset::Preset;
use crate::provision::read::Config;
use crate::provision::sources::DocumentPart;

/// Bytes of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextSpan {
    /// The text: the document, or a string in it.
    pub(super) text: Rc<str>,
    /// Whether it is a string in it.
    pub(super) is_inner: bool,
    /// The name of the part that it is, and whether that is a file.
    pub(super) part: Option<(String, bool)>,
    /// The bytes.
    pub(super) span: Range<usize>,
}

/// Something that is wrong, and where.
#[derive(Debug, Clone)]
pub(super) struct ProvisionFinding {
    pub(super) problem: Problem,
    pub(super) place: Option<TextSpan>,
}

impl ProvisionFinding {
    /// The same in the file with this name.
    pub(super) fn within(self, file: &Path) -> Problem {
        let Some(TextSpan { text, is_inner, part, span }) = self.place else {
            return self.problem.about(file);
        };
        let within = |name: &str| PathBuf::from(format!("{} ({name})", file.display()));
        let file = match part {
            Some((name, true)) => PathBuf::from(name),
            Some((name, false)) => within(&name),
            None if is_inner => within(ocne::KEY),
            None => file.to_owned(),
        };
        Problem { place: Some(Box::new(Place::new(file, &text, span))), ..self.problem }
    }
}

/// What a node shall be.
#[derive(Debug, Clone)]
pub struct ExpectedNode {
    /// The stores that engines shall see, in any order.
    pub stores: Vec<String>,
    /// Whether they shall see no others, and in this order.
    pub exactly: bool,
    /// The platform's stores, which must stay listed.
    pub kept: Vec<String>,
    /// Directories that the nodes' image has, whatever the document makes.
    pub present: Vec<String>,
    /// Whether nodes may have a main file already, which has to be replaced.
    pub has_main: bool,
    /// What the platform's files may be.
    pub platform_versions: Vec<Vec<PlatformFile>>,
    /// The engines.
    pub generations: Generations,
    /// Whether a node may have podman 6, which applies the system's files to normal users.
    pub podman6: bool,
}

impl ExpectedNode {
    /// A node of a platform.
    pub fn of(preset: &Preset) -> Self {
        Self {
            stores: Vec::new(),
            exactly: false,
            kept: preset.stores.iter().map(|store| (*store).to_owned()).collect(),
            present: Vec::new(),
            has_main: preset.has_main,
            platform_versions: preset.platform_versions(),
            generations: Generations::All,
            podman6: false,
        }
    }
}

/// Where rules put what they find.
pub(super) struct ProvisionFindings {
    pub(super) findings: Vec<ProvisionFinding>,
    /// How often each rule found something.
    found: BTreeMap<&'static str, usize>,
    text: Rc<str>,
    is_inner: bool,
    /// What is behind that text.
    pub(super) parts: Vec<DocumentPart>,
}

impl ProvisionFindings {
    pub(super) fn new(text: &str) -> Self {
        Self {
            findings: Vec::new(),
            found: BTreeMap::new(),
            text: text.into(),
            is_inner: false,
            parts: Vec::new(),
        }
    }

    /// From now on, places are in the text of this configuration.
    pub(super) fn enter(&mut self, config: &Config) {
        self.text = config.doc.text.as_str().into();
        self.is_inner = config.is_inner;
    }

    /// The same for a text that is no document.
    pub(super) fn enter_text(&mut self, text: &str) {
        self.text = text.into();
        self.is_inner = true;
    }

    /// Something at a place.
    pub(super) fn add(
        &mut self,
        id: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        effect: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let part = self.parts.iter().rfind(|part| part.start <= span.start);
        let (text, start) = part.map_or((&self.text, 0), |part| (&part.text, part.start));
        let within = |at: usize| at.saturating_sub(start).min(text.len());
        let place = TextSpan {
            text: text.clone(),
            is_inner: self.is_inner && part.is_none(),
            part: part.map(|part| (part.name.clone(), part.is_file)),
            span: within(span.start)..within(span.end),
        };
        self.put(id, Some(place), message.into(), effect.into(), hint.into());
    }

    /// Something about the whole.
    pub(super) fn add_whole(
        &mut self,
        id: &'static str,
        message: impl Into<String>,
        effect: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.put(id, None, message.into(), effect.into(), hint.into());
    }

    /// Whether one of these was found.
    pub(super) fn has(&self, ids: &[&str]) -> bool {
        self.findings.iter().any(|finding| ids.contains(&finding.problem.id))
    }

    /// The findings; the last of a rule says how many more there are.
    pub(super) fn finish(mut self) -> Vec<ProvisionFinding> {
        for (id, count) in self.found.into_iter().filter(|(_, count)| *count > limits::SHOWN_FINDINGS) {
            if let Some(last) = self.findings.iter_mut().rfind(|finding| finding.problem.id == id) {
                last.problem.message += &format!(", and {} more like it", count - limits::SHOWN_FINDINGS);
            }
        }
        self.findings
    }

    fn put(
        &mut self,
        id: &'static str,
        place: Option<TextSpan>,
        message: String,
        effect: String,
        hint: String,
    ) {
        let rule = RULES.iter().find(|rule| rule.id == id).expect("every rule is in the table");
        // What is wrong in a part is so in the whole.
        let is_same = |old: &ProvisionFinding| {
            old.problem.id == id && old.problem.message == message && old.place == place
        };
        if !self.parts.is_empty() && self.findings.iter().any(is_same) {
            return;
        }
        let found = self.found.entry(id).or_default();
        *found += 1;
        if *found > limits::SHOWN_FINDINGS {
            return;
        }
        let problem = Problem::found(id, rule.severity, message, hint).because(effect);
        self.findings.push(ProvisionFinding { problem, place });
    }
}
