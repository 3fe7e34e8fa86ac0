//! An item as it lies there: everything in it, without reading what it says.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use super::names::is_half_written;
use crate::limits;
use crate::plan::Host;
use crate::problem::Problem;
use crate::store::writers;
use crate::sys::{FileKind, Root, Stat};

/// How deep directories may be nested: a name of an image has fewer parts.
const DEPTH: usize = 64;

/// What an item is by the names, the sizes and the times of all that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ItemLook {
    /// Two looks with the same one are at the same item, which nobody has changed in between.
    pub(super) fingerprint: u64,
    /// When it was last changed, by the files' own times.
    pub(super) changed: (i64, i64),
    /// Whether something in it has the name of what is still written.
    pub(super) is_half_written: bool,
    /// Why nothing of it is taken.
    pub(super) fault: Option<Problem>,
}

/// Looks at the item `name` of the directory `dir`; `None` if it is gone. If the directory is not
/// `private`, nobody but root may be able to change what is in it.
///
/// # Errors
/// The system's answer.
pub(super) fn look(dir: &Root, name: &Path, private: bool) -> Result<Option<ItemLook>, Problem> {
    let mut looking = Looking {
        dir,
        private,
        hash: DefaultHasher::new(),
        count: 0,
        look: ItemLook { fingerprint: 0, changed: (0, 0), is_half_written: false, fault: None },
    };
    if !looking.at(&Path::new("/").join(name), 0)? {
        return Ok(None);
    }
    looking.look.fingerprint = looking.hash.finish();
    Ok(Some(looking.look))
}

struct Looking<'a> {
    dir: &'a Root,
    private: bool,
    hash: DefaultHasher,
    count: usize,
    look: ItemLook,
}

impl Looking<'_> {
    /// Looks at what is at `path`, if there is something.
    fn at(&mut self, path: &Path, depth: usize) -> Result<bool, Problem> {
        let shown = || self.dir.show(path).display().to_string();
        let found = self.dir.stat_or_link(path).map_err(Problem::cannot("look at", shown()))?;
        let Some(stat) = found else { return Ok(false) };
        self.count += 1;
        (path, stat.id, stat.kind as u8, stat.size, stat.mtime).hash(&mut self.hash);
        self.look.changed = self.look.changed.max(stat.mtime);
        if let Some(why) = self.fault(&stat, depth) {
            let message = format!("`{}` {why}", shown());
            let hint = "bring files and directories that belong to root, without symlinks";
            self.look.fault.get_or_insert_with(|| Problem::new("image-invalid", message, hint));
            return Ok(true);
        }
        if stat.kind != FileKind::Directory {
            return Ok(true);
        }
        let names = self.dir.list(path).map_err(Problem::cannot("read", shown()))?;
        for name in names.unwrap_or_default() {
            self.look.is_half_written |= is_half_written(&name);
            self.at(&path.join(name), depth + 1)?;
        }
        Ok(true)
    }

    /// Why such a thing is not taken.
    fn fault(&self, stat: &Stat, depth: usize) -> Option<String> {
        match stat.kind {
            FileKind::Symlink => return Some("is a symlink, and none is followed".to_owned()),
            FileKind::Other => return Some("is neither a file nor a directory".to_owned()),
            _ if depth > DEPTH => return Some("is nested too deeply".to_owned()),
            _ if self.count > limits::MEMBERS => return Some("is one file too many".to_owned()),
            _ => {}
        }
        let who = others(stat).filter(|_| !self.private)?;
        Some(format!("can be changed by {who}"))
    }
}

/// Who besides root and this process can change such a file, if anybody.
fn others(stat: &Stat) -> Option<String> {
    let is_trusted = stat.uid == 0 || stat.uid == rustix::process::geteuid().as_raw();
    if is_trusted { writers(stat) } else { Some(format!("user {}, who owns it", stat.uid)) }
}

/// Refuses a directory from which others than root can bring images. Returns whether it is closed to
/// them, so that it does not count to whom things in it belong.
///
/// # Errors
/// `import-writable`, or the system's answer.
pub(super) fn require_safe(host: &Host, dir: &Path) -> Result<bool, Problem> {
    let steps = host.root.trail(dir).map_err(host.cannot("look at", dir))?;
    let last = steps.len() - 1;
    // Nobody changes what is on a file system that is mounted read-only, whoever owns it.
    let is_fixed = host.root.is_read_only(dir).map_err(host.cannot("look at", dir))?;
    let mut is_private = is_fixed;
    for (index, step) in steps.iter().enumerate() {
        // Above a tree's own root its builder decides.
        if host.root.is_tree() && step.path == Path::new("/") {
            continue;
        }
        if is_fixed && step.stat.id.0 == steps[last].stat.id.0 {
            continue;
        }
        // Behind a sticky directory's name is what its owner has put there.
        let is_sticky = index < last && step.stat.mode & 0o1000 != 0 && step.stat.uid == 0;
        if let Some(who) = others(&step.stat).filter(|_| !is_sticky) {
            let shown = host.show(&step.path);
            let message = format!("`{shown}` can be changed by {who}, so anybody's images may come from it");
            let hint = match step.path == dir && host.root.has_modes(dir).unwrap_or(true) {
                true => format!("`chown root:root {shown} && chmod 0700 {shown}`"),
                false => "give a directory of root's, or mount the disk for root alone, such as with `mount -o ro,umask=077`".to_owned(),
            };
            return Err(Problem::new("import-writable", message, hint));
        }
        is_private |= step.stat.mode & 0o011 == 0;
    }
    Ok(is_private)
}

/// The siblings of the directory to which items are moved.
pub(super) fn sibling(dir: &Path, name: &str) -> PathBuf {
    dir.parent().unwrap_or(Path::new("/")).join(name)
}
