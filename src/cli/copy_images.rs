//! `copy-images`: embedded images into a store, at boot; lines and progress.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::counted::{counted, images};
use super::defaults::{embedded_directory, jobs};
use super::output::Output;
use super::progress::{ProgressDisplay, ProgressOption};
use super::tense::would;
use super::{Common, Status};
use crate::copying::{self, CopyEvent, CopyLimits, CopyLine, CopyOptions, CopyReport, CopyState};
use crate::embedded::EmbeddedLayout;
use crate::plan::Host;
use crate::problem::{Problem, series, size, total};

/// Copy embedded images into a store at boot
///
/// Images that are already there with all their layers are only read. The others are
/// copied, several layers at a time, verified, and synced before they are recorded;
/// layers that a power cut has damaged, or that cannot be verified, are copied again.
/// Signatures are copied, too. An image that cannot be copied does not stop the
/// others: the exit status is then 1, or 2 if no image could be copied, if it is a
/// required one, or if nothing could be pruned. Where space is scarce, what fits is
/// copied, required images first and the others in the order of the list.
///
/// With --store the images go to an additional image store, which is listed in
/// storage.conf and which CRI-O does not wipe after a power cut; without it, to the
/// engines' own storage. Artifacts go to the directory `artifacts` there, where podman
/// (own storage) and CRI-O (also `additional_artifact_stores`) look for them.
#[derive(Debug, Args)]
pub(super) struct CopyImages {
    /// The directory with the embedded images and their list; the first layout's that has a list if not
    /// given: /usr/lib/containers/storage, /usr/lib/containers-image-cache,
    /// /var/lib/lsr_podman_image_cache
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,
    /// The additional image store to copy to, outside of the engines' own storage; it
    /// is created and listed
    #[arg(long, value_name = "PATH")]
    store: Option<PathBuf>,
    /// The storage whose directory `artifacts` gets OCI artifacts, that of the images if
    /// not given. podman finds them in its own graph root alone
    #[arg(long, value_name = "PATH")]
    artifact_store: Option<PathBuf>,
    /// An image of the list without which the exit status is 2; may be given several
    /// times
    #[arg(long, value_name = "REF")]
    required: Vec<String>,
    /// Remove images that were copied from a former list; only while no engine runs
    #[arg(long)]
    prune: bool,
    /// How often to try again if the system or an engine prevents a copy
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u32).range(0..=20))]
    retries: u32,
    /// How many layers are worked on at a time; as many as there are processors if not
    /// given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// The most MiB that a layer may have when it is decompressed
    #[arg(long, value_name = "MIB", default_value = "16384")]
    max_layer_size: u32,
    #[command(flatten)]
    progress: ProgressOption,
}

#[derive(Serialize)]
struct CopyImagesJson<'a> {
    version: u32,
    changed: bool,
    dry_run: bool,
    store: String,
    images: Vec<CopiedImageJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<u64>,
    pruned: &'a [String],
    remarks: &'a [Problem],
}

#[derive(Serialize)]
struct CopiedImageJson<'a> {
    reference: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    bytes: u64,
    state: &'static str,
    required: bool,
    artifact: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Problem>,
}

impl CopyImages {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        let host = common.host()?;
        let options = CopyOptions {
            source: embedded_directory(&host, self.source.as_ref(), EmbeddedLayout::default(), output)?,
            store: self.store.clone(),
            artifact_store: self.artifact_store.clone(),
            limits: CopyLimits {
                jobs: jobs(self.jobs),
                retries: self.retries,
                limit: u64::from(self.max_layer_size) << 20,
            },
            required: self.required.clone(),
            prune: self.prune,
        };
        if let Some(store) = self.store.as_ref().filter(|_| !common.dry_run) {
            super::owner::warn_of_owner(&host, store, output)?;
        }
        let watch = ProgressDisplay::new(output, &self.progress, None);
        let print = |event: CopyEvent<'_>| match event {
            CopyEvent::Total(bytes) => watch.progress.begin("copying", bytes),
            CopyEvent::Read(bytes) => watch.progress.add(bytes),
            CopyEvent::Image(line) => {
                watch.aside(|| print_image(line, output));
                watch.image_done();
            }
            CopyEvent::LeftOut(lines, free) => watch.aside(|| print_left_out(lines, free, output)),
            CopyEvent::Again(count) => {
                watch.aside(|| output.status(&format!("trying {} again", counted(count, "image"))));
            }
        };
        let report = watch.run(|_| copying::copy(&host, &options, common.mode(), &print));
        let report = report?;
        self.finish(common, &host, output, &report)
    }

    fn finish(
        &self,
        common: &Common,
        host: &Host,
        output: &Output,
        report: &CopyReport,
    ) -> anyhow::Result<Status> {
        let failed: Vec<&CopyLine> = lines(report, |state| matches!(state, CopyState::Failed(_)));
        let copied = lines(report, |state| *state == CopyState::Copied);
        let store = host.show(&report.store);
        for remark in &report.remarks {
            output.detail(&format!("{remark}; {}", remark.hint));
        }
        let would = would(common.dry_run);
        if common.dry_run {
            for line in &copied {
                let bytes = match line.bytes {
                    0 => String::new(),
                    bytes => format!(" (at least {})", size(bytes)),
                };
                output.status(&format!("would have copied `{}`{bytes}", line.reference));
            }
            if let Some(free) = report.free.filter(|_| !copied.is_empty()) {
                let bytes = total(copied.iter().map(|line| line.bytes));
                let (bytes, free) = (size(bytes), size(free.bytes));
                output.status(&format!("would have written at least {bytes}; {free} are free"));
            }
        }
        for line in lines(report, |state| *state == CopyState::Replaced) {
            output.detail(&format!(
                "`{}` is not copied: an image that was imported has its name",
                line.reference
            ));
        }
        for name in &report.pruned.names {
            output.status(&format!("{would}removed `{name}`, which is no longer in the list"));
        }
        for name in &report.pruned.kept {
            output.status(&format!(
                "`{name}` is no longer in the list, and stays since a container or another image uses it"
            ));
        }
        if let Some(why) = report.foreign.as_ref().filter(|_| !copied.is_empty()) {
            output.detail(&format!("skopeo copies to this storage: {why}"));
        }
        let there = report.lines.len() - failed.len() - copied.len();
        let sum = match (copied.len(), failed.len()) {
            (0, 0) => format!("{} already in `{store}`", counted_lines(report.lines.iter())),
            (_, 0) => {
                let new = counted_lines(copied.iter().copied());
                format!("{would}copied {new} to `{store}`; {there} already present")
            }
            (new, bad) => format!(
                "{bad} of {} could not be copied; {new} were copied to `{store}`, {there} already present",
                counted_lines(report.lines.iter())
            ),
        };
        output.status(&sum);
        let changed_list = report.outcome.as_ref().is_some_and(|outcome| !outcome.plan.is_empty());
        let changed = !copied.is_empty() || !report.pruned.names.is_empty() || changed_list;
        if output.json {
            output.print_json(&CopyImagesJson {
                version: 1,
                changed,
                dry_run: common.dry_run,
                store,
                images: report.lines.iter().map(image_line).collect(),
                free: report.free.map(|free| free.bytes),
                pruned: &report.pruned.names,
                remarks: &report.remarks,
            })?;
        } else if let Some(outcome) = report.outcome.as_ref().filter(|_| changed_list) {
            super::report::report(common, host, outcome, false, output)?;
        }
        if let Some(line) = failed.iter().find(|line| line.required) {
            let message = format!("the required image `{}` is missing", line.reference);
            output.problem(&Problem::new("required-missing", message, "see the message about it above"));
            return Ok(Status::Failed);
        }
        if let Some(problem) = &report.not_pruned {
            output.problem(problem);
            return Ok(Status::Failed);
        }
        Ok(Status::of_parts(failed.len(), report.lines.len()))
    }
}

/// Says what was copied and removed, of whom watches no progress.
pub(super) fn print_copied(
    common: &Common,
    host: &Host,
    report: &CopyReport,
    output: &Output,
) -> anyhow::Result<()> {
    let (would, store) = (would(common.dry_run), host.show(&report.store));
    for line in lines(report, |state| *state == CopyState::Copied) {
        output.status(&format!("{would}copied `{}` to `{store}`", line.reference));
    }
    for name in &report.pruned.names {
        output.status(&format!("{would}removed `{name}`, which is no longer in the list"));
    }
    match report.outcome.as_ref().filter(|outcome| !outcome.plan.is_empty()) {
        Some(outcome) => super::report::report(common, host, outcome, false, output),
        None => Ok(()),
    }
}

/// One message for all: each boot has it again until there is space.
fn print_left_out(lines: &[&CopyLine], free: u64, output: &Output) {
    const NAMED: usize = 8;
    let names = lines.iter().take(NAMED).map(|line| format!("`{}`", line.reference));
    let others = lines.len().saturating_sub(NAMED);
    let others = (others > 0).then(|| counted(others, "other"));
    let names = series(&names.chain(others).collect::<Vec<_>>());
    let needed = size(total(lines.iter().map(|line| line.bytes)));
    let message =
        format!("there is no space for {names}: at least {needed} more, and {} are left", size(free));
    output.problem(&Problem::new("disk-full", message, "free some space and run this again"));
}

fn print_image(line: &CopyLine, output: &Output) {
    match &line.state {
        CopyState::Present | CopyState::Replaced => {}
        CopyState::Copied => output.status(&format!("copied `{}`", line.reference)),
        CopyState::Failed(problem) => output.problem(problem),
    }
}

fn counted_lines<'a>(lines: impl ExactSizeIterator<Item = &'a CopyLine>) -> String {
    let all = lines.len();
    images(all, lines.filter(|line| line.artifact).count())
}

fn lines(report: &CopyReport, is: impl Fn(&CopyState) -> bool) -> Vec<&CopyLine> {
    report.lines.iter().filter(|line| is(&line.state)).collect()
}

fn image_line(line: &CopyLine) -> CopiedImageJson<'_> {
    let (state, error) = match &line.state {
        CopyState::Present => ("present", None),
        CopyState::Copied => ("copied", None),
        CopyState::Replaced => ("replaced", None),
        CopyState::Failed(problem) => ("failed", Some(problem)),
    };
    let (reference, id) = (line.reference.as_str(), line.id.as_deref());
    CopiedImageJson {
        reference,
        id,
        bytes: line.bytes,
        state,
        required: line.required,
        artifact: line.artifact,
        error,
    }
}
