//! The files that give a node's engines their stores.
//!
//! The main file is the base with the stores added by the same splices that edit a
//! host's own file, so its comments travel. A drop-in is beside it only where one of
//! the platform's would hide it from engines that read drop-ins.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::model::{Generations, MAIN_FILE, NodeModel, NodeStore, PlatformFile};
use crate::conf::{
    self, Document, EditError, Essentials, Fault, OWN_ROOTS, OWN_ROOTS_NAME, Position, StoreList,
    add_essentials, clean,
};
use crate::engine::{Environment, Profile, ReadCache, Reading, View};
use crate::judgement::{Identity, Judgement, Reader, readers};
use crate::problem::Problem;

/// Where drop-ins for normal users are.
const ROOTLESS: &str = "/etc/containers/storage.rootless.conf.d";

/// Where those for root are.
pub(super) const ROOTFUL: &str = "/etc/containers/storage.rootful.conf.d";

/// The names of our own drop-in for root: the first that comes behind all of the platform's.
pub(super) const OWN_LISTS: [&str; 3] = ["99-storagectl.conf", "zz-storagectl.conf", "~storagectl.conf"];

/// What a drop-in for normal users says of stores: what engines pull into the directories that
/// a document makes is for root alone, and the stores of platforms are, too.
const NO_STORES: &str = "\n[storage.options]\nadditionalimagestores = []\n";

/// The configuration of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// The files, by path: the main file, and a drop-in where one is needed.
    pub files: Vec<PlatformFile>,
    /// The stores that every engine that is served sees with them, in order.
    pub stores: Vec<String>,
}

impl Configuration {
    /// The configuration that a model asks for.
    ///
    /// # Errors
    /// A [`Problem`] if the base cannot be edited, or if an engine would stop or would
    /// not see exactly these stores.
    pub fn of(model: &NodeModel) -> Result<Self, Problem> {
        check_places(model)?;
        let base = Document::parse(model.base.as_str()).map_err(|fault| in_base(model, fault))?;
        let main = main_file(model, &base)?;
        let stores: Vec<String> = StoreList::paths(&main)
            .map_err(|fault| in_base(model, fault))?
            .iter()
            .map(|path| clean(path))
            .collect();
        if model.generations == Generations::Modern {
            // The platform's main file stays; what it lists is not ours to know.
            let file = drop_in(model, &stores, false);
            let this = Self { files: vec![file], stores };
            this.prove(model)?;
            return Ok(this);
        }
        let main = (PathBuf::from(MAIN_FILE), main.text().to_owned());
        // The least that serves all.
        let own_roots = own_roots();
        let list = drop_in(model, &stores, false);
        let mut last = Self { files: Vec::new(), stores };
        let is_own_roots = |path: &PathBuf| *path == own_roots.0;
        // Those that the document has already follow the list, whatever they were needed for.
        let has_roots = model.drop_ins.iter().any(is_own_roots);
        let has_list = model.drop_ins.iter().any(|path| !is_own_roots(path));
        for (with_roots, with_list) in [(false, false), (true, false), (false, true), (true, true)] {
            if (has_roots && !with_roots) || (has_list && !with_list) {
                continue;
            }
            last.files = vec![main.clone()];
            last.files.extend(with_roots.then(|| own_roots.clone()));
            last.files.extend(with_list.then(|| list.clone()));
            if last.prove(model).is_ok() {
                return Ok(last);
            }
        }
        last.prove(model)?;
        Ok(last)
    }

    /// Whether every engine that is served sees exactly these stores, in each version
    /// of the platform.
    ///
    /// # Errors
    /// A [`Problem`] that says which engine does not.
    pub fn prove(&self, model: &NodeModel) -> Result<(), Problem> {
        for platform in &model.platform_versions {
            for reader in node_readers(model.generations, model.podman6) {
                let judgement = judged(platform, &self.files, &reader);
                // An engine that does not work with the base is none of such a node.
                let base = (PathBuf::from(MAIN_FILE), model.base.clone());
                let of_base = judged(platform, &[base], &reader);
                let counts = reader.is_of_users() || model.base.is_empty() || !of_base.stops();
                let stop = judgement.reading.failure().or(judgement.stop().filter(|_| counts));
                if let Some(reason) = stop {
                    return Err(Problem::new(
                        "engine-stops",
                        format!("{reader} would stop on such a node: {}", reason.message),
                        "give a storage.conf with which it starts, with `--base`",
                    ));
                }
                let seen = |judgement: &Judgement| -> Vec<String> {
                    judgement.reading.paths().into_iter().map(clean).collect()
                };
                // Normal users see what the platform shows them, and nothing of ours.
                let wanted = match reader.identity {
                    Identity::OrdinaryUser => seen(&judged(platform, &[], &reader)),
                    Identity::Root | Identity::ThisUser => self.stores.clone(),
                };
                let seen = seen(&judgement);
                if seen != wanted {
                    return Err(Problem::new(
                        "store-unseen",
                        format!("{reader} would see {seen:?} on such a node, and not {wanted:?}"),
                        "a drop-in of the platform sets the list after everything else: give another `--base` or `--preset`",
                    ));
                }
            }
        }
        Ok(())
    }

    /// The main file's text.
    pub fn main(&self) -> Option<&str> {
        self.files.iter().find(|(path, _)| path == Path::new(MAIN_FILE)).map(|(_, text)| text.as_str())
    }
}

/// The engines of a generation.
pub(super) fn profiles(generations: Generations) -> impl Iterator<Item = Profile> {
    Profile::ALL.into_iter().filter(move |profile| match generations {
        Generations::All => true,
        Generations::Legacy => !profile.is_modern(),
        Generations::Modern => profile.is_modern(),
    })
}

/// Who reads a node: the engines of a generation, for root, and for normal users where it may
/// have podman 6.
pub(super) fn node_readers(generations: Generations, podman6: bool) -> Vec<Reader> {
    let mut readers = readers(profiles(generations).collect(), &Environment::new(0, []));
    readers.retain(|reader| podman6 || !reader.is_of_users());
    readers
}

/// What an engine does on a node with these files.
pub(super) fn judged(platform: &[PlatformFile], files: &[PlatformFile], reader: &Reader) -> Rc<Judgement> {
    let cache = ReadCache::default();
    let view = platform
        .iter()
        .chain(files)
        .fold(View::of_nothing(&cache), |view, (path, text)| view.with(path.clone(), Some(text.clone())));
    reader.judge(&view)
}

/// A node with these files, as root's engine reads it.
pub(super) fn reading(platform: &[PlatformFile], files: &[PlatformFile], profile: Profile) -> Rc<Reading> {
    let environment = Environment::new(0, []);
    judged(platform, files, &Reader { profile, identity: Identity::Root, environment }).reading.clone()
}

/// Refuses stores that no node can have.
fn check_places(model: &NodeModel) -> Result<(), Problem> {
    let graphroot = model.graphroot();
    let mut seen: Vec<&str> = Vec::new();
    for store in &model.stores {
        let path = &store.path;
        let shown = format!("the store `{path}`");
        if *path == graphroot {
            return Err(Problem::new(
                "store-is-graphroot",
                format!("{shown} is the engine's own storage"),
                "give it a directory of its own, such as `/var/images`",
            ));
        }
        if Path::new(path).starts_with(&graphroot) {
            return Err(Problem::new(
                "store-in-graphroot",
                format!("{shown} is inside the engine's own storage, which CRI-O wipes after a power cut"),
                "give it a directory of its own, such as `/var/images`",
            ));
        }
        if Path::new(&graphroot).starts_with(path) {
            return Err(Problem::new(
                "store-contains-graphroot",
                format!("{shown} contains the engine's own storage"),
                "give it a directory of its own, such as `/var/images`",
            ));
        }
        if ["/usr/lib/bootc/storage", "/sysroot/ostree/bootc/storage"].contains(&path.as_str()) {
            return Err(Problem::new(
                "bootc-storage",
                format!("{shown} is bootc's own, which bootc forbids to list for all engines"),
                "use `GlobalArgs=--storage-opt=additionalimagestore=…` in the units that need it",
            ));
        }
        if store.create
            && ["/tmp/", "/run/", "/dev/", "/proc/", "/sys/"].iter().any(|dir| path.starts_with(dir))
        {
            return Err(Problem::new(
                "store-temporary",
                format!("{shown} is gone after a boot, and then no engine starts"),
                "give it a directory that stays, such as `/var/images`",
            ));
        }
        if seen.contains(&path.as_str()) {
            return Err(Problem::new(
                "store-twice",
                format!("{shown} is given twice"),
                "give each store once",
            ));
        }
        seen.push(path);
    }
    Ok(())
}

/// The base with what engines need, the platform's stores and the model's.
fn main_file(model: &NodeModel, base: &Document) -> Result<Document, Problem> {
    let with = |fault| in_base(model, fault);
    let whole = add_essentials(base, &Essentials::default(), true).map_err(with)?;
    let whole = whole.as_ref().unwrap_or(base);
    let mut kept = model.kept.clone();
    // What the platform's own drop-ins list, CRI-O does not see: it is in the main file too.
    for platform in &model.platform_versions {
        let seen =
            reading(platform, &[(PathBuf::from(MAIN_FILE), whole.text().to_owned())], Profile::Podman6);
        kept.extend(seen.stores.iter().map(|store| store.value.clone()));
    }
    let ours: Vec<String> = model.stores.iter().map(|store| store.path.clone()).collect();
    kept.retain(|path| !ours.contains(&clean(path)));
    let edit = |doc: &Document, paths: &[String], position: &Position| {
        conf::add(doc, paths, position).map_err(|error| match error {
            EditError::Fault(fault) => in_base(model, fault),
            EditError::NotListed(path) => Problem::new(
                "not-listed",
                format!("`{path}` is not listed, so no store can be placed beside it"),
                "leave out `--before` or `--after`, or name a store of the platform",
            ),
        })
    };
    let kept = edit(whole, &kept, &Position::Any)?;
    let kept = kept.as_ref().unwrap_or(whole);
    let (found, mut new): (Vec<_>, Vec<_>) = model.stores.iter().partition(|store| store.found);
    new.sort_by_key(|store| store.asked);
    let paths = |stores: Vec<&NodeStore>| stores.iter().map(|store| store.path.clone()).collect::<Vec<_>>();
    let (found, new) = (paths(found), paths(new));
    let with_found = edit(kept, &found, &Position::Any)?;
    let with_found = with_found.as_ref().unwrap_or(kept);
    let position = behind_found(&model.position, with_found, &found, &new).map_err(with)?;
    let all = edit(with_found, &new, &position)?;
    // The node's owner asked for this file as it is.
    conf::as_own(all.as_ref().unwrap_or(with_found)).map_err(with)
}

/// Where new stores go: behind those that an earlier run has put at this place, as if one run had
/// been given all of them. Where nothing else is listed, no place was meant, and first is first.
fn behind_found(
    position: &Position,
    doc: &Document,
    found: &[String],
    new: &[String],
) -> Result<Position, Fault> {
    let listed: Vec<String> = StoreList::paths(doc)?.iter().map(|path| clean(path)).collect();
    // What is asked for once more is ours, too.
    if listed.iter().all(|path| found.contains(path) || new.contains(path)) {
        return Ok(position.clone());
    }
    let start = match position {
        Position::First => 0,
        Position::After(other) => match listed.iter().position(|path| *path == clean(other)) {
            Some(at) => at + 1,
            None => return Ok(position.clone()),
        },
        _ => return Ok(position.clone()),
    };
    let run = listed[start..].iter().take_while(|path| found.contains(path)).count();
    let last = listed[start..start + run].last();
    Ok(last.map_or_else(|| position.clone(), |last| Position::After(last.clone())))
}

/// A drop-in that gives normal users their own directories.
pub(super) fn own_roots() -> PlatformFile {
    (Path::new(ROOTLESS).join(OWN_ROOTS_NAME), format!("{OWN_ROOTS}{NO_STORES}"))
}

/// A drop-in behind all of the platform's, with the whole list or with what is added.
pub(super) fn drop_in(model: &NodeModel, stores: &[String], append: bool) -> PlatformFile {
    let names = model.platform_versions.iter().flatten().filter_map(|(path, _)| path.file_name()?.to_str());
    let last = names.filter(|name| *name != "storage.conf").max().unwrap_or_default();
    let own = model.drop_ins.iter().filter_map(|path| path.file_name()?.to_str());
    let own = own.filter(|name| OWN_LISTS.contains(name));
    let name = own.chain(OWN_LISTS).find(|name| *name > last).unwrap_or(OWN_LISTS[2]);
    let items: String = stores.iter().map(|path| format!("  {},\n", conf::quoted(path))).collect();
    let text = format!(
        "# For engines that read drop-ins, which may hide the list of storage.conf.\n\
         [storage.options]\nadditionalimagestores = [\n{items}  {{append={append}}},\n]\n"
    );
    (Path::new(ROOTFUL).join(name), text)
}

fn in_base(model: &NodeModel, fault: Fault) -> Problem {
    Problem::at(fault, PathBuf::from("storage.conf"), &model.base)
}
