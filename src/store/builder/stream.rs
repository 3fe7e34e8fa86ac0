//! The tar stream of a layer: its blob, verified and decompressed while it is read.
//!
//! One thread reads, hashes and decompresses the blob; the other, which unpacks, gets
//! the stream in pieces. A few pieces are in between, so memory is bounded. Where no second
//! thread can be started, one does both.

use std::io::{self, BufReader, Read};
use std::sync::mpsc::{SyncSender, sync_channel};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use crate::images::{BlobReader, Digest};

/// How much goes from one thread to the other at a time, in bytes.
const PIECE: usize = 256 << 10;

/// How many pieces may wait.
const WAITING: usize = 4;

/// How a blob is compressed, with the numbers that layers.json has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None = 0,
    Gzip = 2,
    Zstd = 4,
}

/// What is known of a blob when all of it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlobFacts {
    pub(super) size: u64,
    pub(super) compression: Compression,
}

/// Why a stream ends.
#[derive(Debug)]
pub(super) enum StreamFault {
    /// Nobody can read this compression.
    Unknown(&'static str),
    /// It is damaged, or could not be read.
    Io(io::Error),
    /// It gives more bytes than this.
    TooLarge(u64),
    /// It has this digest and size, and not those that it should have.
    Other(Digest, u64),
}

/// Counts and hashes what is read.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
    size: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}

/// What a blob is read through.
enum Decompressor<R: Read> {
    None(BufReader<Hashing<R>>),
    Gzip(Box<MultiGzDecoder<BufReader<Hashing<R>>>>),
    Zstd(zstd::Decoder<'static, BufReader<Hashing<R>>>),
}

/// A blob that is being decompressed.
pub(super) struct BlobDecoder {
    decoder: Decompressor<BlobReader>,
    compression: Compression,
    limit: u64,
    given: u64,
    broken: Option<StreamFault>,
}

impl BlobDecoder {
    /// Begins. The stream may have `limit` bytes.
    pub(super) fn new(blob: BlobReader, limit: u64) -> Result<Self, StreamFault> {
        let hashing = Hashing { inner: blob, hash: Sha256::new(), size: 0 };
        let mut blob = BufReader::with_capacity(PIECE, hashing);
        let start = io::BufRead::fill_buf(&mut blob).map_err(StreamFault::Io)?;
        let (decoder, compression) = match start {
            [0x1f, 0x8b, ..] => (Decompressor::Gzip(Box::new(MultiGzDecoder::new(blob))), Compression::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let decoder = zstd::Decoder::with_buffer(blob).map_err(StreamFault::Io)?;
                (Decompressor::Zstd(decoder), Compression::Zstd)
            }
            [b'B', b'Z', b'h', ..] => return Err(StreamFault::Unknown("bzip2")),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => return Err(StreamFault::Unknown("xz")),
            _ => (Decompressor::None(blob), Compression::None),
        };
        Ok(Self { decoder, compression, limit, given: 0, broken: None })
    }

    /// The next piece of the stream; `None` at its end, or if something is wrong, which
    /// [`BlobDecoder::finish`] tells.
    pub(super) fn piece(&mut self) -> Option<Vec<u8>> {
        if self.broken.is_some() {
            return None;
        }
        let mut piece = vec![0; PIECE];
        let mut filled = 0;
        while filled < PIECE {
            let buffer = &mut piece[filled..];
            let read = match &mut self.decoder {
                Decompressor::None(blob) => blob.read(buffer),
                Decompressor::Gzip(decoder) => decoder.read(buffer),
                Decompressor::Zstd(decoder) => decoder.read(buffer),
            };
            match read {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.broken = Some(StreamFault::Io(error));
                    return None;
                }
            }
        }
        self.given += filled as u64;
        if self.given > self.limit {
            self.broken = Some(StreamFault::TooLarge(self.limit));
            return None;
        }
        piece.truncate(filled);
        (filled > 0).then_some(piece)
    }

    /// Reads what is left of the blob; `wanted` is what its digest and size should be.
    ///
    /// What is damaged as a whole is told as that, not as what a decoder makes of it.
    pub(super) fn finish(self, wanted: Option<(&Digest, u64)>) -> Result<BlobFacts, StreamFault> {
        if let Some(StreamFault::TooLarge(limit)) = self.broken {
            return Err(StreamFault::TooLarge(limit));
        }
        let mut blob = match self.decoder {
            Decompressor::None(blob) => blob,
            Decompressor::Gzip(decoder) => decoder.into_inner(),
            Decompressor::Zstd(decoder) => decoder.finish(),
        };
        // What the decoder left is part of the blob, too.
        io::copy(&mut blob, &mut io::sink()).map_err(StreamFault::Io)?;
        let Hashing { hash, size, .. } = blob.into_inner();
        let digest = Digest::finish(hash);
        if wanted.is_some_and(|wanted| wanted != (&digest, size)) {
            return Err(StreamFault::Other(digest, size));
        }
        match self.broken {
            Some(broken) => Err(broken),
            None => Ok(BlobFacts { size, compression: self.compression }),
        }
    }
}

/// A channel for pieces.
pub(super) fn pieces<'a>() -> (SyncSender<Vec<u8>>, Pieces<'a>) {
    let (send, receive) = sync_channel(WAITING);
    // The other side hangs up at its end, or since it found something wrong, which it tells.
    (send, Pieces::new(move || receive.recv().ok()))
}

/// The stream where it is unpacked, hashed.
pub(super) struct Pieces<'a> {
    next: Box<dyn FnMut() -> Option<Vec<u8>> + 'a>,
    piece: Vec<u8>,
    read: usize,
    hash: Sha256,
    size: u64,
}

impl<'a> Pieces<'a> {
    /// A stream that comes in pieces from `next`, until there is none.
    pub(super) fn new(next: impl FnMut() -> Option<Vec<u8>> + 'a) -> Self {
        Self { next: Box::new(next), piece: Vec::new(), read: 0, hash: Sha256::new(), size: 0 }
    }

    /// Digest and size of all that was read.
    pub(super) fn finish(self) -> (Digest, u64) {
        (Digest::finish(self.hash), self.size)
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.piece.len() {
            let Some(piece) = (self.next)() else {
                return Ok(0);
            };
            self.hash.update(&piece);
            self.size += piece.len() as u64;
            (self.piece, self.read) = (piece, 0);
        }
        let count = buffer.len().min(self.piece.len() - self.read);
        buffer[..count].copy_from_slice(&self.piece[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}
