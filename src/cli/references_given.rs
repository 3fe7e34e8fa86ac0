//! Files and directories that name images, as `--from` and `--needed-by` take them.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::output::Output;
use crate::embedded::EmbeddedLayout;
use crate::problem::Problem;
use crate::references::{ImageReference, References, references_at, references_in};
use crate::sys::Root;

/// The images that the files of an option name, each once; what is not known of them is told.
///
/// # Errors
/// As [`references_at`].
pub(super) fn images_given(
    root: &Root,
    paths: &[PathBuf],
    within: impl Fn(&Path) -> anyhow::Result<PathBuf>,
    output: &Output,
) -> anyhow::Result<Vec<String>> {
    let mut images: Vec<String> = Vec::new();
    for path in paths {
        let found = references_given(root, path, &within)?;
        found.remarks.iter().try_for_each(|remark| output.print_finding(remark, false))?;
        for ImageReference { reference, .. } in found.images {
            if !images.contains(&reference) {
                images.push(reference);
            }
        }
    }
    Ok(images)
}

/// What `path` names, which `within` says where it is in the tree `root`; `-` is standard input.
///
/// # Errors
/// As [`references_at`].
pub(super) fn references_given(
    root: &Root,
    path: &Path,
    within: impl FnOnce(&Path) -> anyhow::Result<PathBuf>,
) -> anyhow::Result<References> {
    if path != Path::new("-") {
        return Ok(references_at(root, &within(path)?, &EmbeddedLayout::LISTS)?);
    }
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text).map_err(Problem::cannot("read", "-"))?;
    let text = String::from_utf8(text).map_err(|_| {
        let hint = "give a text with one reference a line, or a document that names images";
        Problem::new("document", "`-` is not UTF-8", hint)
    })?;
    Ok(references_in(&text, path)?)
}
