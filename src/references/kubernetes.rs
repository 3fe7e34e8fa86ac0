//! Objects of Kubernetes, of any kind that has the template of a pod, also as `kustomize build` and
//! `helm template` print them.

use super::file::SourceFile;
use crate::problem::Problem;
use crate::provision::document::Node;

/// The lists of containers in the specification of a pod (`PodSpec` of the API).
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Reads an object, or the objects of a list. Where a pod's specification stands in one is not asked:
/// operators have kinds of their own with the same lists in them.
pub(super) fn read(file: &mut SourceFile<'_>, node: &Node) -> Result<(), Problem> {
    if node.get("kind").and_then(Node::text) == Some("Kustomization")
        && let Some(images) = node.get("images")
    {
        file.unknown("kustomize changes images here".to_owned(), images.span.clone());
    }
    for (key, value) in node.pairs() {
        for item in value.items() {
            let image = match key.name.as_str() {
                name if CONTAINERS.contains(&name) => item.get("image"),
                // A volume that is an image (KEP-4639).
                "volumes" => item.at(&["image", "reference"]),
                // OpenShift's PinnedImageSet (machineconfiguration/v1 of its API).
                "pinnedImages" => item.get("name"),
                _ => None,
            };
            if let Some(image) = image {
                self::image(file, image)?;
            }
            read(file, item)?;
        }
        read(file, value)?;
    }
    Ok(())
}

/// What stands where an image is named.
pub(super) fn image(file: &mut SourceFile<'_>, node: &Node) -> Result<(), Problem> {
    match node.text() {
        Some("") => Ok(()),
        Some(text) => file.image(text, node.span.clone()),
        None if node.is_null() => Ok(()),
        // `{{ .Values.image }}` without quotes is a mapping.
        None => {
            file.unknown("the image is not text".to_owned(), node.span.clone());
            Ok(())
        }
    }
}
