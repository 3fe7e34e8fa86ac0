//! Images that were fetched: a directory of embedded images for each architecture.
//!
//! An image is fetched once. What a digest names cannot change; what a tag names is taken
//! as it was fetched, until somebody asks to look again. Every byte is verified each time.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::recipe::{Architecture, Package};
use crate::embedded::{self, EmbedOutcome, EmbeddedLayout, Platforms, ReportLine};
use crate::images::{Name, Platform, Source, Transport};
use crate::problem::{Problem, total};
use crate::store::check::Progress;
use crate::sys::Root;

/// An image in the cache.
#[derive(Debug, Clone)]
pub(super) struct CachedImage {
    /// Its reference, as it was written.
    pub(super) reference: String,
    /// It, with its name.
    pub(super) source: Source,
}

/// The directory of an architecture.
fn directory(cache: &Path, platform: &Platform) -> PathBuf {
    cache.join(match &platform.variant {
        Some(variant) => format!("{}-{variant}", platform.arch),
        None => platform.arch.clone(),
    })
}

/// The images of an architecture of a package, whether they are there or not.
///
/// # Errors
/// If a reference is none.
pub(super) fn images(cache: &Path, architecture: &Architecture) -> Result<Vec<CachedImage>, Problem> {
    let dir = directory(cache, &architecture.platform);
    let of = |reference: &String| {
        let path = dir.join(EmbeddedLayout::default().directory(reference));
        let source = Source {
            text: format!("dir:{}", path.display()),
            names: vec![Name::parse(reference)?],
            transport: Transport::Dir,
            path,
            reference: None,
        };
        Ok(CachedImage { reference: reference.clone(), source })
    };
    architecture.images.iter().map(of).collect()
}

/// What became, or would become, of the images that packages need.
#[derive(Debug, Default)]
pub(super) struct CachedImages {
    lines: HashMap<PathBuf, Vec<ReportLine>>,
    /// How many bytes registries have to send.
    pub(super) download: u64,
}

impl CachedImages {
    /// Those of an architecture of a package.
    pub(super) fn of(&self, cache: &Path, architecture: &Architecture) -> Vec<&ReportLine> {
        let lines = self.lines.get(&directory(cache, &architecture.platform));
        let line = |reference: &String| lines?.iter().find(|line| line.reference == *reference);
        architecture.images.iter().filter_map(line).collect()
    }
}

/// Fetches all images that packages have for the architectures `wanted`, unless that is a dry run.
///
/// # Errors
/// What is wrong with each image that could not be fetched, or why none could be.
pub(super) fn fetch(
    cache: &Path,
    packages: &[Package],
    wanted: &dyn Fn(&str) -> bool,
    options: &embedded::EmbedOptions,
    on_event: &(dyn Fn(&ReportLine) + Sync),
) -> Result<CachedImages, Vec<Problem>> {
    let mut by_platform: Vec<(&Platform, Vec<String>)> = Vec::new();
    let all = packages.iter().flat_map(|package| &package.architectures);
    for architecture in all.filter(|architecture| wanted(&architecture.name)) {
        let place = match by_platform.iter().position(|(platform, _)| *platform == &architecture.platform) {
            Some(place) => place,
            None => {
                by_platform.push((&architecture.platform, Vec::new()));
                by_platform.len() - 1
            }
        };
        let references = &mut by_platform[place].1;
        for image in &architecture.images {
            if !references.contains(image) {
                references.push(image.clone());
            }
        }
    }
    let one = |problem: Problem| vec![problem];
    let root = Root::system().map_err(Problem::cannot("open", "/")).map_err(one)?;
    let mut problems = Vec::new();
    let mut cached = CachedImages::default();
    for (platform, references) in by_platform.into_iter().filter(|(_, references)| !references.is_empty()) {
        let dir = directory(cache, platform);
        let options = embedded::EmbedOptions {
            platforms: Platforms::These(vec![platform.clone()]),
            // The cache is no loss.
            sync: false,
            ..options.clone()
        };
        if !options.dry_run {
            root.create_dirs(&dir, 0o755).map_err(Problem::cannot("make", dir.display())).map_err(one)?;
        }
        let report = embedded::embed(&root, &dir, &references, &options, &Progress::default(), on_event)
            .map_err(one)?;
        problems.extend(report.images.iter().filter_map(|line| match &line.outcome {
            EmbedOutcome::Failed(problem) => Some(problem.clone()),
            _ => None,
        }));
        cached.download = total([cached.download, report.download]);
        cached.lines.insert(dir, report.images);
    }
    if problems.is_empty() { Ok(cached) } else { Err(problems) }
}
