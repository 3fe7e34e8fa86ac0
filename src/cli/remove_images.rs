//! `remove-images`: images out of a store.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::counted::counted;
use super::output::Output;
use super::tense::would;
use super::{Common, Status, inside};
use crate::copying::{self, RemoveReport, RemovedLine, RemovedState};
use crate::plan::Host;
use crate::problem::{Problem, quoted_series, size};
use crate::store::short_id;

/// Remove images from a store
///
/// As with `podman rmi`, a name goes alone if the image has others; with its last name
/// the image goes, and with a digest or an id it goes with all of its names. Layers go
/// that no image and no container needs any more. An image stays, with exit status 1 or,
/// if none could be removed, 2, if a container of the engines' own storage was made from
/// it, or something elsewhere builds on it. What is not there is said and no error.
///
/// Records go first and directories after them, under the engines' locks: engines may
/// run, and what an interrupted run leaves is removed by the next one. An engine's own
/// storage, a sealed store and one on a read-only file system are not changed. Images
/// that are embedded are copied again at boot: remove them with embed-images --prune.
/// Artifacts are removed as images are, with the blobs that no other one needs.
#[derive(Debug, Args)]
pub(super) struct RemoveImages {
    /// The additional image store
    #[arg(value_name = "STORE")]
    store: PathBuf,
    /// The images: names with a tag or a digest, ids or their first digits
    #[arg(value_name = "REF", required = true)]
    references: Vec<String>,
}

#[derive(Serialize)]
struct RemoveImagesJson<'a> {
    version: u32,
    changed: bool,
    dry_run: bool,
    store: String,
    images: Vec<RemovedImageJson<'a>>,
    removed_images: usize,
    removed_layers: usize,
    removed_artifacts: usize,
    bytes: u64,
}

#[derive(Serialize)]
struct RemovedImageJson<'a> {
    reference: &'a str,
    id: Option<&'a str>,
    names: &'a [String],
    state: &'static str,
    artifact: bool,
    error: Option<&'a Problem>,
}

impl RemoveImages {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        let host = common.host()?;
        let store = inside(&host, &self.store)?;
        let shown = host.show(&store);
        if !common.dry_run {
            super::owner::warn_of_owner(&host, &store, output)?;
        }
        let report = copying::remove_images(&host, &store, &self.references, common.mode())?;
        let changed = report.images > 0 || report.lines.iter().any(|line| !line.names.is_empty());
        if changed && store.starts_with("/usr") && !host.root.is_tree() {
            output.warning(&format!(
                "`{shown}` belongs to a package or an image of the operating system, which brings the images back"
            ));
        }
        print(&host, &report, common.dry_run, output);
        if output.json {
            output.print_json(&RemoveImagesJson {
                version: 1,
                changed,
                dry_run: common.dry_run,
                store: shown,
                images: report.lines.iter().map(line_json).collect(),
                removed_images: report.images,
                removed_layers: report.layers,
                removed_artifacts: report.artifacts,
                bytes: report.bytes,
            })?;
        }
        let failed = report.lines.iter().filter(|line| matches!(line.state, RemovedState::Failed(_))).count();
        Ok(Status::of_parts(failed, report.lines.len()))
    }
}

fn print(host: &Host, report: &RemoveReport, dry_run: bool, output: &Output) {
    let (would, store) = (would(dry_run), host.show(&report.store));
    for line in &report.lines {
        let id = short_id(line.id.as_deref().unwrap_or_default());
        let names: Vec<&str> = line.names.iter().map(String::as_str).collect();
        match &line.state {
            RemovedState::Absent => output.status(&format!("`{}` is not in `{store}`", line.reference)),
            RemovedState::Untagged => output.status(&format!(
                "{would}removed {}; the image {id} keeps its other names",
                quoted_series(&names)
            )),
            RemovedState::Removed if line.artifact => {
                output.status(&format!("{would}removed the artifact {} ({id})", quoted_series(&names)));
            }
            RemovedState::Removed if names.is_empty() => {
                output.status(&format!("{would}removed the image {id}, which has no name"));
            }
            RemovedState::Removed => {
                output.status(&format!("{would}removed {} with the image {id}", quoted_series(&names)));
            }
            RemovedState::Failed(problem) => output.problem(problem),
        }
    }
    let images = format!("{} and {}", counted(report.images, "image"), counted(report.layers, "layer"));
    let artifacts = counted(report.artifacts, "artifact");
    let what = match (report.images, report.artifacts) {
        (0, 0) => None,
        (_, 0) => Some(images),
        (0, _) => Some(artifacts),
        _ => Some(format!(
            "{}, {} and {artifacts}",
            counted(report.images, "image"),
            counted(report.layers, "layer")
        )),
    };
    if let Some(what) = what {
        output.status(&format!("{would}removed {what} from `{store}`, {}", size(report.bytes)));
    }
}

fn line_json(line: &RemovedLine) -> RemovedImageJson<'_> {
    let (state, error) = match &line.state {
        RemovedState::Absent => ("absent", None),
        RemovedState::Untagged => ("untagged", None),
        RemovedState::Removed => ("removed", None),
        RemovedState::Failed(problem) => ("failed", Some(problem)),
    };
    let (reference, id) = (line.reference.as_str(), line.id.as_deref());
    RemovedImageJson { reference, id, names: &line.names, state, artifact: line.artifact, error }
}
