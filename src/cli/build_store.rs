//! `build-store`: a directory, a tar stream or a file system image made from images.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::Common;
use super::counted::counted;
use super::defaults::jobs;
use super::output::Output;
use super::references_given::images_given;
use super::tense::wrote;
use crate::embedded::{ImageList, ListEntry, contents, entry_for};
use crate::images::{Name, Platform, Source, Transport};
use crate::plan::Host;
use crate::problem::{Problem, size};
use crate::store::builder::{self, BuildOptions, BuiltStore, ImageFormat};

/// Build an image store from image files, without an engine
///
/// SOURCE is `oci:DIR[:REF]`, `oci-archive:FILE[:REF]`, `docker-archive:FILE[:REF]`
/// or `dir:DIR`, with `NAME=` before it, or `NAME,NAME=`, to name the image. The
/// ids are those that engines compute; the same images give the same bytes. Signatures
/// beside an image, which only `dir:` has, are kept.
///
/// Only root can create a directory, or add to one, which engines may use meanwhile.
/// A file (`.tar`, `.squashfs`, `.erofs`) needs no privileges. A squashfs or erofs image has no
/// SELinux labels: where SELinux is enforcing, mount it with
/// `-o context=system_u:object_r:container_ro_file_t:s0`.
#[derive(Debug, Args)]
pub(super) struct BuildStore {
    /// The images, each with its name
    #[arg(required_unless_present = "embedded", value_name = "SOURCE")]
    sources: Vec<String>,
    /// The images of a directory that embed-images has filled, by their references
    #[arg(long, value_name = "DIR")]
    embedded: Option<PathBuf>,
    /// Of these only the ones that a file or directory names, as embed-images reads
    /// it; may be given several times
    #[arg(long, value_name = "PATH", requires = "embedded")]
    from: Vec<PathBuf>,
    /// The directory, or the file that ends in .tar, .squashfs or .erofs; `-` writes
    /// a tar stream to standard output
    #[arg(long, short, value_name = "OUT")]
    output: PathBuf,
    /// What to write, whatever OUT's name is
    #[arg(long = "as", value_name = "KIND")]
    kind: Option<OutputKind>,
    /// The architecture, where an image has several; this machine's if not given
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// The variant of the architecture, such as `v7`
    #[arg(long, value_name = "VARIANT", requires = "arch")]
    variant: Option<String>,
    /// How many layers are worked on at a time; as many as there are processors if not
    /// given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// The most MiB that a layer may have when it is decompressed
    #[arg(long, value_name = "MIB", default_value = "16384")]
    max_layer_size: u32,
    /// Do not wait until everything is on the disk
    #[arg(long)]
    no_sync: bool,
}

/// What a store is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputKind {
    /// A directory
    Dir,
    /// A tar stream with PAX attributes
    Tar,
    /// A squashfs image, made by mksquashfs
    Squashfs,
    /// An erofs image, made by mkfs.erofs
    Erofs,
}

impl OutputKind {
    /// The kind that a name stands for.
    pub(super) fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path == Path::new("-") => Self::Tar,
            Some("tar") => Self::Tar,
            Some("squashfs" | "sqfs" | "squash") => Self::Squashfs,
            Some("erofs") => Self::Erofs,
            _ => Self::Dir,
        }
    }

    pub(super) fn packed(self) -> Option<ImageFormat> {
        match self {
            Self::Dir => None,
            Self::Tar => Some(ImageFormat::Tar),
            Self::Squashfs => Some(ImageFormat::Squashfs),
            Self::Erofs => Some(ImageFormat::Erofs),
        }
    }
}

#[derive(Serialize)]
struct BuildStoreJson<'a> {
    version: u32,
    changed: bool,
    dry_run: bool,
    output: String,
    images: usize,
    new_images: usize,
    layers: usize,
    new_layers: usize,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<u64>,
    moved_names: &'a [String],
}

impl BuildStore {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let sources = self.sources.iter().map(|text| Source::parse(text)).collect::<Result<Vec<_>, _>>()?;
        let host = common.host()?;
        let mut sources = sources
            .into_iter()
            .map(|source| Ok(Source { path: super::inside(&host, &source.path)?, ..source }))
            .collect::<anyhow::Result<Vec<_>>>()?;
        if let Some(dir) = &self.embedded {
            sources.extend(self.embedded(&host, &super::inside(&host, dir)?, output)?);
        }
        let options = BuildOptions {
            platform: match &self.arch {
                Some(arch) => Platform::asked(arch, self.variant.as_deref()),
                None => Platform::host(),
            },
            jobs: jobs(self.jobs),
            limit: u64::from(self.max_layer_size) << 20,
            latest: latest()?,
            sync: !self.no_sync,
        };
        let kind = self.kind.unwrap_or_else(|| OutputKind::of(&self.output));
        let to_stdout = self.output == Path::new("-");
        let out = if to_stdout { self.output.clone() } else { super::inside(&host, &self.output)? };
        let shown = if to_stdout { "-".to_owned() } else { host.show(&out) };
        let built = if common.dry_run {
            builder::dry_run(&host.root, &sources, &options)?
        } else {
            match kind.packed() {
                None => {
                    super::owner::warn_of_owner(&host, &out, output)?;
                    builder::directory(&host.root, &sources, &out, &options)?
                }
                Some(ImageFormat::Tar) if to_stdout => {
                    builder::to_writer(&host.root, &sources, std::io::stdout().lock(), &options)?
                }
                Some(_) if to_stdout => {
                    let hint = "leave --as out, or give a file";
                    let message = "only a tar stream can be written to standard output";
                    return Err(Problem::new("output-exists", message, hint).into());
                }
                Some(packed) => builder::file(&host.root, &sources, &out, packed, &options)?,
            }
        };
        let free = if to_stdout { None } else { host.root.free_space(&out).ok().map(|free| free.bytes) };
        self.print(common, output, &shown, &built, free)?;
        if kind == OutputKind::Squashfs || kind == OutputKind::Erofs {
            output.detail(SELINUX);
        }
        if output.json && !to_stdout {
            output.print_json(&BuildStoreJson {
                version: 1,
                changed: built.new_images > 0 || built.new_layers > 0 || !built.moved_names.is_empty(),
                dry_run: common.dry_run,
                output: shown,
                images: built.images,
                new_images: built.new_images,
                layers: built.layers,
                new_layers: built.new_layers,
                bytes: built.bytes,
                free,
                moved_names: &built.moved_names,
            })?;
        }
        Ok(())
    }

    /// The images of an embedded directory that are wanted, each under its reference.
    fn embedded(&self, host: &Host, dir: &Path, output: &Output) -> anyhow::Result<Vec<Source>> {
        let list = ImageList::read(&host.root, dir)?;
        let wanted = match self.from.as_slice() {
            [] => {
                let images = list.entries.iter().filter(|entry| !is_artifact(host, dir, entry, output));
                images.map(|entry| entry.reference.clone()).collect()
            }
            from => images_given(&host.root, from, |file| super::inside(host, file), output)?,
        };
        if wanted.is_empty() {
            let message = format!("`{}` lists no images", host.show(dir));
            return Err(
                Problem::new("no-references", message, "give an embedded directory, or a SOURCE").into()
            );
        }
        let source = |reference: String| {
            let Some(entry) = entry_for(&host.root, dir, &list, &reference) else {
                let message = format!("`{reference}` is not in `{}`", host.show(dir));
                let hint =
                    format!("`storagectl embed-images --into {} {reference}` embeds it", host.show(dir));
                return Err(Problem::new("image-missing", message, hint).into());
            };
            let path = dir.join(&entry.directory);
            let text = format!("dir:{}", host.show(&path));
            Ok(Source {
                text,
                names: vec![Name::parse(&reference)?],
                transport: Transport::Dir,
                path,
                reference: None,
            })
        };
        wanted.into_iter().map(source).collect()
    }

    fn print(
        &self,
        common: &Common,
        output: &Output,
        shown: &str,
        built: &BuiltStore,
        free: Option<u64>,
    ) -> anyhow::Result<()> {
        for name in &built.moved_names {
            output.status(&format!("the name `{name}` belonged to another image in `{shown}`"));
        }
        for image in &built.nameless {
            output.warning(&format!("the image {image} has no name; give it one as `NAME=SOURCE`"));
        }
        let new = match built.new_layers {
            new if new == built.layers => String::new(),
            0 => ", already present".to_owned(),
            new => format!(", {new} of them new"),
        };
        let what = format!("{} with {}{new}", counted(built.images, "image"), counted(built.layers, "layer"));
        let space = match free.filter(|_| common.dry_run) {
            Some(free) => format!("; the layers have {}, and {} are free", size(built.bytes), size(free)),
            None => String::new(),
        };
        output.status(&format!("{} {what} to `{shown}`{space}", wrote(common.dry_run)));
        Ok(())
    }
}

/// Whether an entry is an artifact, which is told and left out.
fn is_artifact(host: &Host, dir: &Path, entry: &ListEntry, output: &Output) -> bool {
    let contents = contents(&host.root, &dir.join(&entry.directory), &entry.reference);
    let is = contents.is_ok_and(|contents| contents.artifact.is_some());
    if is {
        let reference = &entry.reference;
        output.warning(&format!(
            "left out `{reference}`: a store holds images, and it is an artifact, which `copy-images` copies"
        ));
    }
    is
}

/// What to do with SELinux.
pub(super) const SELINUX: &str = "the image holds no SELinux labels; where SELinux is enforcing, mount it with \
     `-o ro,context=system_u:object_r:container_ro_file_t:s0`";

/// `SOURCE_DATE_EPOCH`, see reproducible-builds.org.
pub(super) fn latest() -> Result<Option<i64>, Problem> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Err(_) => Ok(None),
        Ok(text) => match text.parse::<u32>() {
            Ok(seconds) => Ok(Some(seconds.into())),
            Err(_) => {
                let message = format!("SOURCE_DATE_EPOCH is `{}`, which is not a time", text.escape_debug());
                Err(Problem::new("bad-time", message, "set it to seconds since 1970, or unset it"))
            }
        },
    }
}
