//! YAML and JSON.

use super::file::SourceFile;
use super::{compose, kubernetes, skopeo_sync};
use crate::problem::Problem;
use crate::provision::document::{Node, NodeKind, documents};

/// Reads every document of a text. `None` if none of them is of a kind that names images.
///
/// # Errors
/// `document` if it is neither language.
pub(super) fn read(file: &mut SourceFile<'_>) -> Result<Option<()>, Problem> {
    let parsed = documents(file.text).map_err(|error| {
        let is_template = file.text.contains("{{");
        let why = if is_template { "; it looks like a template: give what comes of it" } else { "" };
        file.malformed(format!("`{}`: {}{why}", file.shown.display(), error.message), error.at)
    })?;
    let mut is_known = None;
    for node in &parsed {
        is_known = document(file, node)?.or(is_known);
    }
    Ok(is_known)
}

fn document(file: &mut SourceFile<'_>, node: &Node) -> Result<Option<()>, Problem> {
    match &node.kind {
        // kustomize and helm print empty ones.
        NodeKind::Scalar { text, .. } if text.is_empty() => Ok(Some(())),
        NodeKind::List { items, .. } => {
            let mut is_known = None;
            for item in items {
                is_known = document(file, item)?.or(is_known);
            }
            Ok(is_known)
        }
        NodeKind::Map { .. } if node.get("apiVersion").is_some() && node.get("kind").is_some() => {
            kubernetes::read(file, node).map(Some)
        }
        NodeKind::Map { .. } if node.get("services").is_some_and(is_map) => {
            compose::read(file, node).map(Some)
        }
        NodeKind::Map { .. } if node.get("images").is_some_and(is_map) => release(file, node).map(Some),
        NodeKind::Map { pairs, .. }
            if pairs.iter().any(|(_, registry)| skopeo_sync::is_registry(registry)) =>
        {
            skopeo_sync::read(file, node).map(Some)
        }
        _ => Ok(None),
    }
}

pub(super) fn is_map(node: &Node) -> bool {
    matches!(node.kind, NodeKind::Map { .. })
}

/// MicroShift's release files: `images` has a name for each.
fn release(file: &mut SourceFile<'_>, node: &Node) -> Result<(), Problem> {
    for (key, image) in node.get("images").map(Node::pairs).unwrap_or_default() {
        let Some(reference) = image.text() else {
            let message = format!("`images.{}` is not text", key.name.escape_debug());
            return Err(file.malformed(message, image.span.start));
        };
        file.image(reference, image.span.clone())?;
    }
    Ok(())
}
