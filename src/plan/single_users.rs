//! Users whose own storage.conf says what a drop-in of ours says for all of them.
//!
//! Drop-ins of the system count after a user's own main file. An empty one of the same name, in
//! the directory for this user alone, hides ours.

use std::io;
use std::path::Path;

use super::FileChange;
use super::directory;
use super::drop_in::file_change;
use super::host::Host;
use super::users::users;
use crate::conf::Document;
use crate::limits;
use crate::problem::Problem;

/// What a file that hides one of ours starts with; behind it stands what the user's own says.
const HEAD: &str = "# Written by storagectl: this user's own storage.conf says ";

/// Normal users, by their ids.
#[derive(Default)]
pub(super) struct OwnFiles {
    /// Those whose own main file is like that.
    with_own: Vec<String>,
    /// Those whose home directory is not there until somebody looks: the boot does not wait for
    /// it, and what was written for them stays.
    unknown: Vec<String>,
}

/// The users whose own main file is like that, by /etc/passwd.
pub(super) fn with_own_file(host: &Host, is_like: impl Fn(&Document) -> bool) -> OwnFiles {
    let mut found = OwnFiles::default();
    for user in users(host) {
        let uid = user.uid.to_string();
        if user.is_automounted {
            found.unknown.push(uid);
            continue;
        }
        let file = user.home.join(".config/containers/storage.conf");
        let is_one = match host.root.read_up_to(&file, limits::USERS_DOCUMENT) {
            Ok(Some((bytes, _))) => {
                let doc = String::from_utf8(bytes).ok().and_then(|text| Document::parse(text).ok());
                doc.is_some_and(|doc| is_like(&doc))
            }
            // That user's engines may read it.
            Err(error) => error.kind() == io::ErrorKind::FileTooLarge,
            Ok(None) => false,
        };
        if is_one && !found.with_own.contains(&uid) {
            found.with_own.push(uid);
        }
    }
    found
}

/// The changes that hide our drop-in `name` from `users`, whose own files say `what`, and those
/// that show it to the others again.
pub(super) fn hide(
    host: &Host,
    name: &str,
    users: &OwnFiles,
    what: &str,
) -> Result<(Vec<FileChange>, Vec<FileChange>), Problem> {
    let [_, _, dir] = host.drop_in_dirs();
    let (mut hide, mut show) = (Vec::new(), Vec::new());
    for uid in &users.with_own {
        let path = dir.join(uid).join(name);
        // One of somebody's own hides ours as well.
        if matches!(host.root.stat(&path), Ok(None)) || hides(host, &path) {
            hide.extend(file_change(host, path, Some(format!("{HEAD}{what}.\n")))?);
        }
    }
    for uid in host.root.list(&dir).ok().flatten().unwrap_or_default() {
        let path = dir.join(&uid).join(name);
        let mut stays = users.with_own.iter().chain(&users.unknown);
        if !stays.any(|other| *other.as_str() == uid) && hides(host, &path) {
            show.extend(file_change(host, path, None)?);
        }
    }
    Ok((hide, show))
}

/// Whether the file at `path` hides one of ours, and does nothing else.
fn hides(host: &Host, path: &Path) -> bool {
    let text = host.root.read(path).ok().flatten();
    let text = text.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned());
    let text = text.as_deref().map(|text| directory::split(text).0);
    text.is_some_and(|text| text.starts_with(HEAD) && text.lines().count() == 1)
}

/// Whether files of others, which are for single users, hide one of this name from them.
pub(super) fn hide_others(host: &Host, dir: &Path, name: &str) -> bool {
    let vendor = Path::new("/usr/share/containers/storage.rootless.conf.d");
    [dir, vendor].into_iter().any(|dir| {
        let users = host.root.list(dir).ok().flatten().unwrap_or_default();
        let mut files = users.into_iter().map(|user| dir.join(user).join(name));
        files.any(|file| matches!(host.root.stat(&file), Ok(Some(_))) && !hides(host, &file))
    })
}
