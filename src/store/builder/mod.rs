//! Making image stores from images as files, without an engine.
//!
//! The ids are those that engines compute, so that they re-use the layers; all else that
//! engines draw by lot or take from the clock follows from the images here, so that the
//! same images give the same bytes.
//!
//! Every layer goes through `layer::read`: blob and stream are hashed while they go by,
//! `tree::Tree` decides which entries are sound, and a sink takes them, as files
//! (`unpack`) or as entries of a tar stream of the whole store.

mod directory;
mod existing;
mod fault;
mod files;
mod incremental;
mod layer;
mod leftover;
mod lost;
pub(crate) mod parallel;
mod place;
mod plan;
mod prepare;
mod record;
mod remove;
mod rename;
mod staging;
mod stream;
mod survey;
mod tarball;
mod tree;
mod unpack;

use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::images::{Platform, Source, read};
use crate::problem::Problem;
use crate::sys::Root;
use plan::BuildPlan;
use tarball::StreamError;

use super::image_file::ImageFile;
pub use super::image_file::ImageFormat;
pub(super) use directory::{cannot, lock};
pub use incremental::{AddPolicy, AddReport, add, add_chain, clean_up};
pub use plan::{LayerChain, chain_ids, ids};
pub use record::{big_data, file_name};
pub use remove::{RemovalRequest, RemovedFromStore, StoreRecords, remove};
pub use rename::rename_images;

/// How to build.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// For which machine, where there is a choice.
    pub platform: Platform,
    /// How many layers are worked on at a time.
    pub jobs: usize,
    /// The most bytes that a layer may have when it is decompressed.
    pub limit: u64,
    /// `SOURCE_DATE_EPOCH`: no time of the store itself is later. Seconds since 1970.
    pub latest: Option<i64>,
    /// Whether to wait until everything is on the disk.
    pub sync: bool,
}

/// What was built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuiltStore {
    /// How many images there are.
    pub images: usize,
    /// How many of them were not in the store before.
    pub new_images: usize,
    /// How many layers they have.
    pub layers: usize,
    /// How many of them were not in the store before.
    pub new_layers: usize,
    /// How many bytes the streams of the new layers have.
    pub bytes: u64,
    /// Names that another image had before.
    pub moved_names: Vec<String>,
    /// Images without a name, which only their id finds.
    pub nameless: Vec<String>,
}

/// Makes the directory at `store` a store with the images of `sources`, or adds them to it.
///
/// # Errors
/// What is wrong with an image, or what the system says; a store that was there is as it was.
pub fn directory(
    root: &Root,
    sources: &[Source],
    store: &Path,
    options: &BuildOptions,
) -> Result<BuiltStore, Problem> {
    directory::build(root, store, &plan(root, sources, options)?, options, &AddPolicy::ALL_OR_NOTHING)
}

/// Writes a store with the images of `sources` to `out`, as a tar stream.
///
/// # Errors
/// What is wrong with an image, or what the system says.
pub fn to_writer(
    root: &Root,
    sources: &[Source],
    out: impl Write,
    options: &BuildOptions,
) -> Result<BuiltStore, Problem> {
    let plan = plan(root, sources, options)?;
    let surveyed = tarball::survey(&plan, options)?;
    let out = BufWriter::with_capacity(256 << 10, out);
    match tarball::write(&plan, &surveyed, options, out) {
        Ok(_) => Ok(tarball::built(&plan, &surveyed)),
        Err(StreamError::Layer(problem)) => Err(problem),
        Err(StreamError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            let message = "whoever was to read the store has stopped before its end";
            Err(Problem::new("io", message, "check the command that reads it"))
        }
        Err(StreamError::Write(error)) => Err(Problem::io("write", "-", &error)),
    }
}

/// Makes `file` an image with a store with the images of `sources`. What was there is
/// replaced when the new one is complete.
///
/// # Errors
/// What is wrong with an image, or what the system or the program says.
pub fn file(
    root: &Root,
    sources: &[Source],
    file: &Path,
    kind: ImageFormat,
    options: &BuildOptions,
) -> Result<BuiltStore, Problem> {
    let plan = plan(root, sources, options)?;
    let surveyed = tarball::survey(&plan, options)?;
    let mut pack = ImageFile::begin(root, file, kind, tarball::newest(&plan, &surveyed), options.sync)?;
    let written = tarball::write(&plan, &surveyed, options, pack.stream()).map(|_| ());
    match written {
        Ok(()) => pack.finish()?,
        Err(StreamError::Layer(problem)) => return Err(problem),
        Err(StreamError::Write(error)) => return Err(pack.problem(&error)),
    }
    Ok(tarball::built(&plan, &surveyed))
}

/// Reads and verifies everything and writes nothing.
pub fn dry_run(root: &Root, sources: &[Source], options: &BuildOptions) -> Result<BuiltStore, Problem> {
    let plan = plan(root, sources, options)?;
    let surveyed = tarball::survey(&plan, options)?;
    Ok(tarball::built(&plan, &surveyed))
}

/// When the newest of the images of `sources` was made, in seconds since 1970.
pub fn newest(root: &Root, sources: &[Source], options: &BuildOptions) -> Result<i64, Problem> {
    Ok(plan(root, sources, options)?.time.0)
}

/// The records of layers of a store.
pub(super) fn existing_layers(store: &Root) -> Result<Vec<super::StoredLayer>, Problem> {
    let paths = existing::StorePaths::new(Path::new("/"));
    let records = existing::Records::<super::StoredLayer>::read(store, &paths)?;
    Ok(records.by_id().into_values().cloned().collect())
}

fn plan(root: &Root, sources: &[Source], options: &BuildOptions) -> Result<BuildPlan, Problem> {
    let images = sources.iter().map(|source| read(root, source, &options.platform));
    BuildPlan::new(images.collect::<Result<_, _>>()?, options.latest)
}
