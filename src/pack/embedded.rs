//! The payload `embedded`: directories of images, copied into the engines' storage at boot.
//!
//! Every package has a directory of its own with a list of its own, and a unit that copies
//! from there: two packages side by side share nothing, and each may go alone.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::cache::Cached;
use super::contents::{Contents, Entry, What, unwritten};
use super::recipe::Package;
use crate::embedded::{Entry as Line, LIST, List};
use crate::host::{Kind, Root};
use crate::problem::Problem;

/// Where packages have units.
const UNITS: &str = "/usr/lib/systemd/system";

/// The unit that copies what an image of a system embeds.
const SHIPPED: &str = include_str!("../../scriptlets/systemd/storagectl-copy-images.service");

/// Puts the images into `contents`, with the list and the unit.
///
/// # Errors
/// If an image cannot be read, or something cannot be written.
pub(super) fn fill(package: &Package, images: &[Cached], contents: &mut Contents) -> Result<(), Problem> {
    let root = Root::system().map_err(Problem::cannot("open", "/"))?;
    let base = format!("{}/", package.path);
    contents.parents(base.as_bytes()).map_err(unwritten(contents))?;
    let mut list = List::default();
    // A blob is named after its content, so images share those of one name.
    let mut blobs: HashMap<String, Vec<u8>> = HashMap::new();
    for image in images {
        let line = Line::new(&image.reference);
        directory(&root, image, &format!("{base}{}", line.directory), contents, &mut blobs)?;
        list.entries.push(line);
    }
    list.entries.sort_by(|one, other| one.reference.cmp(&other.reference));
    contents.text(&format!("{base}{LIST}"), 0o644, list.text().as_bytes()).map_err(unwritten(contents))?;
    let name = format!("storagectl-copy-images-{}.service", package.name);
    let link = format!("{UNITS}/multi-user.target.wants/{name}");
    contents
        .text(&format!("{UNITS}/{name}"), 0o644, unit(package).as_bytes())
        .and_then(|()| contents.parents(link.as_bytes()))
        .and_then(|()| {
            let what = What::Symlink(format!("../{name}").into_bytes());
            let entry = Entry::of_root(what, 0o777, contents.time());
            contents.add(link.as_bytes(), entry)
        })
        .map_err(unwritten(contents))
}

fn directory(
    root: &Root,
    image: &Cached,
    to: &str,
    contents: &mut Contents,
    blobs: &mut HashMap<String, Vec<u8>>,
) -> Result<(), Problem> {
    let time = contents.time();
    contents.add(to.as_bytes(), Entry::of_root(What::Directory, 0o755, time)).map_err(unwritten(contents))?;
    let from = &image.source.path;
    let shown = from.display().to_string();
    // Nobody else's file gets into a package by a symlink.
    let inside = root.strict(from).map_err(Problem::cannot("open", &shown))?;
    let inside = inside.ok_or_else(|| Problem::cannot("open", &shown)(io::ErrorKind::NotFound.into()))?;
    let names = inside.list(Path::new("/")).map_err(Problem::cannot("read", &shown))?.unwrap_or_default();
    let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    for name in names {
        let path = format!("{to}/{name}").into_bytes();
        if let Some(first) = blobs.get(&name) {
            let what = What::HardLink(first.clone());
            contents.add(&path, Entry::of_root(what, 0o644, time)).map_err(unwritten(contents))?;
            continue;
        }
        copy(&inside, &Path::new("/").join(&name), &path, contents)?;
        if name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            blobs.insert(name, path);
        }
    }
    Ok(())
}

fn copy(root: &Root, from: &Path, to: &[u8], contents: &mut Contents) -> Result<(), Problem> {
    let shown = root.show(from).display().to_string();
    let stat = root.stat_or_link(from).map_err(Problem::cannot("look at", &shown))?;
    if stat.is_none_or(|stat| stat.kind != Kind::File) {
        let message = format!("`{shown}` in the cache of images is no file");
        return Err(Problem::new(
            "image-invalid",
            message,
            "remove that image from the cache and pack again",
        ));
    }
    let time = contents.time();
    let file = contents.begin_file(to).map_err(unwritten(contents))?;
    root.copy_to(from, &file).map_err(Problem::cannot("copy", &shown))?;
    contents.end_file(to, Entry::of_root(What::File, 0o644, time)).map_err(unwritten(contents))
}

/// The shipped unit, for the images of the package: what it may do, and what it waits for, is
/// written there.
fn unit(package: &Package) -> String {
    let source = &package.path;
    let ours = |line: &str| match line.split_once('=') {
        Some(("Description", _)) => format!("Description=Copy the container images of {}", package.name),
        Some(("ConditionPathExists", _)) => format!("ConditionPathExists={source}/{LIST}"),
        // One copies after the other.
        Some(("After", "crio-wipe.service")) => format!("{line} storagectl-copy-images.service"),
        Some(("ExecStart", _)) => line.replace(" $COPY_IMAGES", &format!(" --source {source} $COPY_IMAGES")),
        _ => line.to_owned(),
    };
    SHIPPED.lines().map(|line| ours(line) + "\n").collect()
}
