//! In which order listed stores stand once the declared ones are among them.

use super::file::Declared;
use crate::conf::{Mark, MarkedEntry, Position, clean};

/// A store that is to be listed, and what its entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedStore {
    /// The store, cleaned.
    pub path: String,
    /// Where it stands among the others.
    pub position: Position,
    /// Whose it is.
    pub mark: Mark,
}

impl From<&Declared> for WantedStore {
    fn from(declared: &Declared) -> Self {
        Self {
            path: declared.path.clone(),
            position: declared.position.clone(),
            mark: Mark { name: declared.name.clone(), comment: declared.comment.clone() },
        }
    }
}

/// What becomes of `list`: entries with a mark that nobody wants go, unless
/// `keeps` says that their declaration could not be read; wanted ones come. What
/// has no mark, somebody wrote by hand: it stays where it is, also if it is wanted.
///
/// Those without a place of their own stand together, in the order of `wanted`,
/// where the first of them stands or else behind all others. They are moved only
/// if their order is another. A neighbour that is not listed does not matter.
pub fn arranged(
    list: &[MarkedEntry],
    wanted: &[WantedStore],
    keeps: impl Fn(&Mark) -> bool,
) -> Vec<MarkedEntry> {
    let by_hand = |path: &str| list.iter().any(|entry| entry.mark.is_none() && clean(&entry.path) == path);
    let ours: Vec<&WantedStore> = wanted.iter().filter(|want| !by_hand(&want.path)).collect();
    let mut out: Vec<MarkedEntry> = Vec::new();
    for entry in list {
        let Some(mark) = &entry.mark else {
            out.push(entry.clone());
            continue;
        };
        let path = clean(&entry.path);
        let again = out.iter().any(|other| clean(&other.path) == path);
        match ours.iter().find(|want| want.path == path) {
            Some(want) if !again => {
                out.push(MarkedEntry { path: entry.path.clone(), mark: Some(want.mark.clone()) });
            }
            None if keeps(mark) && !again => out.push(entry.clone()),
            _ => {}
        }
    }
    let free: Vec<&&WantedStore> = ours.iter().filter(|want| want.position == Position::Any).collect();
    together(&mut out, &free);
    for want in ours.iter().filter(|want| want.position != Position::Any) {
        if index(&out, &want.path).is_none() {
            out.push(entry(want));
        }
    }
    for want in ours.iter().filter(|want| want.position == Position::First).rev() {
        put(&mut out, want, |_| 0);
    }
    for want in ours.iter().filter(|want| want.position == Position::Last) {
        put(&mut out, want, <[MarkedEntry]>::len);
    }
    for want in &ours {
        let here = index(&out, &want.path).unwrap_or_default();
        match &want.position {
            Position::Before(other) if index(&out, other).is_some_and(|there| here > there) => {
                put(&mut out, want, |rest| index(rest, other).unwrap_or(rest.len()));
            }
            Position::After(other) if index(&out, other).is_some_and(|there| here < there) => {
                put(&mut out, want, |rest| index(rest, other).map_or(rest.len(), |there| there + 1));
            }
            _ => {}
        }
    }
    out
}

/// Sees to it that all of `block` are there, in this order.
fn together(out: &mut Vec<MarkedEntry>, block: &[&&WantedStore]) {
    let places: Option<Vec<usize>> = block.iter().map(|want| index(out, &want.path)).collect();
    if places.is_some_and(|places| places.is_sorted()) {
        return;
    }
    let first = block.iter().filter_map(|want| index(out, &want.path)).min();
    let place = first.unwrap_or(out.len());
    out.retain(|entry| !block.iter().any(|want| want.path == clean(&entry.path)));
    out.splice(place..place, block.iter().map(|want| entry(want)));
}

fn put(out: &mut Vec<MarkedEntry>, want: &WantedStore, place: impl Fn(&[MarkedEntry]) -> usize) {
    let Some(from) = index(out, &want.path) else { return };
    let entry = out.remove(from);
    let to = place(out);
    out.insert(to, entry);
}

fn entry(want: &WantedStore) -> MarkedEntry {
    MarkedEntry { path: want.path.clone(), mark: Some(want.mark.clone()) }
}

fn index(list: &[MarkedEntry], path: &str) -> Option<usize> {
    list.iter().position(|entry| clean(&entry.path) == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(path: &str, position: Position) -> WantedStore {
        WantedStore {
            path: path.to_owned(),
            position,
            mark: Mark { name: path[1..].to_owned(), comment: None },
        }
    }

    /// `list` holds paths; a `*` behind one says that it has a mark.
    fn run(list: &str, wanted: &[WantedStore]) -> String {
        let list: Vec<MarkedEntry> = list
            .split_whitespace()
            .map(|word| match word.strip_suffix('*') {
                Some(path) => MarkedEntry {
                    path: path.to_owned(),
                    mark: Some(Mark { name: path[1..].to_owned(), comment: None }),
                },
                None => MarkedEntry { path: word.to_owned(), mark: None },
            })
            .collect();
        let once = arranged(&list, wanted, |mark| mark.name == "faulty");
        assert_eq!(
            arranged(&once, wanted, |mark| mark.name == "faulty"),
            once,
            "a second time changes nothing"
        );
        let words: Vec<String> = once
            .iter()
            .map(|entry| format!("{}{}", entry.path, if entry.mark.is_some() { "*" } else { "" }))
            .collect();
        words.join(" ")
    }

    #[test]
    fn what_is_declared_comes_and_what_is_not_any_more_goes() {
        let any = |path| want(path, Position::Any);
        assert_eq!(run("", &[any("/a"), any("/b")]), "/a* /b*");
        assert_eq!(run("/x /old* /y", &[any("/a")]), "/x /y /a*");
        assert_eq!(run("/x /a* /y", &[any("/a")]), "/x /a* /y");
        assert_eq!(run("/x /a* /faulty*", &[]), "/x /faulty*");
        assert_eq!(run("/a/ /x", &[any("/a")]), "/a/ /x");
        assert_eq!(run("/a /a*", &[any("/a")]), "/a");
        assert_eq!(run("/a* /a*", &[any("/a")]), "/a*");
    }

    #[test]
    fn declared_stores_stand_in_the_order_of_their_declarations_whatever_came_first() {
        let any = |path| want(path, Position::Any);
        assert_eq!(run("/x /b* /y", &[any("/a"), any("/b")]), "/x /a* /b* /y");
        assert_eq!(run("/b* /y /a*", &[any("/a"), any("/b")]), "/a* /b* /y");
        assert_eq!(run("/a* /y /b*", &[any("/a"), any("/b")]), "/a* /y /b*");
    }

    #[test]
    fn a_declared_place_is_kept() {
        let at = want;
        assert_eq!(run("/x /y", &[at("/b", Position::First), at("/a", Position::First)]), "/b* /a* /x /y");
        assert_eq!(run("/a* /x", &[at("/a", Position::Last)]), "/x /a*");
        assert_eq!(run("/x /y", &[at("/a", Position::Before("/y".into()))]), "/x /a* /y");
        assert_eq!(run("/x /y", &[at("/a", Position::After("/x".into()))]), "/x /y /a*");
        assert_eq!(run("/a* /x /y", &[at("/a", Position::After("/x".into()))]), "/x /a* /y");
        assert_eq!(run("/x", &[at("/a", Position::Before("/none".into()))]), "/x /a*");
    }
}
