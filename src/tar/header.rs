//! The headers in a tar stream that comes in pieces: ustar, PAX records and GNU's
//! long names.
//!
//! Only headers are looked at. Content is stepped over, since it is elsewhere.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// The largest PAX record or long name, in bytes (`maxSpecialFileSize` of Go's archive/tar).
const MAX_SPECIAL: u64 = 1 << 20;

const BLOCK: usize = 512;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// Another name of an earlier entry.
    HardLink,
    /// A symlink.
    Symlink,
    /// A character device.
    Character,
    /// A block device.
    Block,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// A header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// What it is.
    pub kind: EntryKind,
    /// Its name, as it stands there.
    pub name: OsString,
    /// What a link leads to.
    pub target: OsString,
    /// Permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// The owner.
    pub uid: u64,
    /// The group.
    pub gid: u64,
    /// Bytes of content.
    pub size: u64,
    /// When it was changed: whole seconds since 1970, rounded down.
    pub mtime: i64,
    /// The rest of that time, in nanoseconds.
    pub mtime_nanoseconds: u32,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The stream is not one that engines could have unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTar(pub &'static str);

/// What PAX records and long names say of the next entry.
#[derive(Debug, Default)]
struct Extra {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<(i64, u32)>,
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeaderState {
    /// Collecting a header.
    Header,
    /// Collecting a PAX record or a long name of this type.
    Special(u8, u64),
    /// Stepping over this many bytes of content, and then of padding.
    Content(u64, u64),
    /// Stepping over padding.
    Padding(u64),
    /// Behind the end mark, two blocks of zeros: what stands there means nothing.
    End,
}

/// Finds the headers in a stream.
#[derive(Debug)]
pub(crate) struct Headers {
    state: HeaderState,
    /// Whether the block before was one of zeros.
    zeros: bool,
    held: Vec<u8>,
    extra: Extra,
}

impl Headers {
    pub(crate) fn new() -> Self {
        Self { state: HeaderState::Header, zeros: false, held: Vec::new(), extra: Extra::default() }
    }

    /// Goes over a piece of the stream; `found` gets each header as it is complete.
    ///
    /// # Errors
    /// [`NotTar`]; what comes after it has no meaning.
    pub(crate) fn raw(&mut self, mut bytes: &[u8], mut found: impl FnMut(Header)) -> Result<(), NotTar> {
        while !bytes.is_empty() {
            match self.state {
                HeaderState::Header => {
                    let block = self.hold(&mut bytes, BLOCK);
                    if block {
                        if let Some(header) = self.header()? {
                            found(header);
                        }
                        self.held.clear();
                    }
                }
                HeaderState::Special(kind, size) => {
                    let size = usize::try_from(size).expect("it is limited");
                    if self.hold(&mut bytes, size) {
                        self.special(kind)?;
                        self.held.clear();
                        self.state = HeaderState::Padding(padding_of(size as u64));
                        self.settle();
                    }
                }
                HeaderState::Content(left, after) => {
                    let step = left.min(bytes.len() as u64);
                    bytes = &bytes[usize::try_from(step).expect("it is in the slice")..];
                    self.state = HeaderState::Content(left - step, after);
                    self.settle();
                }
                HeaderState::Padding(left) => {
                    let step = left.min(bytes.len() as u64);
                    bytes = &bytes[usize::try_from(step).expect("it is in the slice")..];
                    self.state = HeaderState::Padding(left - step);
                    self.settle();
                }
                HeaderState::End => return Ok(()),
            }
        }
        Ok(())
    }

    /// Steps over the content of the file whose header was last.
    ///
    /// # Errors
    /// [`NotTar`] if no content is expected here.
    pub(crate) fn content(&mut self) -> Result<(), NotTar> {
        let HeaderState::Content(_, after) = self.state else {
            return Err(NotTar("a file has content where none is expected"));
        };
        self.state = HeaderState::Padding(after);
        self.settle();
        Ok(())
    }

    /// Whether the end mark was there.
    pub(crate) fn are_complete(&self) -> bool {
        self.state == HeaderState::End
    }

    /// Whether a PAX record or a long name has begun and is not all there.
    pub(crate) fn are_cut(&self) -> bool {
        matches!(self.state, HeaderState::Special(..))
    }

    fn settle(&mut self) {
        if let HeaderState::Content(0, after) = self.state {
            self.state = HeaderState::Padding(after);
        }
        if self.state == HeaderState::Padding(0) {
            self.state = HeaderState::Header;
        }
    }

    /// Collects up to `size` bytes. Returns whether they are all there.
    fn hold(&mut self, bytes: &mut &[u8], size: usize) -> bool {
        let step = (size - self.held.len()).min(bytes.len());
        self.held.extend_from_slice(&bytes[..step]);
        *bytes = &bytes[step..];
        self.held.len() == size
    }

    fn header(&mut self) -> Result<Option<Header>, NotTar> {
        let block: &[u8; BLOCK] = self.held.as_slice().try_into().expect("a block is complete");
        if block.iter().all(|&byte| byte == 0) {
            if self.zeros {
                self.state = HeaderState::End;
            }
            self.zeros = true;
            return Ok(None);
        }
        if self.zeros {
            return Err(NotTar("an entry follows the end mark"));
        }
        if !sum_matches(block) {
            return Err(NotTar("a header has the wrong checksum"));
        }
        let size = number(&block[124..136])?;
        let flag = block[156];
        if matches!(flag, b'x' | b'g' | b'L' | b'K') {
            if size > MAX_SPECIAL {
                return Err(NotTar("a header is too large"));
            }
            self.state = if size == 0 { HeaderState::Header } else { HeaderState::Special(flag, size) };
            return Ok(None);
        }
        let extra = std::mem::take(&mut self.extra);
        let size = extra.size.unwrap_or(size);
        let name = extra.name.unwrap_or_else(|| plain_name(block));
        let kind = match flag {
            0 if name.ends_with(b"/") => EntryKind::Directory,
            0 | b'0' => EntryKind::File,
            b'1' => EntryKind::HardLink,
            b'2' => EntryKind::Symlink,
            b'3' => EntryKind::Character,
            b'4' => EntryKind::Block,
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Fifo,
            b'S' => return Err(SPARSE),
            _ => return Err(NotTar("an entry has a type that engines refuse")),
        };
        // Go's reader takes all other types to have no content, whatever they say.
        let size = if kind == EntryKind::File { size } else { 0 };
        let device = |field: &[u8]| number(field).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        let device = match kind {
            EntryKind::Character | EntryKind::Block => (device(&block[329..337])?, device(&block[337..345])?),
            _ => (0, 0),
        };
        let (mtime, mtime_nanoseconds) = match extra.mtime {
            Some(mtime) => mtime,
            None => (signed_number(&block[136..148])?, 0),
        };
        let header = Header {
            kind,
            name: OsString::from_vec(name),
            target: OsString::from_vec(extra.target.unwrap_or_else(|| until_nul(&block[157..257]).to_vec())),
            mode: u32::try_from(number(&block[100..108])? & 0o7777).expect("it is masked"),
            uid: extra.uid.map_or_else(|| number(&block[108..116]), Ok)?,
            gid: extra.gid.map_or_else(|| number(&block[116..124]), Ok)?,
            size,
            mtime,
            mtime_nanoseconds,
            device,
            attributes: extra.attributes,
        };
        self.state = HeaderState::Content(size, padding_of(size));
        self.settle();
        Ok(Some(header))
    }

    fn special(&mut self, kind: u8) -> Result<(), NotTar> {
        match kind {
            b'L' => self.extra.name = Some(until_nul(&self.held).to_vec()),
            b'K' => self.extra.target = Some(until_nul(&self.held).to_vec()),
            // Engines leave global headers alone.
            b'x' => records(&self.held, &mut self.extra)?,
            _ => {}
        }
        Ok(())
    }
}

const SPARSE: NotTar = NotTar("a file is stored sparse, which engines refuse");

/// A time as PAX writes it: `SECONDS[.FRACTION]`, rounded down to whole seconds and
/// nanoseconds (`parsePAXTime` of Go's archive/tar).
fn time(text: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let below_zero = seconds.starts_with('-');
    let seconds: i64 = seconds.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: u32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(match nanoseconds {
        0 => (seconds, 0),
        _ if below_zero => (seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds),
        _ => (seconds, nanoseconds),
    })
}

/// The most bytes that the names of a file's attributes take (`XATTR_LIST_MAX`).
const MAX_ATTRIBUTES: usize = 64 << 10;

/// PAX records: `LENGTH KEY=VALUE\n`.
fn records(mut bytes: &[u8], extra: &mut Extra) -> Result<(), NotTar> {
    const BAD: NotTar = NotTar("a PAX record is malformed");
    while !bytes.is_empty() {
        let space = bytes.iter().position(|&byte| byte == b' ').ok_or(BAD)?;
        let length: usize =
            std::str::from_utf8(&bytes[..space]).ok().and_then(|digits| digits.parse().ok()).ok_or(BAD)?;
        if length <= space + 2 || length > bytes.len() || bytes[length - 1] != b'\n' {
            return Err(BAD);
        }
        let record = &bytes[space + 1..length - 1];
        bytes = &bytes[length..];
        let equals = record.iter().position(|&byte| byte == b'=').ok_or(BAD)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        let number = || match value {
            // An empty value takes back what a global header said.
            [] => Ok(None),
            digits => match std::str::from_utf8(digits).map(str::parse::<u64>) {
                Ok(Ok(number)) => Ok(Some(number)),
                _ => Err(BAD),
            },
        };
        match key {
            b"path" | b"linkpath" if value.contains(&0) => return Err(BAD),
            b"path" if !value.is_empty() => extra.name = Some(value.to_vec()),
            b"linkpath" if !value.is_empty() => extra.target = Some(value.to_vec()),
            b"size" => extra.size = number()?,
            b"uid" => extra.uid = number()?,
            b"gid" => extra.gid = number()?,
            b"mtime" if value.is_empty() => extra.mtime = None,
            b"mtime" => extra.mtime = Some(time(value).ok_or(BAD)?),
            // As Go's `validPAXRecord` has it.
            _ if key.contains(&0) => return Err(BAD),
            _ if key.starts_with(b"GNU.sparse.") => return Err(SPARSE),
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    extra.attributes.retain(|(other, _)| other != name);
                    let names: usize = extra.attributes.iter().map(|(other, _)| other.len() + 1).sum();
                    if names + name.len() >= MAX_ATTRIBUTES {
                        return Err(NotTar("it has more attributes than a file can have"));
                    }
                    extra.attributes.push((name.to_vec(), value.to_vec()));
                }
            }
        }
    }
    Ok(())
}

fn plain_name(block: &[u8; BLOCK]) -> Vec<u8> {
    let name = until_nul(&block[..100]);
    let prefix = until_nul(&block[345..500]);
    // GNU's own format has other fields there.
    if &block[257..263] == b"ustar\0" && !prefix.is_empty() {
        [prefix, b"/", name].concat()
    } else {
        name.to_vec()
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    &bytes[..end]
}

/// A number: octal digits, or binary if the first bit is set.
fn number(field: &[u8]) -> Result<u64, NotTar> {
    const BAD: NotTar = NotTar("a number in a header is malformed");
    if field[0] & 0x80 != 0 {
        if field[0] & 0x40 != 0 {
            return Err(BAD);
        }
        let mut value = 0u64;
        for (index, &byte) in field.iter().enumerate() {
            let byte = if index == 0 { byte & 0x7f } else { byte };
            value = value.checked_mul(256).ok_or(BAD)? + u64::from(byte);
        }
        return Ok(value);
    }
    let digits: &[u8] = field.trim_ascii_start();
    let digits = until_nul(digits).trim_ascii();
    let mut value = 0u64;
    for &digit in digits {
        if !(b'0'..=b'7').contains(&digit) {
            return Err(BAD);
        }
        value = value.checked_mul(8).ok_or(BAD)? + u64::from(digit - b'0');
    }
    Ok(value)
}

/// As [`number`], or binary below zero.
fn signed_number(field: &[u8]) -> Result<i64, NotTar> {
    const BAD: NotTar = NotTar("a time in a header is malformed");
    if field[0] & 0xc0 != 0xc0 {
        return i64::try_from(number(field)?).map_err(|_| BAD);
    }
    let (high, low) = field.split_at(field.len() - 8);
    if high.iter().any(|&byte| byte != 0xff) {
        return Err(BAD);
    }
    let value = i64::from_be_bytes(low.try_into().expect("eight bytes were split off"));
    if value < 0 { Ok(value) } else { Err(BAD) }
}

fn sum_matches(block: &[u8; BLOCK]) -> bool {
    let Ok(said) = number(&block[148..156]) else {
        return false;
    };
    let bytes = || {
        let masked = |index: usize, byte: u8| if (148..156).contains(&index) { b' ' } else { byte };
        block.iter().enumerate().map(move |(index, &byte)| masked(index, byte))
    };
    let unsigned: u64 = bytes().map(u64::from).sum();
    // Old programs took bytes for signed.
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    said == unsigned || i64::try_from(said) == Ok(signed)
}

fn padding_of(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_no_panic(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..700), 0..6)
        ) {
            let mut headers = Headers::new();
            for piece in pieces {
                if headers.raw(&piece, |_| {}).is_err() {
                    break;
                }
                let _ = headers.content();
            }
        }

        #[test]
        fn any_records_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100), key in "[a-zA-Z.]{0,20}", value in ".{0,20}") {
            let _ = records(&bytes, &mut Extra::default());
            let rest = format!(" {key}={value}\n");
            let record = format!("{}{rest}", rest.len() + 2);
            let _ = records(record.as_bytes(), &mut Extra::default());
        }
    }

    #[test]
    fn numbers_are_octal_or_binary() {
        assert_eq!(number(b"0000644\0"), Ok(0o644));
        assert_eq!(number(b"   644 \0"), Ok(0o644));
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0x2d, 0xc6, 0xc0]), Ok(3_000_000));
        assert!(number(b"not one\0").is_err());
        assert!(number(&[0xff; 12]).is_err(), "below zero");
        assert_eq!(signed_number(&[0xff; 12]), Ok(-1));
        assert_eq!(signed_number(b"00000000017\0"), Ok(15));
    }

    #[test]
    fn times_have_fractions_and_may_be_before_1970() {
        assert_eq!(time(b"1700000000.5"), Some((1_700_000_000, 500_000_000)));
        assert_eq!(time(b"12.1234567891"), Some((12, 123_456_789)));
        assert_eq!(time(b"-1.5"), Some((-2, 500_000_000)));
        assert_eq!(time(b"-1"), Some((-1, 0)));
        assert!(time(b"").is_none() && time(b"1.x").is_none() && time(b"one").is_none());
    }
}
