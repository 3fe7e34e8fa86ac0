//! `generate`: provisioning files, new, added to others, or checked.

mod beside;
mod check;
mod diff;
mod documents;
mod given;
mod kind;
mod list;
mod made_by;
mod pins;
mod request;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use super::output::Output;
use super::references_given::images_given;
use super::status::Strict;
use super::{Common, EngineGeneration, Status};
use crate::problem::Problem;
use crate::provision::{DocumentKind, DocumentPlatform, GeneratedDocument, PRESETS, merge};
use crate::sys::Root;
use beside::FilesDir;
pub(super) use given::read_file;
use kind::KindName;

/// Generate provisioning files (Ignition, MachineConfig, …)
///
/// Writes what Ignition, the Machine Config Operator, OCNE and others apply to nodes:
/// storage.conf as every generation of engines needs it, the stores' directories, and
/// units that pull images into them before any engine starts. What is printed has been
/// read back as those programs and the engines read it.
#[derive(Debug, Args)]
#[command(mut_arg("strict", |strict| strict.requires("check")))]
pub(super) struct Generate {
    /// The kind of document; of one that exists it may be left out
    #[arg(value_enum, value_name = "KIND", required_unless_present_any = ["from", "check", "list", "diff"])]
    kind: Option<KindName>,
    /// A store of the nodes, which the document creates unless it is below /usr. May be
    /// given several times, in order
    #[arg(long = "store", value_name = "PATH")]
    stores: Vec<OsString>,
    /// The mode of the stores' directories, octal
    #[arg(long, value_name = "MODE", default_value = "0755", value_parser = octal, help_heading = "Store options")]
    mode: u32,
    /// Create no directories: the nodes' image has all the stores
    #[arg(long, help_heading = "Store options")]
    no_create: bool,
    /// Put the stores before those of the platform
    #[arg(long, group = "position", help_heading = "Store options")]
    first: bool,
    /// Put them after those of the platform; the default
    #[arg(long, group = "position", help_heading = "Store options")]
    last: bool,
    /// Put them before this store of the platform
    #[arg(long, group = "position", value_name = "STORE", help_heading = "Store options")]
    before: Option<OsString>,
    /// Put them after this store of the platform
    #[arg(long, group = "position", value_name = "STORE", help_heading = "Store options")]
    after: Option<OsString>,
    /// An image that the nodes pull into the first store; may be given several times
    #[arg(long = "image", value_name = "REF")]
    images: Vec<String>,
    /// A file or directory on this host that names such images: a list, quadlets, YAML of
    /// Kubernetes or compose; `-` is standard input. May be given several times
    #[arg(long, value_name = "PATH")]
    image_from: Vec<PathBuf>,
    /// The credentials for pulling images, a file on the nodes
    #[arg(long, value_name = "FILE")]
    authfile: Option<String>,
    /// The storage.conf that is edited; without it the tree's under --root, or the
    /// preset's
    #[arg(long, value_name = "FILE", help_heading = "Platform options")]
    base: Option<PathBuf>,
    /// The platform, whose own stores stay listed; the kind says which, else `none`
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(PRESETS.iter().map(|preset| preset.name)), help_heading = "Platform options")]
    preset: Option<String>,
    /// The engines that see the stores
    #[arg(long, value_name = "ENGINES", default_value = "all", help_heading = "Store options")]
    engine: EngineGeneration,
    /// Label the stores as the engines' own storage, also where the preset does not
    #[arg(long, overrides_with = "no_selinux", help_heading = "Store options")]
    selinux: bool,
    /// Do not label the stores
    #[arg(long, overrides_with = "selinux", help_heading = "Store options")]
    no_selinux: bool,
    /// The version of Ignition's specification, or that Butane's becomes: 3.0.0 to 3.6.0.
    /// Without it 3.2.0, which all supported Ignitions and their validators read
    #[arg(long, value_name = "VERSION", help_heading = "Document options")]
    spec: Option<String>,
    /// The variant of Butane
    #[arg(long, value_name = "VARIANT", value_parser = ["fcos", "flatcar", "r4e", "fiot", "openshift"], help_heading = "Document options")]
    variant: Option<String>,
    /// The version of that variant; without it the newest that becomes that
    /// specification, or the oldest if none does
    #[arg(long, value_name = "VERSION", help_heading = "Document options")]
    variant_version: Option<String>,
    /// The name of the object
    #[arg(long, value_name = "NAME", help_heading = "Document options")]
    name: Option<String>,
    /// The role of the nodes, or their pool
    #[arg(long, value_name = "ROLE", default_value = "worker", help_heading = "Document options")]
    role: String,
    /// With `containerruntimeconfig`: a store of layers; may be given several times
    #[arg(long = "layer-store", value_name = "PATH", help_heading = "Store options")]
    layer_stores: Vec<OsString>,
    /// With `containerruntimeconfig`: a store of artifacts; may be given several times
    #[arg(long = "artifact-store", value_name = "PATH", help_heading = "Store options")]
    artifact_stores: Vec<OsString>,
    /// Put the stores into this document, and keep everything else in it; `-` is standard
    /// input
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    from: Option<PathBuf>,
    /// Find what is wrong in this document, and write none; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["images", "image_from", "output", "base"])]
    check: Option<PathBuf>,
    /// With --from: remove this store and all that came with it, such as its directory and
    /// the images that are pulled into it. May be given several times
    #[arg(long, value_name = "PATH", requires = "from")]
    remove: Vec<OsString>,
    /// With --from: no longer pull this image; may be given several times
    #[arg(long, value_name = "REF", requires = "from")]
    remove_image: Vec<String>,
    /// List what this document gives a node: stores with their origin and who sees them, and
    /// images
    #[arg(long, value_name = "FILE", conflicts_with_all = ["stores", "images", "image_from", "from", "check", "output"])]
    list: Option<PathBuf>,
    /// Show in what the second document differs from the first for nodes; of one, in what
    /// it differs from this host, or the tree under --root
    #[arg(long, value_name = "FILE", num_args = 1..=2, conflicts_with_all = ["stores", "images", "image_from", "from", "check", "list", "output"])]
    diff: Vec<PathBuf>,
    /// The directory in which the files are that a document names: Butane's `local`,
    /// `contents_local` and `trees`, and OCNE's `extraIgnition`
    #[arg(long, short = 'd', value_name = "DIR", help_heading = "Document options")]
    files_dir: Option<PathBuf>,
    #[command(flatten)]
    strict: Strict,
    /// With `crio`: pin the images that the stores hold, here or below --root, instead
    /// of listing the stores, as `pinnedimageset` does by itself
    #[arg(long, conflicts_with_all = ["check", "from"], help_heading = "Document options")]
    pin_images: bool,
    /// With `ansible`: have the collection storagectl.storagectl edit the hosts' own files
    /// with storagectl, instead of tasks that need neither and write them whole
    #[arg(long, conflicts_with_all = ["check", "from", "base", "list", "diff"], help_heading = "Document options")]
    collection: bool,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Serialize)]
struct GenerateJson<'a> {
    version: u32,
    /// Whether it differs from the document that it was merged into, if there was one.
    changed: bool,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    document: &'a str,
    warnings: &'a [String],
    /// What applying it does to nodes.
    applying: &'a str,
}

fn octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("give an octal number such as 0755".to_owned()),
    }
}

/// Says for which platforms documents were taken.
fn print_platforms(platforms: &[DocumentPlatform], output: &Output) {
    let mut notes: Vec<String> = platforms.iter().filter_map(DocumentPlatform::note).collect();
    notes.dedup();
    for note in notes {
        output.status(&format!("note: {note}"));
    }
}

impl Generate {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        if let Some(file) = &self.check {
            return self.check(file, common, output);
        }
        if let Some(file) = &self.list {
            self.list(file, common, output)?;
            return Ok(Status::Done);
        }
        if !self.diff.is_empty() {
            return self.diff(&self.diff, common, output);
        }
        if self.pin_images {
            return self.pins(common, output);
        }
        let before = self.from.as_deref().map(read_file).transpose()?;
        let given = match (&self.from, &before) {
            (Some(file), Some(before)) => Some(self.document(before.clone(), file)?),
            _ => None,
        };
        let document = given.as_ref().map(|given| &given.document);
        let platform = self.platform(common, document)?;
        let mut request = self.request(common, document, platform.preset)?;
        self.add_named_images(&mut request.model.images, output)?;
        if request.kind == DocumentKind::PinnedImageSet {
            self.by_digest(&mut request.model, common, output)?;
        }
        let written = match (&self.from, &before, &given) {
            (Some(file), Some(before), Some(given)) => {
                request.machine = given.document.machine().unwrap_or(request.machine);
                let beside = FilesDir::open(self.files_dir.as_deref())?;
                let written = merge(&request, &given.document, file, &beside)?;
                GeneratedDocument { text: given.put_back(before, written.text), ..written }
            }
            _ => request.write()?,
        };
        for warning in &written.warnings {
            output.warning(warning);
        }
        print_platforms(&[platform], output);
        match (&self.from, &before) {
            (Some(file), Some(before)) if common.dry_run && !output.json => {
                let name = file.display().to_string();
                let diff = similar::TextDiff::from_lines(before.as_str(), &written.text);
                output.print_document(&diff.unified_diff().header(&name, &name).to_string())?;
            }
            _ => self.put(common, output, &written, before.as_deref(), &request.applying())?,
        }
        if before.as_deref() != Some(written.text.as_str()) {
            output.status(&format!("note: {}", request.applying()));
        }
        Ok(Status::Done)
    }

    /// Adds the images that the files of `--image-from` name.
    fn add_named_images(&self, images: &mut Vec<String>, output: &Output) -> anyhow::Result<()> {
        let root = Root::system().map_err(Problem::cannot("open", "/"))?;
        let within = |path: &Path| {
            std::path::absolute(path).map_err(|error| Problem::cannot("find", path.display())(error).into())
        };
        let mut named = images_given(&root, &self.image_from, within, output)?;
        named.retain(|image| !images.contains(image));
        images.append(&mut named);
        Ok(())
    }

    fn put(
        &self,
        common: &Common,
        output: &Output,
        written: &GeneratedDocument,
        before: Option<&str>,
        applying: &str,
    ) -> anyhow::Result<()> {
        let text = written.text.as_str();
        if output.json {
            output.print_json(&GenerateJson {
                version: 1,
                changed: before != Some(text),
                dry_run: common.dry_run,
                file: self.output.as_ref().map(|file| file.display().to_string()),
                document: text,
                warnings: &written.warnings,
                applying,
            })?;
        }
        let Some(file) = self.output.as_ref().filter(|_| !common.dry_run) else {
            return if output.json { Ok(()) } else { output.print_document(text) };
        };
        let path = std::path::absolute(file).map_err(Problem::cannot("find", file.display()))?;
        let root = Root::system().map_err(Problem::cannot("open", "/"))?;
        root.replace_file(&path, text.as_bytes()).map_err(Problem::cannot("write", file.display()))?;
        output.status(&format!("wrote `{}`", file.display()));
        Ok(())
    }
}
