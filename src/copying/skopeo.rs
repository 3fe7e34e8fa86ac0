//! Copying with skopeo, to storage whose layers are laid out in ways that only engines know.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::images::{Image, Name};
use crate::plan::Host;
use crate::problem::Problem;
use crate::sys::{Child, ChildFailure, OutputTail};

/// Copies one image from `source`, as skopeo calls it, to the engines' own storage, as the scripts do.
///
/// # Errors
/// `skopeo-missing`, or `skopeo-failed` with what it said.
pub(super) fn copy(host: &Host, image: &Image, source: &str) -> Result<(), Problem> {
    // A name more costs little: what is there is not copied again.
    image.names.iter().try_for_each(|name| copy_as(host, image, source, name))
}

fn copy_as(host: &Host, image: &Image, source: &str, name: &Name) -> Result<(), Problem> {
    let mut command = Command::new(PathBuf::from("skopeo"));
    command.args(["copy", "--quiet", "--preserve-digests"]);
    command.arg(source).arg(format!("containers-storage:{name}"));
    if let Some(config) = &host.config {
        command.env("CONTAINERS_STORAGE_CONF", config);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let done = Child::start(command, OutputTail::Stderr).and_then(Child::wait);
    done.map(drop).map_err(|failure| match failure {
        ChildFailure::Ended(..) => {
            let message = format!("the image {}: skopeo cannot copy it: {failure}", image.title);
            let hint =
                "fix what it reports, or copy to a store of its own with --store, which needs no program";
            Problem::new("skopeo-failed", message, hint)
        }
        _ => {
            let message = format!("skopeo, which this storage needs, cannot be run: {failure}");
            let hint = "install it, or copy to a store of its own with --store, which needs no program";
            Problem::new("skopeo-missing", message, hint)
        }
    })
}
