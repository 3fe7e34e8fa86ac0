//! Copying with skopeo, to storage whose layers are laid out in ways that only engines know.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::images::Image;
use crate::plan::Host;
use crate::problem::Problem;

/// Copies one image to the engines' own storage, as the scripts do.
///
/// # Errors
/// `skopeo-missing`, or `skopeo-failed` with what it said.
pub(super) fn copy(host: &Host, image: &Image, directory: &Path) -> Result<(), Problem> {
    let name = image.names.first().expect("it was given one");
    let mut command = Command::new(PathBuf::from("skopeo"));
    command.args(["copy", "--quiet", "--preserve-digests"]);
    command.arg(format!("dir:{}", directory.display())).arg(format!("containers-storage:{name}"));
    if let Some(config) = &host.config {
        command.env("CONTAINERS_STORAGE_CONF", config);
    }
    let output = command.stdin(Stdio::null()).output().map_err(|error| {
        let message = format!("skopeo, which this storage needs, cannot be run: {error}");
        let hint = "install it, or copy to a store of its own with --store, which needs no program";
        Problem::new("skopeo-missing", message, hint)
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says nothing").to_owned();
    let message = format!("the image {}: skopeo cannot copy it: {}", image.title, line.escape_debug());
    let hint = "see to what it says, or copy to a store of its own with --store, which needs no program";
    Err(Problem::new("skopeo-failed", message, hint))
}
