//! A finding, and where findings are put.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::input::{LintFile, LintInput};
use super::rules::LintRule;
use crate::conf::Splice;
use crate::engine::Engines;
use crate::limits;
use crate::problem::{Place, Problem, Severity};

/// Something that a rule found, and how it is mended.
#[derive(Debug, Clone)]
pub struct LintFinding {
    /// What it is: as bad as the rule says, but a warning where it stops only some of the engines
    /// that the host may have.
    pub problem: Problem,
    /// The one right answer: the file's index, and the splices.
    fix: Option<(usize, Vec<Splice>)>,
}

impl std::ops::Deref for LintFinding {
    type Target = Problem;

    fn deref(&self) -> &Problem {
        &self.problem
    }
}

impl LintFinding {
    /// Whether there is one right answer.
    pub fn is_fixable(&self) -> bool {
        self.fix.is_some()
    }
}

/// What all rules found.
#[derive(Debug, Clone, Default)]
pub struct LintReport {
    /// What is wrong: by file and place, and what stands in no file last.
    pub findings: Vec<LintFinding>,
    /// What could not be looked at.
    pub not_looked: Vec<Problem>,
}

impl LintReport {
    /// How many findings of this severity there are.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// How many findings can be fixed.
    pub fn fixable(&self) -> usize {
        self.findings.iter().filter(|finding| finding.is_fixable()).count()
    }

    pub(super) fn sort(&mut self) {
        // The sort is stable: files stay in the order in which engines read them.
        let mut files: Vec<PathBuf> = Vec::new();
        for file in self.findings.iter().filter_map(|finding| finding.file()) {
            if !files.iter().any(|other| other == file) {
                files.push(file.to_owned());
            }
        }
        let rank = |finding: &LintFinding| {
            let file = files.iter().position(|file| Some(file.as_path()) == finding.file());
            let file = file.unwrap_or(files.len());
            (file, finding.place.as_ref().map_or(usize::MAX, |place| place.start), finding.severity)
        };
        self.findings.sort_by_key(rank);
        self.not_looked.dedup();
    }

    /// The file of the first finding that can be fixed, and its text then.
    pub(super) fn first_fix(&self, input: &LintInput<'_>) -> Option<(usize, String)> {
        let (file, splices) = self.findings.iter().find_map(|finding| finding.fix.clone())?;
        Some((file, Splice::apply(&input.files[file].text, splices)))
    }
}

/// What a rule says of one place, before it becomes a [`LintFinding`].
pub(super) struct RuleHit {
    /// Without id and place; as bad as the rule says.
    pub(super) problem: Problem,
    /// Whether the host may have only engines that work in spite of it.
    pub(super) may_not_concern: bool,
    pub(super) fix: Option<Vec<Splice>>,
}

impl RuleHit {
    /// Engines do something because of it.
    pub(super) fn new(
        engines: Engines,
        message: impl Into<String>,
        effect: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let problem = Problem::found("", Severity::Error, message, hint).because(effect);
        Self { problem: Problem { engines, ..problem }, may_not_concern: false, fix: None }
    }

    /// There is one right answer.
    pub(super) fn with_fix(self, splices: Vec<Splice>) -> Self {
        Self { fix: Some(splices), ..self }
    }
}

impl Drop for LintFindings<'_, '_> {
    /// The last finding says how many more there are.
    fn drop(&mut self) {
        if self.found > limits::SHOWN_FINDINGS
            && let Some(last) = self.report.findings.last_mut()
        {
            last.problem.message += &format!(", and {} more like it", self.found - limits::SHOWN_FINDINGS);
        }
    }
}

/// Where a rule puts what it finds.
pub(super) struct LintFindings<'a, 'i> {
    input: &'a LintInput<'i>,
    rule: &'static LintRule,
    report: &'a mut LintReport,
    /// How often the rule found something.
    found: usize,
}

impl<'a, 'i> LintFindings<'a, 'i> {
    pub(super) fn new(input: &'a LintInput<'i>, rule: &'static LintRule, report: &'a mut LintReport) -> Self {
        Self { input, rule, report, found: 0 }
    }

    /// Something at `span` of a file. What concerns no engine that reads the file is dropped.
    pub(super) fn add(&mut self, file: &LintFile, span: &Range<usize>, found: RuleHit) {
        let place = Place::new(self.input.root.show(&file.path), &file.text, span.clone());
        self.put(Some(file), Some(place), found);
    }

    /// The same in a file that is none of storage.conf's.
    pub(super) fn add_in_text(&mut self, path: &Path, text: &str, span: &Range<usize>, found: RuleHit) {
        let place = Place::new(self.input.root.show(path), text, span.clone());
        self.put(None, Some(place), found);
    }

    /// Something about a file as a whole.
    pub(super) fn add_for_file(&mut self, file: &LintFile, found: RuleHit) {
        self.put(Some(file), Some(Place::whole(self.input.root.show(&file.path))), found);
    }

    /// Something about a file that no engine reads, or about none.
    pub(super) fn add_elsewhere(&mut self, path: Option<PathBuf>, found: RuleHit) {
        self.put(None, path.map(|path| Place::whole(self.input.root.show(&path))), found);
    }

    /// Something that could not be looked at.
    pub(super) fn could_not_look(&mut self, problem: Problem) {
        if !self.report.not_looked.contains(&problem) {
            self.report.not_looked.push(problem);
        }
    }

    fn put(&mut self, file: Option<&LintFile>, place: Option<Place>, found: RuleHit) {
        if found.problem.engines.is_empty() {
            return;
        }
        self.found += 1;
        if self.found > limits::SHOWN_FINDINGS {
            return;
        }
        // A fix that would change anything else is none.
        let fix = found.fix.filter(|splices| {
            file.is_some_and(|file| {
                file.is_editable()
                    && self.input.keeps_working(file, &Splice::apply(&file.text, splices.clone()))
            })
        });
        let problem = Problem {
            id: self.rule.id,
            severity: if found.may_not_concern { Severity::Warning } else { self.rule.severity },
            place: place.map(Box::new),
            ..found.problem
        };
        let fix = fix.and_then(|splices| Some((file?.index, splices)));
        self.report.findings.push(LintFinding { problem, fix });
    }
}
