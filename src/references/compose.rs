//! Compose files (compose-spec).

use super::file::SourceFile;
use super::kubernetes::image;
use crate::problem::Problem;
use crate::provision::document::Node;

pub(super) fn read(file: &mut SourceFile<'_>, node: &Node) -> Result<(), Problem> {
    if let Some(include) = node.get("include") {
        file.unknown("what this file includes is not read".to_owned(), include.span.clone());
    }
    for (key, service) in node.get("services").map(Node::pairs).unwrap_or_default() {
        let name = key.name.escape_debug();
        match (service.get("image"), service.get("build"), service.get("extends")) {
            (_, Some(build), _) => {
                file.unknown(format!("the image of `{name}` is built, not pulled"), build.span.clone());
            }
            (Some(node), None, _) => image(file, node)?,
            (None, None, Some(extends)) if extends.get("file").is_some() => {
                file.unknown(format!("the image of `{name}` is that of another file"), extends.span.clone());
            }
            (None, None, _) => {}
        }
        for volume in service.get("volumes").map(Node::items).unwrap_or_default() {
            if volume.get("type").and_then(Node::text) == Some("image")
                && let Some(source) = volume.get("source")
            {
                image(file, source)?;
            }
        }
    }
    Ok(())
}
