//! Digests of blobs.

use std::fmt;

use sha2::Digest as _;
use sha2::Sha256;

use crate::hex::{hex, is_sha256};

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
