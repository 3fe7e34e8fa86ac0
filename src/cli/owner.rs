//! Whose a store is.

use std::path::Path;

use super::output::Output;
use crate::plan::Host;
use crate::problem::Problem;

/// Says so before something is made in the store at `path`, if it belongs to another user.
pub(super) fn warn_of_owner(host: &Host, path: &Path, output: &Output) -> Result<(), Problem> {
    let found = host.root.stat(path).map_err(host.cannot("look at", path))?;
    let me = rustix::process::geteuid().as_raw();
    if let Some(stat) = found.filter(|stat| stat.uid != me) {
        let shown = host.show(path);
        output
            .warning(&format!("`{shown}` belongs to user {}, who decides what engines find there", stat.uid));
    }
    Ok(())
}
