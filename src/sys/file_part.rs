//! A part of a file that several threads read at the same time, each at its own place.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self, Advice, OFlags};
use rustix::io::Errno;

use super::root::{FileKind, Root, Stat, absent};
use crate::limits;

/// Some bytes of a file, and how far they were read.
#[derive(Debug, Clone)]
pub struct FilePart {
    file: Arc<OwnedFd>,
    start: u64,
    size: u64,
    position: u64,
}

impl Root {
    /// The regular file at `path`; `None` if there is nothing.
    ///
    /// # Errors
    /// If it cannot be opened, or is no regular file.
    pub fn open_part(&self, path: &Path) -> io::Result<Option<FilePart>> {
        let Some(file) = absent(self.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY))? else {
            return Ok(None);
        };
        let stat = Stat::from_raw(&fs::fstat(&file)?);
        match stat.kind {
            FileKind::File => {
                Ok(Some(FilePart { file: Arc::new(file), start: 0, size: stat.size, position: 0 }))
            }
            FileKind::Directory => Err(Errno::ISDIR.into()),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        }
    }
}

impl FilePart {
    /// Everything that `content` gives, in a file without a name that goes with the last part.
    ///
    /// # Errors
    /// If there is no space, or would be half as much as there was; if `content` cannot be read, or
    /// has more than `limit` bytes.
    #[expect(clippy::disallowed_methods, reason = "the directory is the caller's own, the file has no name")]
    pub fn unnamed(content: &mut impl Read, limit: u64) -> io::Result<Self> {
        let dir = std::env::temp_dir();
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let file = fs::open(&dir, flags, fs::Mode::from_raw_mode(0o600))?;
        let stat = fs::fstatvfs(&file)?;
        // Others need some, too, and what is decompressed may be a trap.
        let room = stat.f_bavail.saturating_mul(stat.f_frsize) / 2;
        let mut file = fs_err::File::from_parts(file.into(), dir);
        let size = io::copy(&mut content.take(limit.min(room).saturating_add(1)), &mut file)?;
        if size > limit {
            return Err(limits::too_large(limit));
        }
        if size > room {
            return Err(Errno::NOSPC.into());
        }
        file.flush()?;
        let file = Arc::new(OwnedFd::from(file.into_parts().0));
        Ok(Self { file, start: 0, size, position: 0 })
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// A part of it; what lies behind its end is not there.
    #[must_use]
    pub fn part(&self, start: u64, size: u64) -> Self {
        let start = start.min(self.size);
        let size = size.min(self.size - start);
        let file = Arc::clone(&self.file);
        Self { file, start: self.start + start, size, position: 0 }
    }

    /// Tells the kernel that it will be read from the start to the end.
    pub fn will_be_read(&self) {
        // A hint: where it is not heard, reading is slower and that is all.
        let length = std::num::NonZeroU64::new(self.size);
        let _ = fs::fadvise(&self.file, self.start, length, Advice::Sequential);
    }
}

impl Read for FilePart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        if wanted == 0 {
            return Ok(0);
        }
        let count = loop {
            match rustix::io::pread(&self.file, &mut buffer[..wanted], self.start + self.position) {
                Ok(count) => break count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        };
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for FilePart {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
