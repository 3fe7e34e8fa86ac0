//! tar-split of any origin is read or refused, compressed or not.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use flate2::Compression;
use flate2::write::GzEncoder;
use storagectl::tar::{SplitPiece, SplitWriter, TarSplit};

/// Lines, which are compressed here, or something that ought to be compressed.
pub fn holds(input: &[u8]) {
    let _ = pieces(input);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(input).expect("memory takes it");
    let Ok(read) = pieces(&gzip.finish().expect("memory takes it")) else {
        return;
    };
    // What was understood is written as it is understood.
    let mut writer = SplitWriter::new(Vec::new());
    for piece in &read {
        match piece {
            Owned::Raw(bytes) => writer.raw(bytes),
            Owned::File(name, size, checksum) => writer.file(OsStr::from_bytes(name), *size, *checksum),
            Owned::Odd => return,
        }
        .expect("memory takes it");
    }
    let again = pieces(&writer.finish().expect("memory takes it")).expect("it was just written");
    // Nothing is written for a piece of nothing.
    let some: Vec<_> = read.into_iter().filter(|piece| *piece != Owned::Raw(Vec::new())).collect();
    assert_eq!(again, some);
}

#[derive(Debug, PartialEq, Eq)]
enum Owned {
    Raw(Vec<u8>),
    /// Name, size and checksum.
    File(Vec<u8>, u64, u64),
    /// What no engine writes.
    Odd,
}

fn pieces(file: &[u8]) -> io::Result<Vec<Owned>> {
    let mut split = TarSplit::new(file);
    let mut pieces = Vec::new();
    while let Some(piece) = split.next_piece()? {
        pieces.push(match piece {
            SplitPiece::Raw(bytes) => Owned::Raw(bytes.to_vec()),
            SplitPiece::File { name, size: 0, checksum: [] } => Owned::File(name.to_vec(), 0, 0),
            SplitPiece::File { name, size, checksum } => match (u64::try_from(size), checksum.try_into()) {
                (Ok(size @ 1..), Ok(checksum)) => {
                    Owned::File(name.to_vec(), size, u64::from_be_bytes(checksum))
                }
                _ => Owned::Odd,
            },
        });
    }
    Ok(pieces)
}
