//! Files as data URLs.
//!
//! The smallest of percent-escaped, base64 and gzip with base64, as Butane chooses;
//! the same bytes for the same content at any time (no time stamp in gzip).

use std::fmt;
use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use flate2::{Compression, GzBuilder, read::MultiGzDecoder};
use sha2::{Digest, Sha512};

use crate::hex::hex;
use crate::limits;

/// A file's content as documents carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataUrl {
    /// The URL.
    pub source: String,
    /// `gzip`, or nothing.
    pub compression: &'static str,
}

/// A URL of `content` that is made fast.
pub fn base64(content: &[u8]) -> String {
    format!("data:;base64,{}", STANDARD.encode(content))
}

/// The smallest URL of `content`; with gzip only if `may_compress`.
pub fn encode(content: &[u8], may_compress: bool) -> DataUrl {
    let escaped = format!("data:,{}", escape(content));
    let base64 = base64(content);
    let mut best = DataUrl { source: escaped, compression: "" };
    if base64.len() < best.source.len() {
        best.source = base64;
    }
    if may_compress {
        let gzip = format!("data:;base64,{}", STANDARD.encode(gzip(content)));
        if gzip.len() < best.source.len() {
            best = DataUrl { source: gzip, compression: "gzip" };
        }
    }
    best
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(content).expect("memory can be written to");
    encoder.finish().expect("memory can be written to")
}

/// Percent-escapes all but what a URL may hold as it is (RFC 3986, unreserved).
fn escape(content: &[u8]) -> String {
    let mut out = String::new();
    for &byte in content {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                out.push(char::from(byte))
            }
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

/// What is wrong with a URL or its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undecodable {
    /// It is not a data URL; what it has for a scheme.
    Scheme(String),
    /// It is not a valid one; why.
    Url(String),
    /// It says that it is compressed, and is not.
    NotCompressed,
    /// It is compressed in a way that nobody knows.
    Compression(String),
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(scheme) => write!(f, "Ignition does not know the scheme `{scheme}`"),
            Self::Url(why) => write!(f, "this data URL is not valid: {why}"),
            Self::NotCompressed => f.write_str("it is not compressed as the document says"),
            Self::Compression(other) => write!(f, "Ignition does not know the compression `{other}`"),
        }
    }
}

/// The bytes that a data URL holds, as they stand there.
///
/// # Errors
/// [`Undecodable`] as Ignition would refuse it.
pub fn decode(source: &str) -> Result<Vec<u8>, Undecodable> {
    let Some(rest) = source.strip_prefix("data:") else {
        let scheme = source.split_once(':').map_or("", |(scheme, _)| scheme);
        return Err(Undecodable::Scheme(scheme.to_owned()));
    };
    let Some((media, data)) = rest.split_once(',') else {
        return Err(Undecodable::Url("it has no comma".to_owned()));
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~!*'();/?:@&=+$,%".contains(&byte);
    if let Some(byte) = data.bytes().find(|byte| !allowed(*byte)) {
        let letter = char::from(byte).escape_debug().to_string();
        return Err(Undecodable::Url(format!("`{letter}` must be escaped as `%{byte:02X}`")));
    }
    let bytes = unescape(data)?;
    if !media.ends_with(";base64") {
        return Ok(bytes);
    }
    let trimmed: Vec<u8> = bytes.into_iter().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    let decoded = STANDARD.decode(&trimmed).or_else(|_| STANDARD_NO_PAD.decode(&trimmed));
    decoded.map_err(|error| Undecodable::Url(format!("its base64 is not valid: {error}")))
}

fn unescape(data: &str) -> Result<Vec<u8>, Undecodable> {
    let bytes = data.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'%' {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        let digits = data.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let Some(byte) = digits else {
            return Err(Undecodable::Url("a `%` in it is not followed by two digits".to_owned()));
        };
        out.push(byte);
        at += 3;
    }
    Ok(out)
}

/// Undoes a document's `compression`.
///
/// # Errors
/// [`Undecodable`] as Ignition would stop at it.
pub fn decompress(bytes: Vec<u8>, compression: &str) -> Result<Vec<u8>, Undecodable> {
    match compression {
        "" => Ok(bytes),
        "gzip" => {
            let mut out = Vec::new();
            let mut decoder = MultiGzDecoder::new(bytes.as_slice()).take(limits::FILE_IN_DOCUMENT);
            decoder.read_to_end(&mut out).map_err(|_| Undecodable::NotCompressed)?;
            Ok(out)
        }
        other => Err(Undecodable::Compression(other.to_owned())),
    }
}

/// Whether bytes start as gzip does.
pub fn looks_compressed(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// `sha256-` and the digest of `content`, as documents name it.
pub fn sha256(content: &[u8]) -> String {
    format!("sha256-{}", crate::hex::sha256(content))
}

/// `sha512-` and the digest.
pub fn sha512(content: &[u8]) -> String {
    format!("sha512-{}", hex(&Sha512::digest(content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_form_is_taken() {
        assert_eq!(encode(b"a", true), DataUrl { source: "data:,a".to_owned(), compression: "" });
        assert!(encode(&[0xff; 30], false).source.starts_with("data:;base64,"));
        assert_eq!(encode(&[b'\n'; 500], true).compression, "gzip");
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for content in [&b""[..], b"a b\n%,[]\"", &[0, 1, 255], &[b'x'; 1000]] {
            for may_compress in [false, true] {
                let url = encode(content, may_compress);
                let bytes = decode(&url.source).unwrap();
                assert_eq!(decompress(bytes, url.compression).unwrap(), content);
            }
        }
    }

    #[test]
    fn raw_characters_are_refused_as_ignition_does() {
        for wrong in ["data:,a b", "data:,[x]", "data:,%zz", "data:;base64,!!", "data:x"] {
            assert!(matches!(decode(wrong), Err(Undecodable::Url(_))), "{wrong}");
        }
        assert_eq!(decode("https://x"), Err(Undecodable::Scheme("https".to_owned())));
    }
}
