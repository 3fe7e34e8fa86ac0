//! Numbers of things for people.

use crate::problem::series;

/// `1 image`, `2 images`.
pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// `2 errors and 1 warning`; `None` if there is neither.
pub(super) fn tally(errors: usize, warnings: usize) -> Option<String> {
    counted_each(&[(errors, "error"), (warnings, "warning")])
}

/// `2 images and 1 artifact`: of `all`, so many are artifacts.
pub(super) fn images(all: usize, artifacts: usize) -> String {
    let each = [(all - artifacts, "image"), (artifacts, "artifact")];
    counted_each(&each).unwrap_or_else(|| counted(0, "image"))
}

/// Those that there are; `None` if there are none.
fn counted_each(counts: &[(usize, &str)]) -> Option<String> {
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| counted(*count, what)).collect();
    (!counts.is_empty()).then(|| series(&counts))
}

/// What a check found, or that it found nothing in what could be looked at.
pub(super) fn found(errors: usize, warnings: usize, all_looked: bool) -> String {
    tally(errors, warnings).unwrap_or_else(|| match all_looked {
        true => "no problems".to_owned(),
        false => "no problems in what could be checked".to_owned(),
    })
}
