//! `verify-images`: whether the images in an OS image are there and whole.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::counted::{counted, found};
use super::given::jobs;
use super::output::Output;
use super::progress::watched;
use super::size::size;
use super::status::Strict;
use super::{Common, Status, inside};
use crate::embedded::{self, DIRECTORY, Depth, List, ListEntry, Survey};
use crate::plan::Host;
use crate::problem::{Problem, Severity};
use crate::store::check::Progress;

/// Verify the images in an OS image
///
/// Reads every byte: each manifest and each blob must have its digest, and an image
/// that is named by a digest must be that one.
#[derive(Debug, Args)]
pub(super) struct VerifyImages {
    /// The images; all that are listed if none is given
    #[arg(value_name = "REF")]
    references: Vec<String>,
    /// The directory with the images
    #[arg(long, value_name = "DIR", default_value = DIRECTORY)]
    source: PathBuf,
    /// How many blobs are read at a time; as many as there are processors if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    #[command(flatten)]
    strict: Strict,
}

#[derive(Serialize)]
struct VerifyImagesJson<'a> {
    version: u32,
    directory: String,
    images: usize,
    bytes: u64,
    stored: u64,
    findings: Vec<ImageFinding<'a>>,
    not_looked: Vec<&'a Problem>,
}

#[derive(Serialize)]
struct ImageFinding<'a> {
    #[serde(flatten)]
    problem: Problem,
    reference: Option<&'a str>,
    path: String,
}

impl VerifyImages {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        let host = common.host()?;
        let dir = inside(&host, &self.source)?;
        let list = List::must_read(&host.root, &dir)?;
        let entries = self.entries(&list)?;
        // This reads the limits of the process.
        let jobs = jobs(self.jobs);
        let progress = Progress::default();
        let survey = watched(output, &progress, || {
            embedded::survey(&host.root, &dir, &entries, None, Depth::Bytes, jobs, &progress)
        });
        let unlisted = if self.references.is_empty() { unlisted(&host, &dir, &list)? } else { Vec::new() };
        let remarks: &[Problem] = if self.references.is_empty() { &list.remarks } else { &[] };
        let findings = findings(&host, &dir, &survey, &unlisted, remarks);
        let not_looked: Vec<&Problem> = survey.images.iter().flat_map(|image| &image.not_looked).collect();
        let found = findings.iter().map(|finding| finding.problem.severity);
        let status = self.strict.answer(found, not_looked.is_empty());
        if output.json {
            output.json(&VerifyImagesJson {
                version: 1,
                directory: host.show(&dir),
                images: survey.images.len(),
                bytes: survey.bytes,
                stored: survey.stored,
                findings,
                not_looked,
            })?;
            return Ok(status);
        }
        for finding in &findings {
            output.found(&finding.problem, true)?;
        }
        for problem in &not_looked {
            output.not_looked(problem);
        }
        output.status(&summary(&survey, &findings, not_looked.is_empty()));
        Ok(status)
    }

    fn entries(&self, list: &List) -> Result<Vec<ListEntry>, Problem> {
        if self.references.is_empty() {
            return Ok(list.entries.clone());
        }
        let find = |reference: &String| {
            list.find(reference).cloned().ok_or_else(|| {
                let message = format!("`{reference}` is not in the list of embedded images");
                Problem::new("image-missing", message, "`storagectl list-images` shows what is")
            })
        };
        self.references.iter().map(find).collect()
    }
}

/// Directories that no line names, as problems, with their paths.
fn unlisted(host: &Host, dir: &Path, list: &List) -> Result<Vec<(String, Problem)>, Problem> {
    let problem = |directory: String| {
        let path = host.show(&dir.join(directory));
        let message = format!("`{path}` has an image that the list does not name");
        let hint = "`storagectl embed-images --prune` removes it";
        (path, Problem::new("embedded-unlisted", message, hint).with(Severity::Warning))
    };
    Ok(embedded::unlisted(&host.root, dir, &list.entries)?.into_iter().map(problem).collect())
}

fn findings<'a>(
    host: &Host,
    dir: &Path,
    survey: &'a Survey,
    unlisted: &[(String, Problem)],
    remarks: &[Problem],
) -> Vec<ImageFinding<'a>> {
    let finding = |problem: &Problem, reference: Option<&'a str>, path: String| ImageFinding {
        problem: problem.clone().because(effect(problem.id)).about(&path),
        reference,
        path,
    };
    let mut findings = Vec::new();
    for image in &survey.images {
        let path = host.show(&dir.join(&image.entry.directory));
        let reference = Some(image.entry.reference.as_str());
        findings.extend(image.faults.iter().map(|problem| finding(problem, reference, path.clone())));
    }
    findings.extend(unlisted.iter().map(|(path, problem)| finding(problem, None, path.clone())));
    let file = host.show(&dir.join(embedded::LIST));
    findings.extend(remarks.iter().map(|problem| finding(problem, None, file.clone())));
    findings
}

fn effect(id: &str) -> &'static str {
    match id {
        "embedded-missing" => "it cannot be copied at boot",
        "embedded-other" => "a different image than the named one is copied at boot",
        "embedded-unlisted" => "nothing copies it at boot, and it takes up space",
        "image-unsupported" => "it cannot be verified, and current engines do not accept it",
        "list-crlf" => "scripts look for directories that do not exist",
        "list-twice" => "scripts copy the image twice",
        "list-directory" => "none now",
        _ => "copying it at boot fails, or containers get wrong files",
    }
}

fn summary(survey: &Survey, findings: &[ImageFinding<'_>], all_looked: bool) -> String {
    let count = |severity: Severity| findings.iter().filter(|one| one.problem.severity == severity).count();
    let found = found(count(Severity::Error), count(Severity::Warning), all_looked);
    format!("{}, {}, {found}", counted(survey.images.len(), "image"), size(survey.stored))
}
