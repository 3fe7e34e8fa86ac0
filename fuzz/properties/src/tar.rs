//! A tar stream is read as what it is or refused, and assembled again byte for byte.

use std::io::Read;

use storagectl::tar::{Entries, EntryError, EntryKind, Header, SplitPiece, SplitWriter, TarSplit};

/// A stream.
pub fn holds(input: &[u8]) {
    let Ok((headers, split, contents)) = apart(input, 4096) else {
        assert!(apart(input, 7).is_err());
        return;
    };
    assert_eq!(joined(&split, &contents), input);
    let again = apart(input, 7).unwrap_or_else(|error| panic!("in small pieces: {error:?}"));
    assert_eq!((&again.0, &again.2), (&headers, &contents));
    for header in &headers {
        assert!(header.kind == EntryKind::File || header.size == 0, "{header:?}");
        assert!(header.mtime_nanoseconds < 1_000_000_000, "{header:?}");
        assert!(header.mode & !0o7777 == 0, "{header:?}");
    }
}

/// The headers of a stream, its tar-split, and the contents of its files.
type Apart = (Vec<Header>, Vec<u8>, Vec<Vec<u8>>);

/// Reads a stream that comes in pieces of at most `step` bytes.
fn apart(stream: &[u8], step: usize) -> Result<Apart, EntryError> {
    let mut entries = Entries::new(Slow { stream, step });
    let mut split = SplitWriter::new(Vec::new());
    let (mut headers, mut contents, mut raw) = (Vec::new(), Vec::new(), Vec::new());
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
        assert!(header.kind != EntryKind::File || content.len() as u64 == header.size, "{header:?}");
        split.file(&header.name, content.len() as u64, 7)?;
        contents.push(content);
        headers.push(header);
    }
    entries.take_raw(&mut raw);
    split.raw(&raw)?;
    let mut rest = Vec::new();
    entries.rest().read_to_end(&mut rest)?;
    split.raw(&rest)?;
    Ok((headers, split.finish()?, contents))
}

struct Slow<'a> {
    stream: &'a [u8],
    step: usize,
}

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(self.step);
        self.stream.read(&mut buffer[..count])
    }
}

fn joined(split: &[u8], contents: &[Vec<u8>]) -> Vec<u8> {
    let (mut split, mut contents) = (TarSplit::new(split), contents.iter());
    let mut stream = Vec::new();
    while let Some(piece) = split.next_piece().expect("it was just written") {
        match piece {
            SplitPiece::Raw(bytes) => stream.extend_from_slice(bytes),
            SplitPiece::File { size, .. } => {
                let content = contents.next().expect("each file has its content");
                assert_eq!(size, i64::try_from(content.len()).expect("it is small"));
                stream.extend_from_slice(content);
            }
        }
    }
    stream
}
