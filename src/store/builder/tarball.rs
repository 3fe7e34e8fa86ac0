//! A store as a tar stream: no privileges are needed, and the same images give the same
//! bytes.
//!
//! Every layer is read twice. The first time, several at a time, it is verified and
//! surveyed, so that nothing is written of an image that is bad; the second time its
//! content goes by, one layer after the other.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use super::directory::StoreAccess;
use super::files::{StoreFile, link_target, of_new_layer, split_name};
use super::layer::{self, LayerFacts, LayerSink};
use super::plan::{BuildPlan, PlannedLayer, link_name};
use super::record::{big_data, file_name, of_image, of_layer};
use super::survey::{EntryMetadata, LayerSurvey};
use super::tree::EntryPlace;
use super::{BuildOptions, BuiltStore, fault, parallel};
use crate::problem::Problem;
use crate::tar::{EntryContent, EntryKind, Header, TarEntry, TarWriter};

/// A layer that was verified.
pub(super) struct SurveyedLayer {
    facts: LayerFacts,
    survey: LayerSurvey,
    split: Vec<u8>,
}

/// Reads all layers.
pub(super) fn survey(plan: &BuildPlan, options: &BuildOptions) -> Result<Vec<SurveyedLayer>, Problem> {
    let work = |layer: &PlannedLayer| {
        let mut survey = LayerSurvey::new((layer.created.0, layer.created.1));
        let read = layer::read(&layer.source, options.limit, &mut survey, Some(Vec::new()));
        let (facts, split) = read.map_err(|error| fault::problem(layer, error))?;
        Ok(SurveyedLayer { facts, survey, split: split.expect("it was given") })
    };
    parallel::run(&plan.layers, options.jobs, |layer| layer.source.blob.size, work)
}

/// The time of the newest file of the store, in seconds since 1970.
pub(super) fn newest(plan: &BuildPlan, surveyed: &[SurveyedLayer]) -> i64 {
    surveyed.iter().map(|layer| layer.survey.newest).max().unwrap_or_default().max(plan.time.0)
}

/// What `survey` found, counted.
pub(super) fn built(plan: &BuildPlan, surveyed: &[SurveyedLayer]) -> BuiltStore {
    BuiltStore {
        images: plan.images.len(),
        new_images: plan.images.len(),
        layers: plan.layers.len(),
        new_layers: plan.layers.len(),
        bytes: surveyed.iter().map(|layer| layer.facts.size).sum(),
        moved_names: Vec::new(),
        nameless: plan.nameless(),
    }
}

/// Why the stream could not be written.
pub(super) enum StreamError {
    /// The other side does not take it.
    Write(io::Error),
    /// A layer is not what it was when it was surveyed.
    Layer(Problem),
}

impl From<io::Error> for StreamError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// Writes the store.
pub(super) fn write<W: Write>(
    plan: &BuildPlan,
    surveyed: &[SurveyedLayer],
    options: &BuildOptions,
    out: W,
) -> Result<W, StreamError> {
    let mut tar = TarWriter::new(out);
    let time = (plan.time.0, plan.time.1);
    let own = |mode| TarEntry { mode, uid: 0, gid: 0, mtime: time, attributes: &[] };
    for (dir, mode) in [("overlay", 0o755), ("overlay/l", 0o755)] {
        tar.write_header(format!("{dir}/").as_bytes(), &own(mode), EntryContent::Directory)?;
    }
    let mut links: Vec<(String, &PlannedLayer)> =
        plan.layers.iter().map(|layer| (link_name(&layer.id), layer)).collect();
    links.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (link, layer) in links {
        let item = TarEntry { mtime: (layer.created.0, layer.created.1), ..own(0o777) };
        let target = link_target(&layer.id);
        tar.write_header(
            format!("overlay/l/{link}").as_bytes(),
            &item,
            EntryContent::Symlink(target.as_bytes()),
        )?;
    }
    for (layer, surveyed) in plan.layers.iter().zip(surveyed) {
        content(layer, surveyed, options, &mut tar)?;
    }
    tar.write_header(b"overlay-images/", &own(StoreAccess::EVERYONE.directory), EntryContent::Directory)?;
    for planned in &plan.images {
        let dir = format!("overlay-images/{}", planned.image.config_digest.hex());
        let time = (planned.created.0, planned.created.1);
        let own = |mode| TarEntry { mode, uid: 0, gid: 0, mtime: time, attributes: &[] };
        tar.write_header(
            format!("{dir}/").as_bytes(),
            &own(StoreAccess::EVERYONE.directory),
            EntryContent::Directory,
        )?;
        for (key, bytes) in big_data(&planned.image) {
            file(&mut tar, &format!("{dir}/{}", file_name(&key)), &own(StoreAccess::EVERYONE.file), &bytes)?;
        }
    }
    let records: Vec<_> = plan.images.iter().map(of_image).collect();
    let json = serde_json::to_vec(&records).expect("records are made of text and numbers");
    file(&mut tar, "overlay-images/images.json", &own(StoreAccess::EVERYONE.file), &json)?;
    file(&mut tar, "overlay-images/images.lock", &own(0o644), b"")?;
    tar.write_header(b"overlay-layers/", &own(StoreAccess::EVERYONE.directory), EntryContent::Directory)?;
    for (layer, surveyed) in plan.layers.iter().zip(surveyed) {
        let item = TarEntry { mtime: (layer.created.0, layer.created.1), ..own(StoreAccess::EVERYONE.file) };
        file(&mut tar, &format!("overlay-layers/{}", split_name(&layer.id)), &item, &surveyed.split)?;
    }
    let records: Vec<_> =
        plan.layers.iter().zip(surveyed).map(|(layer, surveyed)| of_layer(layer, &surveyed.facts)).collect();
    let json = serde_json::to_vec(&records).expect("records are made of text and numbers");
    file(&mut tar, "overlay-layers/layers.json", &own(StoreAccess::EVERYONE.file), &json)?;
    file(&mut tar, "overlay-layers/layers.lock", &own(0o644), b"")?;
    Ok(tar.finish()?)
}

fn file<W: Write>(tar: &mut TarWriter<W>, name: &str, item: &TarEntry<'_>, bytes: &[u8]) -> io::Result<()> {
    tar.write_header(name.as_bytes(), item, EntryContent::File(bytes.len() as u64))?;
    tar.write_content(bytes)
}

fn item(metadata: &EntryMetadata) -> TarEntry<'_> {
    TarEntry {
        mode: metadata.mode,
        uid: metadata.uid,
        gid: metadata.gid,
        mtime: metadata.mtime,
        attributes: &metadata.attributes,
    }
}

/// Everything in `overlay/ID`.
fn content<W: Write>(
    layer: &PlannedLayer,
    surveyed: &SurveyedLayer,
    options: &BuildOptions,
    tar: &mut TarWriter<W>,
) -> Result<(), StreamError> {
    let time = (layer.created.0, layer.created.1);
    let own = |mode| TarEntry { mode, uid: 0, gid: 0, mtime: time, attributes: &[] };
    let home = format!("overlay/{}", layer.id);
    tar.write_header(
        format!("{home}/").as_bytes(),
        &own(StoreAccess::EVERYONE.directory),
        EntryContent::Directory,
    )?;
    for small in of_new_layer(&layer.id, &layer.below) {
        match small {
            StoreFile::Directory(name, mode) => {
                tar.write_header(format!("{home}/{name}/").as_bytes(), &own(mode), EntryContent::Directory)?;
            }
            StoreFile::File(name, mode, bytes) => file(tar, &format!("{home}/{name}"), &own(mode), &bytes)?,
        }
    }
    let prefix = format!("{home}/diff").into_bytes();
    let at = |path: &[u8], end: &[u8]| match path {
        [] => [&prefix, end].concat(),
        path => [&prefix, b"/".as_slice(), path, end].concat(),
    };
    for (path, metadata) in &surveyed.survey.directories {
        tar.write_header(&at(path, b"/"), &item(metadata), EntryContent::Directory)?;
    }
    for (path, (uid, gid)) in &surveyed.survey.whiteouts {
        let item = TarEntry { uid: *uid, gid: *gid, ..own(0) };
        tar.write_header(&at(path, b""), &item, EntryContent::Character(0, 0))?;
    }
    let mut emit = Emit { tar, survey: &surveyed.survey, prefix: &prefix };
    match layer::read::<io::Sink>(&layer.source, options.limit, &mut emit, None) {
        Ok(_) => Ok(()),
        Err(layer::LayerFault::Write(_, error)) => Err(StreamError::Write(error)),
        Err(error) => Err(StreamError::Layer(fault::problem(layer, error))),
    }
}

/// Writes all entries but directories and whiteouts.
struct Emit<'a, W: Write> {
    tar: &'a mut TarWriter<W>,
    survey: &'a LayerSurvey,
    prefix: &'a [u8],
}

impl<W: Write> LayerSink for Emit<'_, W> {
    fn implied(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn entry(&mut self, place: &EntryPlace, header: &Header) -> io::Result<()> {
        let (path, target) = match place {
            EntryPlace::Other(path, _) => (path, None),
            EntryPlace::HardLink(path, target, _) => (path, Some(target)),
            EntryPlace::Root
            | EntryPlace::Directory(..)
            | EntryPlace::Whiteout(_)
            | EntryPlace::Opaque(_)
            | EntryPlace::Nothing => {
                return Ok(());
            }
        };
        let mut metadata = EntryMetadata::of(header)?;
        if let Some(later) = self.survey.later.get(path) {
            metadata = metadata.then(later);
        }
        let name = [self.prefix, b"/", path.as_slice()].concat();
        let target = target.map(|target| [self.prefix, b"/", target.as_slice()].concat());
        let (major, minor) = header.device;
        let what = match (header.kind, &target) {
            (_, Some(target)) => EntryContent::HardLink(target),
            (EntryKind::Symlink, _) => EntryContent::Symlink(header.target.as_bytes()),
            (EntryKind::Character, _) => EntryContent::Character(major, minor),
            (EntryKind::Block, _) => EntryContent::Block(major, minor),
            (EntryKind::Fifo, _) => EntryContent::Fifo,
            (EntryKind::File | EntryKind::HardLink | EntryKind::Directory, _) => {
                EntryContent::File(header.size)
            }
        };
        self.tar.write_header(&name, &item(&metadata), what)
    }

    fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tar.write_content(bytes)
    }

    fn end_of_file(&mut self, _: &Header) -> io::Result<()> {
        Ok(())
    }
}
