//! What a disk was told, in the order in which it was told: the format of dm-log-writes, as
//! qemu's driver `blklogwrites` writes it (drivers/md/dm-log-writes.c, block/blklogwrites.c).
//!
//! A block with a superblock, then for each entry a block with its header and, if it has any,
//! its data. Numbers are little-endian; places and lengths are in blocks.

use std::fs::File;
use std::os::unix::fs::FileExt;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;

const FLUSH: u64 = 1 << 0;
const FUA: u64 = 1 << 1;
const DISCARD: u64 = 1 << 2;
const MARK: u64 = 1 << 3;

/// One thing that a disk was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Everything that was written before is to outlast a power cut.
    Flush,
    Write(Write),
}

/// Bytes that were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Write {
    /// Where on the disk, in bytes.
    pub(crate) to: u64,
    /// How many bytes.
    pub(crate) length: usize,
    /// Where in the log, in bytes.
    from: u64,
    /// Whether it outlasts a power cut without a flush.
    pub(crate) fua: bool,
}

/// All that a disk was told.
pub(crate) struct Log {
    file: File,
    pub(crate) entries: Vec<Entry>,
}

impl Log {
    /// Reads a log.
    ///
    /// # Errors
    /// If it is not one, is cut short, or has what cannot be replayed: a discard says nothing
    /// of what is read afterwards.
    pub(crate) fn read(file: File) -> Result<Self, String> {
        let at = |place: u64, words: usize| {
            let mut bytes = vec![0; words * 8];
            file.read_exact_at(&mut bytes, place).map_err(|error| format!("at byte {place}: {error}"))?;
            let numbers = bytes.chunks(8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
            Ok::<_, String>(numbers.collect::<Vec<_>>())
        };
        let head = at(0, 4)?;
        if (head[0], head[1]) != (MAGIC, VERSION) {
            return Err(format!("this is no log of writes: it begins with {:#x}, {:#x}", head[0], head[1]));
        }
        let (count, block) = (head[2], head[3] & 0xffff_ffff);
        if !block.is_power_of_two() || block < 512 {
            return Err(format!("its blocks have {block} bytes"));
        }
        let mut place = block;
        let mut entries = Vec::new();
        for number in 0..count {
            let header = at(place, 4)?;
            let (to, length, flags) = (header[0] * block, header[1] * block, header[2]);
            place += block;
            if flags & (DISCARD | MARK) != 0 {
                return Err(format!("entry {number} is no write and no flush: its flags are {flags:#x}"));
            }
            if flags & FLUSH != 0 {
                entries.push(Entry::Flush);
            }
            if length != 0 {
                let (length, fua) = (usize::try_from(length).unwrap(), flags & FUA != 0);
                entries.push(Entry::Write(Write { to, length, from: place, fua }));
                place += length as u64;
            }
        }
        let length = file.metadata().map_err(|error| error.to_string())?.len();
        if length < place {
            return Err(format!("it ends at byte {length}, and its entries at {place}"));
        }
        Ok(Self { file, entries })
    }

    /// What was written.
    pub(crate) fn data(&self, write: &Write) -> Vec<u8> {
        let mut bytes = vec![0; write.length];
        self.file.read_exact_at(&mut bytes, write.from).expect("its length was compared");
        bytes
    }
}
