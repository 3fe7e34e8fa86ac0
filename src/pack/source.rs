//! The tree of a package as one file, for a source package. It is not compressed: what is
//! in it is, or the package will be.

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::contents::{PackageTree, TreeEntryKind};
use crate::sys::{FilePart, NewFile, Root};
use crate::tar::{EntryContent as TarWhat, TarEntry, TarWriter};

/// Writes all of `contents` that is on the disk to `out`, with permissions that let anybody
/// unpack and pack it.
pub(super) fn write_tar(contents: &PackageTree, out: NewFile) -> io::Result<()> {
    let root = Root::tree(contents.dir())?;
    let mut tar = TarWriter::new(BufWriter::with_capacity(256 << 10, out));
    // Of several names the first in this order comes with the content.
    let mut firsts: HashMap<&[u8], &[u8]> = HashMap::new();
    for (path, entry) in contents.entries() {
        let mode = if entry.what == TreeEntryKind::Directory { 0o755 } else { 0o644 };
        let item = TarEntry { mode, uid: 0, gid: 0, mtime: entry.mtime, attributes: &[] };
        let name = &path[1..];
        match &entry.what {
            TreeEntryKind::Directory => {
                tar.write_header(&[name, b"/"].concat(), &item, TarWhat::Directory)?
            }
            TreeEntryKind::Symlink(target) => tar.write_header(name, &item, TarWhat::Symlink(target))?,
            TreeEntryKind::Fifo => tar.write_header(name, &item, TarWhat::Fifo)?,
            TreeEntryKind::Device(..) => {}
            TreeEntryKind::File | TreeEntryKind::HardLink(_) => {
                let group = match &entry.what {
                    TreeEntryKind::HardLink(first) => first.as_slice(),
                    _ => path.as_slice(),
                };
                if let Some(first) = firsts.get(group) {
                    let first: &[u8] = first;
                    tar.write_header(name, &item, TarWhat::HardLink(first))?;
                    continue;
                }
                firsts.insert(group, name);
                let at = Path::new(std::ffi::OsStr::new("/")).join(os(name));
                let mut file = root.open_part(&at)?.ok_or(io::ErrorKind::NotFound)?;
                tar.write_header(name, &item, TarWhat::File(file.size()))?;
                content(&mut file, &mut tar)?;
            }
        }
    }
    tar.finish()?.flush()
}

fn content<W: Write>(file: &mut FilePart, tar: &mut TarWriter<W>) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match io::Read::read(file, &mut buffer)? {
            0 => return Ok(()),
            count => tar.write_content(&buffer[..count])?,
        }
    }
}

fn os(name: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(name)
}
