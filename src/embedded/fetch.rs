//! One image, from its registry to a complete directory.

use std::io;
use std::path::Path;

use super::Platforms;
use super::contents::{EmbeddedImage, contents, instance_file};
use super::list::ListEntry;
use super::options::EmbedOptions;
use super::record::{EmbedRecord, RECORD};
use super::registry_image::RegistryImage;
use super::run::EmbedRun;
use super::survey::{Depth, survey};
use crate::images::{Digest, Platform};
use crate::problem::Problem;
use crate::registry::{self, Extent, Failure, RegistryAccess, RetryLimits, with_retries};
use crate::store::check::Progress;

/// What skopeo writes into each `dir:` directory (directory/directory_dest.go of the image
/// library).
const VERSION: (&str, &[u8]) = ("version", b"Directory Transport Version: 1.1\n");

/// Has skopeo copy the image of `entry` to its directory. `mark` is the name of what is made on
/// the way, in the directory of the run.
pub(super) fn copy_whole(
    at: &EmbedRun,
    entry: &ListEntry,
    options: &EmbedOptions,
    patience: RetryLimits,
    mark: &str,
) -> Result<EmbeddedImage, Problem> {
    let result = with_retries(patience, || match &options.platforms {
        Platforms::All => one(at, &entry.reference, Extent::Everything, options, mark),
        Platforms::These(platforms) => some(at, &entry.reference, platforms, options, mark),
    });
    let result = result
        .map_err(|failure| failure.problem)
        .and_then(|chosen| finish(at, entry, chosen, options.signatures, Depth::Bytes, mark));
    if result.is_err() {
        // Space for the others; what cannot be removed now goes with the run.
        let _ = clear(at, mark);
    }
    result
}

/// Puts an image to its directory whose blobs are all known.
pub(super) fn assemble(
    at: &EmbedRun,
    entry: &ListEntry,
    image: &RegistryImage,
    mark: &str,
) -> Result<EmbeddedImage, Problem> {
    let assemble = || -> io::Result<()> {
        let place = at.place(mark);
        let mut writer = at.directory_writer()?;
        writer.remove(place.as_bytes())?;
        writer.create_directory(place.as_bytes())?;
        writer.set_mode(place.as_bytes(), 0o755)?;
        let documents = image.documents.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        for (name, bytes) in documents.chain([VERSION]) {
            at.write(&mut writer, &format!("{place}/{name}"), bytes)?;
        }
        for digest in image.blobs() {
            at.links.place(at, &mut writer, digest, &format!("{place}/{}", digest.hex()))?;
        }
        Ok(())
    };
    let result = assemble()
        .map_err(Problem::cannot("write to", at.shown_path()))
        .and_then(|()| finish(at, entry, image.contents.chosen.clone(), false, Depth::Sizes, mark));
    if result.is_err() {
        let _ = clear(at, mark);
    }
    result
}

fn clear(at: &EmbedRun, mark: &str) -> io::Result<()> {
    at.directory_writer()?.remove(at.place(mark).as_bytes())
}

pub(super) fn failed(problem: Problem) -> Failure {
    Failure { problem, may_pass: false }
}

/// Fetches a reference to the directory `mark`; skopeo says which digest it has written.
fn one(
    at: &EmbedRun,
    reference: &str,
    extent: Extent,
    options: &EmbedOptions,
    mark: &str,
) -> Result<Option<Vec<String>>, Failure> {
    let cannot = |error: io::Error| failed(Problem::io("write to", &at.shown_path(), &error));
    let (place, digest) = (at.place(mark), at.place(&format!("{mark}.digest")));
    let mut writer = at.directory_writer().map_err(cannot)?;
    for old in [&place, &digest] {
        writer.remove(old.as_bytes()).map_err(cannot)?;
    }
    let inside = at.path_in_tree(&place);
    let written = || {
        let names = at.root.list(&inside).ok().flatten().unwrap_or_default();
        let sizes = names.iter().filter_map(|name| at.root.stat(&inside.join(name)).ok().flatten());
        sizes.map(|stat| stat.size).sum()
    };
    let registries_d = at.registries_d.as_deref();
    let access = RegistryAccess { registries_d, ..options.access(at.lock_for_children()) };
    registry::fetch(
        reference,
        extent,
        &at.path_for_programs(&place),
        &at.path_for_programs(&digest),
        access,
        &written,
    )?;
    let said =
        at.root.read(&at.path_in_tree(&digest)).map_err(cannot)?.map(|(text, _)| text).unwrap_or_default();
    let manifest = at.path_in_tree(&place).join("manifest.json");
    let written = at.root.read(&manifest).map_err(cannot)?.map(|(bytes, _)| Digest::of(&bytes));
    let said = Digest::parse(String::from_utf8_lossy(&said).trim());
    if written.is_none() || said != written {
        let message = format!("cannot fetch `{reference}`: what is on the disk is not what skopeo wrote");
        let hint = "check the disk and try again";
        return Err(failed(Problem::new("blob-digest", message, hint)));
    }
    Ok(None)
}

/// Fetches the list of a reference, and of its images those for these platforms. Returns
/// their platforms, or nothing if there is but one image.
fn some(
    at: &EmbedRun,
    reference: &str,
    platforms: &[Platform],
    options: &EmbedOptions,
    mark: &str,
) -> Result<Option<Vec<String>>, Failure> {
    one(at, reference, Extent::ListAlone, options, mark)?;
    let place = at.place(mark);
    let list = contents(&at.root, &at.path_in_tree(&place), reference).map_err(failed)?;
    let chosen = list.choose(reference, platforms).map_err(failed)?;
    if !list.is_list {
        return Ok(None);
    }
    let cannot = |error: io::Error| failed(Problem::io("write to", &at.shown_path(), &error));
    for instance in &chosen {
        let part = format!("{mark}.part");
        let by_digest = format!("{}@{}", registry::repository(reference), instance.digest);
        one(at, &by_digest, Extent::Everything, options, &part)?;
        let part = at.place(&part);
        let mut writer = at.directory_writer().map_err(cannot)?;
        for name in at.root.list(&at.path_in_tree(&part)).map_err(cannot)?.unwrap_or_default() {
            let Some(name) = name.to_str() else { continue };
            // As skopeo names them when it fetches all.
            let to = match name {
                "version" => continue,
                "manifest.json" => instance_file(&instance.digest),
                name if name.starts_with("signature-") => format!("{}.{name}", instance.digest.hex()),
                name => name.to_owned(),
            };
            writer
                .move_over(format!("{part}/{name}").as_bytes(), format!("{place}/{to}").as_bytes())
                .map_err(cannot)?;
        }
    }
    Ok(Some(chosen.iter().filter_map(|instance| instance.platform.clone()).collect()))
}

/// Verifies what was fetched as closely as was not done before, and puts it to its place.
fn finish(
    at: &EmbedRun,
    entry: &ListEntry,
    chosen: Option<Vec<String>>,
    signatures: bool,
    depth: Depth,
    mark: &str,
) -> Result<EmbeddedImage, Problem> {
    let place = at.place(mark);
    let fetched = contents(&at.root, &at.path_in_tree(&place), &entry.reference)?;
    let mut writer = at.directory_writer().map_err(Problem::cannot("open", at.shown_path()))?;
    let refers_to = at.referrers.get().and_then(|all| all.get(&entry.reference));
    let record = EmbedRecord::new(&fetched.digest, chosen, signatures, refers_to);
    at.write(&mut writer, &format!("{place}/{RECORD}"), &record.text())
        .map_err(Problem::cannot("write to", at.shown_path()))?;
    let staged = ListEntry { directory: place, ..entry.clone() };
    let looked = survey(&at.root, Path::new("/"), &[staged], None, depth, 1, &Progress::default());
    let image = looked.images.into_iter().next().expect("one was asked for");
    if let Some(problem) = image.faults.into_iter().chain(image.not_looked).next() {
        return Err(problem);
    }
    let contents = image.contents.expect("nothing is wrong with it");
    at.publish(mark, &entry.directory, &contents)?;
    Ok(contents)
}
