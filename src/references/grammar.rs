//! What a reference may be.

use crate::images::{Digest, is_reference};
use crate::problem::Problem;

const IN_FULL: &str =
    "give it in full, such as `registry.example.com/app:1` or `registry.example.com/app@sha256:…`";

/// Whether `reference` can be embedded: it is one by the grammar of distribution/reference, by which
/// engines read it.
///
/// # Errors
/// `reference-invalid`.
pub fn check_reference(reference: &str) -> Result<(), Problem> {
    let wrong = |why: &str| {
        let message = format!("the reference `{}` {why}", reference.escape_debug());
        Err(Problem::new("reference-invalid", message, IN_FULL))
    };
    if let Err(why) = list_fault(reference) {
        return wrong(why);
    }
    if reference.contains("://") {
        return wrong("starts with a transport; it is fetched from a registry");
    }
    match reference.split_once('@') {
        Some((_, digest)) if Digest::parse(digest).is_none() => {
            wrong("has a digest that is not `sha256:` and 64 hexadecimal digits")
        }
        _ if !is_reference(reference) => {
            wrong("is not `REGISTRY/PATH:TAG`, with a path in lower-case letters, digits, `.`, `_` and `-`")
        }
        _ => Ok(()),
    }
}

/// What keeps a text from being a reference in a list of embedded images, as the end of a sentence
/// about it.
pub(crate) fn list_fault(reference: &str) -> Result<(), &'static str> {
    match reference {
        "" => Err("is empty"),
        _ if reference.contains(',') => Err("has a comma, which the list cannot hold"),
        _ if reference.contains(|letter: char| letter.is_whitespace() || letter.is_control()) => {
            Err("has a space or a control character in it")
        }
        _ if reference.starts_with('-') => Err("starts with `-`"),
        _ => Ok(()),
    }
}
