//! Images that other files name: manifests, quadlets, lists.

use super::{Recipe, rules};
use crate::embedded::EmbeddedLayout;
use crate::problem::Problem;
use crate::references::{ImageReference, references_at};
use crate::sys::Root;

/// Adds the images that the files of `images_from` name, each once, and returns what is not known
/// of them.
///
/// # Errors
/// As [`references_at`], `no-references`, and `pack-value` for a reference that no package can have.
pub fn add_named(recipe: &mut Recipe) -> Result<Vec<Problem>, Problem> {
    let root = Root::system().map_err(Problem::cannot("open", "/"))?;
    let mut remarks = Vec::new();
    for architecture in recipe.packages.iter_mut().flat_map(|package| &mut package.architectures) {
        for path in std::mem::take(&mut architecture.images_from) {
            let path = std::path::absolute(&path).map_err(Problem::cannot("find", path.display()))?;
            let found = references_at(&root, &path, &EmbeddedLayout::LISTS)?;
            if found.images.is_empty() {
                let message = format!("`{}` names no image that is known", path.display());
                let hint = "give quadlets, manifests or lists, or leave it out of `images_from`";
                return Err(Problem::new("no-references", message, hint));
            }
            for ImageReference { reference, .. } in found.images {
                if architecture.images.contains(&reference) {
                    continue;
                }
                rules::reference(&reference).map_err(|(message, hint)| {
                    Problem::new("pack-value", format!("`{}`: {message}", path.display()), hint)
                })?;
                architecture.images.push(reference);
            }
            remarks.extend(found.remarks);
        }
    }
    remarks.dedup();
    Ok(remarks)
}
