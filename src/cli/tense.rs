//! What was done, or what a dry run would have done.

/// Before what was done: "would have " in a dry run.
pub(super) fn would(dry_run: bool) -> &'static str {
    if dry_run { "would have " } else { "" }
}

/// "wrote", which has another form behind "would have".
pub(super) fn wrote(dry_run: bool) -> &'static str {
    if dry_run { "would have written" } else { "wrote" }
}
