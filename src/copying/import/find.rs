//! Which images an item has. What it is tells its content, and never its name; but a `dir:` directory
//! has the name of an image in no other place than its path, where `skopeo sync` puts it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path};

use super::names::is_half_written;
use crate::copying::wanted;
use crate::embedded::ImageList;
use crate::images::{FoundImage, Image, Name, Platform, Source, Transport, read_all};
use crate::problem::{Problem, quoted_series};
use crate::sys::{FileKind, Root};

/// What of a layout, or of a `dir:` directory, is written before the file that tells what it is.
const BEGUN: [(&str, &str); 3] =
    [("oci-layout", "index.json"), ("blobs", "index.json"), ("version", "manifest.json")];

/// The images of the item `name` of the directory `dir`. Each has a name, and no two have one.
///
/// # Errors
/// What is wrong with the item, or with the first image of it that is not as it should be.
pub(super) fn find(dir: &Root, name: &Path) -> Result<Vec<(Source, Image)>, Problem> {
    let mut found = Vec::new();
    below(dir, &Path::new("/").join(name), &mut found)?;
    let mut images = Vec::new();
    for FoundImage { source, image } in found {
        images.push(match image {
            Ok(image) if image.names.is_empty() => return Err(nameless(&source)),
            Ok(image) => (source, image),
            Err(mut problem) => {
                if problem.id == "image-platform" {
                    problem.hint = format!("bring one for {}", Platform::host().name());
                }
                return Err(problem);
            }
        });
    }
    let mut owners: BTreeMap<&Name, &Image> = BTreeMap::new();
    for (_, image) in &images {
        for name in &image.names {
            let other = owners.insert(name, image);
            if other.is_some_and(|other| other.config_digest != image.config_digest) {
                let message = format!("two of its images have the name `{name}`");
                return Err(Problem::new("image-name-twice", message, "bring them one after the other"));
            }
        }
    }
    Ok(images)
}

fn below(dir: &Root, path: &Path, found: &mut Vec<FoundImage>) -> Result<(), Problem> {
    let shown = dir.show(path).display().to_string();
    let stat = dir.stat_or_link(path).map_err(Problem::cannot("look at", &shown))?;
    let here = Platform::host();
    if stat.is_none_or(|stat| stat.kind != FileKind::Directory) {
        found.extend(read_all(dir, path, &[], &here)?);
        return Ok(());
    }
    if let Some(list) = ImageList::find_in(dir, path)? {
        for entry in &list.entries {
            let image = wanted::of_entry(dir, path, entry);
            let text = wanted::shown_source(dir, path, entry);
            let path = path.join(&entry.directory);
            let names = Name::parse(&entry.reference).into_iter().collect();
            let source = Source { text, names, transport: Transport::Dir, path, reference: None };
            found.push(FoundImage { source, image });
        }
        return Ok(());
    }
    let images = read_all(dir, path, name_in(path).as_slice(), &here)?;
    if !images.is_empty() {
        found.extend(images);
        return Ok(());
    }
    let names = dir.list(path).map_err(Problem::cannot("read", &shown))?.unwrap_or_default();
    let has = |name: &str| names.iter().any(|it| it == name);
    if let Some((_, file)) = BEGUN.into_iter().find(|(begun, _)| has(begun)) {
        return Err(incomplete(&format!("`{shown}` has no `{file}`")));
    }
    let names: Vec<_> = names.iter().filter(|name| !is_half_written(name)).collect();
    if names.is_empty() {
        return Err(incomplete(&format!("`{shown}` is empty")));
    }
    names.into_iter().try_for_each(|name| below(dir, &path.join(name), found))
}

fn incomplete(what: &str) -> Problem {
    Problem::new("image-invalid", what, "copy it again, and to the end")
}

/// The name in a path of directories as `skopeo sync --scoped` makes them; the first parts of the path
/// may be something else.
fn name_in(path: &Path) -> Option<Name> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(part) => Some(part),
        _ => None,
    });
    let parts: Option<Vec<&str>> = parts.map(OsStr::to_str).collect();
    let parts = parts?;
    (0..parts.len()).find_map(|first| Name::parse(&parts[first..].join("/")).ok())
}

fn nameless(source: &Source) -> Problem {
    let known = source.reference.iter().map(String::as_str).collect::<Vec<_>>();
    let known = match known.is_empty() {
        true => String::new(),
        false => format!("; {} is none", quoted_series(&known)),
    };
    let message = format!("the image `{}` does not say its name{known}", source.text);
    let hint = match source.transport {
        Transport::Dir | Transport::Oci => {
            "put it into directories of its name, as `skopeo sync --scoped` does, such as `registry.example.com/app:1`"
        }
        Transport::OciArchive => {
            "give it one, such as with `skopeo copy … oci-archive:FILE:registry.example.com/app:1`"
        }
        Transport::DockerArchive => "save it by its name, and not by its id",
    };
    Problem::new("image-name-invalid", message, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_an_image_from_its_registry_on() {
        for (path, name) in [
            ("/registry.example.com/team/app:1", Some("registry.example.com/team/app:1")),
            ("/images/2024/127.0.0.1:5000/app:1", Some("127.0.0.1:5000/app:1")),
            ("/localhost/app", Some("localhost/app:latest")),
            ("/app:1", None),
            ("/images/app:1", None),
            ("/registry.example.com", None),
        ] {
            assert_eq!(name_in(Path::new(path)).as_ref().map(Name::as_str), name, "{path}");
        }
    }
}
