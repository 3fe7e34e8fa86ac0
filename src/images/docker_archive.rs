//! Docker archives, as `docker save` and `podman save` write them.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::blobs::Blobs;
use super::config::ImageConfig;
use super::manifest::{
    ArchiveEntry, DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, Generated, GeneratedDescriptor,
};
use super::read::{COPY_AGAIN, ImageReader, quoted};
use super::{Blob, Digest, Image, Name};
use crate::limits;
use crate::problem::Problem;

impl ImageReader<'_> {
    pub(super) fn archive_entries(&self, blobs: &Blobs) -> Result<Vec<ArchiveEntry>, Problem> {
        let entries: Vec<ArchiveEntry> =
            self.parse(&self.document(blobs, "manifest.json")?, "its `manifest.json`")?;
        match entries.is_empty() {
            true => Err(self.problem("image-missing", "there is no image in it", COPY_AGAIN)),
            false => Ok(entries),
        }
    }

    pub(super) fn docker_archive(&self, blobs: Arc<Blobs>) -> Result<Image, Problem> {
        let entries = self.archive_entries(&blobs)?;
        let tags = |entry: &ArchiveEntry| entry.repo_tags.clone().unwrap_or_default();
        let all: Vec<String> = entries.iter().flat_map(tags).collect();
        let entry = match (&self.source.reference, entries.as_slice()) {
            (Some(wanted), _) => {
                let is_it = |tag: &String| with_tag(tag) == with_tag(wanted);
                entries.iter().find(|entry| tags(entry).iter().any(is_it)).ok_or_else(|| {
                    let message = format!("there is no image `{wanted}` in it; it has {}", quoted(&all));
                    self.problem("image-missing", &message, "give one of those after the path")
                })?
            }
            (None, [only]) => only,
            (None, _) => {
                let message = format!("it holds several images; it has {}", quoted(&all));
                let hint = "say which one after the path, such as `docker-archive:FILE:REF`";
                return Err(self.problem("image-ambiguous", &message, hint));
            }
        };
        // docker leaves the registry out of names of its own one. Which one is meant is
        // not guessed, so such an image has to be given its name.
        let names = if self.source.names.is_empty() {
            tags(entry).iter().map(|tag| Name::parse(tag)).collect::<Result<Vec<_>, _>>()?
        } else {
            tags(entry).iter().filter_map(|tag| Name::parse(tag).ok()).collect()
        };
        self.archived(blobs, entry, names)
    }

    /// The image of an entry of a docker archive.
    pub(super) fn archived(
        &self,
        blobs: Arc<Blobs>,
        entry: &ArchiveEntry,
        names: Vec<Name>,
    ) -> Result<Image, Problem> {
        let config = blobs.read(&entry.config).map_err(self.io("read", Path::new(&entry.config)))?;
        let Some(config) = config else {
            let message = format!("its configuration is missing: there is no `{}`", entry.config);
            return Err(self.problem("blob-missing", &message, COPY_AGAIN));
        };
        let config_digest = Digest::of(&config);
        let known: ImageConfig = self.parse(&config, "its configuration")?;
        let diff_ids = known.rootfs.unwrap_or_default().diff_ids.unwrap_or_default();
        let files = entry.layers.clone().unwrap_or_default();
        if diff_ids.len() != files.len() {
            let message =
                format!("its manifest has {} layers and its configuration {}", files.len(), diff_ids.len());
            return Err(self.invalid(&message));
        }
        let mut parts = Vec::new();
        let mut left = limits::ARCHIVE;
        for (index, (file, diff_id)) in files.into_iter().zip(&diff_ids).enumerate() {
            let what = format!("its layer {}", index + 1);
            let digest = self.digest(diff_id, &what)?;
            let found = blobs.open(&file).map_err(self.io("open", Path::new(&file)))?;
            let Some(mut found) = found else {
                let message = format!("{what} is missing: there is no `{}`", file.escape_debug());
                return Err(self.problem("blob-missing", &message, COPY_AGAIN));
            };
            // The manifest has the size that it has uncompressed.
            let mut magic = [0; 4];
            let count = found.read(&mut magic).map_err(self.io("read", Path::new(&file)))?;
            let whole = found.part(0, u64::MAX);
            let (size, is_verbatim) = match &magic[..count] {
                [0x1f, 0x8b, ..] => {
                    let mut stream = MultiGzDecoder::new(whole).take(left.saturating_add(1));
                    let size =
                        io::copy(&mut stream, &mut io::sink()).map_err(self.io("read", Path::new(&file)))?;
                    let Some(rest) = left.checked_sub(size) else {
                        let most = crate::problem::size(limits::ARCHIVE);
                        return Err(self.invalid(&format!("{what} makes more than {most} of its layers")));
                    };
                    left = rest;
                    (size, false)
                }
                _ => (found.size(), true),
            };
            parts.push(Blob { digest, size, is_verbatim, file });
        }
        let generated = Generated {
            schema_version: 2,
            media_type: DOCKER_MANIFEST,
            config: GeneratedDescriptor {
                media_type: DOCKER_CONFIG,
                size: config.len() as u64,
                digest: config_digest.as_str(),
            },
            layers: parts
                .iter()
                .map(|part| GeneratedDescriptor {
                    media_type: DOCKER_LAYER,
                    size: part.size,
                    digest: part.digest.as_str(),
                })
                .collect(),
        };
        let manifest = serde_json::to_vec(&generated).expect("it is made of text and numbers");
        self.finish(blobs, manifest, None, (config_digest, config), parts, names)
    }
}

/// A name with its tag, which may be left out.
fn with_tag(name: &str) -> String {
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    if name[last..].contains([':', '@']) { name.to_owned() } else { format!("{name}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_without_tag_and_digest_gets_a_tag() {
        let digest = format!("localhost/app@sha256:{}", "0".repeat(64));
        for (given, whole) in [
            ("app", "app:latest"),
            ("app:1", "app:1"),
            ("localhost/team/app", "localhost/team/app:latest"),
            ("localhost:5000/app", "localhost:5000/app:latest"),
            ("localhost:5000/app:1", "localhost:5000/app:1"),
            (&digest, &digest),
        ] {
            assert_eq!(with_tag(given), whole);
        }
    }
}
