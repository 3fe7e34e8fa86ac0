//! `verify-images`: whether the images in an OS image are there and whole.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::counted::{counted, found};
use super::defaults::{asked_platform, embedded_directory, jobs};
use super::output::Output;
use super::progress::{ProgressDisplay, ProgressOption};
use super::references_given::references_given;
use super::status::Strict;
use super::{Common, Status, inside};
use crate::embedded::{self, Depth, EmbeddedLayout, EmbeddedSurvey, ImageList, ListEntry, SurveyedImage};
use crate::images::Platform;
use crate::inventory::HostStores;
use crate::plan::Host;
use crate::problem::size;
use crate::problem::{Problem, Severity};
use crate::references::{ImageReference, References};

/// Verify the images in an OS image
///
/// Reads every byte: each manifest and each blob must have its digest, and an image
/// that is named by a digest must be that one. With --needed-by, every image that
/// manifests, quadlets or lists name must be embedded, or be in a store of the host.
#[derive(Debug, Args)]
pub(super) struct VerifyImages {
    /// The images; all that are listed if none is given
    #[arg(value_name = "REF")]
    references: Vec<String>,
    /// Verify what this file names, or the files in this directory: quadlets, YAML of
    /// Kubernetes and compose, blueprints, lists; `-` is standard input. May be given
    /// several times
    #[arg(long, value_name = "PATH", conflicts_with = "references")]
    needed_by: Vec<PathBuf>,
    /// The architecture for which needed images must be there, such as `arm64`, or
    /// `arm/v7`; that of this machine if not given
    #[arg(long, value_name = "ARCH", requires = "needed_by")]
    arch: Option<String>,
    /// The directory with the images; the first layout's that has a list if not
    /// given: /usr/lib/containers/storage, /usr/lib/containers-image-cache,
    /// /var/lib/lsr_podman_image_cache
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,
    /// How many blobs are read at a time; as many as there are processors if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    #[command(flatten)]
    strict: Strict,
    #[command(flatten)]
    progress: ProgressOption,
}

#[derive(Serialize)]
struct VerifyImagesJson<'a> {
    version: u32,
    directory: String,
    layout: &'static str,
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
        let dir = embedded_directory(&host, self.source.as_ref(), EmbeddedLayout::default(), output)?;
        let list = match self.needed_by.as_slice() {
            [] => ImageList::must_read(&host.root, &dir)?,
            _ => ImageList::read(&host.root, &dir)?,
        };
        let mut needed = Needed::default();
        for path in &self.needed_by {
            needed.add(&host, &dir, &list, references_given(&host.root, path, |path| inside(&host, path))?);
        }
        let entries = match self.needed_by.as_slice() {
            [] => self.entries(&list)?,
            _ => std::mem::take(&mut needed.entries),
        };
        let platform = self.arch.as_deref().map_or_else(Platform::host, asked_platform);
        let platforms = (!self.needed_by.is_empty()).then_some(std::slice::from_ref(&platform));
        // This reads the limits of the process.
        let jobs = jobs(self.jobs);
        let survey = ProgressDisplay::new(output, &self.progress, None).run(|progress| {
            embedded::survey(&host.root, &dir, &entries, platforms, Depth::Bytes, jobs, progress)
        });
        let all = self.references.is_empty() && self.needed_by.is_empty();
        let unlisted = if all { unlisted(&host, &dir, &list)? } else { Vec::new() };
        let remarks: &[Problem] = if all { &list.remarks } else { &[] };
        let mut findings = findings(&host, &dir, &survey, &unlisted, &list, remarks);
        findings.extend(needed.problems.iter().map(|(reference, problem)| ImageFinding {
            problem: problem.clone(),
            reference: reference.as_deref(),
            path: problem.file().unwrap_or(Path::new("-")).display().to_string(),
        }));
        if !self.needed_by.is_empty() {
            findings.extend(needed_artifacts(&host, &dir, &survey));
        }
        let not_looked = survey.images.iter().flat_map(|image| &image.not_looked);
        let not_looked: Vec<&Problem> = not_looked.chain(&needed.not_looked).collect();
        let found = findings.iter().map(|finding| finding.problem.severity);
        let status = self.strict.answer(found, not_looked.is_empty());
        if output.json {
            output.print_json(&VerifyImagesJson {
                version: 1,
                directory: host.show(&dir),
                layout: list.layout.name(),
                images: survey.images.len(),
                bytes: survey.bytes,
                stored: survey.stored,
                findings,
                not_looked,
            })?;
            return Ok(status);
        }
        for finding in &findings {
            match finding.problem.id {
                // It may well be right, and must not be overlooked.
                "artifact-needed" => output.status(&format!("{}; {}", finding.problem, finding.problem.hint)),
                _ => output.print_finding(&finding.problem, true)?,
            }
        }
        for problem in &not_looked {
            output.print_unchecked(problem);
        }
        output.status(&summary(&survey, &findings, not_looked.is_empty()));
        Ok(status)
    }

    fn entries(&self, list: &ImageList) -> Result<Vec<ListEntry>, Problem> {
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

/// Where the images are that files name.
#[derive(Default)]
struct Needed {
    /// Those that are embedded, each once.
    entries: Vec<ListEntry>,
    /// Those that are nowhere, and what cannot be told.
    problems: Vec<(Option<String>, Problem)>,
    not_looked: Vec<Problem>,
    stores: Option<HostStores>,
}

impl Needed {
    fn add(&mut self, host: &Host, dir: &Path, list: &ImageList, named: References) {
        for ImageReference { reference, place } in named.images {
            if let Some(entry) = embedded::entry_for(&host.root, dir, list, &reference) {
                if !self.entries.contains(entry) {
                    self.entries.push(entry.clone());
                }
                continue;
            }
            // Their records are read if something is not embedded.
            let stores = self.stores.get_or_insert_with(|| HostStores::read(host));
            if stores.has(&reference) {
                continue;
            }
            for problem in &stores.not_looked {
                if !self.not_looked.contains(problem) {
                    self.not_looked.push(problem.clone());
                }
            }
            let message = format!("`{reference}` is neither embedded nor in a store of this host");
            let hint = format!("`storagectl embed-images {reference}` embeds it");
            let problem = Problem::new("image-missing", message, hint)
                .because("its containers do not start without a registry");
            let problem = Problem { place: Some(Box::new(place)), ..problem };
            self.problems.push((Some(reference), problem));
        }
        self.problems.extend(named.remarks.into_iter().map(|remark| (None, remark)));
    }
}

/// Directories that no line names, as problems, with their paths.
fn unlisted(host: &Host, dir: &Path, list: &ImageList) -> Result<Vec<(String, Problem)>, Problem> {
    let problem = |directory: String| {
        let path = host.show(&dir.join(directory));
        let message = format!("`{path}` has an image that the list does not name");
        let hint = "`storagectl embed-images --prune` removes it";
        (path, Problem::new("embedded-unlisted", message, hint).with(Severity::Warning))
    };
    Ok(embedded::unlisted(&host.root, dir, list)?.into_iter().map(problem).collect())
}

fn findings<'a>(
    host: &Host,
    dir: &Path,
    survey: &'a EmbeddedSurvey,
    unlisted: &[(String, Problem)],
    list: &ImageList,
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
    let file = host.show(&list.file(dir));
    findings.extend(remarks.iter().map(|problem| finding(problem, None, file.clone())));
    findings
}

/// What is told of artifacts that files name: who starts a container from one has made a mistake,
/// and who mounts it has not.
fn needed_artifacts<'a>(host: &Host, dir: &Path, survey: &'a EmbeddedSurvey) -> Vec<ImageFinding<'a>> {
    let finding = |image: &'a SurveyedImage| {
        image.contents.as_ref()?.artifact.as_ref()?;
        let (reference, path) =
            (image.entry.reference.as_str(), host.show(&dir.join(&image.entry.directory)));
        let message = format!("`{reference}` is an artifact, not an image");
        let hint = "nothing needs to be done if containers only mount it";
        let problem = Problem::new("artifact-needed", message, hint)
            .with(Severity::Note)
            .because("copy-images puts it where engines find artifacts; no container can be started from it");
        Some(ImageFinding { problem: problem.about(&path), reference: Some(reference), path })
    };
    survey.images.iter().filter_map(finding).collect()
}

fn effect(id: &str) -> &'static str {
    match id {
        "embedded-missing" => "it cannot be copied at boot",
        "embedded-other" => "another image than the one that is named is copied at boot",
        "embedded-unlisted" => "nothing copies it at boot, and it takes space",
        "image-unsupported" => "it cannot be verified, and current engines do not accept it",
        "list-comment" => "scripts stop there, and copy none of the images behind it",
        "list-crlf" => "scripts look for directories that do not exist",
        "list-end" => "scripts do not copy the last image",
        "list-twice" => "scripts copy the image twice",
        "list-directory" => "none now",
        _ => "copying it at boot fails, or containers get wrong files",
    }
}

fn summary(survey: &EmbeddedSurvey, findings: &[ImageFinding<'_>], all_looked: bool) -> String {
    let count = |severity: Severity| findings.iter().filter(|one| one.problem.severity == severity).count();
    let found = found(count(Severity::Error), count(Severity::Warning), all_looked);
    format!("{}, {}, {found}", counted(survey.images.len(), "image"), size(survey.stored))
}
