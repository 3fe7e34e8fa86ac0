//! Who besides its owner could put images into a store.

use std::io;
use std::path::{Path, PathBuf};

use crate::sys::{Root, Stat};

/// Why others can write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherWriter {
    /// The directory that they can write to.
    pub dir: PathBuf,
    /// Who, and by which mode.
    pub who: String,
}

/// Finds a directory, the store at `path` or one above it, through which others
/// than the store's owner and root could plant images: the store itself, if its
/// mode lets group or others write; one above it, if its mode does and it is
/// not sticky, or if a third user owns it.
///
/// Of a store that does not exist yet, the directories above it are looked at.
///
/// Every directory counts in which a name is looked up on the way, also those
/// that a symlink leads through. A group that is its user's own (the same
/// number, not 0) is that user. File systems without modes are not looked at.
pub fn writer_besides_owner(root: &Root, path: &Path) -> io::Result<Option<OtherWriter>> {
    let mut here = path;
    let owner = loop {
        match root.stat(here)? {
            Some(stat) if here == path => break stat.uid,
            // What is made there will belong to whoever makes it.
            Some(_) => break rustix::process::geteuid().as_raw(),
            None => here = here.parent().unwrap_or(Path::new("/")),
        }
    };
    if !root.has_modes(here)? {
        return Ok(None);
    }
    let mut steps = root.trail(here)?;
    if here == path {
        let store = steps.pop().expect("a trail ends at its path");
        if let Some(who) = writers(&store.stat) {
            return Ok(Some(OtherWriter { dir: store.path, who }));
        }
    }
    for step in steps.into_iter().rev() {
        let sticky = step.stat.mode & 0o1000 != 0;
        let foreign = step.stat.uid != 0 && step.stat.uid != owner;
        let who = if foreign {
            Some(format!("user {}, who owns it,", step.stat.uid))
        } else {
            writers(&step.stat).filter(|_| !sticky)
        };
        // Above a tree's own root, its builder decides.
        let builder = root.is_tree() && foreign && step.path == Path::new("/");
        if let Some(who) = who.filter(|_| !builder) {
            return Ok(Some(OtherWriter { dir: step.path, who }));
        }
    }
    Ok(None)
}

/// Who besides the owner can write, by the mode.
pub(crate) fn writers(stat: &Stat) -> Option<String> {
    let own_group = stat.gid == stat.uid && stat.gid != 0;
    if stat.mode & 0o002 != 0 {
        Some(format!("everyone (mode {:04o})", stat.mode))
    } else if stat.mode & 0o020 != 0 && !own_group {
        Some(format!("group {} (mode {:04o})", stat.gid, stat.mode))
    } else {
        None
    }
}
