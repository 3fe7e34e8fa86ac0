//! Putting one directory in the place of another.

use std::io;

use rustix::fs::{RenameFlags, renameat, renameat_with};
use rustix::io::Errno;

use super::directory_writer::DirectoryWriter;

impl DirectoryWriter {
    /// Puts the directory `path` in the place of `to`, in one step where the file system
    /// has one. What was there goes to `aside`, where nothing may stand, or to `path`, or is gone.
    ///
    /// On overlayfs a directory of a lower layer cannot be moved, only removed. Its file
    /// `first` is removed first then, so that who looks at the rest knows it for what it is.
    pub fn take_place(&mut self, path: &[u8], to: &[u8], aside: &[u8], first: &[u8]) -> io::Result<()> {
        match self.renames(path, to, RenameFlags::EXCHANGE) {
            Ok(()) => return Ok(()),
            Err(Errno::INVAL | Errno::NOSYS | Errno::XDEV | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
        match self.renames(to, aside, RenameFlags::empty()) {
            Ok(()) => {}
            Err(Errno::XDEV) => {
                self.remove(&[to, b"/", first].concat())?;
                self.remove(to)?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(self.renames(path, to, RenameFlags::empty())?)
    }

    fn renames(&mut self, path: &[u8], to: &[u8], flags: RenameFlags) -> Result<(), Errno> {
        let as_errno = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
        let (dir, name) = self.parent_of(path).map_err(as_errno)?;
        let dir = dir.try_clone().map_err(as_errno)?;
        let (to_dir, to_name) = self.parent_of(to).map_err(as_errno)?;
        if flags.is_empty() {
            renameat(&dir, name, to_dir, to_name)
        } else {
            renameat_with(&dir, name, to_dir, to_name, flags)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sys::Root;

    #[test]
    fn a_directory_takes_the_place_of_another() {
        let scratch = tempfile::tempdir().unwrap();
        for name in ["new", "old"] {
            fs_err::create_dir_all(scratch.path().join(name)).unwrap();
            fs_err::write(scratch.path().join(name).join("which"), name).unwrap();
        }
        let mut writer = Root::system().unwrap().directory_writer(scratch.path()).unwrap();
        writer.take_place(b"new", b"old", b"aside", b"which").unwrap();
        assert_eq!(fs_err::read_to_string(scratch.path().join("old/which")).unwrap(), "new");
        assert!(writer.take_place(b"gone", b"old", b"aside", b"which").is_err());
    }
}
