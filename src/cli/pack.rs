//! `pack`: RPM packages of images, from one YAML file; what is built and how far it is.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::Common;
use super::build_store::latest;
use super::defaults::{authfile, jobs, variable};
use super::embed_images::{to_download, to_fetch};
use super::output::Output;
use crate::embedded::{self, EmbedOutcome, ReportLine};
use crate::images::Digest;
use crate::pack::{self, BuiltPackage, PackEvent, PackOptions, PackTarget, Payload, PlannedPackage, Recipe};
use crate::problem::{Problem, Several, size};
use crate::sys::FreeSpace;

/// Build RPM packages of container images
///
/// FILE is YAML with the keys of MicroShift's paack: `packages`, a list, each with
/// `name`, `version`, `release`, `license`, `summary`, `description`, `url`, `path`,
/// `manifestPath` and `arch`, a list, each with `name`, `image_arch`, `images` and
/// `manifests`. Ours are `images_from`, `payload` (`sealed`, `embedded` or `store`),
/// `split`, `ostree` and `requires`. docs/packing.md explains them.
///
/// Images are fetched once and kept; an image by digest is never fetched again, one by
/// tag only with --refresh. Neither root nor an engine is needed, and nothing is
/// compiled, so packages for any architecture can be built anywhere.
/// The same images and the same FILE give the same bytes; SOURCE_DATE_EPOCH is
/// honoured, else the time is that of the newest image. The names of the packages
/// that were built are written to standard output.
#[derive(Debug, Args)]
pub(super) struct Pack {
    /// What to make
    #[arg(value_name = "WHAT")]
    what: PackOutput,
    /// What to pack
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What to build for: an architecture, or a name as mock has it, such as
    /// `centos-stream-9-aarch64`; this machine's architecture if not given. For
    /// `copr`, the project as OWNER/PROJECT
    #[arg(value_name = "TARGET")]
    target: Option<String>,
    /// Where packages go
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Where to work; there must be space for the packages twice. TMPDIR, or /var/tmp,
    /// if not given
    #[arg(long, value_name = "DIR")]
    tmp: Option<PathBuf>,
    /// Keep the working directories, and say where they are
    #[arg(long)]
    keep: bool,
    /// Where fetched images are kept; `storagectl/images` in XDG_CACHE_HOME, or in
    /// ~/.cache, if not given
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Fetch images again whose tag has moved
    #[arg(long)]
    refresh: bool,
    /// Credentials for registries; REGISTRY_AUTH_FILE if not given
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Whether registries need a trusted certificate; as registries.conf says if not
    /// given
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    tls_verify: Option<bool>,
    /// Build with mock, in a clean root of the target; for `rpm`
    #[arg(long)]
    mock: bool,
    /// Do not wait until the packages are built; for `copr`
    #[arg(long)]
    nowait: bool,
    /// How many images and layers are worked on at a time; as many as there are
    /// processors if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// The most MiB that a layer may have when it is decompressed
    #[arg(long, value_name = "MIB", default_value = "16384")]
    max_layer_size: u32,
}

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PackOutput {
    /// Packages for the target
    Rpm,
    /// Source packages, with the images of all architectures
    Srpm,
    /// The spec of each package, on standard output
    Spec,
    /// Source packages, and hand them to Copr
    Copr,
}

#[derive(Serialize)]
struct PackJson<'a> {
    version: u32,
    changed: bool,
    dry_run: bool,
    packages: Vec<PackageJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    download: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<u64>,
}

#[derive(Serialize)]
struct PackageJson<'a> {
    name: &'a str,
    arch: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<Vec<PackedImageJson<'a>>>,
}

#[derive(Serialize)]
struct PackedImageJson<'a> {
    reference: &'a str,
    digest: Option<&'a str>,
    bytes: Option<u64>,
    download: Option<u64>,
}

impl Pack {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<()> {
        self.check_usage()?;
        let text = super::generate::read_file(&self.file)?;
        let mut recipe = pack::read(&text, &self.file).map_err(all)?;
        let remarks = pack::add_named(&mut recipe)?;
        remarks.iter().try_for_each(|remark| output.print_finding(remark, false))?;
        let options = self.options()?;
        warn(&recipe, output);
        if common.dry_run {
            return self.print_plan(&recipe, &options, output);
        }
        let print = |event: PackEvent<'_>| match event {
            PackEvent::Image(line) => image(line, output),
            PackEvent::Building(package, arch) => {
                output.detail(&format!("building `{}` for {arch}", package.name));
            }
            PackEvent::Kept(dir) => output.status(&format!("working files are in `{}`", dir.display())),
        };
        let built = match self.what {
            PackOutput::Spec => {
                let texts = pack::specs(&recipe, &options, &print).map_err(all)?;
                return output.print_document(&texts.join("\n"));
            }
            PackOutput::Rpm if self.mock => {
                let sources = pack::source_packages(&recipe, &options, &print).map_err(all)?;
                pack::rebuild(&sources, &options)?
            }
            PackOutput::Rpm => pack::build(&recipe, &options, &print).map_err(all)?,
            PackOutput::Srpm | PackOutput::Copr => {
                pack::source_packages(&recipe, &options, &print).map_err(all)?
            }
        };
        if self.what == PackOutput::Copr {
            let project = self.target.as_deref().unwrap_or_default();
            let said = pack::submit(&built, project, !self.nowait)?;
            for line in said.lines().filter(|line| !line.trim().is_empty()) {
                output.status(line);
            }
        }
        print_built(&built, output)
    }

    /// What clap cannot say of arguments.
    fn check_usage(&self) -> Result<(), Problem> {
        let wrong = |message: &str, hint: &str| Err(Problem::new("pack-target", message, hint));
        if self.what == PackOutput::Copr && self.target.is_none() {
            return wrong("the project of Copr is missing", "give it after FILE, as `OWNER/PROJECT`");
        }
        if self.mock && self.what != PackOutput::Rpm {
            return wrong("mock builds binary packages only", "give `--mock` with `pack rpm`");
        }
        if self.nowait && self.what != PackOutput::Copr {
            return wrong("there is nothing to wait for", "give `--nowait` with `pack copr`");
        }
        Ok(())
    }

    fn options(&self) -> anyhow::Result<PackOptions> {
        let absolute =
            |path: &Path| std::path::absolute(path).map_err(Problem::cannot("find", path.display()));
        let target = match &self.target {
            Some(text) if self.what != PackOutput::Copr => PackTarget::parse(text)?,
            _ => PackTarget::host(),
        };
        let jobs = jobs(self.jobs);
        let cache = match (&self.cache, variable("XDG_CACHE_HOME"), variable("HOME")) {
            (Some(dir), ..) => absolute(dir)?,
            (None, Some(dir), _) if Path::new(&dir).is_absolute() => {
                Path::new(&dir).join("storagectl/images")
            }
            (None, _, Some(home)) => absolute(&Path::new(&home).join(".cache/storagectl/images"))?,
            (None, _, None) => {
                let message = "there is no directory for fetched images: HOME is not set";
                return Err(Problem::new("missing", message, "give one with `--cache`").into());
            }
        };
        let tmp = self.tmp.clone().or_else(|| variable("TMPDIR").map(PathBuf::from));
        let authfile = authfile(self.authfile.as_ref());
        Ok(PackOptions {
            target,
            tmp: absolute(tmp.as_deref().unwrap_or(Path::new("/var/tmp")))?,
            keep: self.keep,
            cache,
            fetch: embedded::EmbedOptions {
                authfile: authfile.as_deref().map(absolute).transpose()?,
                jobs,
                refresh: self.refresh,
                tls_verify: self.tls_verify,
                ..embedded::EmbedOptions::default()
            },
            jobs,
            limit: u64::from(self.max_layer_size) << 20,
            latest: latest()?,
            output: absolute(&self.output)?,
        })
    }

    /// What would be built, and what that takes.
    fn print_plan(&self, recipe: &Recipe, options: &PackOptions, output: &Output) -> anyhow::Result<()> {
        let arch = match self.what {
            PackOutput::Rpm => options.target.arch.as_str(),
            PackOutput::Srpm | PackOutput::Spec | PackOutput::Copr => "src",
        };
        if arch != "src" {
            pack::require_architecture(recipe, arch)?;
        }
        let plan = pack::plan(recipe, &|name| arch == "src" || name == arch, options).map_err(all)?;
        for PlannedPackage { package, images } in &plan.packages {
            output.status(&format!("would have built `{}` for {arch}", package.label()));
            for line in images {
                output.status(&format!("with `{}` ({})", line.reference, to_fetch(line)));
                if let Some(problem) = &line.unknown {
                    output.detail(&problem.message);
                }
            }
        }
        let lines = || plan.packages.iter().flat_map(|package| &package.images);
        if lines().next().is_some() {
            let free = |free: Option<FreeSpace>| {
                free.map_or_else(String::new, |free| format!("; {} are free", size(free.bytes)))
            };
            let (cache, tmp) = (options.cache.display(), options.tmp.display());
            let download = to_download(lines(), plan.download);
            output.status(&format!("would have downloaded {download} to `{cache}`{}", free(plan.free)));
            if plan.bytes > 0 {
                let bytes = size(plan.bytes);
                output.status(&format!(
                    "would have written at least {bytes} to `{tmp}`{}",
                    free(plan.free_tmp)
                ));
            }
        }
        if output.json {
            output.print_json(&PackJson {
                version: 1,
                changed: !plan.packages.is_empty(),
                dry_run: true,
                packages: plan.packages.iter().map(|planned| planned_json(planned, arch)).collect(),
                download: Some(plan.download),
                free: plan.free.map(|free| free.bytes),
            })?;
        }
        Ok(())
    }
}

fn planned_json<'a>(planned: &'a PlannedPackage<'_>, arch: &'a str) -> PackageJson<'a> {
    let image = |line: &'a ReportLine| PackedImageJson {
        reference: &line.reference,
        digest: line.digest().map(Digest::as_str),
        bytes: line.contents.as_ref().map(|_| line.bytes()),
        download: if line.contents.is_some() { Some(line.download.unwrap_or_default()) } else { None },
    };
    PackageJson {
        name: &planned.package.name,
        arch,
        file: None,
        bytes: None,
        images: Some(planned.images.iter().map(image).collect()),
    }
}

fn print_built(built: &[BuiltPackage], output: &Output) -> anyhow::Result<()> {
    if output.json {
        let packages = built
            .iter()
            .map(|it| PackageJson {
                name: &it.name,
                arch: &it.arch,
                file: Some(it.file.display().to_string()),
                bytes: Some(it.bytes),
                images: None,
            })
            .collect();
        let json =
            PackJson { version: 1, changed: true, dry_run: false, packages, download: None, free: None };
        return output.print_json(&json);
    }
    for it in built {
        output.print_document(&format!("{}\n", it.file.display()))?;
    }
    Ok(())
}

fn all(problems: Vec<Problem>) -> anyhow::Error {
    Several::new(problems).expect("what fails has a reason").into()
}

fn warn(recipe: &Recipe, output: &Output) {
    for package in recipe.packages.iter().filter(|package| package.has_images()) {
        if package.payload == Payload::Store && !package.path.contains(&package.version) {
            output.warning(&format!(
                "the store of `{}` has no version in its path: an upgrade removes what containers run from; \
                 put `{}` into `path`, or use `payload: sealed`",
                package.name, package.version
            ));
        }
    }
}

fn image(line: &ReportLine, output: &Output) {
    let reference = &line.reference;
    match &line.outcome {
        EmbedOutcome::Fetched => output.status(&format!("fetched `{reference}`")),
        EmbedOutcome::Refreshed => output.status(&format!("fetched `{reference}`, which has moved")),
        EmbedOutcome::Repaired(problem) => {
            output.status(&format!("fetched `{reference}` again: {problem}"));
        }
        EmbedOutcome::WasThere => output.detail(&format!("`{reference}` is in the cache")),
        // Told with all other problems.
        EmbedOutcome::Failed(_) => {}
    }
}
