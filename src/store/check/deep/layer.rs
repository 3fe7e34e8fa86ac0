//! One layer: the tar stream that it came from is assembled again and hashed, and
//! its headers are compared with what stands on the disk.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crc_fast::CrcAlgorithm::Crc64GoIso;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::Progress;
use super::compare::{Comparison, UnpackedBy};
use super::issues::{FileDifference, Issues};
use crate::hex::hex;
use crate::sys::{OpenFile, Subtree};
use crate::tar::{Headers, NotTar, SplitPiece, TarSplit};

/// What is known of a layer before it is read.
pub(super) struct ExpectedLayer<'a> {
    /// Its digest, `sha256:…`.
    pub(super) digest: &'a str,
    /// The size of its stream in bytes, if it is known.
    pub(super) size: Option<u64>,
}

/// What came out.
#[derive(Debug, Default)]
pub(super) struct LayerOutcome {
    /// How many bytes the stream has.
    pub(super) bytes: u64,
    /// The tar-split cannot be read: why.
    pub(super) damaged: Option<String>,
    /// The stream's digest, if it is not the expected one.
    pub(super) digest: Option<String>,
    /// The stream's size, if it is not the expected one.
    pub(super) size: Option<u64>,
    /// What differs between headers and disk.
    pub(super) issues: Issues,
    /// The headers make no sense, although engines unpacked them.
    pub(super) not_tar: Option<&'static str>,
}

/// Digests that the engines' library knows.
enum Hash {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hash {
    fn of(digest: &str) -> Option<Self> {
        Some(match digest.split_once(':')?.0 {
            "sha256" => Self::Sha256(Sha256::new()),
            "sha384" => Self::Sha384(Sha384::new()),
            "sha512" => Self::Sha512(Sha512::new()),
            _ => return None,
        })
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha384(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    fn digest(self) -> String {
        match self {
            Self::Sha256(hash) => format!("sha256:{}", hex(&hash.finalize())),
            Self::Sha384(hash) => format!("sha384:{}", hex(&hash.finalize())),
            Self::Sha512(hash) => format!("sha512:{}", hex(&hash.finalize())),
        }
    }
}

/// Reads a layer. `buffer` is what file content goes through.
///
/// # Errors
/// If something cannot be read: that is not the same as being damaged.
pub(super) fn read(
    tar_split: &OpenFile,
    content: &Subtree,
    layout: &UnpackedBy<'_>,
    expected: &ExpectedLayer<'_>,
    buffer: &mut [u8],
    progress: &Progress,
) -> io::Result<LayerOutcome> {
    let mut outcome = LayerOutcome::default();
    let Some(mut hash) = Hash::of(expected.digest) else {
        outcome.damaged = Some(format!("its digest `{}` is of an unknown kind", expected.digest));
        return Ok(outcome);
    };
    tar_split.will_be_read();
    let mut split = TarSplit::new(ReadOpened(tar_split));
    let mut headers = Ok(Headers::new());
    let mut comparison = Comparison::new(content, layout);
    loop {
        let piece = match split.next_piece() {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(error) if error.raw_os_error().is_some() => return Err(error),
            Err(error) => {
                outcome.damaged = Some(error.to_string());
                break;
            }
        };
        match piece {
            SplitPiece::Raw(bytes) => {
                hash.update(bytes);
                outcome.bytes += bytes.len() as u64;
                progress.add(bytes.len() as u64);
                let mut failed = None;
                with(&mut headers, |headers| {
                    headers.raw(bytes, |header| {
                        if failed.is_none() {
                            failed = comparison.header(header).err();
                        }
                    })
                });
                if let Some(error) = failed {
                    return Err(error);
                }
            }
            // Links and directories are files without content.
            SplitPiece::File { size: 0, .. } => {}
            SplitPiece::File { name, size, checksum } => {
                with(&mut headers, Headers::content);
                let name = OsStr::from_bytes(name);
                let size = u64::try_from(size).unwrap_or(0);
                outcome.bytes += file(name, size, checksum, &mut comparison, &mut hash, buffer, progress)?;
            }
        }
    }
    let digest = hash.digest();
    if outcome.damaged.is_none() {
        if digest != expected.digest {
            outcome.digest = Some(digest);
        }
        if expected.size.is_some_and(|size| size != outcome.bytes) {
            outcome.size = Some(outcome.bytes);
        }
        outcome.not_tar = headers.err().map(|NotTar(why)| why);
    }
    let complete = outcome.damaged.is_none() && outcome.not_tar.is_none();
    outcome.issues = comparison.finish(complete, buffer)?;
    Ok(outcome)
}

/// The content of a file, hashed into the stream. Returns how many bytes it has.
fn file(
    name: &OsStr,
    size: u64,
    checksum: &[u8],
    comparison: &mut Comparison<'_>,
    hash: &mut Hash,
    buffer: &mut [u8],
    progress: &Progress,
) -> io::Result<u64> {
    let Some(file) = comparison.content(name)? else {
        comparison.gone(name);
        return Ok(0);
    };
    if file.stat.size > 1 << 20 {
        file.will_be_read();
    }
    let mut crc = crc_fast::Digest::new(Crc64GoIso);
    let mut total = 0;
    loop {
        let count = file.read(buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        crc.update(&buffer[..count]);
        total += count as u64;
        progress.add(count as u64);
        // What is too long is wrong, however long it is.
        if total > size || (total == size && file.stat.size == size) {
            break;
        }
    }
    if total != size || crc.finalize().to_be_bytes() != checksum {
        comparison.issue(FileDifference::Content, name);
    }
    Ok(total)
}

fn with(headers: &mut Result<Headers, NotTar>, step: impl FnOnce(&mut Headers) -> Result<(), NotTar>) {
    if let Ok(inner) = headers
        && let Err(error) = step(inner)
    {
        *headers = Err(error);
    }
}

struct ReadOpened<'a>(&'a OpenFile);

impl io::Read for ReadOpened<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

/// A cleaned path as directory and name.
pub(super) fn split(path: &OsStr) -> (&Path, &OsStr) {
    let bytes = path.as_bytes();
    match bytes.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => {
            (Path::new(OsStr::from_bytes(&bytes[..slash])), OsStr::from_bytes(&bytes[slash + 1..]))
        }
        None => (Path::new(""), path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_tar_split() {
        // Go: crc64.Checksum([]byte("hello\n"), crc64.MakeTable(crc64.ISO))
        let mut crc = crc_fast::Digest::new(Crc64GoIso);
        crc.update(b"hello\n");
        assert_eq!(crc.finalize(), 0x614c_3eee_e2d8_1000);
    }
}
