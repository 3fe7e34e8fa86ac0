//! Images in registries.
//!
//! skopeo is the transport; nothing else here needs it. It runs as a child whose output is
//! captured, and what it says when it fails is told as one of a few [`Failure`]s, with what
//! helps and whether trying again may.
//!
//! A child has the lock of the directory that it writes to as its standard input. So that
//! directory is known to be in use for as long as the child lives, even if this process is
//! killed; and its standard output is a pipe, so that it stops at its next line then. To
//! have the kernel kill it at once would take code between fork and exec, which Rust calls
//! unsafe.

mod authfile;
mod failure;
mod judged;
mod proxy;
mod referrers;
mod retry;
mod signed;
mod skopeo;

use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;

pub use crate::provision::repository;
pub use authfile::check_authfile;
pub use failure::Failure;
pub use judged::{accepts_anything, copy_if_accepted};
pub use proxy::ImageProxy;
pub use referrers::{discover, tags};
pub use retry::{RetryLimits, with_retries};
pub use signed::{SignatureSettings, with_attachments};
pub use skopeo::require_skopeo;

/// How registries are asked.
#[derive(Debug, Clone, Copy)]
pub struct RegistryAccess<'a> {
    /// The file with credentials; skopeo's own search if not given.
    pub authfile: Option<&'a Path>,
    /// Whether a trusted certificate is needed; as registries.conf says if not given.
    pub tls_verify: Option<bool>,
    /// The directory that tells where signatures are; as skopeo finds it if not given.
    pub registries_d: Option<&'a Path>,
    /// How long a registry may send nothing.
    pub stall: Duration,
    /// The locked directory that is written to.
    pub lock: BorrowedFd<'a>,
}

/// How much of a list of images is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All images.
    Everything,
    /// The list alone. What is no list is fetched whole.
    ListAlone,
}

/// Fetches an image into the new `dir:` directory `to`, with its digests as they are, and
/// writes the digest of its manifest to the file `digest`. Both are paths of this process.
/// `written` tells how many bytes are in `to`.
pub fn fetch(
    reference: &str,
    extent: Extent,
    to: &Path,
    digest: &Path,
    access: RegistryAccess<'_>,
    written: &dyn Fn() -> u64,
) -> Result<(), Failure> {
    let registries_d = access.registries_d.map(|dir| ["--registries.d".into(), dir.into()]);
    let mut arguments: Vec<OsString> = registries_d.into_iter().flatten().collect();
    arguments.extend(["copy", "--preserve-digests", "--multi-arch"].map(OsString::from));
    arguments.push(match extent {
        Extent::Everything => "all".into(),
        Extent::ListAlone => "index-only".into(),
    });
    arguments.extend(["--digestfile".into(), digest.into()]);
    if let Some(authfile) = access.authfile {
        arguments.extend(["--authfile".into(), authfile.into()]);
    }
    if let Some(verify) = access.tls_verify {
        arguments.push(format!("--src-tls-verify={verify}").into());
    }
    arguments.push(format!("docker://{}", without_tag(reference)).into());
    let mut target = OsString::from("dir:");
    target.push(to);
    arguments.push(target);
    skopeo::run(&arguments, reference, access.lock, access.stall, written).map(|_| ())
}

/// The manifest that a reference means now, or its list of images, byte for byte.
pub fn raw_manifest(reference: &str, access: RegistryAccess<'_>) -> Result<Vec<u8>, Failure> {
    inspect(&["inspect", "--raw"], reference, access)
}

/// The configuration of the image `reference`, which is in no list, byte for byte.
pub fn raw_config(reference: &str, access: RegistryAccess<'_>) -> Result<Vec<u8>, Failure> {
    inspect(&["inspect", "--raw", "--config"], reference, access)
}

fn inspect(command: &[&str], reference: &str, access: RegistryAccess<'_>) -> Result<Vec<u8>, Failure> {
    let mut arguments: Vec<OsString> = command.iter().map(OsString::from).collect();
    if let Some(authfile) = access.authfile {
        arguments.extend(["--authfile".into(), authfile.into()]);
    }
    if let Some(verify) = access.tls_verify {
        arguments.push(format!("--tls-verify={verify}").into());
    }
    arguments.push(format!("docker://{}", without_tag(reference)).into());
    skopeo::run(&arguments, reference, access.lock, access.stall, &|| 0)
}

/// A reference with a tag and a digest means what the digest says; skopeo refuses both.
pub fn without_tag(reference: &str) -> String {
    match reference.split_once('@') {
        Some((name, digest)) => format!("{}@{digest}", repository(name)),
        None => reference.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_counts_and_not_the_tag_beside_it() {
        assert_eq!(without_tag("example.com:5000/a/b:1@sha256:12"), "example.com:5000/a/b@sha256:12");
        assert_eq!(without_tag("example.com:5000/a/b:1"), "example.com:5000/a/b:1");
        assert_eq!(repository("example.com:5000/a/b"), "example.com:5000/a/b");
        assert_eq!(repository("example.com:5000/a/b:1"), "example.com:5000/a/b");
    }
}
