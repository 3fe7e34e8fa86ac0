//! What packing takes, known before it begins.

use std::collections::BTreeMap;
use std::path::Path;

use super::build::PackOptions;
use super::cache;
use super::recipe::{Package, Payload, Recipe};
use crate::embedded::{EmbedOptions, ReportLine};
use crate::images::Digest;
use crate::problem::{Problem, total};
use crate::space;
use crate::sys::{FreeSpace, Root};

/// How many bytes the tree of a package has at least: the blobs of its images, each once. Those of a
/// store have more when they are unpacked, and nobody knows how much smaller a sealed one is.
fn least_bytes(package: &Package, images: &[&ReportLine]) -> u64 {
    let blobs = images.iter().flat_map(|line| line.contents.iter().flat_map(|contents| &contents.blobs));
    let blobs: BTreeMap<&Digest, &u64> = blobs.collect();
    if package.payload == Payload::Sealed { 0 } else { total(blobs.into_values().copied()) }
}

/// Refuses a package that has no space where it is made.
pub(super) fn require_space(
    package: &Package,
    images: &[&ReportLine],
    options: &PackOptions,
) -> Result<(), Vec<Problem>> {
    let free = Root::system().and_then(|root| root.free_space(&options.tmp)).ok();
    space::require_space(&options.tmp, least_bytes(package, images), 0, free)
        .map_err(|problem| vec![Problem { hint: "give another directory with `--tmp`".into(), ..problem }])
}

/// A package that would be built.
#[derive(Debug)]
pub struct PlannedPackage<'a> {
    /// The package.
    pub package: &'a Package,
    /// Its images, for one architecture after the other.
    pub images: Vec<ReportLine>,
}

/// What would be built, and what it takes.
#[derive(Debug)]
pub struct PackPlan<'a> {
    /// The packages.
    pub packages: Vec<PlannedPackage<'a>>,
    /// How many bytes registries would have to send.
    pub download: u64,
    /// How many bytes the largest package has at least where it is made.
    pub bytes: u64,
    /// What is free in the cache.
    pub free: Option<FreeSpace>,
    /// What is free where packages are made.
    pub free_tmp: Option<FreeSpace>,
}

/// What would be built for the architectures `wanted`. Registries are asked once for the sizes of what
/// is not in the cache.
///
/// # Errors
/// What is wrong with each image.
pub fn plan<'a>(
    recipe: &'a Recipe,
    wanted: &dyn Fn(&str) -> bool,
    options: &PackOptions,
) -> Result<PackPlan<'a>, Vec<Problem>> {
    let fetch = EmbedOptions { dry_run: true, retries: 0, ..options.fetch.clone() };
    let images = cache::fetch(&options.cache, &recipe.packages, wanted, &fetch, &|_| {})?;
    let mut bytes = 0;
    let planned = |package: &'a Package| {
        let architectures = package.architectures.iter().filter(|it| wanted(&it.name));
        let of_each: Vec<Vec<&ReportLine>> = architectures.map(|it| images.of(&options.cache, it)).collect();
        bytes = of_each.iter().map(|images| least_bytes(package, images)).fold(bytes, u64::max);
        (!of_each.is_empty())
            .then(|| PlannedPackage { package, images: of_each.into_iter().flatten().cloned().collect() })
    };
    let packages = recipe.packages.iter().filter_map(planned).collect();
    let free = |path: &Path| Root::system().and_then(|root| root.free_space(path)).ok();
    let (free, free_tmp) = (free(&options.cache), free(&options.tmp));
    Ok(PackPlan { packages, download: images.download, bytes, free, free_tmp })
}
