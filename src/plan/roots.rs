//! Leaving normal users their own directories, where a main file has root's.
//!
//! A drop-in empties root's for them. It counts after a user's own main file, too, so a user
//! whose file sets directories gets an empty one of the same name, which hides it.

use std::path::{Path, PathBuf};

use super::FileChange;
use super::directory;
use super::drop_in::file_change;
use super::generations::planned;
use super::snapshot::{Host, Snapshot};
use crate::conf::{Document, OWN_ROOTS, OWN_ROOTS_NAME};
use crate::judgement::Reader;
use crate::problem::Problem;

/// What stands in the file that hides ours from a user.
const OWN_FILE: &str = "# Written by storagectl: this user's own storage.conf says where storage is.\n";

/// The reason that is told of a directory which users may not write to.
const CLOSED: &str = "root-closed";

/// The changes that leave users whose engine works with the host as it is their own
/// directories, or take off what is not needed any more.
pub(super) fn own_again(
    host: &Host,
    snapshot: &Snapshot,
    changes: &[FileChange],
    user: &Reader,
) -> Result<Vec<FileChange>, Problem> {
    let [_, _, dir] = host.drop_in_dirs();
    let path = dir.join(OWN_ROOTS_NAME);
    let there = host.root.read(&path).map_err(host.cannot("read", &path))?;
    let there = there.map(|(bytes, _)| own_text(&bytes));
    // Somebody made it their own.
    if there.as_ref().is_some_and(|text| text != OWN_ROOTS) {
        return Ok(Vec::new());
    }
    let suffers = |text: Option<&str>| {
        let view = planned(host, host.view(), snapshot, changes).with(path.clone(), text.map(str::to_owned));
        user.judge(&view).reasons.iter().any(|reason| reason.id == CLOSED)
    };
    if user.judge(&host.view()).reasons.iter().any(|reason| reason.id == CLOSED) {
        // They suffered before, and not from us.
        return Ok(Vec::new());
    }
    let text = suffers(None).then(|| OWN_ROOTS.to_owned()).filter(|text| !suffers(Some(text)));
    if text == there {
        return Ok(Vec::new());
    }
    let hidden = match text {
        Some(_) => with_own_roots(host)
            .into_iter()
            .map(|uid| (dir.join(uid).join(OWN_ROOTS_NAME), Some(OWN_FILE.to_owned())))
            .collect(),
        None => ours(host, &dir).into_iter().map(|path| (path, None)).collect::<Vec<_>>(),
    };
    let mut all: Vec<FileChange> = Vec::new();
    for (path, after) in hidden {
        all.extend(file_change(host, path, after)?);
    }
    // Users lose nothing in between: what hides the file comes before it, and goes after it.
    let main = file_change(host, path.clone(), text.clone())?;
    let at = if text.is_some() { all.len() } else { 0 };
    all.splice(at..at, main);
    Ok(all)
}

/// The ids of the users whose own main file says where storage is, by /etc/passwd.
fn with_own_roots(host: &Host) -> Vec<String> {
    let text = |path: &Path| {
        let read = host.root.read(path).ok().flatten();
        read.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned())
    };
    let passwd = text(Path::new("/etc/passwd")).unwrap_or_default();
    let mut found: Vec<String> = Vec::new();
    for line in passwd.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, uid, _, _, home, ..] = fields[..] else {
            continue;
        };
        let is_user = uid.parse::<u32>().is_ok_and(|uid| uid != 0) && home.len() > 1 && home.starts_with('/');
        let file = Path::new(home).join(".config/containers/storage.conf");
        let doc = if is_user { text(&file).and_then(|text| Document::parse(text).ok()) } else { None };
        let sets = |key: &&str| {
            doc.as_ref()
                .and_then(|doc| doc.string(&["storage", *key]).ok().flatten())
                .is_some_and(|it| !it.is_empty())
        };
        if ["graphroot", "runroot"].iter().any(sets) && !found.contains(&uid.to_owned()) {
            found.push(uid.to_owned());
        }
    }
    found
}

/// The files that hide ours from users, and hold nothing else.
fn ours(host: &Host, dir: &Path) -> Vec<PathBuf> {
    let names = host.root.list(dir).ok().flatten().unwrap_or_default();
    let paths = names.into_iter().map(|name| dir.join(name).join(OWN_ROOTS_NAME));
    paths
        .filter(|path| {
            let read = host.root.read(path).ok().flatten();
            read.is_some_and(|(bytes, _)| own_text(&bytes) == OWN_FILE)
        })
        .collect()
}

/// What a file of ours says, but for the line about its directory.
fn own_text(bytes: &[u8]) -> String {
    directory::split(&String::from_utf8_lossy(bytes)).0.to_owned()
}
