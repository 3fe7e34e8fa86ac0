//! Whether a store has another place in the list.

use crate::conf::clean;

/// Whether the store at `path` stands elsewhere in `after` than in `before`, among those
/// that both list: one that comes or goes before it moves nothing.
pub(super) fn is_moved<'a>(
    before: impl Iterator<Item = &'a str>,
    after: impl Iterator<Item = &'a str>,
    path: &str,
) -> bool {
    let (before, after): (Vec<String>, Vec<String>) =
        (before.map(clean).collect(), after.map(clean).collect());
    let rank = |here: &[String], there: &[String]| {
        here.iter().take_while(|entry| *entry != path).filter(|entry| there.contains(entry)).count()
    };
    rank(&before, &after) != rank(&after, &before)
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_a_store_that_changes_sides_with_another_is_moved() {
        let is_moved = |before: &[&str], after: &[&str]| {
            super::is_moved(before.iter().copied(), after.iter().copied(), "/c")
        };
        assert!(!is_moved(&["/a", "/c"], &["/a", "/c"]));
        assert!(!is_moved(&["/a/", "/c"], &["/b", "/a", "/c/", "/d"]));
        assert!(!is_moved(&["/a", "/b", "/c"], &["/b", "/c"]));
        assert!(is_moved(&["/a", "/c"], &["/c", "/a"]));
    }
}
