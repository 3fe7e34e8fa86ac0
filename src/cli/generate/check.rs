//! `generate KIND --check FILE`: what is wrong with a document that somebody else wrote.

use std::path::Path;

use serde::Serialize;

use super::beside::FilesDir;
use super::documents::DocumentOfFile;
use super::given::read_file;
use super::{Common, Generate, Output, print_platforms};
use crate::cli::Status;
use crate::cli::counted::tally;
use crate::cli::status::Strict;
use crate::problem::{Problem, Severity};
use crate::provision::check::{ExpectedNode, check};
use crate::provision::{ExistingDocument, Preset};

#[derive(Serialize)]
struct CheckedDocumentJson<'a> {
    version: u32,
    findings: &'a [Problem],
}

impl Generate {
    /// Checks a document instead of writing one.
    pub(super) fn check(&self, file: &Path, common: &Common, output: &Output) -> anyhow::Result<Status> {
        let all = self.documents(read_file(file)?);
        let (mut findings, mut platforms) = (Vec::new(), Vec::new());
        for DocumentOfFile { document, .. } in &all {
            let platform = self.platform(common, Some(document))?;
            findings.extend(self.findings(document, file, common, platform.preset)?);
            platforms.push(platform);
        }
        print_platforms(&platforms, output);
        print_findings(file, &findings, self.strict, output)
    }

    /// What is wrong with one document.
    fn findings(
        &self,
        document: &ExistingDocument,
        file: &Path,
        common: &Common,
        preset: &Preset,
    ) -> anyhow::Result<Vec<Problem>> {
        let request = self.request(common, Some(document), preset)?;
        let format = request.kind.format()?;
        let model = request.model;
        let expected = ExpectedNode {
            stores: model.stores.iter().map(|store| store.path.clone()).collect(),
            exactly: false,
            present: model.stores.iter().filter(|it| !it.create).map(|it| it.path.clone()).collect(),
            kept: model.kept,
            has_main: model.has_main,
            platform_versions: model.platform_versions,
            generations: model.generations,
            podman6: model.podman6,
        };
        let beside = FilesDir::open(self.files_dir.as_deref())?;
        Ok(check(document, format, file, &expected, &beside))
    }
}

/// Prints what is wrong with a document.
fn print_findings(
    file: &Path,
    findings: &[Problem],
    strict: Strict,
    output: &Output,
) -> anyhow::Result<Status> {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    if output.json {
        output.print_json(&CheckedDocumentJson { version: 1, findings })?;
    } else {
        for finding in findings {
            output.print_finding(finding, true)?;
        }
        for note in findings.iter().filter(|finding| finding.severity == Severity::Note) {
            output.status(&format!("note: {}; {}", note.message, note.hint));
        }
        output.status(&summary(file, count(Severity::Error), count(Severity::Warning)));
    }
    Ok(strict.answer(findings.iter().map(|finding| finding.severity), true))
}

fn summary(file: &Path, errors: usize, warnings: usize) -> String {
    tally(errors, warnings).unwrap_or_else(|| format!("no problems in `{}`", file.display()))
}
