//! What a header says of a file, held against what the disk says: mode, owner, time and
//! extended attributes.

use std::collections::HashMap;
use std::ffi::OsStr;

use super::compare::Comparison;
use super::issues::FileDifference;
use crate::store::IdMap;
use crate::sys::{Attributes, SubtreeNode};
use crate::tar::{EntryKind as Entry, Header};

/// Whether an attribute is one that the driver makes itself. What else overlayfs takes for its
/// own, such as `trusted.overlay.redirect`, is in no layer of an engine.
fn is_drivers(header: &Header, name: &[u8], value: &[u8]) -> bool {
    match name {
        b"trusted.overlay.opaque" | b"user.overlay.opaque" => {
            header.kind == Entry::Directory && value == b"y"
        }
        _ => name == b"user.containers.override_stat",
    }
}

impl Comparison<'_> {
    /// Mode, owner, time and extended attributes. `found` is nothing where those are not
    /// to be looked at, or where the file system has none.
    pub(super) fn values(
        &mut self,
        header: &Header,
        path: &OsStr,
        node: &SubtreeNode,
        found: Option<&Attributes>,
    ) {
        let masked = found.and_then(mask_of);
        let (mode, uid, gid) = match masked {
            Some((uid, gid, mode)) => (mode, uid, gid),
            None => (node.stat.mode, u64::from(node.stat.uid), u64::from(node.stat.gid)),
        };
        if header.kind != Entry::Symlink && mode != header.mode {
            let detail = format!("{mode:04o} instead of {:04o}", header.mode);
            self.differs(FileDifference::Mode, path, detail, Some(node));
        }
        if masked.is_some() || self.layout.owners {
            let map = |map: &[IdMap], id: u64| if masked.is_some() { Some(id) } else { mapped(map, id) };
            let wanted = (map(self.layout.uidmap, header.uid), map(self.layout.gidmap, header.gid));
            let other =
                wanted.0.is_some_and(|wanted| wanted != uid) || wanted.1.is_some_and(|wanted| wanted != gid);
            if other {
                let wanted = (wanted.0.unwrap_or(uid), wanted.1.unwrap_or(gid));
                let detail = format!("{uid}:{gid} instead of {}:{}", wanted.0, wanted.1);
                self.differs(FileDifference::Owner, path, detail, Some(node));
            }
        }
        self.time(header, path, node);
        // A link's header adds attributes to those of its target's.
        if let Some(found) = found.filter(|_| header.kind != Entry::HardLink) {
            self.extended(header, path, node, found);
        }
    }

    fn time(&mut self, header: &Header, path: &OsStr, node: &SubtreeNode) {
        // What file systems with 32 bits cannot hold is not compared, nor what is
        // before 1970, which engines make 1970.
        if !(0..1 << 32).contains(&header.mtime) {
            return;
        }
        let found = node.stat.mtime.0;
        let other = !matches!(header.kind, Entry::File | Entry::HardLink);
        let times = if other { &mut self.issues.other_times } else { &mut self.issues.times };
        if times.one.is_some_and(|one| one != found) {
            times.several = true;
        }
        times.one.get_or_insert(found);
        if found == header.mtime {
            times.agree += 1;
        } else {
            times.differ += 1;
            let detail = format!("{found} instead of {}", header.mtime);
            let way = if other { FileDifference::TimeOfOther } else { FileDifference::Time };
            self.differs(way, path, detail, Some(node));
        }
    }

    fn extended(&mut self, header: &Header, path: &OsStr, node: &SubtreeNode, found: &Attributes) {
        if header.attributes.is_empty() && found.is_empty() {
            return;
        }
        let counts = |name: &[u8], value: &[u8]| {
            let seen = name.starts_with(b"user.")
                || (name.starts_with(b"trusted.") && self.layout.privileged && self.layout.owners)
                || (name == b"security.capability" && self.layout.owners);
            seen && !is_drivers(header, name, value)
        };
        let mut wanted: HashMap<&[u8], &[u8]> = header
            .attributes
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
            .filter(|(name, value)| counts(name, value))
            .collect();
        let mut found: HashMap<&[u8], &[u8]> = found
            .iter()
            .map(|(name, value)| (name.to_bytes(), value.as_slice()))
            .filter(|(name, value)| counts(name, value))
            .collect();
        // One without a value podman 4 leaves out, as Go's reader of tar streams does, and
        // podman 5 does not.
        found.retain(|name, value| !value.is_empty() || wanted.get(name) != Some(value));
        wanted.retain(|_, value| !value.is_empty());
        if wanted == found {
            return;
        }
        let mut names: Vec<String> = wanted
            .iter()
            .filter(|(name, value)| found.get(*name) != Some(value))
            .map(|(name, _)| *name)
            .chain(found.keys().filter(|name| !wanted.contains_key(*name)).copied())
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        names.sort();
        self.differs(FileDifference::Attributes, path, names.join(", "), Some(node));
    }
}

/// `id` outside of a container, or nothing if it has none. Without a map ids stay.
fn mapped(map: &[IdMap], id: u64) -> Option<u64> {
    if map.is_empty() {
        return Some(id);
    }
    map.iter().find_map(|range| {
        let (inside, outside, size) = (range.container_id?, range.host_id?, range.size?);
        let offset = i64::try_from(id).ok()?.checked_sub(inside)?;
        (0..size).contains(&offset).then(|| u64::try_from(outside.checked_add(offset)?).ok()).flatten()
    })
}

/// What `force_mask` hides of a file with these attributes.
pub(super) fn mask_of(attributes: &Attributes) -> Option<(u64, u64, u32)> {
    let (_, text) =
        attributes.iter().find(|(name, _)| name.as_c_str() == c"user.containers.override_stat")?;
    override_of(text)
}

/// `user.containers.override_stat`: what `force_mask` hides, `UID:GID:MODE` and more.
fn override_of(text: &[u8]) -> Option<(u64, u64, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let mut fields = text.split(':');
    let (uid, gid) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let mode = u32::from_str_radix(fields.next()?, 8).ok()?;
    Some((uid, gid, mode & 0o7777))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_mapped_by_the_range_they_are_in() {
        let range = |inside, outside, size| IdMap {
            container_id: Some(inside),
            host_id: Some(outside),
            size: Some(size),
        };
        let map = [range(0, 1000, 1), range(1, 100_000, 65536)];
        assert_eq!(mapped(&map, 0), Some(1000));
        assert_eq!(mapped(&map, 5), Some(100_004));
        assert_eq!(mapped(&map, 70_000), None);
        assert_eq!(mapped(&[], 7), Some(7));
    }

    #[test]
    fn an_override_is_read_whatever_follows() {
        assert_eq!(override_of(b"0:5:0100755"), Some((0, 5, 0o755)));
        assert_eq!(override_of(b"0:5:0755:block-1-2"), Some((0, 5, 0o755)));
        assert_eq!(override_of(b"nothing"), None);
    }
}
