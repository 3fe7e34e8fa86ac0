//! What counts where an option is not given.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::inside;
use super::output::Output;
use crate::embedded::{EmbeddedLayout, homes};
use crate::images::Platform;
use crate::plan::Host;

/// How many things are worked on at a time: as many as there are processors if not given.
pub(super) fn jobs(given: Option<u16>) -> usize {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    given.map_or_else(processors, usize::from)
}

/// A platform that was asked for, such as `arm64` or `arm/v7`.
pub(super) fn asked_platform(text: &str) -> Platform {
    match text.split_once('/') {
        Some((arch, variant)) => Platform::asked(arch, Some(variant)),
        None => Platform::asked(text, None),
    }
}

/// A variable of the environment; an empty one is none.
pub(super) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The file with credentials for registries: `REGISTRY_AUTH_FILE` if not given, as
/// containers-auth.json(5) has it.
pub(super) fn authfile(given: Option<&PathBuf>) -> Option<PathBuf> {
    given.cloned().or_else(|| variable("REGISTRY_AUTH_FILE").map(PathBuf::from))
}

/// The directory of embedded images: if not given, the first of the layouts' own in which there is a
/// list, or else that of the layout `new`. Others with a list are told.
pub(super) fn embedded_directory(
    host: &Host,
    given: Option<&PathBuf>,
    new: EmbeddedLayout,
    output: &Output,
) -> anyhow::Result<PathBuf> {
    if let Some(given) = given {
        return inside(host, given);
    }
    let homes = homes(&host.root)?;
    for other in homes.iter().skip(1) {
        output.warning(&format!(
            "`{}` has embedded images, too; they are left out unless it is given",
            host.show(other)
        ));
    }
    inside(host, homes.first().copied().unwrap_or(Path::new(new.home())))
}
