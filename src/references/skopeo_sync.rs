//! What `skopeo sync --src yaml` reads (skopeo-sync(1)).

use super::file::SourceFile;
use super::structured::is_map;
use crate::problem::Problem;
use crate::provision::document::Node;

const BY_CHOICE: [&str; 2] = ["images-by-tag-regex", "images-by-semver"];

/// Whether a value at the top is a registry with images.
pub(super) fn is_registry(node: &Node) -> bool {
    node.get("images").is_some_and(is_map) || BY_CHOICE.iter().any(|key| node.get(key).is_some_and(is_map))
}

pub(super) fn read(file: &mut SourceFile<'_>, node: &Node) -> Result<(), Problem> {
    for (registry, value) in node.pairs().iter().filter(|(_, value)| is_registry(value)) {
        for (image, tags) in value.get("images").map(Node::pairs).unwrap_or_default() {
            let repository = format!("{}/{}", registry.name, image.name);
            if tags.items().is_empty() {
                let message = format!("all tags of `{}` are meant", repository.escape_debug());
                file.unknown(message, image.span.clone());
            }
            for tag in tags.items() {
                let text = tag.text().unwrap_or_default();
                let between = if text.starts_with("sha256:") { '@' } else { ':' };
                file.image(&format!("{repository}{between}{text}"), tag.span.clone())?;
            }
        }
        for key in BY_CHOICE {
            for (image, choice) in value.get(key).map(Node::pairs).unwrap_or_default() {
                let message =
                    format!("which tags of `{}` are meant, the registry says", image.name.escape_debug());
                file.unknown(message, choice.span.clone());
            }
        }
    }
    Ok(())
}
