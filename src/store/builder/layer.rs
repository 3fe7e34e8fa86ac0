//! One layer: from its blob to entries, tar-split and facts.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::thread;

use crc_fast::{CrcAlgorithm::Crc64GoIso, Digest as Crc};

use super::stream::{BlobDecoder, BlobFacts, Pieces, StreamFault, pieces};
use super::tree::{EntryPlace, RefusedEntry, Tree};
use crate::images::{Digest, Layer};
use crate::tar::{Entries, EntryError, EntryKind, Header, NotTar, SplitWriter};

/// How much of a file goes by at a time, and of what is behind the end mark, in bytes.
const BUFFER: usize = 256 << 10;

/// Where the entries of a layer go.
pub(super) trait LayerSink {
    /// A directory that no entry has named yet; they come from the top.
    fn implied(&mut self, path: &[u8]) -> io::Result<()>;

    /// An entry.
    fn entry(&mut self, place: &EntryPlace, header: &Header) -> io::Result<()>;

    /// Content of the file that was last, which is not empty.
    fn content(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// The file that was last is complete.
    fn end_of_file(&mut self, header: &Header) -> io::Result<()>;
}

/// What is known of a layer when all of it was read and is as it should be.
#[derive(Debug, Clone)]
pub(super) struct LayerFacts {
    /// The blob as it is in the image.
    pub(super) blob: BlobFacts,
    /// Bytes of the uncompressed stream.
    pub(super) size: u64,
    /// Owners of its entries.
    pub(super) uids: BTreeSet<u32>,
    /// Groups of its entries.
    pub(super) gids: BTreeSet<u32>,
}

/// Why a layer cannot be used.
#[derive(Debug)]
pub(super) enum LayerFault {
    /// Its blob is gone.
    Missing,
    /// Its blob cannot be decompressed.
    Broken(StreamFault),
    /// Its stream has this digest.
    Stream(Digest),
    /// Engines would refuse it.
    NotTar(NotTar),
    /// It holds an entry that is refused.
    Refused(RefusedEntry),
    /// The stream ends in the middle of an entry.
    Cut,
    /// It could not be written: the entry, if it was at one, and why.
    Write(Option<Vec<u8>>, io::Error),
}

/// Reads `layer` into `sink`, and its tar-split into `split`, if it is wanted.
///
/// The digests are compared at the end, so what was written counts only if this
/// succeeds. What is found wrong with the blob is told rather than what follows of it.
pub(super) fn read<W: Write>(
    layer: &Layer,
    limit: u64,
    sink: &mut dyn LayerSink,
    split: Option<W>,
) -> Result<(LayerFacts, Option<W>), LayerFault> {
    let blob = layer
        .open()
        .map_err(|error| LayerFault::Broken(StreamFault::Io(error)))?
        .ok_or(LayerFault::Missing)?;
    let wanted = layer.blob.is_verbatim.then_some((&layer.blob.digest, layer.blob.size));
    let decoding = BlobDecoder::new(blob, limit).map_err(LayerFault::Broken)?;
    // Whoever decodes takes it: the other thread, if it can be started.
    let decoding = Mutex::new(Some(decoding));
    let take = || decoding.lock().expect("no thread panics with the lock").take();
    thread::scope(|scope| {
        let (send, stream) = pieces();
        let decodes = || {
            let mut decoding = take().expect("it is left to this thread");
            // Whoever does not listen any more has found a mistake of its own.
            while let Some(piece) = decoding.piece()
                && send.send(piece).is_ok()
            {}
            drop(send);
            decoding.finish(wanted)
        };
        let (unpacked, verified) = match thread::Builder::new().spawn_scoped(scope, decodes) {
            Ok(decoder) => {
                let unpacked = unpack(stream, sink, split);
                (unpacked, decoder.join().expect("decompressing does not panic"))
            }
            Err(_) => {
                let mut decoding = take().expect("no other thread has it");
                let unpacked = unpack(Pieces::new(|| decoding.piece()), sink, split);
                (unpacked, decoding.finish(wanted))
            }
        };
        let verified = verified.map_err(LayerFault::Broken);
        let ((digest, size), uids, gids, split) = match unpacked {
            Ok(unpacked) => unpacked,
            // The disk is full, whatever the blob is.
            Err(error @ LayerFault::Write(..)) => return Err(error),
            // The blob is read to its end all the same, and may be the reason.
            Err(error) => return Err(verified.err().unwrap_or(error)),
        };
        let blob = verified?;
        if digest != layer.diff_id {
            return Err(LayerFault::Stream(digest));
        }
        Ok((LayerFacts { blob, size, uids, gids }, split))
    })
}

type Unpacked<W> = ((Digest, u64), BTreeSet<u32>, BTreeSet<u32>, Option<W>);

fn unpack<W: Write>(
    stream: Pieces<'_>,
    sink: &mut dyn LayerSink,
    split: Option<W>,
) -> Result<Unpacked<W>, LayerFault> {
    let at_start = |error| LayerFault::Write(None, error);
    let of = |error| match error {
        EntryError::NotTar(why) => LayerFault::NotTar(why),
        EntryError::Io(_) => LayerFault::Cut,
    };
    let mut entries = Entries::new(stream);
    let mut split = split.map(SplitWriter::new);
    let (mut tree, mut implied, mut raw) = (Tree::default(), Vec::new(), Vec::new());
    let (mut uids, mut gids) = (BTreeSet::new(), BTreeSet::new());
    let mut buffer = vec![0; BUFFER];
    while let Some(header) = entries.next_entry().map_err(of)? {
        entries.take_raw(&mut raw);
        if let Some(split) = &mut split {
            split.raw(&raw).map_err(at_start)?;
        }
        let place = tree.place(&header, &mut implied).map_err(LayerFault::Refused)?;
        let here = |error| LayerFault::Write(Some(header.name.as_encoded_bytes().to_vec()), error);
        for dir in &implied {
            sink.implied(dir).map_err(here)?;
        }
        sink.entry(&place, &header).map_err(here)?;
        // Engines leave whiteouts out here.
        if !matches!(place, EntryPlace::Whiteout(_) | EntryPlace::Opaque(_) | EntryPlace::Nothing) {
            uids.insert(u32::try_from(header.uid).expect("the tree refuses others"));
            gids.insert(u32::try_from(header.gid).expect("the tree refuses others"));
        }
        let mut checksum = Crc::new(Crc64GoIso);
        loop {
            let count = entries.read(&mut buffer).map_err(of)?;
            if count == 0 {
                break;
            }
            if split.is_some() {
                checksum.update(&buffer[..count]);
            }
            sink.content(&buffer[..count]).map_err(here)?;
        }
        if header.kind == EntryKind::File && matches!(place, EntryPlace::Other(..)) {
            sink.end_of_file(&header).map_err(here)?;
        }
        if let Some(split) = &mut split {
            split.file(&header.name, header.size, checksum.finalize()).map_err(at_start)?;
        }
    }
    entries.take_raw(&mut raw);
    if let Some(split) = &mut split {
        split.raw(&raw).map_err(at_start)?;
    }
    loop {
        let count = entries.rest().read(&mut buffer).map_err(|_| LayerFault::Cut)?;
        if count == 0 {
            break;
        }
        if let Some(split) = &mut split {
            split.raw(&buffer[..count]).map_err(at_start)?;
        }
    }
    let split = split.map(SplitWriter::finish).transpose().map_err(at_start)?;
    Ok((entries.into_stream().finish(), uids, gids, split))
}
