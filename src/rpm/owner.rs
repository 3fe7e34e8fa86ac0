//! From the scriptlets of one version of a package to the declaration of another, and back.
//!
//! An entry that scriptlets made has a record, and one for a declaration has a mark.
//! With neither, nobody would take it off when the package goes, and without its
//! directory it would stop every engine.

use super::record::ScriptletRecord;
use super::remove;
use crate::conf::{self, clean};
use crate::plan::{ApplyOptions, CommitMode, Host, PlanOutcome, apply};

/// After a %postun: an entry that scriptlets made becomes that of a declaration,
/// if there is one.
pub(super) fn hand_over(host: &Host, path: &str) -> anyhow::Result<Vec<PlanOutcome>> {
    if !ScriptletRecord::read(&host.root, path)?.is_some_and(|record| record.added) {
        return Ok(Vec::new());
    }
    let declarations = host.declarations()?;
    if !declarations.stores.iter().any(|store| store.path == path) {
        return Ok(Vec::new());
    }
    let removed = remove(host, path, false)?;
    ScriptletRecord::forget(&host.root, path)?;
    Ok(vec![removed, apply(host, &declarations, ApplyOptions::default(), CommitMode::Commit)?])
}

/// Before a %post: an entry that a declaration made is taken off, so that the
/// scriptlets make theirs. The declaration goes in the same transaction, or another
/// package has it.
pub(super) fn take_over(host: &Host, path: &str) -> anyhow::Result<Option<PlanOutcome>> {
    // Listing the store says what is wrong with the file.
    let Ok(listed) = conf::listed(&host.snapshot()?.doc) else { return Ok(None) };
    let marked = listed.iter().any(|entry| entry.mark.is_some() && clean(&entry.path) == path);
    marked.then(|| remove(host, path, false)).transpose()
}
