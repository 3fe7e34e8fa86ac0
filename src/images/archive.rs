//! A tar file whose members are found by name.

use std::collections::HashMap;
use std::io::{self, Read, Seek};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::limits;
use crate::sys::{FilePart, Root};
use crate::tar::{Entries, EntryError, EntryKind};

/// An archive, with the place of each member.
#[derive(Debug)]
pub(super) struct Archive {
    file: FilePart,
    members: HashMap<String, (u64, u64)>,
}

impl Archive {
    /// Finds the members of the archive at `path`; `None` if there is nothing. One that
    /// is compressed as a whole is decompressed to a file without a name first.
    pub(super) fn open_file(root: &Root, path: &Path) -> io::Result<Option<Self>> {
        let Some(file) = root.open_part(path)? else {
            return Ok(None);
        };
        let mut magic = [0; 4];
        let count = file.clone().read(&mut magic)?;
        let file = match &magic[..count] {
            [0x1f, 0x8b, ..] => FilePart::unnamed(&mut MultiGzDecoder::new(file))?,
            [0x28, 0xb5, 0x2f, 0xfd] => FilePart::unnamed(&mut zstd::Decoder::new(file)?)?,
            _ => file,
        };
        Ok(Some(Self { members: members(file.clone())?, file }))
    }

    pub(super) fn open(&self, name: &str) -> Option<FilePart> {
        let (start, size) = self.members.get(name)?;
        Some(self.file.part(*start, *size))
    }
}

fn members(file: FilePart) -> io::Result<HashMap<String, (u64, u64)>> {
    let malformed = |error: &str| io::Error::new(io::ErrorKind::InvalidData, error.to_owned());
    let of = |error| match error {
        EntryError::Io(error) => error,
        EntryError::NotTar(why) => malformed(&format!("it is not a tar file that engines read: {}", why.0)),
    };
    let mut entries = Entries::new(file);
    let mut members = HashMap::new();
    let mut links = Vec::new();
    let mut raw = Vec::new();
    while let Some(header) = entries.next_entry().map_err(of)? {
        entries.take_raw(&mut raw);
        let Some(name) = header.name.to_str().map(clean_member_name) else {
            return Err(malformed("a member's name is not UTF-8"));
        };
        match header.kind {
            EntryKind::File => {
                let start = entries.rest().stream_position()?;
                members.insert(name, (start, header.size));
                entries.skip().map_err(of)?;
            }
            EntryKind::Symlink | EntryKind::HardLink => {
                let Some(target) = header.target.to_str() else {
                    return Err(malformed("a member's name is not UTF-8"));
                };
                // Old versions of docker name layers that are there already by a symlink.
                let dir = name.rsplit_once('/').map_or("", |(dir, _)| dir);
                let target = match header.kind {
                    EntryKind::Symlink => clean_member_name(&format!("{dir}/{target}")),
                    _ => clean_member_name(target),
                };
                links.push((name, target));
            }
            _ => {}
        }
        if members.len() + links.len() > limits::MEMBERS {
            return Err(malformed("it has too many members for an image archive"));
        }
    }
    for (name, target) in links {
        if let Some(place) = members.get(&target).copied() {
            members.entry(name).or_insert(place);
        }
    }
    Ok(members)
}

/// A member's name without `.` and `..`, which leads nowhere above the archive.
fn clean_member_name(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
