//! Where the files of an image are: in a directory, or in a tar file.

use std::io::{self, Read};
use std::path::PathBuf;

use super::archive::Archive;
use super::{Digest, Layer};
use crate::limits;
use crate::sys::{FilePart, Root};

/// What holds the files of an image.
#[derive(Debug)]
pub(super) enum Blobs {
    Directory(PathBuf),
    Archive(Archive),
}

/// The blob of a layer.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Its digest. The blobs of docker archives have none: the layer's own stands here.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it is what digest and size are of; a docker archive may hold it compressed.
    pub is_verbatim: bool,
    /// Its file.
    pub(super) file: String,
}

/// Reads a blob.
#[derive(Debug)]
pub struct BlobReader(FilePart);

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Blobs {
    /// The file `name`; `None` if there is none.
    pub(super) fn open(&self, root: &Root, name: &str) -> io::Result<Option<FilePart>> {
        match self {
            Self::Directory(dir) => root.open_part(&dir.join(name)),
            Self::Archive(archive) => Ok(archive.open(name)),
        }
    }

    /// All of the small file `name`; `None` if there is none.
    pub(super) fn read(&self, root: &Root, name: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(mut file) = self.open(root, name)? else {
            return Ok(None);
        };
        if file.size() > limits::IMAGE_DOCUMENT {
            return Err(limits::too_large(limits::IMAGE_DOCUMENT));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

impl Layer {
    /// Opens its blob; `None` if it is gone.
    pub fn open(&self, root: &Root) -> io::Result<Option<BlobReader>> {
        Ok(self.blobs.open(root, &self.blob.file)?.map(BlobReader))
    }
}
