//! Writing tar-split, see [`super::TarSplit`]; the lines are those of the library
//! (vbatts/tar-split, tar/storage/packer.go), one for each piece of the stream.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Writes the pieces of a stream.
pub struct SplitWriter<W: Write> {
    lines: GzEncoder<W>,
    line: String,
    position: u64,
}

impl<W: Write> SplitWriter<W> {
    /// Writes a compressed file.
    pub fn new(file: W) -> Self {
        // The engines compress it as fast as they can, too.
        Self { lines: GzEncoder::new(file, Compression::fast()), line: String::new(), position: 0 }
    }

    /// A piece of the stream as it was; nothing is written for an empty one.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.line.clear();
        self.line.push_str("{\"type\":2,\"payload\":\"");
        STANDARD.encode_string(bytes, &mut self.line);
        self.line.push('"');
        self.end()
    }

    /// An entry; its content, if it has any, is elsewhere and has this CRC-64 (ISO).
    pub fn file(&mut self, name: &OsStr, size: u64, checksum: u64) -> io::Result<()> {
        self.line.clear();
        self.line.push_str("{\"type\":1,");
        match name.to_str() {
            Some("") => {}
            Some(name) => {
                self.line.push_str("\"name\":");
                self.line.push_str(&serde_json::to_string(name)?);
                self.line.push(',');
            }
            None => {
                self.line.push_str("\"name_raw\":\"");
                STANDARD.encode_string(name.as_bytes(), &mut self.line);
                self.line.push_str("\",");
            }
        }
        if size > 0 {
            self.line.push_str(&format!("\"size\":{size},\"payload\":\""));
            STANDARD.encode_string(checksum.to_be_bytes(), &mut self.line);
            self.line.push('"');
        } else {
            self.line.push_str("\"payload\":null");
        }
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        self.line.push_str(&format!(",\"position\":{}}}\n", self.position));
        self.position += 1;
        self.lines.write_all(self.line.as_bytes())
    }

    /// Ends it and returns what it was written to.
    pub fn finish(self) -> io::Result<W> {
        self.lines.finish()
    }
}
