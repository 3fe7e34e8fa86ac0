//! Digests of blobs.

use std::fmt;
use std::io::{self, Read};

use sha2::Digest as _;
use sha2::Sha256;

use crate::hex::{hex, is_sha256};
use crate::sys::FilePart;

/// How many bytes of a file are read at a time.
const BUFFER: usize = 512 << 10;

/// A SHA-256 digest; OCI allows others, which nobody uses for images.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// Reads `sha256:` and 64 lower-case hexadecimal digits. `None` for all else.
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix("sha256:").filter(|digits| is_sha256(digits)).map(|_| Self(text.to_owned()))
    }

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::finish(Sha256::new_with_prefix(bytes))
    }

    /// The digest of a file; `read` is told how many bytes more were read.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of_file(mut file: FilePart, read: &mut dyn FnMut(u64)) -> io::Result<Self> {
        file.will_be_read();
        let mut hash = Sha256::new();
        let mut buffer = vec![0; BUFFER.min(usize::try_from(file.size()).unwrap_or(BUFFER)).max(1)];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok(Self::finish(hash));
            }
            hash.update(&buffer[..count]);
            read(count as u64);
        }
    }

    /// The digest of what was hashed.
    pub(crate) fn finish(hash: Sha256) -> Self {
        Self(format!("sha256:{}", hex(&hash.finalize())))
    }

    /// Its digits.
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }

    /// All of it, `sha256:` and the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As much of it as tells it apart for a person.
    pub fn short(&self) -> &str {
        &self.0["sha256:".len().."sha256:".len() + 12]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
