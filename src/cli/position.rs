//! `--first`, `--last`, `--before` and `--after`, of which at most one is given.

use std::ffi::OsString;

use crate::conf::Position;
use crate::store::store_path;

/// The place that these options mean.
///
/// # Errors
/// If a path is none of a store.
pub(super) fn position(
    first: bool,
    last: bool,
    before: Option<&OsString>,
    after: Option<&OsString>,
) -> anyhow::Result<Position> {
    Ok(match (before, after) {
        (Some(store), _) => Position::Before(store_path(store)?),
        (_, Some(store)) => Position::After(store_path(store)?),
        _ if first => Position::First,
        _ if last => Position::Last,
        _ => Position::Any,
    })
}
