//! All images of a file or a directory that tells by its content what it is.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::archive::Archive;
use super::blobs::Blobs;
use super::manifest::{ArchiveEntry, Descriptor};
use super::read::{COPY_AGAIN, ImageReader, are_platforms, names_of, ref_name, title};
use super::{Image, Name, Platform, Source, Transport};
use crate::problem::Problem;
use crate::sys::{FileKind, Root};

/// An image that was found where one or more are.
#[derive(Debug)]
pub struct FoundImage {
    /// Where it is.
    pub source: Source,
    /// It, or what is wrong with it.
    pub image: Result<Image, Problem>,
}

/// Reads every image in the file or directory at `path`, which may be of any kind that tells itself
/// by its content: an archive, an OCI layout, a `dir:` directory. Nothing if it is a directory of
/// another kind. Images have the names that are stored with them, those of docker archives as docker
/// means them: podman would put `localhost/` before a short one. A `dir:` directory has `names`.
///
/// # Errors
/// `image-invalid` if it is a file and no whole archive of images, or the system's answer.
pub fn read_all(
    root: &Root,
    path: &Path,
    names: &[Name],
    platform: &Platform,
) -> Result<Vec<FoundImage>, Problem> {
    let shown = root.show(path).display().to_string();
    let look = |path: &Path| root.stat(path).map_err(Problem::cannot("look at", root.show(path).display()));
    let has = |name: &str| look(&path.join(name)).map(|stat| stat.is_some());
    let (transport, blobs) = if look(path)?.is_some_and(|stat| stat.kind == FileKind::Directory) {
        let transport = match (has("index.json")?, has("manifest.json")?) {
            (true, _) => Transport::Oci,
            (_, true) => Transport::Dir,
            _ => return Ok(Vec::new()),
        };
        (transport, Blobs::Directory(root.clone(), path.to_owned()))
    } else {
        let archive = Archive::open_whole(root, path).map_err(|error| archive_problem(&shown, &error))?;
        let transport = match (archive.open("manifest.json"), archive.open("index.json")) {
            (Some(_), _) => Transport::DockerArchive,
            (_, Some(_)) => Transport::OciArchive,
            _ => {
                let message = format!("`{shown}` is a tar file without an image");
                return Err(Problem::new("image-invalid", message, "give an archive of images"));
            }
        };
        (transport, Blobs::Archive(archive))
    };
    let text = format!("{}{shown}", transport.prefix());
    let source = Source { text, names: names.to_vec(), transport, path: path.to_owned(), reference: None };
    let of = |reference: Option<String>, names: Vec<Name>| {
        let text =
            reference.iter().fold(source.text.clone(), |text, reference| format!("{text}:{reference}"));
        Source { text, names, reference, ..source.clone() }
    };
    let reader = ImageReader { root, source: &source, platform, title: title(&source) };
    let blobs = Arc::new(blobs);
    let found = |source: Source, read: &dyn Fn(ImageReader<'_>) -> Result<Image, Problem>| {
        let image = read(ImageReader { root, source: &source, platform, title: title(&source) });
        FoundImage { source, image }
    };
    Ok(match transport {
        Transport::Dir => {
            vec![found(source.clone(), &|reader| reader.manifest_of_dir(Arc::clone(&blobs)))]
        }
        Transport::Oci | Transport::OciArchive => {
            let entries = reader.index(&blobs)?;
            if are_platforms(&entries) {
                let read = |reader: ImageReader<'_>| {
                    let entry = reader.choose(&entries)?.clone();
                    reader.listed(Arc::clone(&blobs), &entry)
                };
                return Ok(vec![found(source.clone(), &read)]);
            }
            let one = |entry: &Descriptor| {
                let source = of(ref_name(entry), names_of(entry));
                found(source, &|reader| reader.listed(Arc::clone(&blobs), entry))
            };
            entries.iter().map(one).collect()
        }
        Transport::DockerArchive => {
            let entries = reader.archive_entries(&blobs)?;
            let is_one = entries.len() == 1;
            let one = |(index, entry): (usize, &ArchiveEntry)| {
                let tags = entry.repo_tags.clone().unwrap_or_default();
                let index = (!is_one).then(|| format!("@{index}"));
                let names: Result<Vec<Name>, _> = tags.iter().map(|tag| Name::completed(tag)).collect();
                let (names, fault) =
                    names.map_or_else(|fault| (Vec::new(), Some(fault)), |names| (names, None));
                let source = of(tags.first().cloned().or(index), names);
                found(source, &|reader| match &fault {
                    Some(fault) => Err(fault.clone()),
                    None => reader.archived(Arc::clone(&blobs), entry, Vec::new()),
                })
            };
            entries.iter().enumerate().map(one).collect()
        }
    })
}

/// What is wrong with an archive that cannot be read.
fn archive_problem(shown: &str, error: &io::Error) -> Problem {
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("`{shown}` ends early"),
        io::ErrorKind::InvalidData => format!("`{shown}` is not an archive of images: {error}"),
        io::ErrorKind::FileTooLarge => format!("`{shown}` cannot be decompressed: {error}"),
        _ => return Problem::io("read", shown, error),
    };
    Problem::new("image-invalid", what, COPY_AGAIN)
}
