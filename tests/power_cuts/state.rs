//! What is on a disk that has to be as it was before a command or as it is after it: one thing
//! a line of `state.py`, its name and what it is.

use std::collections::BTreeMap;

/// The things by their names, such as `file:/etc/containers/storage.conf`, with what they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State(BTreeMap<String, String>);

/// What begins the name of what was made under another name first, and has no other yet.
const LEFT: &str = "left:";

impl State {
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty());
        Self(
            lines
                .map(|line| line.split_once(' ').unwrap())
                .map(|(name, is)| (name.into(), is.into()))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What is neither as it was nor as it was to be. Things are where their names say, and
    /// `is_asked` says whether that place counts.
    pub(crate) fn losses(&self, before: &Self, after: &Self, is_asked: impl Fn(&str) -> bool) -> Vec<String> {
        let names = self.0.keys().chain(before.0.keys()).chain(after.0.keys());
        let names: std::collections::BTreeSet<&String> = names.collect();
        let mut losses = Vec::new();
        for name in names.into_iter().filter(|name| !name.starts_with(LEFT) && is_asked(place(name))) {
            let (now, before, after) = (self.get(name), before.get(name), after.get(name));
            if now != before && now != after {
                let show = |is: Option<&str>| is.unwrap_or("nothing").to_owned();
                let was = if before == after {
                    format!("it was {}", show(before))
                } else {
                    format!("it was {} and was to be {}", show(before), show(after))
                };
                losses.push(format!("`{name}` is {}; {was}", show(now)));
            }
        }
        losses
    }

    /// What was made under another name first and is still there, where `before` and `after`
    /// differ, so that what made `after` of `before` works there.
    pub(crate) fn left(&self, before: &Self, after: &Self) -> Vec<&str> {
        let names = before.0.keys().chain(after.0.keys());
        let changed: Vec<&str> = names
            .filter(|name| before.get(name) != after.get(name))
            .map(|name| place(name))
            .filter(|place| !place.is_empty())
            .collect();
        let left = self.0.keys().filter_map(|name| name.strip_prefix(LEFT));
        left.filter(|left| changed.iter().any(|place| left.starts_with(place))).collect()
    }
}

/// Where a thing is: the store of an image, the directory of a file.
fn place(name: &str) -> &str {
    let Some((kind, path)) = name.split_once(':') else { return "" };
    match kind {
        "image" | "layer" => path.split_once(':').map_or(path, |(store, _)| store),
        "file" | "tree" => path.rsplit_once('/').map_or(path, |(dir, _)| dir),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "file:/etc/a 644 0:0 1\nimage:/srv/s:x:1 7\nconfig: \n";
    const AFTER: &str =
        "file:/etc/a 644 0:0 2\nfile:/etc/b 644 0:0 3\nimage:/srv/s:x:1 7\nimage:/srv/s:y:1 8\nconfig: \n";

    fn losses(now: &str) -> usize {
        let (before, after) = (State::parse(BEFORE), State::parse(AFTER));
        State::parse(now).losses(&before, &after, |_| true).len()
    }

    #[test]
    fn each_thing_is_as_before_or_as_after() {
        assert_eq!(losses(BEFORE), 0);
        assert_eq!(losses(AFTER), 0);
        assert_eq!(losses("file:/etc/a 644 0:0 2\nimage:/srv/s:x:1 7\nconfig: \n"), 0);
        // Torn, with another mode, away, and one that nobody has made.
        assert_eq!(losses("file:/etc/a 644 0:0 9\nimage:/srv/s:x:1 7\nconfig: \n"), 1);
        assert_eq!(losses("file:/etc/a 600 0:0 2\nimage:/srv/s:x:1 7\nconfig: \n"), 1);
        assert_eq!(losses("file:/etc/a 644 0:0 2\nconfig: \n"), 1);
        assert_eq!(losses("file:/etc/a 644 0:0 2\nfile:/etc/c 644 0:0 1\nimage:/srv/s:x:1 7\nconfig: \n"), 1);
        assert_eq!(losses("file:/etc/a 644 0:0 2\nimage:/srv/s:x:1 7\nconfig: store-missing\n"), 1);
    }

    #[test]
    fn what_is_left_counts_where_the_command_works() {
        let now = State::parse("left:/etc/.a.storagectl-new x\nleft:/srv/other/.storagectl-new-1 x\n");
        assert_eq!(now.left(&State::parse(BEFORE), &State::parse(AFTER)), ["/etc/.a.storagectl-new"]);
        assert_eq!(now.losses(&State::default(), &State::default(), |_| true), Vec::<String>::new());
    }
}
