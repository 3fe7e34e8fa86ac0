//! Other names for images that are there.

use std::collections::BTreeMap;
use std::path::Path;

use super::directory::{cannot, lock};
use super::existing::{Records, StorePaths};
use crate::problem::Problem;
use crate::store::StoredImage;
use crate::sys::Root;

/// Names for images, by id.
type Names = BTreeMap<String, Vec<String>>;

/// Gives images of the overlay store at `store` what `choose` says instead of their names, by id,
/// under the engines' lock.
///
/// # Errors
/// If the records cannot be read or replaced.
pub fn rename_images(
    root: &Root,
    store: &Path,
    choose: &dyn Fn(&[&StoredImage]) -> Names,
) -> Result<(), Problem> {
    let Some(root) = &root.strict(store).map_err(cannot(root, "open", store))? else { return Ok(()) };
    let paths = StorePaths::new(Path::new("/"));
    let chosen = |records: &Records<StoredImage>| choose(&records.all().collect::<Vec<_>>());
    if chosen(&Records::<StoredImage>::read(root, &paths)?).is_empty() {
        return Ok(());
    }
    let held = lock(root, &paths.images_lock())?;
    let records = Records::<StoredImage>::read(root, &paths)?;
    let names = chosen(&records);
    let file = paths.images_json();
    root.replace_file(&file, &records.renamed(&names)).map_err(cannot(root, "replace", &file))?;
    held.mark_written().map_err(cannot(root, "write to the lock of", &file))
}
