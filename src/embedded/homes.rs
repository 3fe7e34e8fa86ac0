//! Where embedded images are, if nobody says where.

use std::path::Path;

use super::layout::EmbeddedLayout;
use crate::problem::Problem;
use crate::sys::Root;

/// The directories of the layouts' own scripts in which there is a list, whatever layout that has.
///
/// # Errors
/// The system's answer.
pub fn homes(root: &Root) -> Result<Vec<&'static Path>, Problem> {
    let mut found = Vec::new();
    for home in EmbeddedLayout::ALL.map(|layout| Path::new(layout.home())) {
        for file in EmbeddedLayout::LISTS.map(|list| home.join(list)) {
            let shown = root.show(&file).display().to_string();
            let stat = root.stat(&file).map_err(Problem::cannot("look at", shown))?;
            if stat.is_some() && !found.contains(&home) {
                found.push(home);
            }
        }
    }
    Ok(found)
}
