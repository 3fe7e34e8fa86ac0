//! From a recipe to packages.

use std::io;
use std::path::{Path, PathBuf};

use super::cache::{self, CachedImage, CachedImages};
use super::contents::{PackageTree, Unfinished, shown};
use super::plan::require_space;
use super::recipe::{Architecture, Package, Payload, Recipe};
use super::refused::RefusedFiles;
use super::result::{BuiltPackage, deliver};
use super::rpmbuild::{self, RESULTS, SOURCES};
use super::spec::{ArchitectureFiles, list_name, spec, spec_name, tree_name};
use super::target::PackTarget;
use super::{checked, embedded, manifests, sealed, source, store};
use crate::embedded::ReportLine;
use crate::problem::Problem;
use crate::store::builder;
use crate::sys::{PrivateDir, Root, Staging};

/// When a package without images was made, if nobody says: 2000-01-01.
const NO_TIME: i64 = 946_684_800;

/// How to pack.
#[derive(Debug, Clone)]
pub struct PackOptions {
    /// What to build for.
    pub target: PackTarget,
    /// Where private directories are made. There has to be space for the packages twice.
    pub tmp: PathBuf,
    /// Whether these directories stay.
    pub keep: bool,
    /// Where images are kept that were fetched.
    pub cache: PathBuf,
    /// How they are fetched.
    pub fetch: crate::embedded::EmbedOptions,
    /// How many layers are worked on at a time.
    pub jobs: usize,
    /// The most bytes that a layer may have when it is decompressed.
    pub limit: u64,
    /// `SOURCE_DATE_EPOCH`, in seconds since 1970.
    pub latest: Option<i64>,
    /// Where packages go.
    pub output: PathBuf,
}

/// What is told while packages are built.
#[derive(Debug, Clone, Copy)]
pub enum PackEvent<'a> {
    /// An image is in the cache, or could not be fetched.
    Image(&'a ReportLine),
    /// A package is being built for an architecture.
    Building(&'a Package, &'a str),
    /// A private directory stays.
    Kept(&'a Path),
}

/// Who is told.
pub type OnPackEvent<'a> = &'a (dyn Fn(PackEvent<'_>) + Sync);

/// Builds every package of `recipe` that is for the target's architecture.
///
/// # Errors
/// Everything that is wrong. Packages that were built before are where they belong.
pub fn build(
    recipe: &Recipe,
    options: &PackOptions,
    on_event: OnPackEvent<'_>,
) -> Result<Vec<BuiltPackage>, Vec<Problem>> {
    let arch = options.target.arch.as_str();
    let wanted: Vec<(&Package, &Architecture)> = recipe
        .packages
        .iter()
        .filter_map(|package| {
            Some((package, package.architectures.iter().find(|architecture| architecture.name == arch)?))
        })
        .collect();
    require_architecture(recipe, arch).map_err(|problem| vec![problem])?;
    let images = fetch(recipe, &|name| name == arch, options, on_event)?;
    let mut built = Vec::new();
    for (package, architecture) in wanted {
        on_event(PackEvent::Building(package, arch));
        require_space(package, &images.of(&options.cache, architecture), options)?;
        let run = PackRun::new(package, options)?;
        let done = run.package(architecture);
        built.extend(run.end(done, on_event)?);
    }
    Ok(built)
}

/// Refuses an architecture that no package of `recipe` has.
///
/// # Errors
/// `pack-target`.
pub fn require_architecture(recipe: &Recipe, arch: &str) -> Result<(), Problem> {
    if recipe.packages.iter().flat_map(|package| &package.architectures).any(|it| it.name == arch) {
        return Ok(());
    }
    let message = format!("no package has the architecture `{arch}`");
    let hint = "give a target for an architecture that a package has, or add this one to `arch`";
    Err(Problem::new("pack-target", message, hint))
}

/// Builds the source package of every package of `recipe`, with the sources of all its
/// architectures.
///
/// # Errors
/// As [`build()`].
pub fn source_packages(
    recipe: &Recipe,
    options: &PackOptions,
    on_event: OnPackEvent<'_>,
) -> Result<Vec<BuiltPackage>, Vec<Problem>> {
    let images = fetch(recipe, &|_| true, options, on_event)?;
    let mut built = Vec::new();
    for package in &recipe.packages {
        on_event(PackEvent::Building(package, "src"));
        for architecture in &package.architectures {
            require_space(package, &images.of(&options.cache, architecture), options)?;
        }
        let run = PackRun::new(package, options)?;
        let done = run.source_package();
        built.extend(run.end(done, on_event)?);
    }
    Ok(built)
}

/// The text of each package's spec.
///
/// # Errors
/// As [`build()`].
pub fn specs(
    recipe: &Recipe,
    options: &PackOptions,
    on_event: OnPackEvent<'_>,
) -> Result<Vec<String>, Vec<Problem>> {
    fetch(recipe, &|_| true, options, on_event)?;
    let mut texts = Vec::new();
    for package in &recipe.packages {
        let run = PackRun::new(package, options)?;
        let all: Vec<&Architecture> = package.architectures.iter().collect();
        let time = run.time(&all)?;
        let mut parts = Vec::new();
        for architecture in &package.architectures {
            // Only a store has other owners than root, which stand in the spec.
            parts.push(if package.payload == Payload::Store && !architecture.images.is_empty() {
                let (contents, part) = run.prepare(architecture, time)?;
                run.discard(&contents)?;
                part
            } else {
                ArchitectureFiles {
                    arch: architecture.name.clone(),
                    owners: super::owners::Owners::default(),
                }
            });
        }
        texts.push(spec(package, &parts, time));
    }
    Ok(texts)
}

fn fetch(
    recipe: &Recipe,
    wanted: &dyn Fn(&str) -> bool,
    options: &PackOptions,
    on_event: OnPackEvent<'_>,
) -> Result<CachedImages, Vec<Problem>> {
    let line = |line: &ReportLine| on_event(PackEvent::Image(line));
    cache::fetch(&options.cache, &recipe.packages, wanted, &options.fetch, &line)
}

/// What the names of directories begin with that `--keep` keeps.
const KEPT: &str = "storagectl-kept-";

/// A staging directory in which one package is made.
struct PackRun<'a> {
    staging: Staging,
    /// Where it is.
    dir: PathBuf,
    /// It as a tree: nothing in it leads out of it.
    root: Root,
    package: &'a Package,
    options: &'a PackOptions,
}

impl<'a> PackRun<'a> {
    fn new(package: &'a Package, options: &'a PackOptions) -> Result<Self, Vec<Problem>> {
        let plain = |it: char| it.is_alphanumeric() || "/._-+@:=,~^".contains(it);
        if !options.tmp.to_str().is_some_and(|tmp| tmp.chars().all(plain)) {
            let message = format!("rpmbuild cannot work in `{}`", options.tmp.display());
            let hint = "give a directory with `--tmp`, without blanks, `%` or quotes in its path";
            return Err(vec![Problem::new("pack-value", message, hint)]);
        }
        let make = || {
            let staging = Root::system()?.directory_writer(&options.tmp)?.staging()?;
            let dir = options.tmp.join(&staging.name);
            let root = Root::tree(&dir)?;
            for part in [SOURCES, RESULTS, "specs", "build", "root", "tmp"] {
                root.create_dirs(&Path::new("/").join(part), 0o755)?;
            }
            Ok(Self { staging, dir, root, package, options })
        };
        let cannot = Problem::cannot("create a directory in", options.tmp.display().to_string());
        make().map_err(|error| vec![cannot(error)])
    }

    fn images(&self, architecture: &Architecture) -> Result<Vec<CachedImage>, Vec<Problem>> {
        cache::images(&self.options.cache, architecture).map_err(|problem| vec![problem])
    }

    fn build_options(&self, architecture: &Architecture, time: i64) -> builder::BuildOptions {
        builder::BuildOptions {
            platform: architecture.platform.clone(),
            jobs: self.options.jobs,
            limit: self.options.limit,
            latest: Some(time),
            // What is delivered is synced.
            sync: false,
        }
    }

    /// The time of the newest image, or the one that was given.
    fn time(&self, architectures: &[&Architecture]) -> Result<i64, Vec<Problem>> {
        if let Some(latest) = self.options.latest {
            return Ok(latest);
        }
        let root = Root::system().map_err(Problem::cannot("open", "/")).map_err(|problem| vec![problem])?;
        let mut newest = NO_TIME;
        for architecture in architectures {
            let sources: Vec<_> = self.images(architecture)?.into_iter().map(|image| image.source).collect();
            let options = builder::BuildOptions { latest: None, ..self.build_options(architecture, 0) };
            let time = builder::newest(&root, &sources, &options).map_err(|problem| vec![problem])?;
            newest = newest.max(time);
        }
        Ok(newest)
    }

    /// Makes the tree of an architecture, and the list of what is in it among the sources.
    fn prepare(
        &self,
        architecture: &Architecture,
        time: i64,
    ) -> Result<(PackageTree, ArchitectureFiles), Vec<Problem>> {
        let one = |problem: Problem| vec![problem];
        let package = self.package;
        let tree = Path::new("/").join(format!("tree-{}", architecture.name));
        let dir = self.root.show(&tree);
        self.root.create_dirs(&tree, 0o755).map_err(Problem::cannot("make", dir.display())).map_err(one)?;
        let mut contents =
            PackageTree::new(&dir, time).map_err(Problem::cannot("open", dir.display())).map_err(one)?;
        let images = self.images(architecture)?;
        let options = self.build_options(architecture, time);
        if !images.is_empty() {
            let sources: Vec<_> = images.iter().map(|image| image.source.clone()).collect();
            match package.payload {
                Payload::Sealed => sealed::fill(package, &images, &options, &mut contents).map_err(one)?,
                Payload::Embedded => embedded::fill(package, &images, &mut contents).map_err(one)?,
                Payload::Store => store::fill(package, &sources, &options, &mut contents)?,
            }
        }
        if let Some(dir) = &architecture.manifests {
            manifests::fill(package, dir, &mut contents).map_err(one)?;
        }
        let root = Root::tree(&dir).map_err(Problem::cannot("open", dir.display())).map_err(one)?;
        let lines = contents.finish().map_err(|unfinished| match unfinished {
            Unfinished::Io(error) => vec![Problem::io("write to", &dir.display().to_string(), &error)],
            Unfinished::UnlistedFile(paths) => unlisted(package, &root, paths),
        })?;
        if package.payload == Payload::Store && !images.is_empty() {
            checked::check(package, &root, Path::new(&package.path), options.jobs).map_err(one)?;
        }
        let list = Path::new("/").join(SOURCES).join(list_name(package, &architecture.name));
        self.write(&list, lines.as_bytes(), time)?;
        let part = ArchitectureFiles { arch: architecture.name.clone(), owners: contents.owners().clone() };
        Ok((contents, part))
    }

    /// Writes a file with the time that everything has.
    fn write(&self, path: &Path, text: &[u8], time: i64) -> Result<(), Vec<Problem>> {
        let dir = path.parent().unwrap_or(Path::new("/"));
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let write = || {
            let mut writer = self.root.directory_writer(dir)?;
            let file = writer.create_file(name)?;
            file.write(text)?;
            writer.set_mode_and_time(name, 0o644, (time, 0))
        };
        let cannot = Problem::cannot("write", self.root.show(path).display().to_string());
        write().map_err(|error| vec![cannot(error)])
    }

    fn spec(&self, parts: &[ArchitectureFiles], time: i64) -> Result<PathBuf, Vec<Problem>> {
        let path = Path::new("/specs").join(spec_name(self.package));
        self.write(&path, spec(self.package, parts, time).as_bytes(), time)?;
        Ok(self.root.show(&path))
    }

    /// Removes a tree that is not needed any more.
    fn discard(&self, contents: &PackageTree) -> Result<(), Vec<Problem>> {
        let name = contents.dir().file_name().unwrap_or_default().as_encoded_bytes();
        let removed = self.root.directory_writer(Path::new("/")).and_then(|mut writer| writer.remove(name));
        let cannot = Problem::cannot("remove", contents.dir().display().to_string());
        removed.map_err(|error| vec![cannot(error)])
    }

    fn package(&self, architecture: &Architecture) -> Result<Vec<BuiltPackage>, Vec<Problem>> {
        let (package, dir, target) = (self.package, &self.dir, &self.options.target);
        let time = self.time(&[architecture])?;
        let (contents, part) = self.prepare(architecture, time)?;
        let spec = self.spec(&[part], time)?;
        rpmbuild::binary(dir, &spec, target, contents.dir(), time, &package.label())
            .and_then(|()| deliver(&package.name, &dir.join(RESULTS), &self.options.output))
            .map_err(|problem| vec![problem])
    }

    fn source_package(&self) -> Result<Vec<BuiltPackage>, Vec<Problem>> {
        let package = self.package;
        let all: Vec<&Architecture> = package.architectures.iter().collect();
        let time = self.time(&all)?;
        let mut parts = Vec::new();
        for architecture in &package.architectures {
            let (contents, part) = self.prepare(architecture, time)?;
            let name = tree_name(package, &architecture.name);
            let write = || {
                let mut writer = self.root.directory_writer(&Path::new("/").join(SOURCES))?;
                source::write_tar(&contents, writer.create_file(name.as_bytes())?)?;
                writer.set_mode_and_time(name.as_bytes(), 0o644, (time, 0))
            };
            let cannot = Problem::cannot("write", name.clone());
            write().map_err(|error| vec![cannot(error)])?;
            self.discard(&contents)?;
            parts.push(part);
        }
        let spec = self.spec(&parts, time)?;
        let dist = self.options.target.dist.as_deref();
        rpmbuild::source(&self.dir, &spec, dist, time, &package.label())
            .and_then(|()| deliver(&package.name, &self.dir.join(RESULTS), &self.options.output))
            .map_err(|problem| vec![problem])
    }

    /// Ends, whatever came of it.
    fn end<T>(self, done: Result<T, Vec<Problem>>, on_event: OnPackEvent<'_>) -> Result<T, Vec<Problem>> {
        if self.options.keep {
            // Under its own name the next run would take it for that of a killed one.
            let keep = || {
                let kept = PrivateDir::new(&self.options.tmp, KEPT)?;
                let name = kept.path().file_name().unwrap_or_default().as_encoded_bytes();
                let mut within = Root::system()?.directory_writer(&self.options.tmp)?;
                within.move_over(self.staging.name.as_bytes(), name)?;
                Ok(kept.keep())
            };
            // What became of the package counts more than where its files are.
            let kept = keep().unwrap_or_else(|_: io::Error| self.dir.clone());
            on_event(PackEvent::Kept(&kept));
            self.staging.keep();
        }
        done
    }
}

/// The problems of paths that cannot be listed.
fn unlisted(package: &Package, root: &Root, paths: Vec<(Vec<u8>, &'static str)>) -> Vec<Problem> {
    let base = format!("{}/", package.path);
    let mut refused = RefusedFiles::default();
    let mut problems = Vec::new();
    for (path, why) in paths {
        match path.strip_prefix(base.as_bytes()) {
            Some(inside) if package.payload == Payload::Store => {
                refused.add(inside, format!("cannot be listed: {why}"))
            }
            _ => {
                let message = format!("RPM cannot carry `{}`: {why}", shown(&path));
                problems.push(Problem::new("pack-refused", message, "give it another name"));
            }
        }
    }
    problems.extend(refused.problems(root, Path::new(&package.path), &package.name));
    problems
}
