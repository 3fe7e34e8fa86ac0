//! Signatures that came with an image.
//!
//! Of the forms that are read here `dir:` directories alone hold them, in files of their own: for
//! OCI layouts and archives engines know none, and signatures that are attached to an image in
//! its registry are images of their own there. Whether one is true is the engines' affair; a
//! program that copies an image keeps them as they are, or the image is not let in elsewhere.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::limits;

/// A signature of cosign's, as engines keep it (internal/signature/sigstore.go of the image
/// library).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Sigstore {
    #[serde(rename = "mimeType")]
    _mime_type: Option<String>,
    payload: Option<String>,
    #[serde(rename = "annotations")]
    _annotations: Option<BTreeMap<String, Option<String>>>,
}

/// Why engines refuse a signature, and the image with it (`FromBlob` in
/// internal/signature/signature.go of the image library).
pub(crate) fn check(bytes: &[u8]) -> Result<(), &'static str> {
    let (first, rest) = bytes.split_first().ok_or("is empty")?;
    match first {
        // OpenPGP: compressed data, a one-pass signature, a signature.
        0xa0..=0xa3 | 0xc8 | 0x90..=0x92 | 0x3d | 0xc4 | 0x88..=0x8b | 0xc2 => Ok(()),
        0 => {
            let end = rest.iter().position(|byte| *byte == b'\n').ok_or("does not say its format")?;
            match &rest[..end] {
                b"simple-signing" => Ok(()),
                b"sigstore-json" => {
                    let read: Option<Sigstore> =
                        serde_json::from_slice(&rest[end + 1..]).map_err(|_| "is malformed")?;
                    let mut payload = read.and_then(|read| read.payload).unwrap_or_default();
                    payload.retain(|letter| !matches!(letter, '\r' | '\n'));
                    STANDARD.decode(payload).map(|_| ()).map_err(|_| "is malformed")
                }
                _ => Err("has a format that engines do not know"),
            }
        }
        _ => Err("has a format that engines do not know"),
    }
}

/// The signatures of an image in a `dir:` directory, in their order. The names of their files
/// start with `prefix`: nothing for the image of the directory's own manifest, and the digits
/// of its digest and a dot for one of a list (directory/directory_transport.go of the image
/// library). Those of the list itself are left out, since engines store one image.
///
/// # Errors
/// What `read` says, and what `invalid` makes of a signature that engines refuse and of more
/// than is taken.
pub(crate) fn beside<E>(
    prefix: &str,
    mut read: impl FnMut(&str) -> Result<Option<Vec<u8>>, E>,
    invalid: impl Fn(&str) -> E,
) -> Result<Vec<Vec<u8>>, E> {
    let mut signatures: Vec<Vec<u8>> = Vec::new();
    loop {
        let name = format!("{prefix}signature-{}", signatures.len() + 1);
        let Some(bytes) = read(&name)? else {
            return Ok(signatures);
        };
        check(&bytes).map_err(|why| invalid(&format!("its signature `{name}` {why}")))?;
        signatures.push(bytes);
        if !is_taken(&signatures) {
            return Err(invalid("it has too many signatures"));
        }
    }
}

/// Whether so many signatures of an image are taken.
pub(crate) fn is_taken(signatures: &[Vec<u8>]) -> bool {
    let bytes: usize = signatures.iter().map(Vec::len).sum();
    signatures.len() <= limits::SIGNATURES && bytes as u64 <= limits::IMAGE_DOCUMENT
}

/// The signatures of one image from two places, in an order that does not depend on which
/// comes first.
pub(crate) fn united(one: Vec<Vec<u8>>, other: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    if other.is_empty() || one == other {
        return one;
    }
    if one.is_empty() {
        return other;
    }
    let mut all = [one, other].concat();
    all.sort();
    all.dedup();
    all
}

/// The signatures that a store has of an image when `more` come to those that it has. They are
/// of one manifest, so all of them go on to be good; if they are too many, those that came last
/// stay.
pub(crate) fn added(there: Vec<Vec<u8>>, more: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    if more.iter().all(|signature| there.contains(signature)) {
        return there;
    }
    let all = united(there, more.clone());
    if is_taken(&all) { all } else { more }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_engines_refuse_is_no_signature() {
        let sigstore = |json: &str| [b"\0sigstore-json\n", json.as_bytes()].concat();
        let good: [&[u8]; 7] = [
            b"\x88signed",
            b"\xa3signed",
            b"\x90",
            b"\0simple-signing\nanything",
            &sigstore(r#"{"mimeType":"a/b","payload":"e30=","annotations":{"a":"b"}}"#),
            &sigstore("{}"),
            &sigstore("null"),
        ];
        for bytes in good {
            check(bytes).unwrap();
        }
        let bad: [&[u8]; 8] = [
            b"",
            b"\0",
            b"\0other\n",
            b"-----BEGIN PGP MESSAGE-----",
            &sigstore(""),
            &sigstore(r#"{"payload":"%"}"#),
            &sigstore(r#"{"payload":1}"#),
            &sigstore(r#"{"annotations":["a"]}"#),
        ];
        for bytes in bad {
            check(bytes).unwrap_err();
        }
    }

    #[test]
    fn signatures_are_those_up_to_the_first_that_is_not_there() {
        let there = |names: &'static [&'static str]| {
            move |name: &str| Ok(names.contains(&name).then(|| [b"\x88", name.as_bytes()].concat()))
        };
        let count = |prefix: &str, names| {
            beside(prefix, there(names), |why| why.to_owned()).map(|signatures| signatures.len())
        };
        assert_eq!(count("", &["signature-1", "signature-2", "signature-4", "a.signature-3"]), Ok(2));
        assert_eq!(count("a.", &["signature-1", "a.signature-1"]), Ok(1));
        assert_eq!(count("", &["signature-0", "signature-01"]), Ok(0));
        let endless = |_: &str| Ok(Some(vec![0x88]));
        beside("", endless, |why| why.to_owned()).unwrap_err();
    }

    #[test]
    fn the_order_of_two_places_does_not_count() {
        let of = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
        let (some, others) = (of(&["b", "a"]), of(&["c", "a"]));
        assert_eq!(united(some.clone(), some.clone()), some);
        assert_eq!(united(some.clone(), Vec::new()), some);
        assert_eq!(united(Vec::new(), some.clone()), some);
        assert_eq!(united(some.clone(), others.clone()), of(&["a", "b", "c"]));
        assert_eq!(united(others, some), of(&["a", "b", "c"]));
    }
}
