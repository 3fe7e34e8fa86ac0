//! Which names the entries of a layer may have, decided without touching a disk.
//!
//! What engines refuse is refused, and also what they let pass but could not assemble
//! again from tar-split, or would put elsewhere than its name says. An entry that is
//! let through stands at a clean path inside the layer, whose directories are all
//! directories of the layer, and no other entry has stood there.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::limits;
use crate::tar::{EntryKind, Header};

/// Names with this prefix are whiteouts.
const WHITEOUT: &[u8] = b".wh.";

/// A directory with this entry hides all that is below.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What a path takes beside its own bytes.
const OF_A_PATH: usize = 64;

/// The longest path that the kernel takes, less its end and what an engine puts before it:
/// `/var/lib/containers/storage/overlay/ID/diff/`. skopeo 1.9 was seen to refuse 4,080 bytes.
const MAX_PATH: usize = 4096 - 1 - 105;

/// The longest target of a symlink.
const MAX_TARGET: usize = 4096 - 1;

const MAX_NAME: usize = 255;

/// Where an entry belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EntryPlace {
    /// The layer's root, of which engines keep nothing.
    Root,
    /// A directory.
    Directory(Vec<u8>, Before),
    /// Anything else but a hard link.
    Other(Vec<u8>, Before),
    /// A hard link, and its target.
    HardLink(Vec<u8>, Vec<u8>, Before),
    /// A whiteout at this path.
    Whiteout(Vec<u8>),
    /// This directory hides all that is below.
    Opaque(Vec<u8>),
    /// A whiteout below a whiteout, which hides nothing more.
    Nothing,
}

/// What was made at the path of an entry by an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    /// The directory, since something in it came first.
    Directory,
    /// A whiteout, which gives way, as with engines.
    Whiteout,
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LayerNode {
    /// A directory, of which there was no entry yet.
    Implied,
    Directory,
    Symlink,
    Other,
    Whiteout,
}

/// Why an entry is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RefusedEntry(pub(super) String);

/// The entries of a layer so far.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: HashMap<Box<[u8]>, LayerNode>,
    /// What they take, in bytes.
    memory: usize,
}

impl Tree {
    /// Where `header` belongs; `implied` gets the directories that have to be made
    /// before, from the top.
    pub(super) fn place(
        &mut self,
        header: &Header,
        implied: &mut Vec<Vec<u8>>,
    ) -> Result<EntryPlace, RefusedEntry> {
        implied.clear();
        let refuse = |why: &str| Err(RefusedEntry(format!("`{}` {why}", shown(header.name.as_bytes()))));
        let path = match relative_path(header.name.as_bytes()) {
            Ok(path) => path,
            Err(why) => return refuse(why),
        };
        if path.is_empty() {
            return if header.kind == EntryKind::Directory {
                Ok(EntryPlace::Root)
            } else {
                refuse("is the root of the image but not a directory")
            };
        }
        // The last one means "as it is" to the kernel.
        let is_owner = |id: u64| id < u64::from(u32::MAX);
        if !is_owner(header.uid) || !is_owner(header.gid) {
            return refuse("has an owner that no file system can keep");
        }
        if header.device.0 > 0xfff || header.device.1 > 0xf_ffff {
            return refuse("is a device with numbers that the kernel does not have");
        }
        let (dir, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&path[..0], &path[..]),
        };
        let whiteout = name.strip_prefix(WHITEOUT);
        if whiteout.is_some() && (header.kind != EntryKind::File || header.size > 0) {
            return refuse("is a whiteout, but not an empty file");
        }
        let is_opaque = name == OPAQUE;
        let hidden = match (whiteout, is_opaque) {
            (None, _) | (_, true) => None,
            (Some(b"" | b"." | b".."), _) => return refuse("is a whiteout of nothing"),
            (Some(name), _) if name.starts_with(WHITEOUT) => return refuse("is a whiteout of a whiteout"),
            (Some(name), _) => Some([dir, if dir.is_empty() { b"" } else { b"/" }, name].concat()),
        };
        if !self.directories(dir, implied)? {
            return match hidden {
                Some(_) => Ok(EntryPlace::Nothing),
                None => refuse("is inside a whiteout in the same layer"),
            };
        }
        if is_opaque {
            if self.put(&path, LayerNode::Other)?.is_some() {
                return refuse("stands twice");
            }
            return Ok(EntryPlace::Opaque(dir.to_vec()));
        }
        if let Some(hidden) = hidden {
            // Both names are taken: that of the whiteout and that of what it hides.
            if self.put(&path, LayerNode::Other)?.is_some() {
                return refuse("stands twice");
            }
            if self.put(&hidden, LayerNode::Whiteout)?.is_some() {
                return refuse("hides what is in the same layer");
            }
            return Ok(EntryPlace::Whiteout(hidden));
        }
        self.entry(header, path)
    }

    /// Keeps what stands at a path now. Returns what stood there.
    fn put(&mut self, path: &[u8], node: LayerNode) -> Result<Option<LayerNode>, RefusedEntry> {
        let before = self.nodes.insert(path.into(), node);
        if before.is_none() {
            self.memory += path.len() + OF_A_PATH;
        }
        if self.memory > limits::PATHS_IN_MEMORY {
            let limit = limits::PATHS_IN_MEMORY >> 20;
            return Err(RefusedEntry(format!(
                "the paths of its entries take more than {limit} MiB of memory"
            )));
        }
        Ok(before)
    }

    /// Sees to the directories above an entry. Returns whether there can be an entry.
    fn directories(&mut self, dir: &[u8], implied: &mut Vec<Vec<u8>>) -> Result<bool, RefusedEntry> {
        let mut missing = Vec::new();
        let mut here = dir;
        while !here.is_empty() {
            match self.nodes.get(here) {
                Some(LayerNode::Directory | LayerNode::Implied) => break,
                Some(LayerNode::Whiteout) => return Ok(false),
                Some(LayerNode::Symlink) => {
                    let why = "is a symlink, so nothing can be below it";
                    return Err(RefusedEntry(format!("`{}` {why}", shown(here))));
                }
                Some(LayerNode::Other) => {
                    let why = "is not a directory, so nothing can be below it";
                    return Err(RefusedEntry(format!("`{}` {why}", shown(here))));
                }
                None => missing.push(here),
            }
            here = here.iter().rposition(|&byte| byte == b'/').map_or(&here[..0], |at| &here[..at]);
        }
        for dir in missing.into_iter().rev() {
            let name = dir.iter().rposition(|&byte| byte == b'/').map_or(dir, |at| &dir[at + 1..]);
            if name.starts_with(WHITEOUT) {
                return Err(RefusedEntry(format!("`{}` is a whiteout, but not an empty file", shown(dir))));
            }
            self.put(dir, LayerNode::Implied)?;
            implied.push(dir.to_vec());
        }
        Ok(true)
    }

    fn entry(&mut self, header: &Header, path: Vec<u8>) -> Result<EntryPlace, RefusedEntry> {
        let refuse = |why: &str| Err(RefusedEntry(format!("`{}` {why}", shown(header.name.as_bytes()))));
        let target = header.target.as_bytes();
        let link = match header.kind {
            EntryKind::HardLink => {
                let target = match relative_path(target) {
                    Ok(target) => target,
                    Err(why) => {
                        return refuse(&format!("is a hard link to `{}`, which {why}", shown(target)));
                    }
                };
                match self.nodes.get(target.as_slice()) {
                    Some(LayerNode::Symlink | LayerNode::Other) if !is_marker(&target) => Some(target),
                    Some(LayerNode::Directory | LayerNode::Implied) => {
                        return refuse(&format!("is a hard link to the directory `{}`", shown(&target)));
                    }
                    _ => {
                        let why = "is not in the layer before it";
                        return refuse(&format!("is a hard link to `{}`, which {why}", shown(&target)));
                    }
                }
            }
            EntryKind::Symlink if target.is_empty() || target.len() > MAX_TARGET || target.contains(&0) => {
                return refuse("is a symlink that leads nowhere");
            }
            _ => None,
        };
        let node = match header.kind {
            EntryKind::Directory => LayerNode::Directory,
            EntryKind::Symlink => LayerNode::Symlink,
            _ => LayerNode::Other,
        };
        let before = self.put(&path, node)?;
        let before = match before {
            None => Before::Nothing,
            Some(LayerNode::Whiteout) => Before::Whiteout,
            Some(LayerNode::Implied) if header.kind == EntryKind::Directory => Before::Directory,
            Some(LayerNode::Implied) => return refuse("is not a directory, although something is below it"),
            Some(_) => return refuse("stands twice"),
        };
        Ok(match (header.kind, link) {
            (EntryKind::Directory, _) => EntryPlace::Directory(path, before),
            (_, Some(target)) => EntryPlace::HardLink(path, target, before),
            (_, None) => EntryPlace::Other(path, before),
        })
    }
}

/// Whether `path` is the name of a whiteout, which is no file.
fn is_marker(path: &[u8]) -> bool {
    path.rsplit(|&byte| byte == b'/').next().is_some_and(|name| name.starts_with(WHITEOUT))
}

/// A path without leading and double slashes and `.`; empty for the root.
fn relative_path(name: &[u8]) -> Result<Vec<u8>, &'static str> {
    if name.contains(&0) {
        return Err("has a zero byte in its name");
    }
    if name.is_empty() {
        return Err("has no name");
    }
    let mut path = Vec::with_capacity(name.len());
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => continue,
            b".." => return Err("leads out of its directory"),
            _ if part.len() > MAX_NAME => return Err("has a name that is longer than 255 bytes"),
            _ => {}
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(part);
    }
    if path.len() > MAX_PATH {
        return Err("has a path that is longer than engines can unpack, 3990 bytes");
    }
    Ok(path)
}

/// A name for messages: not too long, and harmless for a terminal.
pub(super) fn shown(name: &[u8]) -> String {
    const LONGEST: usize = 80;
    let text = OsStr::from_bytes(name).to_string_lossy();
    let start: String = text.chars().take(LONGEST).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("{}{more}", start.escape_debug())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use proptest::prelude::*;

    use super::*;

    fn header(kind: EntryKind, name: &str, target: &str) -> Header {
        Header {
            kind,
            name: OsString::from_vec(name.as_bytes().to_vec()),
            target: OsString::from_vec(target.as_bytes().to_vec()),
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: 0,
            mtime_nanoseconds: 0,
            device: (0, 0),
            attributes: Vec::new(),
        }
    }

    fn place(entries: &[(EntryKind, &str, &str)]) -> Result<EntryPlace, RefusedEntry> {
        let mut tree = Tree::default();
        let mut last = EntryPlace::Nothing;
        for (kind, name, target) in entries {
            last = tree.place(&header(*kind, name, target), &mut Vec::new())?;
        }
        Ok(last)
    }

    #[test]
    fn what_no_engine_can_unpack_is_refused() {
        let long = "a/".repeat(2040) + "b";
        assert!(place(&[(EntryKind::File, &long, "")]).is_err());
        assert!(place(&[(EntryKind::File, &"a/".repeat(1900), "")]).is_ok());
        let mut owned = header(EntryKind::File, "a", "");
        owned.uid = u64::from(u32::MAX);
        assert!(Tree::default().place(&owned, &mut Vec::new()).is_err());
    }

    #[test]
    fn the_memory_of_a_layer_is_bounded() {
        let deep = header(EntryKind::File, &("a/".repeat(1900) + "b"), "");
        let mut tree = Tree::default();
        assert!(tree.place(&deep, &mut Vec::new()).is_ok());
        assert!(tree.memory > 1900 * 1900, "each directory is kept with its path");
        let mut tree = Tree { memory: limits::PATHS_IN_MEMORY - tree.memory + 1, ..Tree::default() };
        assert!(tree.place(&deep, &mut Vec::new()).is_err());
    }

    #[test]
    fn whiteouts_are_those_of_engines() {
        use EntryKind::{Directory, File, Symlink};
        assert_eq!(place(&[(File, "./a/.wh.b", "")]), Ok(EntryPlace::Whiteout(b"a/b".to_vec())));
        assert_eq!(place(&[(File, "a/.wh..wh..opq", "")]), Ok(EntryPlace::Opaque(b"a".to_vec())));
        assert_eq!(place(&[(File, ".wh.a", ""), (File, "a/.wh.b", "")]), Ok(EntryPlace::Nothing));
        assert_eq!(
            place(&[(File, ".wh.a", ""), (Symlink, "a", "b")]),
            Ok(EntryPlace::Other(b"a".to_vec(), Before::Whiteout))
        );
        assert!(place(&[(File, "a", ""), (File, ".wh.a", "")]).is_err());
        assert!(place(&[(File, ".wh.a", ""), (File, "a/b", "")]).is_err());
        assert!(place(&[(Directory, ".wh.a", "")]).is_err());
        assert!(place(&[(File, ".wh...", "")]).is_err());
    }

    #[test]
    fn a_hard_link_leads_to_an_earlier_file_of_the_layer() {
        use EntryKind::{Directory, File, HardLink, Symlink};
        let link = EntryPlace::HardLink(b"b".to_vec(), b"a".to_vec(), Before::Nothing);
        assert_eq!(place(&[(File, "a", ""), (HardLink, "b", "/a")]), Ok(link));
        assert!(place(&[(HardLink, "b", "a"), (File, "a", "")]).is_err());
        assert!(place(&[(File, "a", ""), (HardLink, "b", "../a")]).is_err());
        assert!(place(&[(Directory, "a", ""), (HardLink, "b", "a")]).is_err());
        assert!(place(&[(Symlink, "d", "/etc"), (HardLink, "b", "d/passwd")]).is_err());
        assert!(place(&[(File, ".wh.a", ""), (HardLink, "b", "a")]).is_err());
    }

    proptest! {
        #[test]
        fn an_entry_stands_inside_below_directories_and_alone(
            entries in proptest::collection::vec(
                (0usize..5, "(/|\\./)?(a|b|\\.\\.|\\.wh\\.a|\\.wh\\.b|\\.wh\\.\\.wh\\.\\.opq)(/(a|b|\\.\\.|\\.wh\\.a)){0,3}/?", "/?(a|b|\\.\\.)(/(a|b)){0,2}"),
                1..12,
            )
        ) {
            let kinds = [EntryKind::File, EntryKind::Directory, EntryKind::Symlink, EntryKind::HardLink, EntryKind::Fifo];
            let mut tree = Tree::default();
            let (mut dirs, mut others) = (BTreeSet::new(), BTreeSet::new());
            let mut implied = Vec::new();
            for (kind, name, target) in &entries {
                let Ok(place) = tree.place(&header(kinds[*kind], name, target), &mut implied) else { break };
                for dir in implied.drain(..) {
                    prop_assert!(dirs.insert(dir));
                }
                let path = match place {
                    EntryPlace::Root | EntryPlace::Nothing | EntryPlace::Opaque(_) => continue,
                    EntryPlace::Directory(path, before) => {
                        prop_assert_eq!(dirs.contains(&path), before == Before::Directory);
                        prop_assert_eq!(others.remove(&path), before == Before::Whiteout);
                        dirs.insert(path.clone());
                        path
                    }
                    EntryPlace::Other(path, before) => {
                        prop_assert_eq!(!others.insert(path.clone()), before == Before::Whiteout);
                        path
                    }
                    EntryPlace::HardLink(path, target, before) => {
                        prop_assert!(others.contains(&target));
                        prop_assert_eq!(!others.insert(path.clone()), before == Before::Whiteout);
                        path
                    }
                    EntryPlace::Whiteout(path) => {
                        prop_assert!(others.insert(path.clone()));
                        path
                    }
                };
                prop_assert!(dirs.is_disjoint(&others));
                let mut parts: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
                prop_assert!(parts.iter().all(|part| !matches!(*part, b"" | b"." | b"..")));
                while parts.pop().is_some() && !parts.is_empty() {
                    prop_assert!(dirs.contains(&parts.join(&b'/')));
                }
            }
        }
    }
}
