//! Copies of files, made by the kernel where it can: a file system that shares blocks
//! shares them.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::directory_writer::NewFile;
use super::root::{Root, absent};

impl Root {
    /// Writes the content of the regular file at `path` to `new`. Returns its size, or
    /// `None` if there is no such file.
    ///
    /// # Errors
    /// If it cannot be read, is no regular file, or there is no space.
    pub fn copy_to(&self, path: &Path, new: &NewFile) -> io::Result<Option<u64>> {
        let Some(from) = absent(self.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY))? else {
            return Ok(None);
        };
        let mut from = File::from(from);
        let stat = from.metadata()?;
        if stat.is_dir() {
            return Err(Errno::ISDIR.into());
        }
        if !stat.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        // The library asks the kernel for this between files.
        io::copy(&mut from, &mut File::from(new.descriptor()?)).map(Some)
    }
}
