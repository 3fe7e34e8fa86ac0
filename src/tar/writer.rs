//! Writing a tar stream whose bytes depend on nothing but what is in it: ustar
//! headers, and PAX records for what they cannot hold.

use std::io::{self, Write};

const BLOCK: usize = 512;

/// What every entry has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TarEntry<'a> {
    /// Permission bits, with setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds since 1970, rounded down, and nanoseconds.
    pub(crate) mtime: (i64, u32),
    /// Extended attributes, in the order in which they are written.
    pub(crate) attributes: &'a [(Vec<u8>, Vec<u8>)],
}

/// What an entry is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EntryContent<'a> {
    /// A file with this many bytes, which come with [`TarWriter::write_content`].
    File(u64),
    Directory,
    Symlink(&'a [u8]),
    /// Another name of an entry that was written.
    HardLink(&'a [u8]),
    Character(u32, u32),
    Block(u32, u32),
    Fifo,
}

/// Writes entries.
pub(crate) struct TarWriter<W: Write> {
    out: W,
    left: u64,
    padding: usize,
    records: Vec<u8>,
}

impl<W: Write> TarWriter<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, left: 0, padding: 0, records: Vec::new() }
    }

    /// Writes an entry's header.
    ///
    /// # Errors
    /// If it cannot be written, or an attribute has a name that tar cannot hold.
    pub(crate) fn write_header(
        &mut self,
        name: &[u8],
        item: &TarEntry<'_>,
        what: EntryContent<'_>,
    ) -> io::Result<()> {
        debug_assert_eq!(self.left, 0, "the content of the entry before is complete");
        let mut records = std::mem::take(&mut self.records);
        records.clear();
        if name.len() > 100 {
            record(&mut records, b"path", name);
        }
        let (flag, size, target, device): (u8, u64, &[u8], (u32, u32)) = match what {
            EntryContent::File(size) => (b'0', size, b"", (0, 0)),
            EntryContent::HardLink(target) => (b'1', 0, target, (0, 0)),
            EntryContent::Symlink(target) => (b'2', 0, target, (0, 0)),
            EntryContent::Character(major, minor) => (b'3', 0, b"", (major, minor)),
            EntryContent::Block(major, minor) => (b'4', 0, b"", (major, minor)),
            EntryContent::Directory => (b'5', 0, b"", (0, 0)),
            EntryContent::Fifo => (b'6', 0, b"", (0, 0)),
        };
        if target.len() > 100 {
            record(&mut records, b"linkpath", target);
        }
        for (key, number, digits) in [(b"uid", item.uid, 7), (b"gid", item.gid, 7)] {
            if u64::from(number) >= 1 << (3 * digits) {
                record(&mut records, key, number.to_string().as_bytes());
            }
        }
        if size >= 1 << 33 {
            record(&mut records, b"size", size.to_string().as_bytes());
        }
        if item.mtime.1 != 0 || !(0..1 << 33).contains(&item.mtime.0) {
            record(&mut records, b"mtime", time(item.mtime).as_bytes());
        }
        for (attribute, value) in item.attributes {
            if attribute.contains(&b'=') {
                let error = "a tar stream cannot hold an attribute with `=` in its name";
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            record(&mut records, &[b"SCHILY.xattr.", attribute.as_slice()].concat(), value);
        }
        if !records.is_empty() {
            let plain = TarEntry { mode: 0o644, uid: 0, gid: 0, mtime: (0, 0), attributes: &[] };
            let block = header(b"PaxHeaders/entry", &plain, b'x', records.len() as u64, b"", (0, 0));
            self.out.write_all(&block)?;
            self.out.write_all(&records)?;
            self.pad(records.len() as u64)?;
        }
        self.records = records;
        self.out.write_all(&header(name, item, flag, size, target, device))?;
        self.left = size;
        self.padding = padding_of(size);
        Ok(())
    }

    /// Writes content of the file whose header was last.
    ///
    /// # Errors
    /// If it cannot be written, or is more than was said.
    pub(crate) fn write_content(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = bytes.len() as u64;
        if length > self.left {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a file grew while it was read"));
        }
        self.out.write_all(bytes)?;
        self.left -= length;
        if self.left == 0 {
            let padding = std::mem::take(&mut self.padding);
            self.out.write_all(&[0; BLOCK][..padding])?;
        }
        Ok(())
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        self.out.write_all(&[0; BLOCK][..padding_of(size)])
    }

    /// Writes the end mark and returns what it was written to.
    ///
    /// # Errors
    /// If it cannot be written, or content is missing.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        if self.left > 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a file shrank while it was read"));
        }
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.flush()?;
        Ok(self.out)
    }
}

fn padding_of(size: u64) -> usize {
    usize::try_from(size.wrapping_neg() % BLOCK as u64).expect("it is less than a block")
}

/// A time as PAX writes it.
fn time((seconds, nanoseconds): (i64, u32)) -> String {
    match nanoseconds {
        0 => seconds.to_string(),
        _ if seconds >= 0 => format!("{seconds}.{nanoseconds:09}"),
        // Written towards zero, kept rounded down.
        _ => format!("-{}.{:09}", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanoseconds),
    }
}

/// Appends `LENGTH KEY=VALUE\n`; the length counts its own digits.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// A ustar header; what does not fit is in the PAX records before it.
fn header(
    name: &[u8],
    item: &TarEntry<'_>,
    flag: u8,
    size: u64,
    target: &[u8],
    (major, minor): (u32, u32),
) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let text = |block: &mut [u8; BLOCK], at: usize, text: &[u8]| {
        let length = text.len().min(100);
        block[at..at + length].copy_from_slice(&text[..length]);
    };
    let octal = |block: &mut [u8; BLOCK], at: usize, digits: usize, number: u64| {
        let number = if number >= 1 << (3 * digits) { 0 } else { number };
        block[at..at + digits].copy_from_slice(format!("{number:0digits$o}").as_bytes());
    };
    text(&mut block, 0, name);
    octal(&mut block, 100, 7, u64::from(item.mode & 0o7777));
    octal(&mut block, 108, 7, u64::from(item.uid));
    octal(&mut block, 116, 7, u64::from(item.gid));
    octal(&mut block, 124, 11, size);
    octal(&mut block, 136, 11, u64::try_from(item.mtime.0).unwrap_or(0));
    block[156] = flag;
    text(&mut block, 157, target);
    block[257..265].copy_from_slice(b"ustar\x0000");
    octal(&mut block, 329, 7, u64::from(major));
    octal(&mut block, 337, 7, u64::from(minor));
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    octal(&mut block, 148, 6, sum);
    block[154] = 0;
    block
}
