//! From a source on the command line to an [`Image`].

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::archive::Archive;
use super::artifact::ArtifactManifest;
use super::blobs::Blobs;
use super::config::ImageConfig;
use super::manifest::PlatformEntry;
use super::manifest::{Descriptor, LayerType, LayoutIndex, Manifest, ManifestFault, is_image, layer_type};
use super::platform::go_name;
use super::signature;
use super::{Blob, Digest, Image, Layer, Name, Platform, Source, Transport};
use crate::limits;
use crate::problem::{Problem, quoted_series};
use crate::sys::{FileKind, Root};

/// What names an image in the index of an OCI layout: its reference there, which may be a name, and
/// the name that containerd and docker write beside it.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// How deep lists may be nested.
const MAX_NESTED: usize = 4;

pub(super) const COPY_AGAIN: &str = "copy the image again, for example with `skopeo copy`";

/// Reads manifest and configuration of the image that `source` names, for `platform`
/// where there is a choice. Blobs of layers are only looked for.
///
/// # Errors
/// What is wrong with it: the ids that start with `image-`, `blob-missing`,
/// `blob-digest`, `layer-unsupported`, or the system's answer.
pub fn read(root: &Root, source: &Source, platform: &Platform) -> Result<Image, Problem> {
    ImageReader { root, source, platform, title: title(source) }.read()
}

/// The name that an image has in the index of a layout.
pub(super) fn ref_name(entry: &Descriptor) -> Option<String> {
    entry.annotations.as_ref()?.get(REF_NAME).cloned()
}

/// Those of its names that are complete: `latest` alone is none.
pub(super) fn names_of(entry: &Descriptor) -> Vec<Name> {
    let written = |key| entry.annotations.as_ref()?.get(key);
    [REF_NAME, CONTAINERD_NAME]
        .into_iter()
        .filter_map(written)
        .find_map(|it| Name::parse(it).ok())
        .into_iter()
        .collect()
}

/// Whether these are one image for several platforms, listed without a list of its own.
pub(super) fn are_platforms(entries: &[Descriptor]) -> bool {
    let mut named = entries.iter().filter_map(ref_name);
    entries.len() > 1 && named.next().is_none() && entries.iter().all(|entry| entry.platform.is_some())
}

/// An artifact in a `dir:` directory whose manifest was read and verified.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// Its manifest, byte for byte.
    pub bytes: Vec<u8>,
    /// The list of manifests that it was chosen from.
    pub list: Option<Vec<u8>>,
    /// What the manifest says, or why engines do not keep it as an artifact.
    pub manifest: Result<ArtifactManifest, String>,
}

/// Reads the artifact in a `dir:` directory, the one for `platform` where there is a choice; `None`
/// if there is an image. Its blobs are not looked for.
///
/// # Errors
/// As [`read`].
pub fn read_artifact(root: &Root, source: &Source, platform: &Platform) -> Result<Option<Artifact>, Problem> {
    let reader = ImageReader { root, source, platform, title: title(source) };
    let blobs = Blobs::Directory(root.clone(), source.path.clone());
    let chosen = reader.chosen(&blobs, reader.document(&blobs, "manifest.json")?)?;
    if is_image(&chosen.config, &chosen.layers) {
        return Ok(None);
    }
    let manifest = ArtifactManifest::parse(&chosen.manifest);
    Ok(Some(Artifact { bytes: chosen.manifest, list: chosen.list, manifest }))
}

/// A manifest, and how it was come by.
struct ChosenManifest {
    manifest: Vec<u8>,
    /// The list that it was chosen from.
    list: Option<Vec<u8>>,
    /// What the names of its signatures start with.
    prefix: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

pub(super) fn title(source: &Source) -> String {
    match source.names.first() {
        Some(name) => format!("`{name}` (`{}`)", source.text),
        None => format!("`{}`", source.text),
    }
}

/// Reads one image.
pub(super) struct ImageReader<'a> {
    pub(super) root: &'a Root,
    pub(super) source: &'a Source,
    pub(super) platform: &'a Platform,
    pub(super) title: String,
}

impl ImageReader<'_> {
    fn read(self) -> Result<Image, Problem> {
        let path = &self.source.path;
        let blobs = match self.source.transport {
            Transport::Dir | Transport::Oci => {
                let there = self.root.stat(path).map_err(self.io("look at", path))?;
                if there.is_none_or(|stat| stat.kind != FileKind::Directory) {
                    let message = format!("there is no directory `{}`", self.root.show(path).display());
                    return Err(self.problem("image-missing", &message, "give the directory of the image"));
                }
                Blobs::Directory(self.root.clone(), path.clone())
            }
            Transport::OciArchive | Transport::DockerArchive => {
                match Archive::open_file(self.root, path).map_err(self.io("read the archive", path))? {
                    Some(archive) => Blobs::Archive(archive),
                    None => {
                        let message = format!("there is no file `{}`", self.root.show(path).display());
                        return Err(self.problem("image-missing", &message, "give the file of the archive"));
                    }
                }
            }
        };
        let blobs = Arc::new(blobs);
        match self.source.transport {
            Transport::DockerArchive => self.docker_archive(blobs),
            Transport::Dir => self.manifest_of_dir(blobs),
            Transport::Oci | Transport::OciArchive => self.layout(blobs),
        }
    }

    pub(super) fn manifest_of_dir(&self, blobs: Arc<Blobs>) -> Result<Image, Problem> {
        let manifest = self.document(&blobs, "manifest.json")?;
        self.manifest(blobs, manifest, Vec::new())
    }

    pub(super) fn problem(&self, id: &'static str, what: &str, hint: &str) -> Problem {
        Problem::new(id, format!("the image {}: {what}", self.title), hint)
    }

    pub(super) fn invalid(&self, what: &str) -> Problem {
        self.problem("image-invalid", what, COPY_AGAIN)
    }

    pub(super) fn io<'b>(
        &'b self,
        doing: &'static str,
        path: &'b Path,
    ) -> impl Fn(io::Error) -> Problem + 'b {
        move |error| match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::FileTooLarge => {
                let what = format!("cannot {doing} `{}`: {error}", self.root.show(path).display());
                self.invalid(&what)
            }
            _ => {
                let problem = Problem::io(doing, &self.root.show(path).display().to_string(), &error);
                self.problem(problem.id, &problem.message, &problem.hint)
            }
        }
    }

    /// A file that must be there.
    pub(super) fn document(&self, blobs: &Blobs, name: &str) -> Result<Vec<u8>, Problem> {
        match blobs.read(name).map_err(self.io("read", Path::new(name)))? {
            Some(bytes) => Ok(bytes),
            None => Err(self.problem(
                "image-missing",
                &format!("it has no `{name}`, so it is not {}", self.kind()),
                "use the transport that fits: `oci:`, `oci-archive:`, `docker-archive:` or `dir:`",
            )),
        }
    }

    fn kind(&self) -> &'static str {
        match self.source.transport {
            Transport::Dir => "a directory that `skopeo copy … dir:` wrote",
            Transport::Oci => "an OCI layout",
            Transport::OciArchive => "an OCI archive",
            Transport::DockerArchive => "a docker archive",
        }
    }

    pub(super) fn parse<T: serde::de::DeserializeOwned>(
        &self,
        bytes: &[u8],
        what: &str,
    ) -> Result<T, Problem> {
        serde_json::from_slice(bytes).map_err(|error| self.invalid(&format!("{what} is malformed: {error}")))
    }

    /// The file of a blob.
    fn file(&self, digest: &Digest) -> String {
        match self.source.transport {
            Transport::Dir => digest.hex().to_owned(),
            _ => format!("blobs/sha256/{}", digest.hex()),
        }
    }

    pub(super) fn digest(&self, text: &str, of: &str) -> Result<Digest, Problem> {
        Digest::parse(text).ok_or_else(|| {
            self.invalid(&format!("the digest `{}` of {of} is not a SHA-256 digest", text.escape_debug()))
        })
    }

    /// A small blob, verified.
    fn blob(&self, blobs: &Blobs, descriptor: &Descriptor, what: &str) -> Result<Vec<u8>, Problem> {
        let digest = self.digest(&descriptor.digest, what)?;
        let mut file = self.file(&digest);
        let read = |file: &str| blobs.read(file).map_err(self.io("read", Path::new(file)));
        let mut bytes = read(&file)?;
        if bytes.is_none() && self.source.transport == Transport::Dir {
            // `skopeo copy --all` puts the manifests of a list under names of their own.
            file = format!("{}.manifest.json", digest.hex());
            bytes = read(&file)?;
        }
        let Some(bytes) = bytes else {
            return Err(self.missing(what, &digest));
        };
        if bytes.len() as u64 != descriptor.size || Digest::of(&bytes) != digest {
            let found = Digest::of(&bytes);
            let what = format!("{what} has the digest `{found}` instead of `{digest}`");
            return Err(self.problem("blob-digest", &what, COPY_AGAIN));
        }
        Ok(bytes)
    }

    fn missing(&self, what: &str, digest: &Digest) -> Problem {
        self.problem("blob-missing", &format!("{what} is missing: there is no blob `{digest}`"), COPY_AGAIN)
    }

    /// What the index of a layout lists.
    pub(super) fn index(&self, blobs: &Blobs) -> Result<Vec<Descriptor>, Problem> {
        let index: LayoutIndex = self.parse(&self.document(blobs, "index.json")?, "its `index.json`")?;
        match index.manifests.unwrap_or_default() {
            entries if entries.is_empty() => {
                Err(self.problem("image-missing", "there is no image in it", COPY_AGAIN))
            }
            entries => Ok(entries),
        }
    }

    fn layout(&self, blobs: Arc<Blobs>) -> Result<Image, Problem> {
        let entries = self.index(&blobs)?;
        let named: Vec<String> = entries.iter().filter_map(ref_name).collect();
        let of_those = || match named.as_slice() {
            [] => "its images have no names".to_owned(),
            names => format!("it has {}", quoted(names)),
        };
        let entry = match (&self.source.reference, entries.as_slice()) {
            (Some(wanted), _) => {
                match entries.iter().find(|entry| ref_name(entry).as_ref() == Some(wanted)) {
                    Some(entry) => entry.clone(),
                    None => {
                        let message = format!("there is no image `{wanted}` in it; {}", of_those());
                        return Err(self.problem(
                            "image-missing",
                            &message,
                            "give one of those after the path",
                        ));
                    }
                }
            }
            (None, [only]) => only.clone(),
            (None, several) if are_platforms(several) => self.choose(several)?.clone(),
            (None, _) => {
                let message = format!("it holds several images; {}", of_those());
                let hint = "say which one after the path, such as `oci:DIR:REF`";
                return Err(self.problem("image-ambiguous", &message, hint));
            }
        };
        self.listed(blobs, &entry)
    }

    /// The image of an entry of a layout's index.
    pub(super) fn listed(&self, blobs: Arc<Blobs>, entry: &Descriptor) -> Result<Image, Problem> {
        let manifest = self.blob(&blobs, entry, "its manifest")?;
        self.manifest(blobs, manifest, names_of(entry))
    }

    /// The entry of a list that an engine for the platform would take.
    pub(super) fn choose<'b>(&self, entries: &'b [Descriptor]) -> Result<&'b Descriptor, Problem> {
        let rank = |entry: &Descriptor| self.platform.rank(entry.platform.as_ref()?);
        let best = entries.iter().filter(|entry| rank(entry).is_some()).min_by_key(|entry| rank(entry));
        best.ok_or_else(|| {
            let known: BTreeSet<String> = entries
                .iter()
                .filter_map(|entry| entry.platform.as_ref())
                .filter(|platform| platform.os != "unknown")
                .map(PlatformEntry::label)
                .collect();
            let known: Vec<String> = known.into_iter().collect();
            let message = format!("it has no image for {}; it has {}", self.platform.name(), quoted(&known));
            self.problem("image-platform", &message, "choose one of those with --arch and --variant")
        })
    }

    /// The image with this manifest, or the one that is chosen from this list.
    fn manifest(&self, blobs: Arc<Blobs>, bytes: Vec<u8>, stored: Vec<Name>) -> Result<Image, Problem> {
        let ChosenManifest { manifest, list, prefix, config, layers } = self.chosen(&blobs, bytes)?;
        let signatures = self.signatures(&blobs, &prefix)?;
        let image = self.image(blobs, manifest, list, config, layers, stored)?;
        Ok(Image { signatures, ..image })
    }

    /// The manifest that these bytes are, or that is chosen from this list.
    fn chosen(&self, blobs: &Blobs, mut bytes: Vec<u8>) -> Result<ChosenManifest, Problem> {
        let mut list = None;
        let mut prefix = String::new();
        for _ in 0..MAX_NESTED {
            match Manifest::parse(&bytes).map_err(|fault| self.not_a_manifest(fault))? {
                Manifest::Index(entries) => {
                    let chosen = self.choose(&entries)?;
                    let next = self.blob(blobs, chosen, "its manifest")?;
                    list.get_or_insert(std::mem::replace(&mut bytes, next));
                    prefix = format!("{}.", Digest::of(&bytes).hex());
                }
                Manifest::Image { config, layers } => {
                    return Ok(ChosenManifest { manifest: bytes, list, prefix, config, layers });
                }
            }
        }
        Err(self.invalid("its lists of manifests are nested too deeply"))
    }

    fn not_a_manifest(&self, fault: ManifestFault) -> Problem {
        match fault {
            ManifestFault::Malformed(error) => self.invalid(&format!("its manifest is malformed: {error}")),
            ManifestFault::FirstSchema => {
                let hint = "convert it, for example with `skopeo copy --format oci`";
                self.problem("image-unsupported", "its manifest is Docker schema 1", hint)
            }
            ManifestFault::OtherType(media_type) => {
                let message = format!("its manifest has the type `{media_type}`, which is not an image");
                self.problem("image-unsupported", &message, "give an image for engines")
            }
        }
    }

    fn signatures(&self, blobs: &Blobs, prefix: &str) -> Result<Vec<Vec<u8>>, Problem> {
        if self.source.transport != Transport::Dir {
            return Ok(Vec::new());
        }
        let read = |name: &str| blobs.read(name).map_err(self.io("read", Path::new(name)));
        signature::beside(prefix, read, |why| self.invalid(why))
    }

    fn image(
        &self,
        blobs: Arc<Blobs>,
        manifest: Vec<u8>,
        list: Option<Vec<u8>>,
        config: Descriptor,
        layers: Vec<Descriptor>,
        stored: Vec<Name>,
    ) -> Result<Image, Problem> {
        if !is_image(&config, &layers) {
            let (what, of) = match layers.first().filter(|_| config.is_of_image()) {
                Some(layer) => ("its first layer", layer),
                None => ("its configuration", &config),
            };
            let message = format!(
                "{what} has the type `{}`, so it is an artifact, not an image that can run",
                of.media_type.escape_debug()
            );
            let hint = "give a container image; `embed-images --artifacts` and `copy-images` bring artifacts";
            return Err(self.problem("image-unsupported", &message, hint));
        }
        let config_digest = self.digest(&config.digest, "its configuration")?;
        let config_bytes = self.blob(&blobs, &config, "its configuration")?;
        let mut parts = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            let what = format!("its layer {}", index + 1);
            let hint = "only tar, gzip and zstd layers that are stored with the image can be unpacked";
            match layer_type(&layer.media_type) {
                LayerType::Tar => {}
                LayerType::Foreign => {
                    let message = format!("{what} is foreign: it must be fetched from elsewhere");
                    return Err(self.problem("layer-unsupported", &message, hint));
                }
                LayerType::Encrypted => {
                    let hint = "decrypt it first, for example with `skopeo copy --decryption-key`";
                    return Err(self.problem("layer-unsupported", &format!("{what} is encrypted"), hint));
                }
                LayerType::Unknown => {
                    let message =
                        format!("{what} has the unknown type `{}`", layer.media_type.escape_debug());
                    return Err(self.problem("layer-unsupported", &message, hint));
                }
            }
            let digest = self.digest(&layer.digest, &what)?;
            let file = self.file(&digest);
            let found = blobs.open(&file).map_err(self.io("open", Path::new(&file)))?;
            let Some(found) = found else {
                return Err(self.missing(&what, &digest));
            };
            if found.size() != layer.size {
                let message =
                    format!("{what} (`{digest}`) has {} bytes instead of {}", found.size(), layer.size);
                return Err(self.problem("blob-digest", &message, COPY_AGAIN));
            }
            parts.push(Blob { digest, size: layer.size, is_verbatim: true, file });
        }
        self.finish(blobs, manifest, list, (config_digest, config_bytes), parts, stored)
    }

    pub(super) fn finish(
        &self,
        blobs: Arc<Blobs>,
        manifest: Vec<u8>,
        list: Option<Vec<u8>>,
        (config_digest, config_bytes): (Digest, Vec<u8>),
        parts: Vec<Blob>,
        stored: Vec<Name>,
    ) -> Result<Image, Problem> {
        let config: ImageConfig = self.parse(&config_bytes, "its configuration")?;
        let os = config.os.as_deref().unwrap_or("linux");
        if os != "linux" && !os.is_empty() {
            let message = format!("it is for `{}`, not for Linux", os.escape_debug());
            return Err(self.problem("image-platform", &message, "give an image for Linux"));
        }
        let arch = config.architecture.as_deref().unwrap_or_default();
        let variant_differs = self.platform.variant.is_some() && self.platform.variant != config.variant;
        if self.platform.asked && (go_name(arch) != self.platform.arch || variant_differs) && list.is_none() {
            let variant = config.variant.map(|variant| format!("/{variant}")).unwrap_or_default();
            let message = format!(
                "it is for linux/{}{}, not for {}",
                arch.escape_debug(),
                variant.escape_debug(),
                self.platform.name()
            );
            return Err(self.problem("image-platform", &message, "give another image, or no --arch"));
        }
        let diff_ids = config.rootfs.unwrap_or_default().diff_ids.unwrap_or_default();
        if diff_ids.len() != parts.len() {
            let message =
                format!("its manifest has {} layers and its configuration {}", parts.len(), diff_ids.len());
            return Err(self.invalid(&message));
        }
        if parts.len() > limits::LAYERS {
            let message =
                format!("it has {} layers, and engines mount at most {}", parts.len(), limits::LAYERS);
            return Err(self.problem("image-unsupported", &message, "flatten the image"));
        }
        let steps = config.history.unwrap_or_default();
        let mut made: Vec<Option<String>> =
            steps.into_iter().filter(|step| !step.empty_layer).map(|step| step.created).collect();
        made.resize(parts.len(), None);
        let mut layers = Vec::new();
        for ((blob, diff_id), created) in parts.into_iter().zip(&diff_ids).zip(made) {
            let diff_id = self.digest(diff_id, "a layer in its configuration")?;
            layers.push(Layer { diff_id, blob, created, blobs: Arc::clone(&blobs) });
        }
        let mut names = if self.source.names.is_empty() { stored } else { self.source.names.clone() };
        names.sort();
        names.dedup();
        let title = match names.first() {
            Some(name) if self.source.names.is_empty() => format!("`{name}` (`{}`)", self.source.text),
            _ => self.title.clone(),
        };
        Ok(Image {
            title,
            names,
            manifest,
            list,
            config: config_bytes,
            config_digest,
            signatures: Vec::new(),
            created: config.created,
            layers,
        })
    }
}

pub(super) fn quoted(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        names => quoted_series(&names.iter().map(|name| name.escape_debug().to_string()).collect::<Vec<_>>()),
    }
}
