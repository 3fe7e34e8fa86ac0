//! What both generations do with variables and defaults.

use std::path::Path;

use super::environment::Environment;
use super::profile::Profile;
use super::reading::{Failure, Origin, Reading, Value};
use super::view::View;
use crate::conf::{Essentials, clean};

/// `STORAGE_DRIVER`, and the old name of the overlay driver.
pub(super) fn driver_variable(environment: &Environment, reading: &mut Reading) {
    if let Some(driver) = environment.filled("STORAGE_DRIVER") {
        let origin = Origin::Environment("STORAGE_DRIVER");
        reading.driver = Some(Value { value: driver.to_owned(), origin });
    }
    if let Some(driver) = &mut reading.driver
        && driver.value == "overlay2"
    {
        driver.value = "overlay".to_owned();
    }
}

/// `STORAGE_OPTS` replaces all options of the files, the stores too, also if it
/// is set to nothing.
pub(super) fn storage_opts(environment: &Environment, reading: &mut Reading) -> Result<(), Failure> {
    if let Some(options) = environment.variable("STORAGE_OPTS") {
        reading.stores.clear();
        add_storage_opts(options, reading)?;
    }
    Ok(())
}

/// Adds the stores of a list of options such as `STORAGE_OPTS` has.
pub(super) fn add_storage_opts(options: &str, reading: &mut Reading) -> Result<(), Failure> {
    for option in options.split(',').filter(|_| !options.is_empty()) {
        let Some(store) = store_option(option)? else {
            continue;
        };
        let origin = Origin::Environment("STORAGE_OPTS");
        reading.stores.push(Value { value: store.to_owned(), origin });
    }
    Ok(())
}

/// The store in an option such as `overlay.imagestore=/a` (`parseOptions` in
/// drivers/overlay/overlay.go).
///
/// # Errors
/// A [`Failure`] if it is not a key and a value.
pub(super) fn store_option(option: &str) -> Result<Option<&str>, Failure> {
    let Some((key, value)) = option.split_once('=') else {
        return Err(Failure::new(format!("unable to parse key/value option: {option}")));
    };
    let key = key.trim();
    let key = key.rsplit_once('.').map_or(key, |(_, key)| key);
    Ok(matches!(key, "imagestore" | "additionalimagestore").then(|| value.trim()))
}

/// Where the user's data are: `$XDG_DATA_HOME`, or `~/.local/share`.
fn data_home(view: &View<'_>, environment: &Environment) -> Option<String> {
    match environment.filled("XDG_DATA_HOME") {
        Some(dir) => Some(dir.to_owned()),
        None => Some(format!("{}/.local/share", view.home(environment)?)),
    }
}

/// graphroot and runroot of this user if nothing is set.
pub(super) fn default_roots(
    view: &View<'_>,
    environment: &Environment,
    profile: Profile,
) -> Result<(String, String), Failure> {
    if !environment.is_rootless() {
        let root = Essentials::default();
        return Ok((root.graphroot.unwrap_or_default(), root.runroot.unwrap_or_default()));
    }
    let Some(data) = data_home(view, environment) else {
        return Err(Failure::new("the user has no home directory"));
    };
    let mut runtime = environment.runtime_dir();
    if environment.filled("XDG_RUNTIME_DIR").is_some() && !view.exists(Path::new(&runtime)).unwrap_or(false) {
        if profile != Profile::Podman4 {
            return Err(Failure::new(format!("lstat {runtime}: no such file or directory")));
        }
        runtime = format!("/run/user/{}", environment.uid);
    }
    Ok((format!("{data}/containers/storage"), format!("{runtime}/containers")))
}

/// Expands variables in graphroot and runroot, and refuses an imagestore that is
/// the graphroot.
pub(super) fn finish(
    view: &View<'_>,
    environment: &Environment,
    reading: &mut Reading,
) -> Result<(), Failure> {
    for root in [&mut reading.graphroot, &mut reading.runroot].into_iter().flatten() {
        let path = clean(&environment.expand(&root.value));
        // The library resolves symlinks of what exists.
        root.value = view.real_path(Path::new(&path)).map_or(path, |real| real.display().to_string());
    }
    match (&reading.imagestore, &reading.graphroot) {
        (Some(images), Some(graph)) if images.value == graph.value => Err(Failure::new(format!(
            "imagestore {} must either be not set or be different than graphroot",
            images.value
        ))),
        _ => Ok(()),
    }
}
