//! tar-split: what of a tar stream is not in the files that it was unpacked to.
//!
//! Lines of JSON, compressed: pieces of the stream as they were, and names of files
//! whose content comes in between (vbatts/tar-split, tar/storage/entry.go). One line
//! is held at a time.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;

/// The longest line that is read, in bytes: far above the piece of a stream that
/// holds a file's headers, and the zeros at its end.
const MAX_LINE: usize = 16 << 20;

/// A piece of the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum SplitPiece<'a> {
    /// These bytes.
    Raw(&'a [u8]),
    /// The content of a file.
    File {
        /// Its name in the layer.
        name: &'a [u8],
        /// How many bytes the stream has of it.
        size: i64,
        /// Its CRC-64 (ISO), big endian.
        checksum: &'a [u8],
    },
}

#[derive(Deserialize)]
struct SplitEntry<'a> {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name_raw: Option<Cow<'a, str>>,
    #[serde(default)]
    size: i64,
    #[serde(borrow, default)]
    payload: Option<Cow<'a, str>>,
}

/// Reads the pieces of a stream.
pub struct TarSplit<R: Read> {
    lines: BufReader<MultiGzDecoder<BufReader<R>>>,
    line: Vec<u8>,
    name: Vec<u8>,
    payload: Vec<u8>,
}

impl<R: Read> TarSplit<R> {
    /// Reads a compressed file.
    pub fn new(file: R) -> Self {
        let compressed = BufReader::with_capacity(64 << 10, file);
        Self {
            lines: BufReader::with_capacity(64 << 10, MultiGzDecoder::new(compressed)),
            line: Vec::new(),
            name: Vec::new(),
            payload: Vec::new(),
        }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// If the file cannot be read, or is not what it should be.
    pub fn next_piece(&mut self) -> io::Result<Option<SplitPiece<'_>>> {
        let malformed =
            |error: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        loop {
            self.line.clear();
            let limit = u64::try_from(MAX_LINE).expect("it fits");
            let length = self.lines.by_ref().take(limit).read_until(b'\n', &mut self.line)?;
            if length == 0 {
                return Ok(None);
            }
            if length == MAX_LINE {
                return Err(malformed(&"a line is too long"));
            }
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        let entry: SplitEntry<'_> = serde_json::from_slice(&self.line).map_err(|error| malformed(&error))?;
        self.payload.clear();
        if let Some(payload) = entry.payload {
            STANDARD.decode_vec(payload.as_bytes(), &mut self.payload).map_err(|error| malformed(&error))?;
        }
        match entry.kind {
            1 => {
                self.name.clear();
                match (entry.name.filter(|name| !name.is_empty()), entry.name_raw) {
                    (Some(name), _) => self.name.extend_from_slice(name.as_bytes()),
                    (None, Some(raw)) => STANDARD
                        .decode_vec(raw.as_bytes(), &mut self.name)
                        .map_err(|error| malformed(&error))?,
                    (None, None) => {}
                }
                Ok(Some(SplitPiece::File { name: &self.name, size: entry.size, checksum: &self.payload }))
            }
            2 => Ok(Some(SplitPiece::Raw(&self.payload))),
            other => Err(malformed(&format!("an entry has the unknown type {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text).unwrap();
        gzip.finish().unwrap()
    }

    fn drain(bytes: &[u8]) -> io::Result<usize> {
        let mut split = TarSplit::new(bytes);
        let mut count = 0;
        while split.next_piece()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn pieces_and_names_are_read_as_the_library_writes_them() {
        let text = br#"{"type":2,"payload":"aGVhZGVy","position":0}
{"type":1,"name":"a\u003cb","size":3,"payload":"AAAAAAAAAAE=","position":1}
{"type":1,"name_raw":"//8=","payload":null,"position":2}
"#;
        let compressed = gzip(text);
        let mut split = TarSplit::new(compressed.as_slice());
        assert_eq!(split.next_piece().unwrap(), Some(SplitPiece::Raw(b"header")));
        let checksum = [0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(
            split.next_piece().unwrap(),
            Some(SplitPiece::File { name: b"a<b", size: 3, checksum: &checksum })
        );
        assert_eq!(
            split.next_piece().unwrap(),
            Some(SplitPiece::File { name: &[255, 255], size: 0, checksum: &[] })
        );
        assert_eq!(split.next_piece().unwrap(), None);
        assert!(drain(&compressed[..compressed.len() - 4]).is_err(), "cut short");
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_error_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = drain(&bytes);
            let _ = drain(&gzip(&bytes));
        }

        #[test]
        fn any_entries_are_read_or_refused(kind in 0..4, name in ".{0,20}", size in any::<i64>(), payload in "[A-Za-z0-9+/=]{0,12}") {
            let line = serde_json::json!({"type": kind, "name": name, "size": size, "payload": payload}).to_string();
            let _ = drain(&gzip(line.as_bytes()));
        }
    }
}
