//! Leaving normal users their own directories, where a main file has root's.
//!
//! A drop-in empties root's for them. It counts after a user's own main file, too, so a user
//! whose file sets directories gets an empty one of the same name, which hides it.

use super::FileChange;
use super::directory;
use super::drop_in::file_change;
use super::generations::planned;
use super::host::Host;
use super::single_users::{self, OwnFiles};
use super::snapshot::Snapshot;
use crate::conf::{Document, OWN_ROOTS, OWN_ROOTS_NAME};
use crate::judgement::Reader;
use crate::problem::Problem;

/// The reason that is told of a directory which users may not write to.
const CLOSED: &str = "root-closed";

/// The changes that leave users whose engine works with the host as it is their own
/// directories, or take off what is not needed any more.
pub(super) fn restored_roots(
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
    // A copy may be there and this file not, if the power went between them: what counts is its original.
    let of_others = match snapshot.head {
        Some(_) => host.view().with(snapshot.path.clone(), snapshot.original_text(host)),
        None => host.view(),
    };
    if user.judge(&of_others).reasons.iter().any(|reason| reason.id == CLOSED) {
        // They suffered before, and not from us.
        return Ok(Vec::new());
    }
    let text = suffers(None).then(|| OWN_ROOTS.to_owned()).filter(|text| !suffers(Some(text)));
    if text == there {
        return Ok(Vec::new());
    }
    let users =
        if text.is_some() { single_users::with_own_file(host, sets_roots) } else { OwnFiles::default() };
    let (mut all, show) = single_users::hide(host, OWN_ROOTS_NAME, &users, "where storage is")?;
    // Users lose nothing in between: what hides the file comes before it, and goes after it.
    all.extend(file_change(host, path.clone(), text.clone())?);
    all.extend(show);
    Ok(all)
}

fn sets_roots(doc: &Document) -> bool {
    let sets = |key| doc.string(&["storage", key]).ok().flatten().is_some_and(|path| !path.is_empty());
    ["graphroot", "runroot"].into_iter().any(sets)
}

/// What a file of ours says, but for the line about its directory.
fn own_text(bytes: &[u8]) -> String {
    directory::split(&String::from_utf8_lossy(bytes)).0.to_owned()
}
