//! Reading back what was written.

use std::path::Path;

use super::ExistingDocument;
use super::check::{ExpectedNode, check};
use super::layout::NodeLayout;
use super::model::NodeModel;
use super::read::DocumentFormat;
use super::sources::NoFilesBeside;
use crate::problem::{Problem, Severity};

/// Whether a document says what it should: it is read as whatever applies it reads it,
/// its files hold what the layout says, no rule finds anything, and every engine that
/// is served starts with them and sees exactly these stores.
///
/// # Errors
/// A [`Problem`] with the first thing that is not so.
pub(super) fn prove(
    text: &str,
    format: DocumentFormat,
    layout: &NodeLayout,
    model: &NodeModel,
) -> Result<(), Problem> {
    let wrong = |what: String| {
        Problem::new(
            "document-wrong",
            format!("the resulting document is wrong: {what}"),
            "nothing was written; if it is not the base that is wrong, please report this",
        )
    };
    let document = ExistingDocument::parse(text);
    if let Err(unread) = &document.parsed {
        return Err(wrong(format!("{unread:?}")));
    }
    if let Some(config) = document.config() {
        let texts = config.texts();
        for file in &layout.files {
            let same = |(path, text): &&(String, String)| *path == file.path && *text == file.text;
            if texts.iter().filter(same).count() != 1 {
                return Err(wrong(format!("`{}` would change when it is written", file.path)));
            }
        }
        let named =
            |entries: &[super::read::ConfigEntry], name: &str| entries.iter().any(|entry| entry.name == name);
        let lost = layout.directories.iter().find(|it| !named(&config.directories, &it.path));
        if let Some(directory) = lost {
            return Err(wrong(format!("the directory `{}` is not in it", directory.path)));
        }
        if let Some(unit) = layout.units.iter().find(|it| !named(&config.units, &it.name)) {
            return Err(wrong(format!("the unit `{}` is not in it", unit.name)));
        }
    }
    let expected = ExpectedNode {
        stores: layout.stores.clone(),
        exactly: true,
        // What the document does not make, the image has.
        kept: layout
            .stores
            .iter()
            .filter(|path| model.created().all(|it| it.path != **path))
            .cloned()
            .collect(),
        present: Vec::new(),
        has_main: model.has_main,
        platform_versions: model.platform_versions.clone(),
        generations: model.generations,
        podman6: model.podman6,
    };
    // A note is about what the document's owner knows.
    let found = check(&document, format, Path::new("document"), &expected, &NoFilesBeside);
    match found.into_iter().find(|finding| finding.severity != Severity::Note) {
        Some(finding) => Err(wrong(finding.message)),
        None => Ok(()),
    }
}
