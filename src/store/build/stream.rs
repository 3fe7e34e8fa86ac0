//! The tar stream of a layer: its blob, verified and decompressed while it is read.
//!
//! One thread reads, hashes and decompresses the blob; the other, which unpacks, gets
//! the stream in pieces. A few pieces are in between, so memory is bounded.

use std::io::{self, BufReader, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

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
pub(super) enum Broken {
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

/// Reads all of `blob` and sends its stream; `wanted` is what digest and size should be.
///
/// What is damaged as a whole is told as that, not as what a decoder makes of it.
pub(super) fn decompress(
    blob: BlobReader,
    wanted: Option<(&Digest, u64)>,
    limit: u64,
    pieces: &SyncSender<Vec<u8>>,
) -> Result<BlobFacts, Broken> {
    let hashing = Hashing { inner: blob, hash: Sha256::new(), size: 0 };
    let mut blob = BufReader::with_capacity(PIECE, hashing);
    let start = io::BufRead::fill_buf(&mut blob).map_err(Broken::Io)?;
    let compression = match start {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        [b'B', b'Z', b'h', ..] => return Err(Broken::Unknown("bzip2")),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => return Err(Broken::Unknown("xz")),
        _ => Compression::None,
    };
    let sent = match compression {
        Compression::Gzip => send(&mut MultiGzDecoder::new(&mut blob), limit, pieces),
        Compression::Zstd => zstd::Decoder::with_buffer(&mut blob)
            .map_err(Broken::Io)
            .and_then(|mut decoder| send(&mut decoder, limit, pieces)),
        Compression::None => send(&mut blob, limit, pieces),
    };
    if let Err(Broken::TooLarge(limit)) = sent {
        return Err(Broken::TooLarge(limit));
    }
    // What the decoder left is part of the blob, too.
    io::copy(&mut blob, &mut io::sink()).map_err(Broken::Io)?;
    let Hashing { hash, size, .. } = blob.into_inner();
    let digest = Digest::finish(hash);
    if wanted.is_some_and(|wanted| wanted != (&digest, size)) {
        return Err(Broken::Other(digest, size));
    }
    sent?;
    Ok(BlobFacts { size, compression })
}

fn send(stream: &mut impl Read, limit: u64, pieces: &SyncSender<Vec<u8>>) -> Result<(), Broken> {
    let mut sent = 0;
    loop {
        let mut piece = vec![0; PIECE];
        let mut filled = 0;
        while filled < PIECE {
            match stream.read(&mut piece[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Broken::Io(error)),
            }
        }
        sent += filled as u64;
        if sent > limit {
            return Err(Broken::TooLarge(limit));
        }
        piece.truncate(filled);
        // Whoever does not listen any more has found a mistake of its own.
        if filled == 0 || pieces.send(piece).is_err() {
            return Ok(());
        }
    }
}

/// A channel for pieces.
pub(super) fn pieces() -> (SyncSender<Vec<u8>>, Pieces) {
    let (send, receive) = sync_channel(WAITING);
    (send, Pieces { receive, piece: Vec::new(), read: 0, hash: Sha256::new(), size: 0 })
}

/// The stream on the other side, hashed.
pub(super) struct Pieces {
    receive: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    read: usize,
    hash: Sha256,
    size: u64,
}

impl Pieces {
    /// Digest and size of all that was read.
    pub(super) fn finish(self) -> (Digest, u64) {
        (Digest::finish(self.hash), self.size)
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.piece.len() {
            // The other side hung up: at its end, or since it found something wrong,
            // which it tells.
            let Ok(piece) = self.receive.recv() else {
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
