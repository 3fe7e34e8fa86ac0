//! What is wrong with a layer, as a problem that names the image and the layer.

use std::io;

use super::layer::LayerFault;
use super::plan::PlannedLayer;
use super::stream::StreamFault;
use super::tree::shown;
use crate::problem::{Problem, words};

const COPY_AGAIN: &str = "copy the image again, such as with `skopeo copy`";
const NOT_OURS: &str = "build the image again; engines would refuse this layer, or could not save it again";

/// The problem that `fault` is.
pub(super) fn problem(layer: &PlannedLayer, fault: LayerFault) -> Problem {
    let title = &layer.title;
    let digest = &layer.source.blob.digest;
    let of = |id, what: String, hint: &str| Problem::new(id, format!("{title}: {what}"), hint);
    match fault {
        LayerFault::Missing => of("blob-missing", format!("there is no blob `{digest}`"), COPY_AGAIN),
        LayerFault::Broken(StreamFault::Other(found, size)) => {
            let wanted = layer.source.blob.size;
            let what = if found == *digest {
                format!("its blob has {size} bytes instead of {wanted}")
            } else {
                format!("its blob has the digest `{found}` instead of `{digest}`")
            };
            of("blob-digest", what, COPY_AGAIN)
        }
        LayerFault::Stream(found) => of(
            "layer-digest",
            format!("it has the digest `{found}` instead of `{}`", layer.source.diff_id),
            COPY_AGAIN,
        ),
        LayerFault::Broken(StreamFault::Unknown(how)) => of(
            "layer-unsupported",
            format!("it is compressed with {how}"),
            "compress it with gzip or zstd, for example with `skopeo copy --dest-compress-format`",
        ),
        LayerFault::Broken(StreamFault::TooLarge(limit)) => of(
            "layer-too-large",
            format!("it is larger than {} MiB when it is decompressed", limit >> 20),
            "give a higher limit with --max-layer-size if that is intended",
        ),
        LayerFault::Broken(StreamFault::Io(error)) => match error.raw_os_error() {
            Some(_) => {
                of("io", format!("its blob cannot be read: {}", words(&error)), "fix that and try again")
            }
            None => of("layer-invalid", format!("its blob is damaged or cut short: {error}"), COPY_AGAIN),
        },
        LayerFault::NotTar(why) => of("layer-invalid", why.0.to_owned(), NOT_OURS),
        LayerFault::Refused(why) => of("layer-invalid", why.0, NOT_OURS),
        LayerFault::Cut => of("layer-invalid", "its tar stream ends too early".to_owned(), COPY_AGAIN),
        LayerFault::Write(entry, error) => write(title, entry.as_deref(), &error),
    }
}

fn write(title: &str, entry: Option<&[u8]>, error: &io::Error) -> Problem {
    let what = match entry {
        Some(entry) => format!("`{}` cannot be written: {}", shown(entry), words(error)),
        None => format!("it cannot be written: {}", words(error)),
    };
    let (id, hint) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ("disk-full", "free some space and try again; the store is as it was")
        }
        io::ErrorKind::InvalidData => ("layer-invalid", NOT_OURS),
        io::ErrorKind::PermissionDenied => (
            "permission",
            "write a `.tar` or `.squashfs` file instead, which needs no privileges, or run it where devices can be created",
        ),
        io::ErrorKind::Unsupported => {
            ("io", "write to a file system with extended attributes, or to a `.tar` or `.squashfs` file")
        }
        _ => ("io", "fix what the system reports and try again"),
    };
    Problem::new(id, format!("{title}: {what}"), hint)
}
