//! What counts where an option is not given.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::images::Platform;

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
