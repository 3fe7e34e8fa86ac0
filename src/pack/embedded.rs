//! The payload `embedded`: directories of images, copied into the engines' storage at boot.
//!
//! Every package has a directory of its own with a list of its own, and a unit that copies
//! from there: two packages side by side share nothing, and each may go alone.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::cache::CachedImage;
use super::contents::{PackageTree, TreeEntry, TreeEntryKind, unwritten};
use super::recipe::Package;
use crate::embedded::{EmbeddedLayout, ImageList};
use crate::problem::Problem;
use crate::sys::{FileKind, Root};

/// Where packages have units.
const UNITS: &str = "/usr/lib/systemd/system";

/// Puts the images into `contents`, with the list and the unit.
pub(super) fn fill(
    package: &Package,
    images: &[CachedImage],
    contents: &mut PackageTree,
) -> Result<(), Problem> {
    let root = Root::system().map_err(Problem::cannot("open", "/"))?;
    let base = format!("{}/", package.path);
    contents.add_parents(base.as_bytes()).map_err(unwritten(contents))?;
    let mut list = ImageList::new(EmbeddedLayout::default());
    // A blob is named after its content, so images share those of one name.
    let mut blobs: HashMap<String, Vec<u8>> = HashMap::new();
    for image in images {
        let line = list.layout.entry(&image.reference);
        directory(&root, image, &format!("{base}{}", line.directory), contents, &mut blobs)?;
        list.entries.push(line);
    }
    list.entries.sort_by(|one, other| one.reference.cmp(&other.reference));
    let file = format!("{base}{}", list.layout.list());
    contents.add_text(&file, 0o644, list.text().as_bytes()).map_err(unwritten(contents))?;
    let name = format!("storagectl-copy-images-{}.service", package.name);
    let link = format!("{UNITS}/multi-user.target.wants/{name}");
    contents
        .add_text(&format!("{UNITS}/{name}"), 0o644, unit(&package.name, &package.path, &file).as_bytes())
        .and_then(|()| contents.add_parents(link.as_bytes()))
        .and_then(|()| {
            let what = TreeEntryKind::Symlink(format!("../{name}").into_bytes());
            let entry = TreeEntry::of_root(what, 0o777, contents.time());
            contents.add(link.as_bytes(), entry)
        })
        .map_err(unwritten(contents))
}

fn directory(
    root: &Root,
    image: &CachedImage,
    to: &str,
    contents: &mut PackageTree,
    blobs: &mut HashMap<String, Vec<u8>>,
) -> Result<(), Problem> {
    let time = contents.time();
    contents
        .add(to.as_bytes(), TreeEntry::of_root(TreeEntryKind::Directory, 0o755, time))
        .map_err(unwritten(contents))?;
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
            let what = TreeEntryKind::HardLink(first.clone());
            contents.add(&path, TreeEntry::of_root(what, 0o644, time)).map_err(unwritten(contents))?;
            continue;
        }
        copy(&inside, &Path::new("/").join(&name), &path, contents)?;
        if name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            blobs.insert(name, path);
        }
    }
    Ok(())
}

fn copy(root: &Root, from: &Path, to: &[u8], contents: &mut PackageTree) -> Result<(), Problem> {
    let shown = root.show(from).display().to_string();
    let stat = root.stat_or_link(from).map_err(Problem::cannot("look at", &shown))?;
    if stat.is_none_or(|stat| stat.kind != FileKind::File) {
        let message = format!("`{shown}` in the cache of images is not a file");
        return Err(Problem::new(
            "image-invalid",
            message,
            "remove that image from the cache and pack again",
        ));
    }
    let time = contents.time();
    let file = contents.begin_file(to).map_err(unwritten(contents))?;
    root.copy_to(from, &file).map_err(Problem::cannot("copy", &shown))?;
    contents.end_file(to, TreeEntry::of_root(TreeEntryKind::File, 0o644, time)).map_err(unwritten(contents))
}

/// The unit that the package of storagectl has for the images of the operating system.
const SHIPPED: &str = include_str!("../../scriptlets/systemd/storagectl-copy-images.service");

/// That unit, for this package's directory; one copies after the other.
fn unit(name: &str, path: &str, list: &str) -> String {
    let mut text = String::new();
    let mut has_condition = false;
    for line in SHIPPED.lines() {
        text += &match line.split_once('=') {
            Some(("Description", _)) => format!("Description=Copy the container images of {name}"),
            Some(("ConditionPathExists", _)) if std::mem::replace(&mut has_condition, true) => continue,
            Some(("ConditionPathExists", _)) => format!("ConditionPathExists={list}"),
            Some(("After", "crio-wipe.service")) => {
                "After=crio-wipe.service storagectl-copy-images.service".to_owned()
            }
            Some(("ExecStart", _)) => {
                format!("ExecStart=/usr/bin/storagectl copy-images --source {path} $COPY_IMAGES")
            }
            _ => line.to_owned(),
        };
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_shipped_one_but_for_what_is_the_packages() {
        let unit = unit("app-images", "/usr/lib/app", "/usr/lib/app/image-list.txt");
        let other: Vec<&str> = unit.lines().filter(|line| !SHIPPED.lines().any(|it| it == *line)).collect();
        assert_eq!(
            other,
            [
                "Description=Copy the container images of app-images",
                "After=crio-wipe.service storagectl-copy-images.service",
                "ConditionPathExists=/usr/lib/app/image-list.txt",
                "ExecStart=/usr/bin/storagectl copy-images --source /usr/lib/app $COPY_IMAGES",
            ]
        );
        // It has one list, and the host may have one of either layout.
        assert_eq!(unit.lines().count(), SHIPPED.lines().count() - 1);
    }
}
