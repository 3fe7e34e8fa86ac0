//! What a planned file would do to the engines, compared with what the present
//! one does.

use std::collections::BTreeSet;
use std::path::Path;

use super::Note;
use super::snapshot::Host;
use crate::conf::clean;
use crate::engine::{EntryHarm, Settings, entry_harm};
use crate::problem::Problem;

/// Verifies that `after` brings no engine a failure that `before` does not, but
/// for entries in `expected`, and returns a warning for each one that stays.
///
/// # Errors
/// A [`Problem`] that names the first new failure.
pub(super) fn verify(
    host: &Host,
    path: &Path,
    before: &Settings,
    after: &Settings,
    expected: &[String],
) -> Result<Vec<Note>, Problem> {
    let old = harms(host, before);
    let new = harms(host, after);
    for harm in new.difference(&old) {
        if !expected.contains(&clean(&harm.path)) {
            return Err(Problem::new(
                harm.id,
                format!("`{}` would list `{}`, {}", host.show(path), harm.path, harm.what),
                "nothing was changed: engines would stop on this entry",
            ));
        }
    }
    Ok(new
        .intersection(&old)
        .filter(|harm| !expected.contains(&clean(&harm.path)))
        .map(|harm| {
            let what = format!(
                "`{}` lists `{}`, {}: engines do not start until that is mended (`storagectl remove-store {}`)",
                host.show(path),
                harm.path,
                harm.what,
                harm.path
            );
            Note::Warning(harm.id, what)
        })
        .collect())
}

fn harms(host: &Host, settings: &Settings) -> BTreeSet<EntryHarm> {
    settings.stores.iter().filter_map(|entry| entry_harm(&host.root, settings, entry)).collect()
}
