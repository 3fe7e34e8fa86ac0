//! `embed-images`: images from registries into an OS image; lines and progress.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;

use super::counted::{counted, images};
use super::defaults::{asked_platform, authfile, embedded_directory, jobs};
use super::output::Output;
use super::progress::{ProgressDisplay, ProgressOption};
use super::references_given::images_given;
use super::tense::{would, wrote};
use super::{Common, Status, inside};
use crate::embedded::{self, EmbedOptions, EmbedOutcome, EmbedReport, EmbeddedLayout, Platforms, ReportLine};
use crate::plan::Host;
use crate::problem::Problem;
use crate::problem::size;

const AFTER_HELP: &str = "\
Without a reference, the images of the present list are checked, and missing
or damaged ones are fetched again.

There is a directory for each reference, and a list with lines
REFERENCE,DIRECTORY. MicroShift's image builds, the recipes for Fedora and
RHEL, and Ansible's podman role name these in ways of their own. Their scripts
can copy what is embedded here, and what they embed is taken as it is.

skopeo fetches the images, with its registries.conf and policy.json: each
blob once, and none that another image has, in this or the other embedded
directories of the tree. With --dry-run registries are asked for the sizes.";

/// Put container images into an OS image
///
/// Fetches each image into a directory of its own, for copy-images to put into the
/// engines' storage at boot. A directory gets its name when every byte in it is
/// verified and on the disk, so one that exists is complete. A second run fetches
/// only what is missing or damaged. Blobs that images share are fetched and stored
/// once. A run that cannot fit on the disk is refused before it starts.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct EmbedImages {
    /// The images, by tag or digest, such as `registry.example.com/app:1`
    #[arg(value_name = "REF")]
    references: Vec<String>,
    /// A file or directory that names images: a list, quadlets, YAML of Kubernetes,
    /// compose or skopeo sync, a blueprint, crio.conf, a release file of MicroShift;
    /// `-` is standard input. May be given several times
    #[arg(long, value_name = "PATH")]
    from: Vec<PathBuf>,
    /// The directory, created if it does not exist; the first layout's that has a list
    /// if not given, or else /usr/lib/containers/storage
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// The layout of the directory; that of its list if not given. An existing directory
    /// is converted, and two lists in it become one
    #[arg(long, value_name = "LAYOUT", value_parser = layouts())]
    layout: Option<EmbeddedLayout>,
    /// The file with credentials for registries, outside of --root; REGISTRY_AUTH_FILE
    /// if not given
    #[arg(long, value_name = "FILE", help_heading = "Registry options")]
    authfile: Option<PathBuf>,
    /// Only images for this architecture, such as `arm64`, or `arm/v7`; may be given
    /// several times. Every image must have it
    #[arg(long, value_name = "ARCH", value_delimiter = ',')]
    arch: Vec<String>,
    /// All architectures of an image, as if no --arch were given
    #[arg(long, conflicts_with = "arch")]
    all: bool,
    /// Embed OCI artifacts, too, such as models or configuration, which copy-images puts
    /// where engines find artifacts; without it they are refused
    #[arg(long)]
    artifacts: bool,
    /// Fetch the signatures that cosign and others have attached to the images, too, as if
    /// registries.d had `use-sigstore-attachments`; copy-images keeps them
    #[arg(long)]
    signatures: bool,
    /// Embed what refers to the images, too, as artifacts: signatures, attestations and
    /// SBOMs, by cosign's tags and OCI's, and with oras by the API of the registry
    #[arg(long)]
    referrers: bool,
    /// Look tags up again, and fetch images whose tag has moved
    #[arg(long)]
    refresh: bool,
    /// Remove all other images from the list and the directory; without a reference,
    /// directories that the list does not name
    #[arg(long)]
    prune: bool,
    /// Whether registries need a trusted certificate; as registries.conf says if not
    /// given
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Registry options")]
    tls_verify: Option<bool>,
    /// How often an image is tried again when a registry is busy or stops
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(0..=100), help_heading = "Registry options")]
    retries: u32,
    /// How many seconds to wait before that; twice as long before each further time
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = clap::value_parser!(u16).range(0..=3600), help_heading = "Registry options")]
    retry_delay: u16,
    /// How many seconds a registry may send nothing before it is tried again
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = clap::value_parser!(u16).range(1..=3600), help_heading = "Registry options")]
    stall_timeout: u16,
    /// How many blobs are fetched at a time; as many as there are processors if not
    /// given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: Option<u16>,
    /// Do not wait until everything is on the disk
    #[arg(long)]
    no_sync: bool,
    #[command(flatten)]
    progress: ProgressOption,
}

/// The layouts by their names.
fn layouts() -> impl TypedValueParser<Value = EmbeddedLayout> {
    PossibleValuesParser::new(EmbeddedLayout::ALL.map(EmbeddedLayout::name)).map(|name| {
        let layout = EmbeddedLayout::ALL.into_iter().find(|layout| layout.name() == name);
        layout.expect("others are refused")
    })
}

#[derive(Serialize)]
struct EmbedImagesJson<'a> {
    version: u32,
    changed: bool,
    dry_run: bool,
    directory: String,
    layout: &'static str,
    converted: bool,
    images: Vec<EmbeddedImageJson<'a>>,
    bytes: u64,
    stored: u64,
    download: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<u64>,
    unlisted: &'a [String],
    removed: &'a [String],
    remarks: &'a [Problem],
}

#[derive(Serialize)]
struct EmbeddedImageJson<'a> {
    reference: &'a str,
    directory: &'a str,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    download: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a Problem>,
}

impl EmbedImages {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        let host = common.host()?;
        let references = self.references(&host, output)?;
        let options = self.options(common)?;
        let dir = embedded_directory(&host, self.into.as_ref(), self.layout.unwrap_or_default(), output)?;
        let report = self.embed(&host, &dir, &references, &options, output)?;
        for remark in &report.remarks {
            let line = format!("{}; {}", remark.message, remark.hint);
            // It stays as it is, so it would be said each time.
            if remark.id == "list-directory" { output.detail(&line) } else { output.warning(&line) }
        }
        if output.json {
            output.print_json(&document(&host, &dir, &report, common.dry_run))?;
        }
        print_end(&report, &host.show(&dir), common.dry_run, output);
        Ok(Status::of_parts(
            report.failed() + report.referrers_unknown,
            report.images.len() + report.referrers_unknown,
        ))
    }

    fn references(&self, host: &Host, output: &Output) -> anyhow::Result<Vec<String>> {
        let mut references = self.references.clone();
        references.extend(images_given(&host.root, &self.from, |file| inside(host, file), output)?);
        Ok(references)
    }

    fn options(&self, common: &Common) -> anyhow::Result<EmbedOptions> {
        let platforms = self.arch.iter().map(|arch| asked_platform(arch));
        Ok(EmbedOptions {
            authfile: authfile(self.authfile.as_ref()),
            layout: self.layout,
            platforms: match self.arch.as_slice() {
                [] => Platforms::All,
                _ => Platforms::These(platforms.collect()),
            },
            artifacts: self.artifacts,
            signatures: self.signatures,
            referrers: self.referrers,
            jobs: jobs(self.jobs),
            // A rehearsal is not worth waiting for.
            retries: if common.dry_run { 0 } else { self.retries },
            retry_delay: Duration::from_secs(self.retry_delay.into()),
            stall: Duration::from_secs(self.stall_timeout.into()),
            tls_verify: self.tls_verify,
            refresh: self.refresh,
            prune: self.prune,
            dry_run: common.dry_run,
            sync: !self.no_sync,
        })
    }

    fn embed(
        &self,
        host: &Host,
        dir: &Path,
        references: &[String],
        options: &EmbedOptions,
        output: &Output,
    ) -> Result<EmbedReport, Problem> {
        let count = match references.len() {
            0 => embedded::listed(&host.root, dir, options)?.entries.len(),
            count => count,
        };
        let watch = ProgressDisplay::new(output, &self.progress, Some(count));
        let print = |line: &ReportLine| {
            watch.aside(|| print_line(line, options.dry_run, output));
            watch.image_done();
        };
        watch.run(|progress| embedded::embed(&host.root, dir, references, options, progress, &print))
    }
}

/// How many bytes an image has, and how many of them are to be downloaded.
pub(super) fn to_fetch(line: &ReportLine) -> String {
    match line.download {
        None if line.contents.is_none() => "size unknown".to_owned(),
        None => size(line.bytes()),
        Some(download) if download == line.bytes() => size(download),
        Some(download) => format!("{}, {} to download", size(line.bytes()), size(download)),
    }
}

/// `94.4 MB and 2 images of unknown size`: what all images have to download.
pub(super) fn to_download<'a>(lines: impl Iterator<Item = &'a ReportLine>, bytes: u64) -> String {
    match lines.filter(|line| line.unknown.is_some()).count() {
        0 => size(bytes),
        unknown => format!("{} and {} of unknown size", size(bytes), counted(unknown, "image")),
    }
}

/// One line an image, when it is done.
fn print_line(line: &ReportLine, dry_run: bool, output: &Output) {
    let (reference, bytes) = (&line.reference, size(line.bytes()));
    let to_fetch = to_fetch(line);
    if let Some(problem) = line.unknown.as_ref().filter(|_| dry_run) {
        output.detail(&problem.message);
    }
    match &line.outcome {
        EmbedOutcome::WasThere => output.detail(&format!("`{reference}` already present ({bytes})")),
        EmbedOutcome::Failed(problem) => output.problem(problem),
        EmbedOutcome::Fetched if dry_run => {
            output.status(&format!("would have fetched `{reference}` ({to_fetch})"));
        }
        EmbedOutcome::Repaired(problem) if dry_run => {
            output
                .status(&format!("would have fetched `{reference}` again ({to_fetch}): {}", problem.message));
        }
        EmbedOutcome::Refreshed if dry_run => {
            output.status(&format!("would have fetched `{reference}` again ({to_fetch}): its tag has moved"));
        }
        EmbedOutcome::Fetched => output.status(&format!("fetched `{reference}` ({bytes})")),
        EmbedOutcome::Repaired(problem) => {
            output.status(&format!("fetched `{reference}` again ({bytes}): {}", problem.message));
        }
        EmbedOutcome::Refreshed => {
            output.status(&format!("fetched `{reference}` again ({bytes}): its tag has moved"));
        }
    }
}

fn print_end(report: &EmbedReport, shown: &str, dry_run: bool, output: &Output) {
    let would = would(dry_run);
    for reference in &report.unlisted {
        output.status(&format!("{would}removed `{reference}` from the list"));
    }
    for directory in &report.removed {
        output.status(&format!("{would}removed `{shown}/{directory}`"));
    }
    if report.converted {
        output.status(&format!("{would}converted `{shown}` to the layout {}", report.layout.name()));
    } else if report.list_changed {
        output.status(&format!("{} `{shown}/{}`", wrote(dry_run), report.layout.list()));
    }
    let failed = report.failed();
    let complete = report.images.len() - failed;
    let shared = match report.bytes - report.stored {
        0 => String::new(),
        saved => format!("; {} are shared and stored once", size(saved)),
    };
    if dry_run {
        let free = report.free.map_or_else(String::new, |free| format!("; {} are free", size(free.bytes)));
        let download = to_download(report.images.iter(), report.download);
        output.status(&format!("would have downloaded {download}{free}"));
    } else {
        let failed = if failed == 0 { String::new() } else { format!(", {failed} failed") };
        let artifacts = report.images.iter().filter(|line| line.is_artifact()).count();
        output.status(&format!("{}, {}{shared}{failed}", images(complete, artifacts), size(report.stored)));
    }
}

fn document<'a>(host: &Host, dir: &Path, report: &'a EmbedReport, dry_run: bool) -> EmbedImagesJson<'a> {
    let line = |line: &'a ReportLine| {
        let (result, problem) = match &line.outcome {
            EmbedOutcome::Fetched => ("fetched", None),
            EmbedOutcome::WasThere => ("present", None),
            EmbedOutcome::Repaired(problem) => ("repaired", Some(problem)),
            EmbedOutcome::Refreshed => ("refreshed", None),
            EmbedOutcome::Failed(problem) => ("failed", Some(problem)),
        };
        EmbeddedImageJson {
            reference: &line.reference,
            directory: &line.directory,
            result,
            digest: line.digest().map(crate::images::Digest::as_str),
            bytes: line.bytes(),
            download: line.download,
            problem,
        }
    };
    let is_new =
        |line: &ReportLine| !matches!(line.outcome, EmbedOutcome::WasThere | EmbedOutcome::Failed(_));
    EmbedImagesJson {
        version: 1,
        changed: report.converted
            || report.list_changed
            || !report.removed.is_empty()
            || report.images.iter().any(is_new),
        dry_run,
        directory: host.show(dir),
        layout: report.layout.name(),
        converted: report.converted,
        images: report.images.iter().map(line).collect(),
        bytes: report.bytes,
        stored: report.stored,
        download: report.download,
        free: report.free.map(|free| free.bytes),
        unlisted: &report.unlisted,
        removed: &report.removed,
        remarks: &report.remarks,
    }
}
