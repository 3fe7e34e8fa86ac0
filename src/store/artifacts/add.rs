//! Putting an artifact into a storage.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::stored::check_time;
use super::{ArtifactStore, INDEX, LAYOUT, blob, leftover};
use crate::images::{ArtifactManifest, Digest};
use crate::problem::Problem;
use crate::space::require_space;
use crate::store::builder::{cannot, lock};
use crate::store::label::label;
use crate::sys::{Root, Staging};

/// What makes a directory an OCI layout.
const OCI_LAYOUT: (&str, &[u8]) = ("/artifacts/oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);

/// An artifact that a storage shall have.
#[derive(Debug)]
pub struct NewArtifact<'a> {
    /// Its full name.
    pub name: &'a str,
    /// Its manifest, byte for byte.
    pub bytes: &'a [u8],
    /// What that says.
    pub manifest: &'a ArtifactManifest,
    /// The directory with its blobs, each named by the digits of its digest.
    pub from: &'a Root,
}

/// Puts an artifact into the storage at `storage`, in the place of one that has its name: its
/// blobs, verified and synced, and then its name. Blobs for which `is_sound` holds stay as they
/// are; `read` is told of the bytes of the others.
///
/// # Errors
/// What is wrong with the artifact (`blob-missing`, `blob-digest`, `image-unsupported`) or with the
/// index (`artifacts-malformed`); `busy` if an engine works there; `disk-full`, or the system's
/// answer.
pub fn add(
    root: &Root,
    storage: &Path,
    new: &NewArtifact<'_>,
    is_sound: &dyn Fn(&Digest) -> bool,
    read: &mut dyn FnMut(u64),
) -> Result<(), Problem> {
    check_time(new.manifest).map_err(|why| {
        let message = format!("the artifact `{}`: {why}, so that engines could list none", new.name);
        Problem::new("image-unsupported", message, "leave it out, or push it again with a current tool")
    })?;
    let store = prepare(root, storage)?;
    let inside = &store.root;
    let layout = Path::new(LAYOUT);
    let _lock = lock(inside, &layout.join("index.lock"))?;
    let mut index = store.index()?;
    let is_there = |digest: &Digest, size| store.find(digest, size).is_ok() && is_sound(digest);
    let blobs = new.manifest.blobs.iter().filter(|(digest, size)| !is_there(digest, **size));
    let blobs: Vec<(&Digest, u64)> = blobs.map(|(digest, size)| (digest, *size)).collect();
    let bytes = blobs.iter().fold(0, |sum: u64, (_, size)| sum.saturating_add(*size));
    require_space(&inside.show(layout), bytes, blobs.len() as u64 + 2, inside.free_space(layout).ok())?;
    let mut writer = inside.directory_writer(layout).map_err(cannot(inside, "open", layout))?;
    let mut staging = writer.staging().map_err(cannot(inside, "write to", layout))?;
    let digest = Digest::of(new.bytes);
    for (blob, size) in blobs {
        let file =
            staging.dir.create_file(blob.hex().as_bytes()).map_err(cannot(inside, "write to", layout))?;
        let damaged = |id, what: &str| {
            let message = format!("the artifact `{}` is damaged: {what} `{}`", new.name, blob.hex());
            Problem::new(id, message, "`storagectl embed-images` fetches it again")
        };
        let from = Path::new("/").join(blob.hex());
        let copied = new.from.copy_to(&from, &file).map_err(cannot(new.from, "copy", &from))?;
        copied.ok_or_else(|| damaged("blob-missing", "there is no"))?;
        drop(file);
        let path = layout.join(&staging.name).join(blob.hex());
        let part =
            inside.open_part(&path).and_then(|part| part.ok_or_else(|| io::ErrorKind::NotFound.into()));
        let found =
            part.and_then(|part| Digest::of_file(part, read)).map_err(cannot(inside, "read", &path))?;
        if copied != Some(size) || found != *blob {
            return Err(damaged("blob-digest", "not its digest has"));
        }
        put(inside, &mut staging, blob).map_err(cannot(inside, "write", &path))?;
    }
    let mut finish = || -> io::Result<()> {
        io::Write::write_all(&mut staging.dir.create_file(digest.hex().as_bytes())?, new.bytes)?;
        put(inside, &mut staging, &digest)?;
        staging.remove()?;
        if inside.stat_or_link(Path::new(OCI_LAYOUT.0))?.is_none() {
            inside.replace_file(Path::new(OCI_LAYOUT.0), OCI_LAYOUT.1)?;
        }
        writer.sync_all()
    };
    finish().map_err(cannot(inside, "write to", layout))?;
    let before = store.named(&index);
    index.put(new.name, &digest, new.bytes.len());
    // What somebody else's entry needs cannot always be told; then nothing goes.
    let gone: BTreeSet<Digest> = match (before, store.named(&index)) {
        (Ok(mut before), Ok(now)) => {
            before.extend(leftover::read(inside).map_err(cannot(inside, "read", layout))?);
            before.difference(&now).cloned().collect()
        }
        _ => BTreeSet::new(),
    };
    leftover::write(inside, &gone).map_err(cannot(inside, "write to", layout))?;
    inside.replace_file(Path::new(INDEX), &index.text()).map_err(cannot(
        inside,
        "replace",
        Path::new(INDEX),
    ))?;
    leftover::clear(inside, &gone).map_err(cannot(inside, "clean up", layout))
}

/// Gives a blob of the staging directory its name.
fn put(root: &Root, staging: &mut Staging, digest: &Digest) -> io::Result<()> {
    let name = digest.hex().as_bytes();
    staging.dir.set_mode(name, 0o644)?;
    let path = blob(digest);
    let mut blobs = root.directory_writer(path.parent().expect("it is in a directory"))?;
    staging.dir.move_over_in(name, &mut blobs, name)
}

/// Makes what is missing of the directories, with the modes that engines give them.
fn prepare(root: &Root, storage: &Path) -> Result<ArtifactStore, Problem> {
    root.create_dirs(storage, 0o755).map_err(cannot(root, "create the directory", storage))?;
    let inside = root.strict(storage).map_err(cannot(root, "open", storage))?;
    let inside = inside.ok_or_else(|| cannot(root, "open", storage)(io::ErrorKind::NotADirectory.into()))?;
    let layout = Path::new(LAYOUT);
    if inside.stat_or_link(layout).map_err(cannot(&inside, "look at", layout))?.is_none() {
        inside.create_dirs(layout, 0o700).map_err(cannot(&inside, "create the directory", layout))?;
        // Before anything is made in it.
        label(root, &inside, Path::new("/"), "artifacts");
    }
    let blobs = layout.join("blobs/sha256");
    inside.create_dirs(&blobs, 0o755).map_err(cannot(&inside, "create the directory", &blobs))?;
    Ok(ArtifactStore { root: inside })
}
