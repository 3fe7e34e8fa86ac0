//! A tar file whose members are found by name.

use std::collections::HashMap;
use std::io::{self, Read, Seek};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::limits;
use crate::sys::{FilePart, Root};
use crate::tar::{Entries, EntryError, EntryKind};

/// Where each member begins, and its size.
type Members = HashMap<String, (u64, u64)>;

/// An archive, with the place of each member.
#[derive(Debug)]
pub(super) struct Archive {
    file: FilePart,
    members: Members,
    /// Whether its end is there: all of its members, and the mark behind them.
    has_end: bool,
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
            [0x1f, 0x8b, ..] => decompressed(MultiGzDecoder::new(file))?,
            [0x28, 0xb5, 0x2f, 0xfd] => decompressed(zstd::Decoder::new(file)?)?,
            [b'B', b'Z', b'h', _] => return Err(malformed("it is compressed with bzip2, not gzip or zstd")),
            [0xfd, b'7', b'z', b'X'] => return Err(malformed("it is compressed with xz, not gzip or zstd")),
            _ => file,
        };
        let (members, has_end) = members(file.clone())?;
        Ok(Some(Self { file, members, has_end }))
    }

    /// The same of one that has to be there with its end.
    ///
    /// # Errors
    /// `UnexpectedEof` if it ends early, and as [`Archive::open_file`].
    pub(super) fn open_whole(root: &Root, path: &Path) -> io::Result<Self> {
        let archive = Self::open_file(root, path)?.ok_or(io::ErrorKind::NotFound)?;
        if archive.has_end { Ok(archive) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    pub(super) fn open(&self, name: &str) -> Option<FilePart> {
        let (start, size) = self.members.get(name)?;
        Some(self.file.part(*start, *size))
    }
}

fn malformed(error: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_owned())
}

/// What a decoder gives, in a file without a name. What it says of its input is not what the system
/// says.
fn decompressed(decoder: impl Read) -> io::Result<FilePart> {
    struct Decoding<R>(R);
    impl<R: Read> Read for Decoding<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer).map_err(|error| match error.kind() {
                _ if error.raw_os_error().is_some() => error,
                io::ErrorKind::UnexpectedEof | io::ErrorKind::Interrupted => error,
                _ => io::Error::new(io::ErrorKind::InvalidData, error),
            })
        }
    }
    FilePart::unnamed(&mut Decoding(decoder), limits::ARCHIVE)
}

/// The members with their places, and whether the end is there.
fn members(file: FilePart) -> io::Result<(Members, bool)> {
    let size = file.size();
    let of = |error| match error {
        EntryError::Io(error) => error,
        EntryError::NotTar(why) => malformed(&format!("it is not a tar file that engines read: {}", why.0)),
    };
    let mut entries = Entries::new(file);
    let mut members = HashMap::new();
    let mut links = Vec::new();
    let mut raw = Vec::new();
    let mut end = 0;
    let mut is_tar = false;
    while let Some(header) = entries.next_entry().map_err(|error| match of(error) {
        // A text is no archive of which the rest is missing.
        error if error.kind() == io::ErrorKind::UnexpectedEof && !is_tar => malformed("it is not a tar file"),
        error => error,
    })? {
        is_tar = true;
        entries.take_raw(&mut raw);
        let Some(name) = header.name.to_str().map(clean_member_name) else {
            return Err(malformed("a member's name is not UTF-8"));
        };
        match header.kind {
            EntryKind::File => {
                let start = entries.rest().stream_position()?;
                members.insert(name, (start, header.size));
                end = start.saturating_add(header.size);
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
    Ok((members, end <= size && entries.has_end_mark()))
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
