//! `import-images`: images that arrive later, from a directory into a store; lines and progress.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::counted::counted;
use super::defaults::{embedded_directory, jobs};
use super::output::Output;
use super::progress::{ProgressDisplay, ProgressOption};
use super::tense::would;
use super::{Common, Status, inside};
use crate::copying::{
    self, CopyLimits, Disposal, ImportEvent, ImportOptions, ImportReport, ItemLine, ItemState,
};
use crate::embedded::EmbeddedLayout;
use crate::plan::Host;
use crate::problem::{Problem, quoted_series, size};
use crate::sys::Root;

/// How often an image is tried again if the system or an engine prevents a copy.
const RETRIES: u32 = 2;

/// Import images that arrive on a disk or by a sync tool
///
/// Takes archives (OCI and docker, also compressed as a whole), OCI layouts, dir:
/// directories, trees of `skopeo sync --scoped`, and directories of embedded images,
/// each told by its content. An item is taken when all of its images are whole: they
/// are verified while they are copied, and keep their names. It is moved to
/// `imported` beside DIR then. What is not whole is waited for as long as it changes;
/// after that it is moved to `refused` beside DIR, with a file that says why. What
/// does not fit stays. Names that sync tools give to what they still write are left
/// alone.
///
/// An image may take the name of an embedded one, and keeps it until the list of
/// embedded images has another image for that name. The exit status is 1 if an item
/// was not taken, or 2 if none was.
#[derive(Debug, Args)]
pub(super) struct ImportImages {
    /// The directory with what has arrived; only root may be able to write to it
    #[arg(value_name = "DIR", default_value = "/var/lib/storagectl/incoming")]
    dir: PathBuf,
    /// The additional image store to copy to, outside of the engines' own storage; it
    /// is created and listed
    #[arg(long, value_name = "PATH")]
    store: Option<PathBuf>,
    /// The directory of embedded images whose names may be taken; as with copy-images if
    /// not given
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,
    /// Leave everything where it is, as on a disk that is read-only
    #[arg(long, conflicts_with = "remove")]
    keep: bool,
    /// Remove what was imported, in place of moving it
    #[arg(long)]
    remove: bool,
    /// How long to wait for an item that is not whole, after it last changed
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u32).range(0..=86400))]
    settle: u32,
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
struct ImportImagesJson<'a> {
    version: u32,
    changed: bool,
    dry_run: bool,
    store: String,
    items: Vec<ItemJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<u64>,
}

#[derive(Serialize)]
struct ItemJson<'a> {
    name: &'a str,
    state: &'static str,
    images: Vec<ArrivedImageJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Problem>,
}

#[derive(Serialize)]
struct ArrivedImageJson<'a> {
    names: &'a [String],
    id: &'a str,
    bytes: u64,
    is_there: bool,
}

impl ImportImages {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        let host = common.host()?;
        let disposal = match (self.keep, self.remove) {
            (true, _) => Disposal::Keep,
            (_, true) => Disposal::Remove,
            _ => Disposal::Move,
        };
        let options = ImportOptions {
            dir: inside(&host, &self.dir)?,
            embedded: embedded_directory(&host, self.source.as_ref(), EmbeddedLayout::default(), output)?,
            store: self.store.clone(),
            disposal,
            settle: Duration::from_secs(self.settle.into()),
            limits: CopyLimits {
                jobs: jobs(self.jobs),
                retries: RETRIES,
                limit: u64::from(self.max_layer_size) << 20,
            },
        };
        if let Some(store) = self.store.as_ref().filter(|_| !common.dry_run) {
            super::owner::warn_of_owner(&host, store, output)?;
        }
        let watch = ProgressDisplay::new(output, &self.progress, None);
        let root = host.root.clone();
        let on_event = |event: ImportEvent<'_>| match event {
            ImportEvent::Total(bytes) => watch.progress.begin("importing", bytes),
            ImportEvent::Read(bytes) => watch.progress.add(bytes),
            ImportEvent::Ignored(name) => watch.aside(|| output.detail(&format!("`{name}` is left alone"))),
            ImportEvent::Waiting(name, problem) => {
                watch.aside(|| output.status(&format!("waiting for `{name}`: {problem}")));
            }
            ImportEvent::Item(line) => {
                watch.aside(|| print_item(&root, line, common.dry_run, output));
                line.images.iter().for_each(|_| watch.image_done());
            }
        };
        let report = watch.run(|_| copying::import_images(&host, &options, common.mode(), &on_event))?;
        finish(common, &host, output, &report)
    }
}

fn finish(common: &Common, host: &Host, output: &Output, report: &ImportReport) -> anyhow::Result<Status> {
    let count = |is: fn(&ItemState) -> bool| report.items.iter().filter(|line| is(&line.state)).count();
    let imported = count(|state| *state == ItemState::Imported);
    let failed = count(|state| matches!(state, ItemState::Refused(_) | ItemState::Left(_)));
    let changed_list = report.outcome.as_ref().is_some_and(|outcome| !outcome.plan.is_empty());
    if report.items.is_empty() {
        output.status("there is nothing to import");
    }
    if output.json {
        let moved = report.items.iter().any(|line| line.moved_to.is_some());
        output.print_json(&ImportImagesJson {
            version: 1,
            changed: imported > 0 || moved || changed_list,
            dry_run: common.dry_run,
            store: host.show(&report.store),
            items: report.items.iter().map(|line| item_json(host, line)).collect(),
            free: report.free.map(|free| free.bytes),
        })?;
    } else if let Some(outcome) = report.outcome.as_ref().filter(|_| changed_list && imported > 0) {
        super::report::report(common, host, outcome, false, output)?;
    }
    Ok(Status::of_parts(failed, report.items.len()))
}

/// One line an item, for the journal.
fn print_item(root: &Root, line: &ItemLine, dry_run: bool, output: &Output) {
    const NAMED: usize = 8;
    let names: Vec<&str> =
        line.images.iter().flat_map(|image| &image.names).map(String::as_str).take(NAMED + 1).collect();
    let images = match names.len() {
        0..=NAMED => quoted_series(&names),
        _ => counted(line.images.len(), "image"),
    };
    let (would, name) = (would(dry_run), &line.name);
    // What is whole of an item that is not.
    let there = match line.images.iter().filter(|image| image.is_there).count() {
        0 => String::new(),
        count => format!("; {count} of its {} are in the store", counted(line.images.len(), "image")),
    };
    match &line.state {
        ItemState::Imported => {
            let bytes = line.images.iter().map(|image| image.bytes).sum();
            let bytes = if dry_run { format!(" (at least {})", size(bytes)) } else { String::new() };
            output.status(&format!("{would}imported `{name}`: {images}{bytes}"));
        }
        ItemState::Present => output.status(&format!("`{name}` has nothing new: {images}")),
        ItemState::Refused(problem) => {
            let to = line.moved_to.as_ref().map(|to| format!(" (it is `{}` now)", root.show(to).display()));
            let to = to.unwrap_or_default();
            output.warning(&format!("{would}refused `{name}`: {problem}; {}{there}{to}", problem.hint));
        }
        ItemState::Left(problem) => {
            output.warning(&format!("`{name}` stays: {problem}; {}{there}", problem.hint));
        }
    }
}

fn item_json<'a>(host: &Host, line: &'a ItemLine) -> ItemJson<'a> {
    let (state, error) = match &line.state {
        ItemState::Imported => ("imported", None),
        ItemState::Present => ("present", None),
        ItemState::Refused(problem) => ("refused", Some(problem)),
        ItemState::Left(problem) => ("left", Some(problem)),
    };
    let images = line.images.iter().map(|image| ArrivedImageJson {
        names: &image.names,
        id: &image.id,
        bytes: image.bytes,
        is_there: image.is_there,
    });
    let moved_to = line.moved_to.as_ref().map(|to| host.show(to));
    ItemJson { name: &line.name, state, images: images.collect(), moved_to, error }
}
