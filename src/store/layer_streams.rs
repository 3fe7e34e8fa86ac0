//! The tar streams of a store's layers, assembled again as engines do it to save an image.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::images::LayerStreams;
use crate::sys::{FilePart, OpenFile, Root, Subtree};
use crate::tar::{SplitPiece, TarSplit, clean_path};

/// The layers of a store that engines use with overlay.
#[derive(Debug)]
pub(crate) struct StoreStreams {
    /// The store, in which no symlink is followed.
    store: Root,
}

impl StoreStreams {
    /// Those of `store`.
    pub(crate) fn new(store: Root) -> Self {
        Self { store }
    }
}

impl LayerStreams for StoreStreams {
    fn open(&self, id: &str) -> io::Result<Option<Box<dyn Read + Send>>> {
        let (split, content) = layer_paths(id);
        let (Some(split), Some(content)) = (self.store.open_part(&split)?, self.store.subtree(&content)?)
        else {
            return Ok(None);
        };
        let stream =
            LayerStream { split: TarSplit::new(split), content, raw: io::Cursor::default(), file: None };
        Ok(Some(Box::new(stream)))
    }
}

/// Where a layer's tar-split and its content are.
pub(crate) fn layer_paths(id: &str) -> (PathBuf, PathBuf) {
    let split = Path::new("/overlay-layers").join(format!("{id}.tar-split.gz"));
    (split, Path::new("/overlay").join(id).join("diff"))
}

/// The stream of a layer: headers from the tar-split, content from the files.
struct LayerStream {
    split: TarSplit<FilePart>,
    content: Subtree,
    raw: io::Cursor<Vec<u8>>,
    /// The file that is being read, and how much of it is to come.
    file: Option<(OpenFile, u64)>,
}

impl Read for LayerStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let damaged = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        loop {
            let count = self.raw.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            if let Some((file, rest)) = self.file.as_mut().filter(|(_, rest)| *rest > 0) {
                let wanted = usize::try_from(*rest).unwrap_or(usize::MAX).min(buffer.len());
                let count = file.read(&mut buffer[..wanted])?;
                *rest -= count as u64;
                return if count > 0 { Ok(count) } else { Err(damaged("one of its files is too short")) };
            }
            match self.split.next_piece()? {
                None => return Ok(0),
                Some(SplitPiece::Raw(bytes)) => self.raw = io::Cursor::new(bytes.to_vec()),
                // Links and directories are files without content.
                Some(SplitPiece::File { size, .. }) if size <= 0 => {}
                Some(SplitPiece::File { name, size, .. }) => {
                    let path = clean_path(std::os::unix::ffi::OsStrExt::from_bytes(name));
                    let file = path.map(|path| self.content.file(Path::new(&path))).transpose()?.flatten();
                    let file = file.ok_or_else(|| damaged("one of its files is missing"))?;
                    self.file = Some((file, size.unsigned_abs()));
                }
            }
        }
    }
}
