//! The payload `sealed`: a store in a squashfs image, or one for each image.

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::cache::CachedImage;
use super::checked::check_squashfs;
use super::contents::{PackageTree, TreeEntry, TreeEntryKind, unwritten};
use super::recipe::Package;
use crate::images::{Digest, Source};
use crate::problem::Problem;
use crate::sealed;
use crate::store::builder::{self, BuildOptions, ImageFormat};
use crate::sys::Root;

/// Puts the squashfs images into `contents`, with all that mounts and declares them.
///
/// # Errors
/// What is wrong with an image, or the system's or a program's answer.
pub(super) fn fill(
    package: &Package,
    images: &[CachedImage],
    options: &BuildOptions,
    contents: &mut PackageTree,
) -> Result<(), Problem> {
    let base = format!("{}/", package.path);
    contents.add_parents(base.as_bytes()).map_err(unwritten(contents))?;
    let mut builds = Vec::new();
    if package.split {
        for image in images {
            builds.push(split(package, image, options, contents)?);
        }
    } else {
        let build = format!("{}-{}", package.version, package.release);
        let path = sealed::image_path(&package.path, &build);
        let sources: Vec<Source> = images.iter().map(|image| image.source.clone()).collect();
        squashfs(package, &path, &sources, options, contents)?;
        end(&path, contents)?;
        builds.push(build);
    }
    let whole = sealed::SealedPackage { name: &package.name, base: &package.path, builds: &builds };
    for shipped in whole.files()? {
        let path = shipped.path.as_os_str().as_bytes();
        let time = contents.time();
        let done = match shipped.what {
            sealed::ShippedKind::Directory => contents.add_parents(path).and_then(|()| {
                contents.add(path, TreeEntry::of_root(TreeEntryKind::Directory, shipped.mode, time))
            }),
            sealed::ShippedKind::Link(target) => contents.add_parents(path).and_then(|()| {
                contents.add(
                    path,
                    TreeEntry::of_root(TreeEntryKind::Symlink(target.into_bytes()), shipped.mode, time),
                )
            }),
            sealed::ShippedKind::File(text) => {
                contents.add_text(&shipped.path.to_string_lossy(), shipped.mode, text.as_bytes())
            }
        };
        done.map_err(unwritten(contents))?;
    }
    Ok(())
}

/// Makes the squashfs image of one image. Its name has the digest of its content, so that
/// it stays while that does. Returns the build that it is.
fn split(
    package: &Package,
    image: &CachedImage,
    options: &BuildOptions,
    contents: &mut PackageTree,
) -> Result<String, Problem> {
    let new = Path::new(&package.path).join(".new");
    squashfs(package, &new, std::slice::from_ref(&image.source), options, contents)?;
    let at = contents.on_disk(&new.to_string_lossy());
    let shown = at.display().to_string();
    let root = Root::system().map_err(Problem::cannot("open", "/"))?;
    let mut file = root
        .open_part(&at)
        .and_then(|file| file.ok_or_else(|| std::io::ErrorKind::NotFound.into()))
        .map_err(Problem::cannot("read", &shown))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer).map_err(Problem::cannot("read", &shown))? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    let digest = Digest::finish(hash);
    let build = format!("{}-{}", short_name(&image.reference), digest.short());
    let path = sealed::image_path(&package.path, &build);
    contents.rename(new.as_os_str().as_bytes(), path.as_os_str().as_bytes()).map_err(unwritten(contents))?;
    end(&path, contents)?;
    Ok(build)
}

/// The last part of a reference's name, without tag and digest.
fn short_name(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or(reference);
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split(':').next().unwrap_or(last)
}

fn squashfs(
    package: &Package,
    path: &Path,
    sources: &[Source],
    options: &BuildOptions,
    contents: &PackageTree,
) -> Result<(), Problem> {
    let root = Root::system().map_err(Problem::cannot("open", "/"))?;
    let at = contents.on_disk(&path.to_string_lossy());
    builder::file(&root, sources, &at, ImageFormat::Squashfs, options)?;
    let within = contents.dir().parent().unwrap_or(Path::new("/"));
    check_squashfs(package, &at, within, options.jobs)
}

fn end(path: &Path, contents: &mut PackageTree) -> Result<(), Problem> {
    let entry = TreeEntry::of_root(TreeEntryKind::File, 0o644, contents.time());
    contents.end_file(path.as_os_str().as_bytes(), entry).map_err(unwritten(contents))
}
