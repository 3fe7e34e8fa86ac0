//! `list-images`: the images in an OS image, with their sizes, or those of the host's stores.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::defaults::embedded_directory;
use super::list_stores::aligned;
use super::output::Output;
use super::{Common, Status};
use crate::embedded::{self, Depth, EmbeddedImage, EmbeddedLayout, ImageList, SurveyedImage};
use crate::images::Digest;
use crate::inventory::HostStores;
use crate::problem::Problem;
use crate::problem::size;
use crate::store::check::Progress;

/// List the images in an OS image, or in stores
///
/// Shows what each image is, whether its files exist with the right sizes, and which
/// of the host's stores have it. verify-images reads every byte.
///
/// With --store it lists the images of the engines' own storage and of all stores, once
/// for each name, in the order in which engines search them, with who uses which and what
/// shadows it: engines take the first image of a name, also if a later one is newer.
/// show-image shows one of them.
#[derive(Debug, Args)]
pub(super) struct ListImages {
    /// The directory with the images; the first layout's that has a list if not
    /// given: /usr/lib/containers/storage, /usr/lib/containers-image-cache,
    /// /var/lib/lsr_podman_image_cache
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,
    /// List the images of this store, or without PATH of all stores of the host
    #[arg(long, value_name = "PATH", num_args = 0..=1, conflicts_with = "source")]
    store: Option<Option<PathBuf>>,
}

#[derive(Serialize)]
struct ListImagesJson<'a> {
    version: u32,
    directory: String,
    layout: &'static str,
    images: Vec<ListedImageJson<'a>>,
    bytes: u64,
    stored: u64,
    unlisted: &'a [String],
    not_looked: &'a [Problem],
}

#[derive(Serialize)]
struct ListedImageJson<'a> {
    reference: &'a str,
    directory: &'a str,
    complete: bool,
    digest: Option<&'a str>,
    artifact: Option<&'a str>,
    platforms: Vec<&'a str>,
    bytes: u64,
    stores: Vec<String>,
    problems: Vec<&'a Problem>,
}

impl ListImages {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        let host = common.host()?;
        if let Some(path) = &self.store {
            return super::list_stored::list(&host, path.as_deref(), output);
        }
        let dir = embedded_directory(&host, self.source.as_ref(), EmbeddedLayout::default(), output)?;
        let list = ImageList::must_read(&host.root, &dir)?;
        let unlisted = embedded::unlisted(&host.root, &dir, &list)?;
        let depth = Depth::Sizes;
        let survey = embedded::survey(&host.root, &dir, &list.entries, None, depth, 1, &Progress::default());
        let stores = HostStores::read(&host);
        // It shows what is there, whatever that is; verify-images judges it.
        let all_looked =
            stores.not_looked.is_empty() && survey.images.iter().all(|it| it.not_looked.is_empty());
        let status = if all_looked { Status::Done } else { Status::Failed };
        let in_stores = |image: &SurveyedImage, contents: &EmbeddedImage| {
            let having = embedded::stores_with(&stores, &image.entry.reference, contents);
            having.into_iter().map(|path| host.show(path)).collect::<Vec<_>>()
        };
        if output.json {
            let line = |image| line(image, |contents| in_stores(image, contents));
            output.print_json(&ListImagesJson {
                version: 1,
                directory: host.show(&dir),
                layout: list.layout.name(),
                images: survey.images.iter().map(line).collect(),
                bytes: survey.bytes,
                stored: survey.stored,
                unlisted: &unlisted,
                not_looked: &stores.not_looked,
            })?;
            return Ok(status);
        }
        for problem in list.remarks.iter().chain(&stores.not_looked) {
            output.warning(&format!("{}; {}", problem.message, problem.hint));
        }
        let heads = ["REFERENCE", "STATE", "SIZE", "DIGEST", "PLATFORMS", "IN STORES"];
        let mut rows = vec![heads.map(str::to_owned)];
        for image in &survey.images {
            for problem in image.faults.iter().chain(&image.not_looked).take(1) {
                output.warning(&format!("{}; {}", problem.message, problem.hint));
            }
            let contents = image.contents.as_ref();
            let or_dash =
                |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned());
            rows.push([
                image.entry.reference.clone(),
                state(image).to_owned(),
                or_dash(contents.map(|contents| size(contents.bytes()))),
                or_dash(contents.map(|contents| contents.digest.short().to_owned())),
                or_dash(contents.map(|contents| match contents.artifact {
                    Some(_) if !contents.is_list => "artifact".to_owned(),
                    _ => contents.platforms().join(","),
                })),
                or_dash(contents.map(|contents| in_stores(image, contents).join(","))),
            ]);
        }
        if rows.len() > 1 {
            output.print_lines(&aligned(&rows, [true; 6]))?;
        }
        for directory in &unlisted {
            output.warning(&format!(
                "`{}` has an image that the list does not name; `storagectl embed-images --prune` removes it",
                host.show(&dir.join(directory))
            ));
        }
        let images = match survey.images.len() {
            1 => "1 image".to_owned(),
            count => format!("{count} images"),
        };
        output.detail(&format!("{images}, {} in all, {} stored", size(survey.bytes), size(survey.stored)));
        if survey.images.is_empty() {
            output.status(&format!("no image is embedded in `{}`", host.show(&dir)));
        }
        Ok(status)
    }
}

fn state(image: &SurveyedImage) -> &'static str {
    match (image.is_complete(), image.faults.first()) {
        (true, _) => "complete",
        (false, None) => "unknown",
        (false, Some(problem)) if problem.id == "embedded-missing" => "missing",
        (false, Some(_)) => "damaged",
    }
}

fn line(image: &SurveyedImage, in_stores: impl Fn(&EmbeddedImage) -> Vec<String>) -> ListedImageJson<'_> {
    let contents = image.contents.as_ref();
    ListedImageJson {
        reference: &image.entry.reference,
        directory: &image.entry.directory,
        complete: image.is_complete(),
        digest: contents.map(|contents| Digest::as_str(&contents.digest)),
        artifact: contents.and_then(|contents| contents.artifact.as_deref()),
        platforms: contents.map(EmbeddedImage::platforms).unwrap_or_default(),
        bytes: contents.map_or(0, EmbeddedImage::bytes),
        stores: contents.map(in_stores).unwrap_or_default(),
        problems: image.faults.iter().chain(&image.not_looked).collect(),
    }
}
