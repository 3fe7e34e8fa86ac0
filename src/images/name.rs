//! Names of images, as engines keep them: registry, path, and tag or digest.
//!
//! The grammar is that of the reference package (distribution/reference, regexp.go).
//! A name without a registry is not completed, since engines disagree on how.

use std::fmt;

use super::Digest;
use crate::hex::is_sha256;
use crate::problem::Problem;

/// The longest name without tag and digest (`NameTotalLengthMax`).
const MAX_LENGTH: usize = 255;

/// A complete name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// Reads a name; `:latest` is added if it has neither tag nor digest.
    ///
    /// # Errors
    /// `image-name-invalid`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let bad = |why: &str| {
            Problem::new(
                "image-name-invalid",
                format!("`{}` is not the name of an image: {why}", text.escape_debug()),
                "give it in full, such as `registry.example.com/app:1` or `localhost/app:1`",
            )
        };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                (rest, Some(Digest::parse(digest).ok_or_else(|| bad("its digest is malformed"))?))
            }
            None => (text, None),
        };
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (path, tag) = match rest[last..].split_once(':') {
            Some((name, tag)) => (&rest[..last + name.len()], Some(tag)),
            None => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(bad("its tag is malformed"));
        }
        let Some((registry, path)) = path.split_once('/').filter(|(first, _)| is_registry(first)) else {
            return Err(bad("it does not start with a registry"));
        };
        if registry.len() + 1 + path.len() > MAX_LENGTH {
            return Err(bad("it is longer than 255 bytes"));
        }
        if !path.split('/').all(is_component) {
            return Err(bad(
                "a part of it has characters other than lower-case letters, digits, `.`, `_`, `-`",
            ));
        }
        Ok(Self(match (tag, digest) {
            (None, None) => format!("{text}:latest"),
            _ => text.to_owned(),
        }))
    }

    /// Reads a name that may lack its registry, which is docker.io then, and of an official image
    /// its `library`.
    ///
    /// # Errors
    /// `image-name-invalid`.
    pub fn completed(text: &str) -> Result<Self, Problem> {
        Self::parse(&completed(text))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether engines read `text` as the name of an image, complete or not.
pub(crate) fn is_reference(text: &str) -> bool {
    // What looks like an id is none.
    !is_sha256(text) && Name::completed(text).is_ok()
}

/// A name with its registry (`ParseNormalizedNamed` in docker/reference/normalize.go).
fn completed(text: &str) -> String {
    let first = text.split_once('/').map(|(first, _)| first);
    let has_registry = first.is_some_and(|first| first.contains(['.', ':']) || first == "localhost");
    match (has_registry, first) {
        (true, _) => text.to_owned(),
        (false, Some(_)) => format!("docker.io/{text}"),
        (false, None) => format!("docker.io/library/{text}"),
    }
}

/// The first part is a registry if it has a dot or a port, or is `localhost`
/// (`splitDockerDomain`).
fn is_registry(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    (port.is_some() || host.contains('.') || host == "localhost")
        && host.split('.').all(part)
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Lower-case letters and digits, with `.`, `_`, `__` or any number of `-` between them.
fn is_component(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    is_plain(first)
        && is_plain(last)
        && bytes.chunk_by(|a, b| is_plain(*a) == is_plain(*b)).all(|run| {
            is_plain(run[0]) || matches!(run, b"." | b"_" | b"__") || run.iter().all(|&byte| byte == b'-')
        })
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    (1..=128).contains(&bytes.len())
        && is_word(bytes[0])
        && bytes.iter().all(|&byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_read_names_without_a_registry_and_none_with_capitals() {
        let digest = format!("@sha256:{}", "0".repeat(64));
        for name in ["busybox", "team/app:V1", "localhost/app:1", "host:5000/app", "HOST.example/app"] {
            assert!(is_reference(name), "{name}");
            assert!(is_reference(&format!("{name}{digest}")), "{name}");
        }
        for name in
            ["", "a b", "Busybox", "UPPER/app", "localhost/app:", "localhost/app@sha256:0", "é", "/app"]
        {
            assert!(!is_reference(name), "{name}");
        }
        assert!(!is_reference(&"0".repeat(64)));
    }

    #[test]
    fn complete_names_are_kept_and_a_tag_is_added() {
        for (given, kept) in [
            ("localhost/app:1", "localhost/app:1"),
            ("registry.example.com:5000/team/app", "registry.example.com:5000/team/app:latest"),
            ("registry.example.org/a__b/c-d--e.f:V1.x_y", "registry.example.org/a__b/c-d--e.f:V1.x_y"),
        ] {
            assert_eq!(Name::parse(given).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn what_engines_could_not_look_up_is_refused() {
        for bad in [
            "",
            "app",
            "app:1",
            "team/app",
            "localhost/",
            "localhost/App",
            "localhost/a:",
            "localhost/a:b c",
            "localhost/a@sha256:1",
            "localhost/a//b",
            "localhost/../b",
            "localhost/a___b",
            "-.io/a",
            "localhost/a\n",
        ] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }
}
