//! What an image consists of that is still in its registry: its manifests, before a blob is
//! fetched.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

use super::contents::{EmbeddedImage, contents_of, instance_file};
use super::options::{EmbedOptions, Platforms};
use super::unreachable::UnreachableRegistries;
use crate::images::Digest;
use crate::limits;
use crate::problem::Problem;
use crate::registry::{self, Failure, RegistryAccess, SignatureSettings, with_retries};

/// An image in a registry, of which those for the platforms that are wanted are known.
#[derive(Debug)]
pub(super) struct RegistryImage {
    /// What it consists of.
    pub(super) contents: EmbeddedImage,
    /// The documents that were read, by the names of their files in a `dir:` directory.
    pub(super) documents: BTreeMap<String, Vec<u8>>,
    /// The reference of one of its images, by digest: its blobs are to be had there.
    pub(super) source: String,
    /// Whether skopeo has to copy it as a whole.
    pub(super) is_whole: bool,
}

impl RegistryImage {
    /// Its blobs that are not among its documents.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Digest> {
        self.contents.blobs.keys().filter(|digest| !self.documents.contains_key(digest.hex()))
    }
}

/// Asks registries for the documents of one image, each once.
pub(super) struct RegistryReader<'a> {
    pub(super) reference: &'a str,
    options: &'a EmbedOptions,
    unreachable: &'a UnreachableRegistries,
    signatures: &'a SignatureSettings,
    lock: BorrowedFd<'a>,
    documents: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl<'a> RegistryReader<'a> {
    pub(super) fn new(
        reference: &'a str,
        options: &'a EmbedOptions,
        unreachable: &'a UnreachableRegistries,
        signatures: &'a SignatureSettings,
        lock: BorrowedFd<'a>,
    ) -> Self {
        Self { reference, options, unreachable, signatures, lock, documents: RefCell::default() }
    }

    /// The digest that the reference means now.
    pub(super) fn fetch_digest(&self) -> Result<Digest, Problem> {
        Ok(Digest::of(&self.manifest()?))
    }

    /// The image, or those of a list that are wanted.
    pub(super) fn fetch_image(self) -> Result<RegistryImage, Problem> {
        let contents = match &self.options.platforms {
            Platforms::All => self.contents(|_| true)?,
            Platforms::These(platforms) => {
                let list = self.contents(|_| false)?;
                let chosen = list.choose(self.reference, platforms)?;
                if list.is_list {
                    let files: Vec<String> = chosen.iter().map(|it| instance_file(&it.digest)).collect();
                    let platforms = chosen.iter().filter_map(|it| it.platform.clone()).collect();
                    let contents = self.contents(|name| files.iter().any(|file| file == name))?;
                    EmbeddedImage { chosen: Some(platforms), ..contents }
                } else {
                    list
                }
            }
        };
        if let Some(kind) = contents.artifact.as_ref().filter(|_| !self.options.takes_artifacts()) {
            let kind = kind.escape_debug();
            let message = format!(
                "`{}` is an artifact of the type `{kind}`, not an image that can run",
                self.reference
            );
            let hint = "leave it out; `embed-images --artifacts` embeds artifacts, too";
            return Err(Problem::new("image-unsupported", message, hint));
        }
        let first = contents.instances.iter().find(|instance| instance.is_there);
        let digest = first.map_or(&contents.digest, |instance| &instance.digest);
        let source = format!("{}@{digest}", registry::repository(self.reference));
        let documents = self.documents.into_inner();
        // Such a layer is to be had elsewhere, which skopeo alone knows.
        let has_urls = |document: &Vec<u8>| document.windows(6).any(|part| part == b"\"urls\"");
        let is_signed = self.options.signatures || self.signatures.concerns(self.reference);
        let is_whole = documents.values().any(has_urls) || is_signed;
        Ok(RegistryImage { contents, documents, source, is_whole })
    }

    /// What it consists of, as far as `is_wanted` the manifests of a list.
    fn contents(&self, is_wanted: impl Fn(&str) -> bool) -> Result<EmbeddedImage, Problem> {
        contents_of(self.reference, &|name| {
            if name == "manifest.json" {
                return self.manifest().map(Some);
            }
            if let Some(digits) = name.strip_suffix(".manifest.json") {
                let reference = format!("{}@sha256:{digits}", registry::repository(self.reference));
                return is_wanted(name)
                    .then(|| self.document(name, &reference, registry::raw_manifest))
                    .transpose();
            }
            // The configuration says for which platform an image is that is in no list.
            match Digest::parse(&format!("sha256:{name}")) {
                Some(digest) if self.options.platforms != Platforms::All => {
                    self.configuration(&digest).map(Some)
                }
                _ => Ok(None),
            }
        })
    }

    fn manifest(&self) -> Result<Vec<u8>, Problem> {
        self.document("manifest.json", self.reference, registry::raw_manifest)
    }

    fn configuration(&self, digest: &Digest) -> Result<Vec<u8>, Problem> {
        let reference = format!("{}@{}", registry::repository(self.reference), Digest::of(&self.manifest()?));
        let bytes = self.document(digest.hex(), &reference, registry::raw_config)?;
        if Digest::of(&bytes) == *digest {
            return Ok(bytes);
        }
        let message =
            format!("cannot fetch `{}`: its configuration does not match its digest", self.reference);
        Err(Problem::new(
            "blob-digest",
            message,
            "run it again; if that does not help, a proxy or the registry is broken",
        ))
    }

    /// Asks for a document, unless that was done.
    fn document(
        &self,
        name: &str,
        reference: &str,
        ask: fn(&str, RegistryAccess<'_>) -> Result<Vec<u8>, Failure>,
    ) -> Result<Vec<u8>, Problem> {
        if let Some(known) = self.documents.borrow().get(name) {
            return Ok(known.clone());
        }
        let patience = self.unreachable.retry_limits(self.reference, self.options);
        let access = self.options.access(self.lock);
        let answer = with_retries(patience, || ask(reference, access)).map_err(|failure| failure.problem);
        let bytes = answer.inspect_err(|problem| self.unreachable.note(self.reference, problem))?;
        if bytes.len() as u64 > limits::IMAGE_DOCUMENT {
            let message = format!("the image `{}` has a manifest of more than 4 MiB", self.reference);
            return Err(Problem::new(
                "image-unsupported",
                message,
                "push it to its registry again with a current tool",
            ));
        }
        self.documents.borrow_mut().insert(name.to_owned(), bytes.clone());
        Ok(bytes)
    }
}
