//! Where the files of an image are: in a directory, or in a tar file.

use std::fmt::Debug;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use super::archive::Archive;
use super::{Digest, Layer};
use crate::limits;
use crate::sys::{FilePart, Root};

/// As many bytes as the header of a zstd frame can have (RFC 8878).
const FRAME_HEADER: u64 = 18;

/// What holds the files of an image.
#[derive(Debug)]
pub(super) enum Blobs {
    /// It, and the tree that it is in.
    Directory(Root, PathBuf),
    Archive(Archive),
    Streams(Box<dyn LayerStreams>),
}

/// Gives the streams of layers that are not stored as blobs, such as those of a store.
pub trait LayerStreams: Debug + Send + Sync {
    /// The uncompressed tar stream of the layer `id`; `None` if it is gone.
    ///
    /// # Errors
    /// The system's answer.
    fn open(&self, id: &str) -> io::Result<Option<Box<dyn Read + Send>>>;
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
pub struct BlobReader(Box<dyn Read + Send>);

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Blobs {
    /// The file `name`; `None` if there is none.
    pub(super) fn open(&self, name: &str) -> io::Result<Option<FilePart>> {
        match self {
            Self::Directory(root, dir) => root.open_part(&dir.join(name)),
            Self::Archive(archive) => Ok(archive.open(name)),
            Self::Streams(_) => Ok(None),
        }
    }

    /// All of the small file `name`; `None` if there is none.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(mut file) = self.open(name)? else {
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
    /// How many bytes its stream has at least, as far as the blob tells without being read: its own
    /// size, or what the end of a gzip file (RFC 1952) or the start of a zstd frame says if that is
    /// more. Neither is verified, and less than the blob's size says nothing: it may be that of one
    /// part of several, or what is left of it after 4 GiB.
    pub fn least_size(&self) -> u64 {
        let told = || -> io::Result<u64> {
            let Some(mut file) = self.blobs.open(&self.blob.file)? else { return Ok(0) };
            let mut head = Vec::new();
            file.by_ref().take(FRAME_HEADER).read_to_end(&mut head)?;
            if head.starts_with(&[0x1f, 0x8b]) {
                let mut end = [0; 4];
                file.seek(SeekFrom::End(-4))?;
                file.read_exact(&mut end)?;
                return Ok(u32::from_le_bytes(end).into());
            }
            Ok(zstd::zstd_safe::get_frame_content_size(&head).ok().flatten().unwrap_or(0))
        };
        // What cannot be read is told when it is copied.
        told().unwrap_or(0).max(self.blob.size)
    }

    /// Opens its blob; `None` if it is gone.
    pub fn open(&self) -> io::Result<Option<BlobReader>> {
        if let Blobs::Streams(streams) = &*self.blobs {
            return Ok(streams.open(&self.blob.file)?.map(BlobReader));
        }
        let file = self.blobs.open(&self.blob.file)?;
        Ok(file.map(|file| BlobReader(Box::new(file))))
    }
}
