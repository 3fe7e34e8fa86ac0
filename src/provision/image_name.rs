//! Names of images.

use crate::hex::is_sha256;
use crate::problem::Problem;

/// Whether a text can be the name of an image in a unit or a command, and is one.
///
/// # Errors
/// A [`Problem`] that says that it is not.
pub fn check_image(image: &str) -> Result<(), Problem> {
    let letter = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-' | '/' | ':' | '@');
    let starts = image.starts_with(|it: char| it.is_ascii_alphanumeric());
    let has_digest = image.split_once('@').is_none_or(|(_, digest)| is_digest(digest));
    if starts && has_digest && image.chars().all(letter) {
        return Ok(());
    }
    Err(Problem::new(
        "image-name-invalid",
        format!("`{}` is not the name of an image", image.escape_debug()),
        "give it as podman does, such as `registry.example/app:1`",
    ))
}

/// Whether a text is the digest of a manifest.
pub(super) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(is_sha256)
}

/// For a kind of document whose images are all in registries: `what` it is.
///
/// # Errors
/// As [`check_image`], and `kind-lacks` for a name with a transport.
pub(super) fn check_in_registry(image: &str, what: &str) -> Result<(), Problem> {
    check_image(image)?;
    if image.split_once(':').is_some_and(|(_, rest)| rest.starts_with('/')) {
        let message = format!("`{image}` is not in a registry, and {what} has no others");
        return Err(Problem::new("kind-lacks", message, "push it to one, and give its name there"));
    }
    Ok(())
}

/// A name without its tag and its digest.
pub fn repository(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[last..].find(':') {
        Some(colon) => &name[..last + colon],
        None => name,
    }
}
