//! A line of `%files`.
//!
//! How rpmbuild reads names changed with 4.19 (quotes make `*` literal), and before that
//! with 4.15 and 4.18 (what a backslash does). One way is read alike by all: a name
//! without quotes, in which every character that may mean something is a `?`. It then
//! matches any character, so nothing else in its directory may be matched.

use std::collections::{BTreeMap, HashMap};

use super::contents::{TreeEntry, TreeEntryKind};
use super::owners;

/// Why a path cannot be listed, as the end of a sentence about it.
pub(super) type UnlistedFile = &'static str;

/// The lines for all entries, in their order.
///
/// # Errors
/// Every path that cannot be listed, and why.
pub(super) fn lines(entries: &BTreeMap<Vec<u8>, TreeEntry>) -> Result<String, Vec<(Vec<u8>, UnlistedFile)>> {
    let (mut text, mut refused) = (String::new(), Vec::new());
    let crowded = ambiguous(entries);
    for (path, entry) in entries {
        match line(path, entry, &crowded) {
            Ok(line) => text.push_str(&line),
            Err(why) => refused.push((path.clone(), why)),
        }
    }
    if refused.is_empty() { Ok(text) } else { Err(refused) }
}

fn line(path: &[u8], entry: &TreeEntry, ambiguous: &[Vec<u8>]) -> Result<String, UnlistedFile> {
    let text = std::str::from_utf8(path).map_err(|_| "its name is not UTF-8")?;
    if text.chars().any(char::is_control) {
        return Err("its name has a control character");
    }
    let is_plain = text.chars().all(is_plain);
    if !is_plain && ambiguous.iter().any(|other| is_at_or_below(path, other)) {
        return Err("a pattern for its name would match another name");
    }
    let owner = format!("{},{}", owners::user(entry.uid), owners::group(entry.gid));
    let mode = match entry.what {
        // A symlink has none.
        TreeEntryKind::Symlink(_) => "-".to_owned(),
        _ => format!("{:04o}", entry.mode),
    };
    let mut line = format!("%attr({mode},{owner}) ");
    if entry.what == TreeEntryKind::Directory {
        line += "%dir ";
    }
    if let Some(words) = &entry.capabilities {
        line += &format!("%caps({words}) ");
    }
    if let TreeEntryKind::Device(letter, major, minor) = entry.what {
        if !is_plain {
            return Err("rpmbuild takes no pattern for a device, and its name needs one");
        }
        line += &format!("%dev({letter},{major},{minor}) ");
    }
    line.extend(text.chars().map(|it| if self::is_plain(it) { it } else { '?' }));
    line.push('\n');
    Ok(line)
}

fn is_at_or_below(path: &[u8], dir: &[u8]) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// Whether a character means nothing to rpmbuild, wherever it stands.
fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric()
        || "/._-+@:=,^~".contains(letter)
        || (!letter.is_ascii() && !letter.is_whitespace())
}

/// Paths that need a pattern which would match a neighbour, too.
fn ambiguous(entries: &BTreeMap<Vec<u8>, TreeEntry>) -> Vec<Vec<u8>> {
    let is_odd = |name: &str| !name.chars().all(is_plain);
    let split = |path: &'_ [u8]| path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let mut names: HashMap<&[u8], Vec<&str>> = HashMap::new();
    for path in entries.keys() {
        let (dir, name) = path.split_at(split(path));
        if std::str::from_utf8(name).is_ok_and(is_odd) {
            names.entry(dir).or_default();
        }
    }
    // Few directories have such names.
    for path in entries.keys() {
        let (dir, name) = path.split_at(split(path));
        if let Some(names) = names.get_mut(dir) {
            names.extend(std::str::from_utf8(name));
        }
    }
    let mut found = Vec::new();
    for (dir, names) in names {
        for name in names.iter().filter(|name| is_odd(name)) {
            if names.iter().any(|other| other != name && matches(name, other)) {
                found.push([dir, name.as_bytes()].concat());
            }
        }
    }
    found
}

/// Whether the pattern for `name` matches `other`.
fn matches(name: &str, other: &str) -> bool {
    name.chars().count() == other.chars().count()
        && name.chars().zip(other.chars()).all(|(one, two)| one == two || !is_plain(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(paths: &[(&str, TreeEntryKind)]) -> Result<String, Vec<(Vec<u8>, UnlistedFile)>> {
        let entry = |what: &TreeEntryKind| TreeEntry {
            what: what.clone(),
            mode: 0o4755,
            uid: 1,
            gid: 0,
            capabilities: None,
            mtime: (0, 0),
        };
        lines(&paths.iter().map(|(path, what)| (path.as_bytes().to_vec(), entry(what))).collect())
    }

    #[test]
    fn what_may_mean_something_to_rpmbuild_becomes_a_question_mark() {
        let text = listed(&[
            ("/s/a b", TreeEntryKind::File),
            ("/s/%{nil}\"'\\*", TreeEntryKind::File),
            ("/s/ü-_.+", TreeEntryKind::Directory),
            ("/s/link", TreeEntryKind::Symlink(b"x".to_vec())),
            ("/s/gone", TreeEntryKind::Device('c', 0, 0)),
        ]);
        assert_eq!(
            text.unwrap(),
            "%attr(4755,storagectl-u1,root) /s/??nil?????\n\
             %attr(4755,storagectl-u1,root) /s/a?b\n\
             %attr(4755,storagectl-u1,root) %dev(c,0,0) /s/gone\n\
             %attr(-,storagectl-u1,root) /s/link\n\
             %attr(4755,storagectl-u1,root) %dir /s/ü-_.+\n"
        );
    }

    #[test]
    fn what_cannot_be_said_exactly_is_refused() {
        for paths in [
            [("/s/a b", TreeEntryKind::File), ("/s/a-b", TreeEntryKind::File)],
            [("/s/a b/c", TreeEntryKind::File), ("/s/a b", TreeEntryKind::Directory)],
            [("/s/a\nb", TreeEntryKind::File), ("/s/c", TreeEntryKind::File)],
            [("/s/a b", TreeEntryKind::Device('c', 0, 0)), ("/s/c", TreeEntryKind::File)],
        ] {
            let expected = usize::from(paths[1].0 != "/s/a b");
            assert_eq!(listed(&paths).err().map_or(0, |refused| refused.len()), expected, "{paths:?}");
        }
        let below = [
            ("/s/a b", TreeEntryKind::Directory),
            ("/s/a-b", TreeEntryKind::Directory),
            ("/s/a b/c", TreeEntryKind::File),
            ("/s/d e", TreeEntryKind::File),
        ];
        assert_eq!(listed(&below).unwrap_err().len(), 2);
    }
}
