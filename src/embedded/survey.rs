//! What is there, and whether it is what it should be.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::contents::{EmbeddedImage, contents, is_unreadable};
use super::layout::EmbeddedLayout;
use super::list::{ImageList, ListEntry};
use crate::images::{Digest, Platform};
use crate::problem::{Problem, words};
use crate::store::builder::parallel;
use crate::store::check::Progress;
use crate::sys::{FileKind, Root};

/// How closely images are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Manifests are read, and blobs are there with their sizes.
    Sizes,
    /// Every byte is read.
    Bytes,
}

/// An image that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedImage {
    /// Its line of the list.
    pub entry: ListEntry,
    /// What it consists of, if its manifests are sound.
    pub contents: Option<EmbeddedImage>,
    /// What is wrong with it.
    pub faults: Vec<Problem>,
    /// What could not be looked at.
    pub not_looked: Vec<Problem>,
}

impl SurveyedImage {
    /// Whether all of it was looked at, and all of it is as it should be.
    pub fn is_complete(&self) -> bool {
        self.contents.is_some() && self.faults.is_empty() && self.not_looked.is_empty()
    }
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmbeddedSurvey {
    /// Every image, in the order of the entries.
    pub images: Vec<SurveyedImage>,
    /// How many bytes the blobs of all images have, one image after the other.
    pub bytes: u64,
    /// How many bytes of them are stored: a file with several names counts once.
    pub stored: u64,
}

/// A file that has to have a digest.
struct NamedFile<'a> {
    image: usize,
    path: PathBuf,
    digest: &'a Digest,
    id: (u64, u64),
    size: u64,
}

/// Looks at the images of `entries` in the directory `dir`. Those for `platforms` have to
/// be there, if that is given. `progress` counts the bytes that are hashed.
pub fn survey(
    root: &Root,
    dir: &Path,
    entries: &[ListEntry],
    platforms: Option<&[Platform]>,
    depth: Depth,
    jobs: usize,
    progress: &Progress,
) -> EmbeddedSurvey {
    // An image is what is in its directory, and not what a symlink there leads to. Where
    // that cannot be opened each image says so.
    let inside = root.strict(dir).ok().flatten();
    let (root, dir) = inside.as_ref().map_or((root, dir), |inside| (inside, Path::new("/")));
    let mut images: Vec<SurveyedImage> = entries
        .iter()
        .map(|entry| {
            let mut looked = SurveyedImage {
                entry: entry.clone(),
                contents: None,
                faults: Vec::new(),
                not_looked: Vec::new(),
            };
            let found = contents(root, &dir.join(&entry.directory), &entry.reference);
            let found =
                found.and_then(|contents| contents.require(&entry.reference, platforms).map(|()| contents));
            match found {
                Ok(contents) => looked.contents = Some(contents),
                Err(problem) if is_fault(&problem) => looked.faults.push(problem),
                Err(problem) => looked.not_looked.push(problem),
            }
            looked
        })
        .collect();

    let all: Vec<Option<EmbeddedImage>> = images.iter().map(|image| image.contents.clone()).collect();
    let mut blobs: Vec<NamedFile<'_>> = Vec::new();
    for (index, contents) in all.iter().enumerate() {
        let Some(contents) = contents else { continue };
        let image = &mut images[index];
        for (path, digest, size) in contents.files(&dir.join(&entries[index].directory)) {
            match look_at(root, &entries[index].reference, &path, digest, size) {
                Ok(id) => blobs.push(NamedFile { image: index, path, digest, id, size }),
                Err(problem) if is_fault(&problem) => image.faults.push(problem),
                Err(problem) => image.not_looked.push(problem),
            }
        }
    }
    let mut seen = HashSet::new();
    let unique: Vec<&NamedFile<'_>> = blobs.iter().filter(|blob| seen.insert(blob.id)).collect();
    let bytes = blobs.iter().map(|blob| blob.size).sum();
    let stored = unique.iter().map(|blob| blob.size).sum();
    if depth == Depth::Bytes {
        progress.begin("verifying", stored);
        let found: Mutex<HashMap<(u64, u64), Result<Digest, std::io::Error>>> = Mutex::new(HashMap::new());
        let done = parallel::run(
            &unique,
            jobs,
            |blob| blob.size,
            |blob| {
                let digest = hash(root, &blob.path, progress);
                found.lock().expect("no thread panics with the lock").insert(blob.id, digest);
                Ok::<(), Infallible>(())
            },
        );
        let Ok(_) = done;
        let found = found.into_inner().expect("no thread panics with the lock");
        for blob in &blobs {
            let image = &mut images[blob.image];
            let reference = &image.entry.reference;
            let shown = root.show(&blob.path).display().to_string();
            match &found[&blob.id] {
                Ok(digest) if digest == blob.digest => {}
                Ok(digest) => {
                    let what = format!("`{}` has the digest `{digest}`", blob.digest.hex());
                    image.faults.push(damaged(reference, "blob-digest", &what));
                }
                Err(error) if is_unreadable(error) => {
                    image.faults.push(damaged(
                        reference,
                        "blob-digest",
                        &format!("`{shown}`: {}", words(error)),
                    ));
                }
                Err(error) => image.not_looked.push(Problem::io("read", &shown, error)),
            }
        }
    }
    drop(blobs);
    EmbeddedSurvey { images, bytes, stored }
}

/// Whether a problem says that an image is not what it should be, and not that it could
/// not be looked at.
pub(super) fn is_fault(problem: &Problem) -> bool {
    const FAULTS: [&str; 7] = [
        "blob-digest",
        "blob-missing",
        "embedded-missing",
        "embedded-other",
        "image-invalid",
        "image-platform",
        "image-unsupported",
    ];
    FAULTS.contains(&problem.id)
}

fn damaged(reference: &str, id: &'static str, what: &str) -> Problem {
    let message = format!("the image `{reference}` is damaged: {what}");
    Problem::new(id, message, "`storagectl embed-images` fetches it again")
}

/// The identity of a file that has the right size.
fn look_at(
    root: &Root,
    reference: &str,
    path: &Path,
    digest: &Digest,
    size: u64,
) -> Result<(u64, u64), Problem> {
    let shown = root.show(path).display().to_string();
    match root.stat_or_link(path).map_err(Problem::cannot("look at", shown))? {
        Some(stat) if stat.kind == FileKind::File && stat.size == size => Ok(stat.id),
        Some(stat) if stat.kind == FileKind::File => {
            let what = format!("`{}` has {} bytes instead of {size}", digest.hex(), stat.size);
            Err(damaged(reference, "blob-digest", &what))
        }
        Some(stat) => {
            let what = if stat.kind == FileKind::Symlink { "a symlink" } else { "no file" };
            Err(damaged(reference, "blob-missing", &format!("`{}` is {what}", digest.hex())))
        }
        None => Err(damaged(reference, "blob-missing", &format!("there is no `{}`", digest.hex()))),
    }
}

pub(super) fn hash(root: &Root, path: &Path, progress: &Progress) -> std::io::Result<Digest> {
    let file = root.open_part(path)?.ok_or(std::io::ErrorKind::NotFound)?;
    Digest::of_file(file, &mut |bytes| progress.add(bytes))
}

/// The directories of images in `dir` that the list does not name. One that only another layout would
/// name so has to have an image in it.
pub fn unlisted(root: &Root, dir: &Path, list: &ImageList) -> Result<Vec<String>, Problem> {
    let shown = root.show(dir).display().to_string();
    let listed: HashSet<&str> = list.entries.iter().map(|entry| entry.directory.as_str()).collect();
    let is = |path: &Path, kind: FileKind| -> std::io::Result<bool> {
        Ok(root.stat_or_link(path)?.is_some_and(|stat| stat.kind == kind))
    };
    let is_image = |name: &str| -> std::io::Result<bool> {
        let path = dir.join(name);
        if !EmbeddedLayout::ALL.iter().any(|layout| layout.may_name(name)) || !is(&path, FileKind::Directory)?
        {
            return Ok(false);
        }
        Ok(list.layout.may_name(name) || is(&path.join("manifest.json"), FileKind::File)?)
    };
    let names = root.list(dir).map_err(Problem::cannot("read", &shown))?.unwrap_or_default();
    let mut unlisted = Vec::new();
    for name in names.iter().filter_map(|name| name.to_str()).filter(|name| !listed.contains(name)) {
        if is_image(name).map_err(Problem::cannot("look at", &shown))? {
            unlisted.push(name.to_owned());
        }
    }
    Ok(unlisted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a symlink leads to is not in the image, and may be anybody's.
    #[test]
    fn an_image_is_what_is_in_its_directory() {
        let scratch = tempfile::tempdir().unwrap();
        let entry = EmbeddedLayout::MicroShift.entry("example.com/app:1");
        let dir = scratch.path().join("embedded").join(&entry.directory);
        fs_err::create_dir_all(&dir).unwrap();
        let blob = |bytes: &[u8]| {
            let digest = Digest::of(bytes);
            fs_err::write(dir.join(digest.hex()), bytes).unwrap();
            let kind = "application/vnd.oci.image.config.v1+json";
            format!("{{\"mediaType\": \"{kind}\", \"digest\": \"{digest}\", \"size\": {}}}", bytes.len())
        };
        let (config, layer) = (blob(b"{\"architecture\": \"amd64\"}"), blob(b"layer"));
        let manifest = format!("{{\"schemaVersion\": 2, \"config\": {config}, \"layers\": [{layer}]}}");
        fs_err::write(dir.join("manifest.json"), manifest).unwrap();
        let faults = || {
            let root = Root::system().unwrap();
            let embedded = scratch.path().join("embedded");
            let survey = survey(
                &root,
                &embedded,
                std::slice::from_ref(&entry),
                None,
                Depth::Bytes,
                1,
                &Progress::default(),
            );
            let image = &survey.images[0];
            assert!(image.not_looked.is_empty(), "{:?}", image.not_looked);
            image.faults.iter().map(|fault| fault.message.clone()).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(faults(), "");
        for name in [Digest::of(b"layer").hex(), "manifest.json"] {
            let (file, outside) = (dir.join(name), scratch.path().join("outside"));
            fs_err::rename(&file, &outside).unwrap();
            std::os::unix::fs::symlink(&outside, &file).unwrap();
            assert!(faults().contains("is a symlink"), "{name}: {}", faults());
            fs_err::remove_file(&file).unwrap();
            fs_err::rename(&outside, &file).unwrap();
        }
        let elsewhere = scratch.path().join("elsewhere");
        fs_err::rename(&dir, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &dir).unwrap();
        assert!(faults().contains("is not a directory"), "{}", faults());
        // And it is not taken for an image that nobody lists.
        let embedded = Root::system().unwrap().strict(&scratch.path().join("embedded")).unwrap().unwrap();
        assert_eq!(
            unlisted(&embedded, Path::new("/"), &ImageList::new(EmbeddedLayout::MicroShift)),
            Ok(Vec::new())
        );
    }

    #[test]
    fn a_directory_that_the_list_does_not_name_is_an_image_by_its_name_or_its_manifest() {
        let scratch = tempfile::tempdir().unwrap();
        let (long, short) =
            (EmbeddedLayout::ImageCache.directory("a"), EmbeddedLayout::SystemRole.directory("a"));
        let other = EmbeddedLayout::SystemRole.directory("b");
        for name in [&long, &short, &other] {
            fs_err::create_dir(scratch.path().join(name)).unwrap();
        }
        fs_err::write(scratch.path().join(&other).join("manifest.json"), "").unwrap();
        fs_err::write(scratch.path().join(EmbeddedLayout::SystemRole.directory("c")), "a file").unwrap();
        let root = Root::system().unwrap();
        let mut found = unlisted(&root, scratch.path(), &ImageList::new(EmbeddedLayout::MicroShift)).unwrap();
        found.sort();
        let mut expected = [long, other];
        expected.sort();
        assert_eq!(found, expected);
    }
}
