//! Leaving normal users their own directories, where a main file has root's.

use super::FileChange;
use super::drop_in::file_change;
use super::generations::planned;
use super::snapshot::{Host, Snapshot};
use crate::conf::{OWN_ROOTS, OWN_ROOTS_NAME};
use crate::judgement::Reader;
use crate::problem::Problem;

/// The reason that is told of a directory which users may not write to.
const CLOSED: &str = "root-closed";

/// The change that leaves users whose engine works with the host as it is their own
/// directories, or takes off what is not needed any more.
pub(super) fn own_again(
    host: &Host,
    snapshot: &Snapshot,
    changes: &[FileChange],
    user: &Reader,
) -> Result<Option<FileChange>, Problem> {
    let path = host.drop_in_dir().with_file_name("storage.rootless.conf.d").join(OWN_ROOTS_NAME);
    let there = host.root.read(&path).map_err(host.cannot("read", &path))?;
    let there = there.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned());
    // Somebody made it their own.
    if there.as_ref().is_some_and(|text| text != OWN_ROOTS) {
        return Ok(None);
    }
    let suffers = |text: Option<&str>| {
        let view = planned(host, host.view(), snapshot, changes).with(path.clone(), text.map(str::to_owned));
        user.judge(&view).reasons.iter().any(|reason| reason.id == CLOSED)
    };
    if user.judge(&host.view()).reasons.iter().any(|reason| reason.id == CLOSED) {
        // They suffered before, and not from us.
        return Ok(None);
    }
    let text = suffers(None).then(|| OWN_ROOTS.to_owned()).filter(|text| !suffers(Some(text)));
    file_change(host, path.clone(), text)
}
