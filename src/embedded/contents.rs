//! What an embedded image consists of, by its manifests, each of which is verified.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::record::EmbedRecord;
use crate::images::{
    ArtifactManifest, Descriptor, Digest, ImageConfig, Manifest, ManifestFault, Platform, PlatformEntry,
    is_image, signature,
};
use crate::limits;
use crate::problem::{Problem, total, words};
use crate::sys::{FileKind, Root};

/// How deep lists may be nested.
const MAX_NESTED: usize = 4;

const FETCH_AGAIN: &str = "`storagectl embed-images` fetches it again";

/// Reads a document of an image by the name of its file in a `dir:` directory; `None` if it is not
/// there.
type ReadDocument<'a> = dyn Fn(&str) -> Result<Option<Vec<u8>>, Problem> + 'a;

/// An embedded image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedImage {
    /// The digest of its manifest, or of its list of images.
    pub digest: Digest,
    /// Whether it is a list of images.
    pub is_list: bool,
    /// What it is, by its media type, if it is an artifact and no image.
    pub artifact: Option<String>,
    /// Whether the signatures that are attached to it were asked for when it was embedded.
    pub signatures: bool,
    /// The digest of the image that it was embedded with, to which it refers.
    pub refers_to: Option<Digest>,
    /// The images of the list, or the one image.
    pub instances: Vec<Instance>,
    /// The blobs of those images that are there, with their sizes in bytes.
    pub blobs: BTreeMap<Digest, u64>,
    /// The platforms that were asked for when it was embedded, if not all were.
    pub chosen: Option<Vec<String>>,
}

/// An image for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The digest of its manifest.
    pub digest: Digest,
    /// For which machine it is, such as `linux/arm64/v8`, if that is known.
    pub platform: Option<String>,
    /// Whether its manifest is there.
    pub is_there: bool,
}

/// Reads the manifests in the directory `dir`, where the image `reference` is said to be.
/// Blobs are not looked at.
///
/// # Errors
/// `embedded-missing`, `embedded-other`, `image-invalid`, `image-unsupported`,
/// `blob-missing`, `blob-digest`, or the system's answer.
pub fn contents(root: &Root, dir: &Path, reference: &str) -> Result<EmbeddedImage, Problem> {
    let shown = root.show(dir).display().to_string();
    let missing =
        |what: &str| problem("embedded-missing", reference, &format!("is missing: `{shown}` {what}"));
    match root.stat_or_link(dir).map_err(Problem::cannot("look at", &shown))? {
        None => return Err(missing("does not exist")),
        Some(stat) if stat.kind != FileKind::Directory => return Err(missing("is not a directory")),
        Some(_) => {}
    }
    let read = |name: &str| document(root, dir, reference, name);
    let record = || EmbedRecord::read(root, dir).map_err(Problem::cannot("read", &shown));
    ContentsReader { read: &read, reference }.read(record)
}

/// As [`contents`], of an image whose documents `read` has.
pub(super) fn contents_of(reference: &str, read: &ReadDocument<'_>) -> Result<EmbeddedImage, Problem> {
    ContentsReader { read, reference }.read(|| Ok(None))
}

fn problem(id: &'static str, reference: &str, what: &str) -> Problem {
    Problem::new(id, format!("the image `{reference}` {what}"), FETCH_AGAIN)
}

/// A small file of a directory; `None` if there is none.
fn document(root: &Root, dir: &Path, reference: &str, name: &str) -> Result<Option<Vec<u8>>, Problem> {
    let path = dir.join(name);
    let shown = root.show(&path).display().to_string();
    let damaged = |what: &str| problem("image-invalid", reference, &format!("is damaged: `{name}`{what}"));
    match root.stat_or_link(&path).map_err(Problem::cannot("look at", &shown))? {
        None => return Ok(None),
        Some(stat) if stat.kind == FileKind::Symlink => return Err(damaged(" is a symlink")),
        Some(stat) if stat.kind != FileKind::File || stat.size > limits::IMAGE_DOCUMENT => {
            return Err(damaged(" is not a file of at most 4 MiB"));
        }
        Some(_) => {}
    }
    match root.read(&path) {
        Ok(found) => Ok(found.map(|(bytes, _)| bytes)),
        Err(error) if is_unreadable(&error) => Err(damaged(&format!(": {}", words(&error)))),
        Err(error) => Err(Problem::io("read", &shown, &error)),
    }
}

/// The disk cannot read it any more.
pub(super) fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

struct ContentsReader<'a> {
    read: &'a ReadDocument<'a>,
    reference: &'a str,
}

impl ContentsReader<'_> {
    fn problem(&self, id: &'static str, what: &str) -> Problem {
        problem(id, self.reference, what)
    }

    fn read(
        &self,
        record: impl FnOnce() -> Result<Option<EmbedRecord>, Problem>,
    ) -> Result<EmbeddedImage, Problem> {
        let Some(manifest) = (self.read)("manifest.json")? else {
            return Err(self.problem("image-invalid", "has no `manifest.json`: its copy is incomplete"));
        };
        let digest = Digest::of(&manifest);
        let record = record()?;
        let named = self.reference.split_once('@').and_then(|(_, digest)| Digest::parse(digest));
        let recorded = record.as_ref().and_then(EmbedRecord::digest);
        for (wanted, whose) in [(named, "its reference"), (recorded, "its record")] {
            if let Some(wanted) = wanted.filter(|wanted| *wanted != digest) {
                let what = format!("has a manifest with the digest `{digest}`, but {whose} says `{wanted}`");
                return Err(self.problem("embedded-other", &what));
            }
        }
        let mut contents = EmbeddedImage {
            digest: digest.clone(),
            is_list: false,
            artifact: None,
            signatures: record.as_ref().is_some_and(|record| record.signatures),
            refers_to: record.as_ref().and_then(EmbedRecord::refers_to),
            instances: Vec::new(),
            blobs: BTreeMap::new(),
            chosen: record.and_then(|record| record.platforms),
        };
        match self.parse(&manifest, "manifest.json")? {
            Manifest::Index(manifests) => {
                contents.is_list = true;
                let mut kinds = Vec::new();
                self.list(&manifests, 0, &mut contents, &mut kinds)?;
                // Beside images there may be what belongs to them, such as attestations.
                contents.artifact = kinds.into_iter().collect::<Option<Vec<_>>>().unwrap_or_default().pop();
            }
            Manifest::Image { config, layers } => {
                self.image(&config, &layers, "manifest.json", &mut contents)?;
                contents.artifact = self.artifact(&manifest, &config, &layers)?;
                let platform = match contents.artifact {
                    None => self.platform(&config)?,
                    Some(_) => None,
                };
                contents.instances.push(Instance { digest, platform, is_there: true });
            }
        }
        Ok(contents)
    }

    fn list(
        &self,
        manifests: &[Descriptor],
        depth: usize,
        contents: &mut EmbeddedImage,
        kinds: &mut Vec<Option<String>>,
    ) -> Result<(), Problem> {
        if depth == MAX_NESTED {
            return Err(self.problem("image-invalid", "has lists of images that are nested too deeply"));
        }
        for entry in manifests {
            let digest = self.digest(&entry.digest)?;
            let file = instance_file(&digest);
            let platform = entry.platform.as_ref().map(PlatformEntry::label);
            let manifest = (self.read)(&file)?;
            let is_there = manifest.is_some();
            if let Some(manifest) = manifest {
                if manifest.len() as u64 != entry.size || Digest::of(&manifest) != digest {
                    let what = format!("is damaged: `{file}` does not match the digest in its name");
                    return Err(self.problem("blob-digest", &what));
                }
                match self.parse(&manifest, &file)? {
                    Manifest::Index(inner) => self.list(&inner, depth + 1, contents, kinds)?,
                    Manifest::Image { config, layers } => {
                        self.image(&config, &layers, &file, contents)?;
                        kinds.push(self.artifact(&manifest, &config, &layers)?);
                    }
                }
            }
            contents.instances.push(Instance { digest, platform, is_there });
        }
        Ok(())
    }

    /// Notes the blobs of an image.
    fn image(
        &self,
        config: &Descriptor,
        layers: &[Descriptor],
        file: &str,
        contents: &mut EmbeddedImage,
    ) -> Result<(), Problem> {
        // Whoever copies the image reads them, and stops at one that is none.
        let prefix = file.strip_suffix("manifest.json").unwrap_or_default();
        signature::beside(prefix, self.read, |why| {
            self.problem("image-invalid", &format!("is damaged: {why}"))
        })?;
        for part in layers.iter().chain([config]) {
            let digest = self.digest(&part.digest)?;
            if contents.blobs.insert(digest, part.size).is_some_and(|size| size != part.size) {
                let what = format!("has manifests that disagree about the size of `{}`", part.digest);
                return Err(self.problem("image-invalid", &what));
            }
        }
        Ok(())
    }

    /// What the manifest of an artifact is of; `None` for an image.
    fn artifact(
        &self,
        manifest: &[u8],
        config: &Descriptor,
        layers: &[Descriptor],
    ) -> Result<Option<String>, Problem> {
        if is_image(config, layers) {
            return Ok(None);
        }
        // What engines would not keep is told before it is fetched.
        let parsed = ArtifactManifest::parse(manifest).map_err(|why| {
            let message = format!("the artifact `{}` has a manifest that {why}", self.reference);
            Problem::new("image-unsupported", message, "push it to its registry again with a current tool")
        })?;
        Ok(Some(parsed.kind))
    }

    /// The platform that a configuration says, if it is there and can be read.
    fn platform(&self, config: &Descriptor) -> Result<Option<String>, Problem> {
        let Some(bytes) = (self.read)(self.digest(&config.digest)?.hex())? else {
            return Ok(None);
        };
        let Ok(config) = serde_json::from_slice::<ImageConfig>(&bytes) else {
            return Ok(None);
        };
        Ok(config.platform_label())
    }

    fn parse(&self, bytes: &[u8], file: &str) -> Result<Manifest, Problem> {
        Manifest::parse(bytes).map_err(|fault| match fault {
            ManifestFault::Malformed(error) => {
                self.problem("image-invalid", &format!("has a `{file}` that is malformed: {error}"))
            }
            ManifestFault::FirstSchema => {
                let message = format!("the image `{}` has a manifest of Docker schema 1", self.reference);
                let hint = "push it to its registry again with a current tool";
                Problem::new("image-unsupported", message, hint)
            }
            ManifestFault::OtherType(media_type) => {
                let what = format!("has a `{file}` of the type `{media_type}`, which is not a manifest");
                self.problem("image-invalid", &what)
            }
        })
    }

    fn digest(&self, text: &str) -> Result<Digest, Problem> {
        Digest::parse(text).ok_or_else(|| {
            let what = format!("names `{}`, which is not a SHA-256 digest", text.escape_debug());
            self.problem("image-unsupported", &what)
        })
    }
}

/// The file of an image of a list, in a `dir:` directory.
pub(super) fn instance_file(digest: &Digest) -> String {
    format!("{}.manifest.json", digest.hex())
}

impl EmbeddedImage {
    /// Whether `digest` is that of its list, or of one of its images.
    pub fn has_digest(&self, digest: &str) -> bool {
        self.digest.as_str() == digest
            || self.instances.iter().any(|instance| instance.digest.as_str() == digest)
    }

    /// How many bytes its blobs have.
    pub fn bytes(&self) -> u64 {
        total(self.blobs.values().copied())
    }

    /// The platforms of the images that are there, each once.
    pub fn platforms(&self) -> Vec<&str> {
        let mut platforms = Vec::new();
        for instance in self.instances.iter().filter(|instance| instance.is_there) {
            let platform = instance.platform.as_deref().unwrap_or("unknown");
            if !platforms.contains(&platform) {
                platforms.push(platform);
            }
        }
        platforms
    }

    /// Looks for the images that have to be there: those for `wanted`, or else those that
    /// were asked for when it was embedded, or else all.
    ///
    /// # Errors
    /// `blob-missing`, or `image-platform` if there is none for a platform.
    pub(super) fn require(&self, reference: &str, wanted: Option<&[Platform]>) -> Result<(), Problem> {
        let missing = |instance: &Instance| {
            let platform = instance.platform.as_deref().unwrap_or("an unknown platform");
            let message = format!(
                "the image `{reference}` has no part for {platform}: there is no `{}`",
                instance_file(&instance.digest)
            );
            Problem::new("blob-missing", message, FETCH_AGAIN)
        };
        let absent = self.instances.iter().find(|instance| !instance.is_there);
        match (wanted, &self.chosen) {
            (Some(wanted), _) => {
                for chosen in self.choose(reference, wanted)? {
                    if !chosen.is_there {
                        return Err(missing(chosen));
                    }
                }
                Ok(())
            }
            (None, Some(chosen)) => {
                let is_chosen = |instance: &&Instance| {
                    instance.platform.as_ref().is_some_and(|platform| chosen.contains(platform))
                };
                match self.instances.iter().filter(is_chosen).find(|instance| !instance.is_there) {
                    Some(instance) => Err(missing(instance)),
                    None => Ok(()),
                }
            }
            (None, None) => absent.map_or(Ok(()), |instance| Err(missing(instance))),
        }
    }

    /// The image for each of these platforms, as engines choose it. An artifact by itself is for all.
    ///
    /// # Errors
    /// `image-platform` if there is none for one of them.
    pub(super) fn choose(&self, reference: &str, wanted: &[Platform]) -> Result<Vec<&Instance>, Problem> {
        if self.artifact.is_some() && !self.is_list {
            return Ok(self.instances.iter().collect());
        }
        let mut chosen: Vec<&Instance> = Vec::new();
        for platform in wanted {
            let ranked = self
                .instances
                .iter()
                .filter_map(|instance| Some((platform.rank_of(instance.platform.as_deref()?)?, instance)));
            let Some((_, best)) = ranked.min_by_key(|(rank, _)| *rank) else {
                let has: Vec<&str> =
                    self.instances.iter().filter_map(|instance| instance.platform.as_deref()).collect();
                let message = format!(
                    "the image `{reference}` is not available for {}; it is for {}",
                    platform.name(),
                    if has.is_empty() { "no known platform".to_owned() } else { has.join(", ") }
                );
                return Err(Problem::new(
                    "image-platform",
                    message,
                    "give another image, or another `--arch`",
                ));
            };
            if !chosen.contains(&best) {
                chosen.push(best);
            }
        }
        Ok(chosen)
    }

    /// Its blobs as files of the directory `dir`.
    pub(super) fn files<'a>(
        &'a self,
        dir: &Path,
    ) -> impl Iterator<Item = (PathBuf, &'a Digest, u64)> + use<'a> {
        let dir = dir.to_owned();
        self.blobs.iter().map(move |(digest, size)| (dir.join(digest.hex()), digest, *size))
    }
}
