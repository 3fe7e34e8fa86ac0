use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::output::Output;
use super::{Common, Engines, check_document, store_paths};
use crate::conf::Position;
use crate::engine::{Profile, VENDOR_FILE};
use crate::host::Root;
use crate::plan::{Copied, Host};
use crate::problem::Problem;
use crate::provision::butane::{DIALECTS, Dialect, Machine};
use crate::provision::check::Expected;
use crate::provision::crio;
use crate::provision::ignition::Spec;
use crate::provision::read::Read;
use crate::provision::{
    Generations, Kind, MAIN_FILE, Model, PRESETS, Preset, Request, Simple, Store, Written, machine_of, merge,
};
use crate::store::{image_names, store_path};

/// Write the file that decides the stores of nodes to be
///
/// Writes what Ignition, the Machine Config Operator, OCNE and others apply to nodes:
/// storage.conf as every generation of engines needs it, the stores' directories, and
/// units that pull images into them before any engine starts. What is printed has been
/// read back as those programs and the engines read it.
#[derive(Debug, Args)]
pub(super) struct Generate {
    /// The kind of document
    #[arg(value_enum, value_name = "KIND")]
    kind: KindName,
    /// A store of the nodes; made by the document unless it is below /usr. May be
    /// given several times, in order
    #[arg(long = "store", value_name = "PATH")]
    stores: Vec<OsString>,
    /// The mode of the stores' directories, octal
    #[arg(long, value_name = "MODE", default_value = "0755", value_parser = octal)]
    mode: u32,
    /// The nodes' image has all the stores: make none
    #[arg(long)]
    no_create: bool,
    /// Put the stores before those of the platform
    #[arg(long, group = "position")]
    first: bool,
    /// Put them behind those of the platform, as without any such option
    #[arg(long, group = "position")]
    last: bool,
    /// Put them before this store of the platform
    #[arg(long, group = "position", value_name = "STORE")]
    before: Option<OsString>,
    /// Put them behind this store of the platform
    #[arg(long, group = "position", value_name = "STORE")]
    after: Option<OsString>,
    /// An image that the nodes pull into the first store; may be given several times
    #[arg(long = "image", value_name = "REF")]
    images: Vec<String>,
    /// The credentials for that, a file on the nodes
    #[arg(long, value_name = "FILE")]
    authfile: Option<String>,
    /// The storage.conf that is edited; without it the tree's under --root, or the
    /// preset's
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// The platform, whose own stores stay listed; the kind says which, else `none`
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(PRESETS.iter().map(|preset| preset.name)))]
    preset: Option<String>,
    /// Which engines shall see the stores
    #[arg(long, value_name = "ENGINES", default_value = "all")]
    engine: Engines,
    /// Label the stores as the engines' own storage, also where the preset does not
    #[arg(long, overrides_with = "no_selinux")]
    selinux: bool,
    /// Do not label the stores
    #[arg(long, overrides_with = "selinux")]
    no_selinux: bool,
    /// The version of Ignition's specification: 3.0.0 to 3.6.0
    #[arg(long, value_name = "VERSION")]
    spec: Option<String>,
    /// The variant of Butane
    #[arg(long, value_name = "VARIANT", value_parser = ["fcos", "flatcar", "r4e", "fiot", "openshift"])]
    variant: Option<String>,
    /// The version of that variant; without it the newest
    #[arg(long, value_name = "VERSION")]
    variant_version: Option<String>,
    /// The name of the object
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The role of the nodes, or their pool
    #[arg(long, value_name = "ROLE", default_value = "worker")]
    role: String,
    /// Put the stores into this document of that kind, and keep everything else in it
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    from: Option<PathBuf>,
    /// Find what is wrong in this document of that kind, and write none
    #[arg(long, value_name = "FILE", conflicts_with_all = ["images", "output", "base"])]
    check: Option<PathBuf>,
    /// With `crio`: pin the images that the stores hold, here or below --root, instead
    /// of listing the stores
    #[arg(long, conflicts_with_all = ["check", "from"])]
    pin_images: bool,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    /// Whether it differs from the document that it was merged into, if there was one.
    changed: bool,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    document: &'a str,
    warnings: &'a [String],
}

/// The kinds, as they are named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindName {
    /// An Ignition configuration, JSON
    Ignition,
    /// A Butane configuration, YAML
    Butane,
    /// A MachineConfig of OpenShift
    #[value(name = "machineconfig")]
    MachineConfig,
    /// A ContainerRuntimeConfig of OpenShift
    #[value(name = "containerruntimeconfig")]
    ContainerRuntimeConfig,
    /// A cluster configuration of Oracle Cloud Native Environment
    Ocne,
    /// A file of tmpfiles.d
    Tmpfiles,
    /// A drop-in of storage.conf, for podman 6
    DropIn,
    /// Instructions of a Containerfile for bootc
    Containerfile,
    /// A %post section of a kickstart file
    Kickstart,
    /// A cloud-config of cloud-init
    CloudConfig,
    /// A playbook of Ansible
    Ansible,
    /// A drop-in of crio.conf, for CRI-O alone
    Crio,
    /// Stages of osbuild, JSON
    Osbuild,
}

impl KindName {
    fn kind(self) -> Kind {
        match self {
            Self::Ignition => Kind::Ignition,
            Self::Butane => Kind::Butane,
            Self::MachineConfig => Kind::MachineConfig,
            Self::ContainerRuntimeConfig => Kind::ContainerRuntimeConfig,
            Self::Ocne => Kind::Ocne,
            Self::Tmpfiles => Kind::Simple(Simple::Tmpfiles),
            Self::DropIn => Kind::Simple(Simple::DropIn),
            Self::Containerfile => Kind::Simple(Simple::Containerfile),
            Self::Kickstart => Kind::Simple(Simple::Kickstart),
            Self::CloudConfig => Kind::Simple(Simple::CloudConfig),
            Self::Ansible => Kind::Simple(Simple::Ansible),
            Self::Crio => Kind::Simple(Simple::Crio),
            Self::Osbuild => Kind::Simple(Simple::Osbuild),
        }
    }
}

fn octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("give an octal number such as 0755".to_owned()),
    }
}

impl Generate {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<ExitCode> {
        if let Some(file) = &self.check {
            return self.check(file, common, output);
        }
        if self.pin_images {
            return self.pins(common, output);
        }
        let before = self.from.as_deref().map(read_file).transpose()?;
        let mut request = self.request(common, before.as_deref())?;
        let written = match (&self.from, &before) {
            (Some(file), Some(before)) => {
                request.machine = machine_of(before).unwrap_or(request.machine);
                merge(&request, before, file)?
            }
            _ => request.write()?,
        };
        for warning in &written.warnings {
            output.warning(warning);
        }
        match (&self.from, &before) {
            (Some(file), Some(before)) if common.dry_run && !output.json => {
                let name = file.display().to_string();
                let diff = similar::TextDiff::from_lines(before.as_str(), &written.text);
                output.data(&diff.unified_diff().header(&name, &name).to_string())?;
            }
            _ => self.put(common, output, &written, before.as_deref())?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What is asked for.
    /// `given` is the document that is merged into or checked.
    fn request(&self, common: &Common, given: Option<&str>) -> anyhow::Result<Request> {
        let kind = self.kind.kind();
        let dialect = match given.and_then(dialect_of) {
            Some(dialect) => dialect,
            None => self.dialect()?,
        };
        let spec = self.spec()?;
        let preset = match &self.preset {
            Some(preset) => preset,
            // A tree has its own files, and they say what is listed.
            None if common.root.is_some() => "none",
            None => kind.usual_preset(dialect.variant),
        };
        let preset = Preset::named(preset).expect("clap knows the names, and kinds name known ones");
        let name = match (&self.name, self.kind) {
            (Some(name), _) => name.clone(),
            (None, KindName::ContainerRuntimeConfig) => "storagectl-stores".to_owned(),
            (None, _) => format!("99-{}-storagectl-stores", self.role),
        };
        Ok(Request {
            kind,
            model: self.model(common, preset)?,
            spec,
            dialect,
            machine: Machine { name, role: self.role.clone() },
            has_base: self.base.is_some(),
            made_by: made_by(),
        })
    }

    /// Checks a document instead of writing one.
    fn check(&self, file: &Path, common: &Common, output: &Output) -> anyhow::Result<ExitCode> {
        let text = read_file(file)?;
        let request = self.request(common, Some(&text))?;
        let Some(format) = request.kind.format() else {
            return Err(Problem::new(
                "kind-lacks",
                "documents of this kind cannot be checked",
                "`--check` reads ignition, butane, machineconfig, containerruntimeconfig and ocne",
            )
            .into());
        };
        let model = request.model;
        let expected = Expected {
            stores: model.stores.iter().map(|store| store.path.clone()).collect(),
            exactly: false,
            present: model.stores.iter().filter(|it| !it.create).map(|it| it.path.clone()).collect(),
            kept: model.kept,
            worlds: model.worlds,
            generations: model.generations,
        };
        check_document::run(file, &text, format, &expected, output)
    }

    fn model(&self, common: &Common, preset: &Preset) -> anyhow::Result<Model> {
        let mut stores: Vec<Store> =
            store_paths(&self.stores)?.iter().map(|path| Store::new(path, self.mode)).collect();
        for store in &mut stores {
            store.create &= !self.no_create;
        }
        let mut model = Model::new(preset, stores);
        if common.root.is_some() {
            of_tree(&common.host()?, &mut model)?;
        }
        if let Some(file) = &self.base {
            model.base = read_file(file)?;
        }
        model.position = match (&self.before, &self.after) {
            (Some(store), _) => Position::Before(store_path(store)?),
            (_, Some(store)) => Position::After(store_path(store)?),
            _ if self.first => Position::First,
            _ if self.last => Position::Last,
            _ => Position::Any,
        };
        model.images.clone_from(&self.images);
        model.authfile = self.authfile.clone().or(model.authfile);
        model.generations = match self.engine {
            Engines::All => Generations::All,
            Engines::Legacy => Generations::Legacy,
            Engines::Modern => Generations::Modern,
        };
        model.selinux = self.selinux || (model.selinux && !self.no_selinux);
        Ok(model)
    }

    /// Writes which images CRI-O shall pin: those that the stores hold.
    fn pins(&self, common: &Common, output: &Output) -> anyhow::Result<ExitCode> {
        if self.kind != KindName::Crio {
            return Err(Problem::new(
                "kind-lacks",
                "only CRI-O pins images",
                "leave out `--pin-images`, or use `generate crio`",
            )
            .into());
        }
        let host = common.host()?;
        let mut names = Vec::new();
        for store in store_paths(&self.stores)? {
            names.extend(image_names(&host.root, Path::new(&store))?);
        }
        let text = crio::write_pins(&names, &made_by())?;
        output.warning(crio::PINS_REPLACE);
        let written = Written { text, warnings: vec![crio::PINS_REPLACE.to_owned()] };
        self.put(common, output, &written, None)?;
        Ok(ExitCode::SUCCESS)
    }

    fn spec(&self) -> Result<Spec, Problem> {
        let Some(name) = &self.spec else {
            return Ok(Spec::DEFAULT);
        };
        Spec::named(name).ok_or_else(|| {
            Problem::new(
                "spec",
                format!("there is no version `{name}` of Ignition's specification"),
                format!("give one from {} to {}", Spec(0), Spec::NEWEST),
            )
        })
    }

    fn dialect(&self) -> Result<Dialect, Problem> {
        let variant = self.variant.as_deref().unwrap_or("fcos");
        let newest = match self.kind {
            KindName::Ocne => crate::provision::ocne::NEWEST,
            _ => Spec::NEWEST,
        };
        let found = match &self.variant_version {
            Some(version) => Dialect::named(variant, version),
            None => Dialect::newest(variant, newest),
        };
        found.ok_or_else(|| {
            let versions: Vec<&str> =
                DIALECTS.iter().filter(|it| it.variant == variant).map(|it| it.version).collect();
            let given = self.variant_version.as_deref().unwrap_or_default();
            Problem::new(
                "spec",
                format!("there is no version `{given}` of Butane's variant `{variant}`"),
                format!("give one of {}", versions.join(", ")),
            )
        })
    }

    fn put(
        &self,
        common: &Common,
        output: &Output,
        written: &Written,
        before: Option<&str>,
    ) -> anyhow::Result<()> {
        let text = written.text.as_str();
        if output.json {
            output.json(&Report {
                version: 1,
                changed: before != Some(text),
                dry_run: common.dry_run,
                file: self.output.as_ref().map(|file| file.display().to_string()),
                document: text,
                warnings: &written.warnings,
            })?;
        }
        let Some(file) = self.output.as_ref().filter(|_| !common.dry_run) else {
            return if output.json { Ok(()) } else { output.data(text) };
        };
        let path = std::path::absolute(file).map_err(Problem::cannot("find", file.display()))?;
        let root = Root::system().map_err(Problem::cannot("open", "/"))?;
        root.replace_file(&path, text.as_bytes()).map_err(Problem::cannot("write", file.display()))?;
        output.status(&format!("written `{}`", file.display()));
        Ok(())
    }
}

/// Takes the base and the platform's files from a tree.
fn of_tree(host: &Host, model: &mut Model) -> anyhow::Result<()> {
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    for profile in Profile::ALL {
        for file in host.reading(profile).files {
            if !files.iter().any(|(path, _)| *path == file.path) {
                files.push((file.path, file.text));
            }
        }
    }
    let own = crate::engine::main_file(&host.root).map_err(Problem::cannot("look at", "/etc"))?;
    for (path, text) in [(own.as_path(), true), (Path::new(VENDOR_FILE), false)] {
        let text_of = |path: &Path| files.iter().find(|(file, _)| file == path).map(|(_, text)| text.clone());
        if let Some(found) = text_of(path) {
            // The head of a copy would be wrong on another host.
            model.base = Copied::split(&found).filter(|_| text).map_or(found, |(_, rest)| rest);
            break;
        }
    }
    files.retain(|(path, _)| *path != own && path != Path::new(MAIN_FILE));
    model.worlds = vec![files];
    Ok(())
}

/// Butane's variant and version of a document, if it is one of those.
fn dialect_of(text: &str) -> Option<Dialect> {
    Read::parse(text).ok()?.config?.dialect
}

/// Reads a file of the person who calls, as text.
fn read_file(file: &Path) -> anyhow::Result<String> {
    let path = std::path::absolute(file).map_err(Problem::cannot("find", file.display()))?;
    let root = Root::system().map_err(Problem::cannot("open", "/"))?;
    let read = root.read(&path).map_err(Problem::cannot("read", file.display()))?;
    let Some((bytes, _)) = read else {
        return Err(Problem::new(
            "missing",
            format!("cannot read `{}`: it does not exist", file.display()),
            "give the path of a file",
        )
        .into());
    };
    Ok(String::from_utf8(bytes).map_err(|_| {
        Problem::new("not-utf8", format!("`{}` is not UTF-8", file.display()), "save the file as UTF-8")
    })?)
}

/// The comment that says what made a document: the command, without where it wrote to.
fn made_by() -> String {
    let mut words = vec!["storagectl".to_owned()];
    let mut arguments = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = arguments.next() {
        match word.as_str() {
            "-o" | "--output" => drop(arguments.next()),
            "-q" | "--quiet" | "-v" | "--verbose" | "-n" | "--dry-run" => {}
            other if other.starts_with("--output=") || other.starts_with("-o") => {}
            other => words.push(crate::provision::shell_word(other)),
        }
    }
    let words: String = words.join(" ").chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    format!("# Made by `{words}`\n")
}
