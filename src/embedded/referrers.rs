//! What refers to the images of a run in their registries: signatures, attestations, SBOMs.
//!
//! cosign tags them in the image's repository after its digest: `sha256-HEX.sig`, `.att`, `.sbom`.
//! OCI has a referrers API, and for registries without it an index with the tag `sha256-HEX`
//! (distribution-spec, "Listing Referrers"). Tags are listed with skopeo; the API is asked with oras.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::BorrowedFd;

use super::contents::EmbeddedImage;
use super::list::ListEntry;
use super::options::EmbedOptions;
use super::unreachable::UnreachableRegistries;
use crate::images::{Digest, Manifest};
use crate::problem::{Problem, Severity};
use crate::registry::{self, Failure, repository, with_retries};

/// What cosign adds to the tag of a digest.
const ENDS: [&str; 3] = [".sig", ".att", ".sbom"];

/// How many referrers of an image are taken.
const MAX: usize = 128;

/// What refers to images.
#[derive(Debug, Default)]
pub(super) struct Referrers {
    /// The digest of the image that each refers to, by its reference: a repository and a digest.
    pub(super) all: BTreeMap<String, Digest>,
    /// What could not be learned, and what was not asked.
    pub(super) remarks: Vec<Problem>,
    /// Of how many images it is not known what refers to them.
    pub(super) unknown: usize,
}

/// Asks registries what refers to images.
pub(super) struct ReferrersReader<'a> {
    options: &'a EmbedOptions,
    lock: BorrowedFd<'a>,
    /// The tags of the repositories that were asked.
    tags: HashMap<String, BTreeSet<String>>,
    has_oras: bool,
    found: Referrers,
}

impl<'a> ReferrersReader<'a> {
    pub(super) fn new(options: &'a EmbedOptions, lock: BorrowedFd<'a>) -> Self {
        Self { options, lock, tags: HashMap::new(), has_oras: true, found: Referrers::default() }
    }

    /// What refers to these images, or to one of a list of images.
    pub(super) fn find<'b>(
        mut self,
        images: impl Iterator<Item = (&'b ListEntry, &'b EmbeddedImage)>,
    ) -> Referrers {
        for (entry, contents) in images.filter(|(_, contents)| contents.artifact.is_none()) {
            let reference = &entry.reference;
            if let Err(problem) = self.of_image(reference, contents) {
                let message = format!("it is unknown what refers to `{reference}`: {}", problem.message);
                let problem = Problem::new("referrers-unknown", message, problem.hint);
                self.found.remarks.push(problem.with(Severity::Warning));
                self.found.unknown += 1;
            }
        }
        if !self.has_oras {
            let message = "what refers to images was looked for by tags alone: the referrers API of \
                           registries was not asked, since `oras` is not installed";
            let hint = "install oras, unless signatures and the like are attached by tags there";
            let problem = Problem::new("referrers-unasked", message, hint);
            self.found.remarks.push(problem.with(Severity::Warning));
        }
        self.found
    }

    fn of_image(&mut self, reference: &str, contents: &EmbeddedImage) -> Result<(), Problem> {
        let access = self.options.access(self.lock);
        let repository = repository(reference);
        if !self.tags.contains_key(repository) {
            let listed = self.ask(reference, || registry::tags(reference, access))?;
            self.tags.insert(repository.to_owned(), listed.into_iter().collect());
        }
        let there = contents.instances.iter().filter(|instance| instance.is_there);
        let images: BTreeSet<&Digest> =
            there.map(|instance| &instance.digest).chain([&contents.digest]).collect();
        let mut all: BTreeMap<Digest, Digest> = BTreeMap::new();
        // What tags say is embedded all the same.
        let mut failed = None;
        for image in images {
            let of_tags = self.by_tags(repository, image)?;
            all.extend(of_tags.into_iter().map(|digest| (digest, image.clone())));
            if self.has_oras {
                let by_digest = format!("{repository}@{image}");
                match self.ask(reference, || registry::discover(&by_digest, access)) {
                    Ok(Some(digests)) => {
                        all.extend(digests.into_iter().map(|digest| (digest, image.clone())));
                    }
                    Ok(None) => self.has_oras = false,
                    Err(problem) => failed = Some(problem),
                }
            }
        }
        // What belongs to the image is no referrer, whatever a tag says.
        all.retain(|digest, _| !contents.has_digest(digest.as_str()));
        if all.len() > MAX {
            let message = format!("there are {} referrers, more than {MAX}", all.len());
            let hint = "embed those that are needed with `--artifacts`, by their digests";
            return Err(Problem::new("referrers-unknown", message, hint));
        }
        let named = all.into_iter().map(|(digest, image)| (format!("{repository}@{digest}"), image));
        self.found.all.extend(named);
        failed.map_or(Ok(()), Err)
    }

    /// What the tags say that are made of the digest of an image.
    fn by_tags(&self, repository: &str, image: &Digest) -> Result<Vec<Digest>, Problem> {
        let access = self.options.access(self.lock);
        let manifest = |tag: &str| match self.tags[repository].contains(tag) {
            true => {
                let reference = format!("{repository}:{tag}");
                self.ask(&reference, || registry::raw_manifest(&reference, access)).map(Some)
            }
            false => Ok(None),
        };
        let tag = format!("sha256-{}", image.hex());
        let mut digests = Vec::new();
        for end in ENDS {
            digests.extend(manifest(&format!("{tag}{end}"))?.map(|bytes| Digest::of(&bytes)));
        }
        // Anything else is a tag that somebody has made for something of their own.
        if let Some(Ok(Manifest::Index(entries))) = manifest(&tag)?.map(|bytes| Manifest::parse(&bytes)) {
            digests.extend(entries.iter().filter_map(|entry| Digest::parse(&entry.digest)));
        }
        Ok(digests)
    }

    fn ask<T>(&self, reference: &str, ask: impl FnMut() -> Result<T, Failure>) -> Result<T, Problem> {
        let patience = UnreachableRegistries::default().retry_limits(reference, self.options);
        with_retries(patience, ask).map_err(|failure| failure.problem)
    }
}
