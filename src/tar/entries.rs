//! The entries of a tar stream, one after the other, and the bytes between them.

use std::io::{self, Read};

use super::header::{EntryKind, Header, Headers, NotTar};

const BLOCK: usize = 512;

/// The most that may stand before an entry: some long names and PAX records.
const MAX_RAW: usize = 8 << 20;

/// Why there is no next entry.
#[derive(Debug)]
pub enum EntryError {
    /// The stream cannot be read, or ends where it should not (`UnexpectedEof`).
    Io(io::Error),
    /// Engines would refuse it.
    NotTar(NotTar),
}

impl From<io::Error> for EntryError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<NotTar> for EntryError {
    fn from(error: NotTar) -> Self {
        Self::NotTar(error)
    }
}

/// Reads a tar stream.
pub struct Entries<R: Read> {
    stream: R,
    headers: Headers,
    raw: Vec<u8>,
    content: u64,
    padding: usize,
}

impl<R: Read> Entries<R> {
    /// Reads `stream` from where it is.
    pub fn new(stream: R) -> Self {
        Self { stream, headers: Headers::new(), raw: Vec::new(), content: 0, padding: 0 }
    }

    /// The next entry; `None` at the end mark, or at the end of the stream. What is
    /// left of the content of the one before is an error of the caller.
    ///
    /// # Errors
    /// [`EntryError`]; the stream is of no use then.
    pub fn next_entry(&mut self) -> Result<Option<Header>, EntryError> {
        debug_assert_eq!(self.content, 0, "content is read before the next entry");
        let mut block = [0; BLOCK];
        let padding = std::mem::take(&mut self.padding);
        self.stream.read_exact(&mut block[..padding])?;
        self.headers.raw(&block[..padding], |_| {})?;
        self.raw.extend_from_slice(&block[..padding]);
        loop {
            let cut = || io::Error::from(io::ErrorKind::UnexpectedEof).into();
            match fill(&mut self.stream, &mut block)? {
                0 if self.headers.are_cut() => return Err(cut()),
                0 => return Ok(None),
                BLOCK => {}
                _ => return Err(cut()),
            }
            self.raw.extend_from_slice(&block);
            if self.raw.len() > MAX_RAW {
                return Err(NotTar("there is too much between two entries").into());
            }
            let mut found = None;
            self.headers.raw(&block, |header| found = Some(header))?;
            if self.headers.are_complete() {
                return Ok(None);
            }
            if let Some(header) = found {
                if header.kind == EntryKind::File && header.size > 0 {
                    self.content = header.size;
                    self.padding = usize::try_from(header.size.wrapping_neg() % BLOCK as u64)
                        .expect("it is less than a block");
                }
                return Ok(Some(header));
            }
        }
    }

    /// What was in the stream since the last call that is not content: headers, padding
    /// and the end mark.
    pub fn take_raw(&mut self, into: &mut Vec<u8>) {
        into.clear();
        std::mem::swap(&mut self.raw, into);
    }

    /// Reads content of the entry; 0 at its end.
    ///
    /// # Errors
    /// If the stream cannot be read or ends too early.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, EntryError> {
        if self.content == 0 {
            return Ok(0);
        }
        let wanted = buffer.len().min(usize::try_from(self.content).unwrap_or(usize::MAX));
        let count = loop {
            match self.stream.read(&mut buffer[..wanted]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.content -= count as u64;
        if self.content == 0 {
            self.headers.content()?;
        }
        Ok(count)
    }

    /// Steps over the content of the entry, and does not look whether it is all there.
    pub fn skip(&mut self) -> Result<(), EntryError>
    where
        R: io::Seek,
    {
        if self.content > 0 {
            let beyond = io::Error::from(io::ErrorKind::InvalidData);
            self.stream.seek_relative(i64::try_from(self.content).map_err(|_| beyond)?)?;
            self.content = 0;
            self.headers.content()?;
        }
        Ok(())
    }

    /// Whether the end mark was there, where there is no next entry. Many programs do without.
    pub fn has_end_mark(&self) -> bool {
        self.headers.are_complete()
    }

    /// The stream, when all of it was read.
    pub fn into_stream(self) -> R {
        self.stream
    }

    /// The stream: at the content of the entry, or behind the end mark.
    pub fn rest(&mut self) -> &mut R {
        &mut self.stream
    }
}

/// Reads until `buffer` is full or the stream ends. Returns how much.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{EntryContent, SplitPiece, SplitWriter, TarEntry, TarSplit, TarWriter};
    use super::*;

    /// Takes a stream apart as a layer is. Returns its tar-split and the contents.
    fn split(stream: &[u8]) -> Result<(Vec<u8>, Vec<Vec<u8>>), EntryError> {
        let mut entries = Entries::new(stream);
        let mut split = SplitWriter::new(Vec::new());
        let (mut raw, mut contents) = (Vec::new(), Vec::new());
        while let Some(header) = entries.next_entry()? {
            entries.take_raw(&mut raw);
            split.raw(&raw)?;
            let (mut content, mut buffer) = (Vec::new(), [0; 700]);
            loop {
                match entries.read(&mut buffer)? {
                    0 => break,
                    count => content.extend_from_slice(&buffer[..count]),
                }
            }
            let checksum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64GoIso, &content);
            split.file(&header.name, header.size, checksum)?;
            contents.push(content);
        }
        entries.take_raw(&mut raw);
        split.raw(&raw)?;
        let mut rest = Vec::new();
        entries.rest().read_to_end(&mut rest)?;
        split.raw(&rest)?;
        Ok((split.finish()?, contents))
    }

    fn joined(split: &[u8], contents: &[Vec<u8>]) -> Vec<u8> {
        let mut pieces = TarSplit::new(split);
        let (mut stream, mut contents) = (Vec::new(), contents.iter());
        while let Some(piece) = pieces.next_piece().unwrap() {
            match piece {
                SplitPiece::Raw(bytes) => stream.extend_from_slice(bytes),
                SplitPiece::File { size, .. } => {
                    let content = contents.next().unwrap();
                    assert_eq!(i64::try_from(content.len()).unwrap(), size);
                    stream.extend_from_slice(content);
                }
            }
        }
        stream
    }

    proptest! {
        #[test]
        fn what_is_taken_apart_is_assembled_again(
            files in proptest::collection::vec(("[a-z/é]{1,300}", proptest::collection::vec(any::<u8>(), 0..2000), any::<u32>(), any::<i32>()), 0..8)
        ) {
            let mut writer = TarWriter::new(Vec::new());
            for (name, content, uid, mtime) in &files {
                let item = TarEntry { mode: 0o644, uid: *uid, gid: 7, mtime: (i64::from(*mtime), 5), attributes: &[(b"user.x".to_vec(), content.clone())] };
                writer.write_header(name.as_bytes(), &item, EntryContent::File(content.len() as u64)).unwrap();
                writer.write_content(content).unwrap();
            }
            let stream = writer.finish().unwrap();
            let mut entries = Entries::new(stream.as_slice());
            for (name, content, uid, mtime) in &files {
                let header = entries.next_entry().unwrap().unwrap();
                prop_assert_eq!(header.name.as_encoded_bytes(), name.as_bytes());
                prop_assert_eq!(header.uid, u64::from(*uid));
                prop_assert_eq!((header.mtime, header.mtime_nanoseconds), (i64::from(*mtime), 5));
                prop_assert_eq!(&header.attributes, &[(b"user.x".to_vec(), content.clone())]);
                let mut read = vec![0; content.len() + 1];
                let mut filled = 0;
                loop {
                    match entries.read(&mut read[filled..]).unwrap() {
                        0 => break,
                        count => filled += count,
                    }
                }
                prop_assert_eq!(&read[..filled], &content[..]);
            }
            prop_assert!(entries.next_entry().unwrap().is_none());
            let (split, contents) = split(&stream).unwrap();
            prop_assert_eq!(joined(&split, &contents), stream);
        }

        #[test]
        fn any_change_of_a_stream_is_read_or_refused_and_assembled_alike(
            at in 0usize..4000, byte in any::<u8>(), cut in 0usize..4000
        ) {
            let mut writer = TarWriter::new(Vec::new());
            let item = TarEntry { mode: 0o644, uid: 1, gid: 7, mtime: (1, 5), attributes: &[] };
            writer.write_header(b"a", &item, EntryContent::File(700)).unwrap();
            writer.write_content(&[7; 700]).unwrap();
            writer.write_header(b"b/c", &item, EntryContent::Symlink(b"x")).unwrap();
            let mut stream = writer.finish().unwrap();
            let length = stream.len();
            stream[at % length] = byte;
            stream.truncate(length - cut % length);
            if let Ok((split, contents)) = split(&stream) {
                prop_assert_eq!(joined(&split, &contents), stream);
            }
        }
    }
}
