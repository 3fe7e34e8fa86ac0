//! `generate KIND --check FILE`: what is wrong with a document that somebody else wrote.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::given::read_file;
use super::{Common, Generate, Output};
use crate::cli::Status;
use crate::cli::counted::tally;
use crate::cli::status::Strict;
use crate::problem::{Place, Problem, Severity};
use crate::provision::check::{Expected, Finding, check};
use crate::provision::read::Format;

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    findings: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    id: &'static str,
    severity: Severity,
    message: &'a str,
    file: String,
    /// Where in the file, or in the string in it that holds a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    effect: &'a str,
    hint: &'a str,
}

impl Generate {
    /// Checks a document instead of writing one.
    pub(super) fn check(&self, file: &Path, common: &Common, output: &Output) -> anyhow::Result<Status> {
        let text = read_file(file)?;
        let request = self.request(common, Some(&text))?;
        let Some(format) = request.kind.format() else {
            return Err(Problem::new(
                "kind-lacks",
                "documents of this kind cannot be checked",
                "`--check` reads ignition, butane, machineconfig, containerruntimeconfig and ocne",
            )
            .into());
        };
        let model = request.model;
        let expected = Expected {
            stores: model.stores.iter().map(|store| store.path.clone()).collect(),
            exactly: false,
            present: model.stores.iter().filter(|it| !it.create).map(|it| it.path.clone()).collect(),
            kept: model.kept,
            worlds: model.worlds,
            generations: model.generations,
            // What somebody else's nodes run, only they know.
            podman6: false,
        };
        run(file, &text, format, &expected, self.strict, output)
    }
}

/// Tells what is wrong with a document.
fn run(
    file: &Path,
    text: &str,
    format: Format,
    expected: &Expected,
    strict: Strict,
    output: &Output,
) -> anyhow::Result<Status> {
    let findings = check(text, format, expected);
    let errors = findings.iter().filter(|finding| finding.rule.severity == Severity::Error).count();
    if output.json {
        let lines = findings.iter().map(|finding| line(file, finding)).collect();
        output.json(&Report { version: 1, findings: lines })?;
    } else {
        for finding in &findings {
            let is_error = finding.rule.severity == Severity::Error;
            if output.is_quiet() && !is_error {
                continue;
            }
            let title = (finding.rule.severity, finding.rule.id, finding.message.as_str());
            let advice = (finding.effect.as_str(), finding.hint.as_str());
            let place = place(file, finding);
            let shown = file.display().to_string();
            output.found(title, place.as_ref(), Some(&shown), advice)?;
        }
        output.status(&summary(file, errors, findings.len() - errors));
    }
    Ok(strict.answer(findings.iter().map(|finding| finding.rule.severity), true))
}

fn place(file: &Path, finding: &Finding) -> Option<Place> {
    let spot = finding.place.as_ref()?;
    let file = match spot.is_inner {
        true => PathBuf::from(format!("{} (extraIgnitionInline)", file.display())),
        false => file.to_owned(),
    };
    Some(Place::new(file, &spot.text, spot.span.clone()))
}

fn line<'a>(file: &Path, finding: &'a Finding) -> Line<'a> {
    let place = place(file, finding);
    let position = place.as_ref().map(Place::position);
    Line {
        id: finding.rule.id,
        severity: finding.rule.severity,
        message: &finding.message,
        file: place.map_or_else(|| file.display().to_string(), |place| place.file.display().to_string()),
        line: position.map(|(line, _)| line),
        column: position.map(|(_, column)| column),
        effect: &finding.effect,
        hint: &finding.hint,
    }
}

fn summary(file: &Path, errors: usize, warnings: usize) -> String {
    tally(errors, warnings).unwrap_or_else(|| format!("no problems in `{}`", file.display()))
}
