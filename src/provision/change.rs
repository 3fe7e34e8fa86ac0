//! What has to be changed in a configuration, so that it holds what is ours already, without what
//! is removed, and what is asked for.

use std::path::{Path, PathBuf};

use super::check::listed;
use super::data_url;
use super::document::{Node, Value, map, text};
use super::ignition::{self, SpecVersion};
use super::layout::{Directories, NodeFile, NodeLayout, NodeUnit};
use super::model::{Generations, MAIN_FILE, NodeModel, NodeStore};
use super::own_parts::{OwnParts, plain_directory, unit_text};
use super::read::{Config, ConfigEntry, DocumentFormat, ParsedDocument};
use super::request::{GenerateRequest, Removals, no_store};
use super::sources::FollowedDocument;
use super::storage_conf::Configuration;
use super::{butane, three_way};
use crate::conf::{self, Document};
use crate::problem::Problem;

/// A change of a configuration.
pub(super) struct DocumentChange {
    /// What the nodes have then.
    pub(super) model: NodeModel,
    /// The same as files and units.
    pub(super) layout: NodeLayout,
    /// What is put in.
    pub(super) value: Value,
    /// What goes: the list, the key of its items, and the name.
    pub(super) gone: Vec<([&'static str; 2], &'static str, String)>,
    /// What there is to know.
    pub(super) told: Vec<String>,
}

const DIRECTORIES: [&str; 2] = ["storage", "directories"];
const FILES: [&str; 2] = ["storage", "files"];
const UNITS: [&str; 2] = ["systemd", "units"];

impl DocumentChange {
    /// What `request` changes.
    ///
    /// # Errors
    /// A [`Problem`] if something is removed that is not there, if what was edited by hand stands in
    /// the way, or if a node would not do what it should.
    pub(super) fn of(
        request: &GenerateRequest,
        read: &ParsedDocument,
        config: &Config,
        followed: &FollowedDocument,
    ) -> Result<Self, Problem> {
        let ours = OwnParts::of(config, &request.model);
        check_removed(request, config, &ours.model)?;
        let mut told = Vec::new();
        let model = model(request, config, followed, &ours.model, &mut told)?;
        let is_removal = request.removed != Removals::default();
        if model.stores.is_empty() && !is_removal {
            return Err(no_store());
        }
        let openshift = read.format == DocumentFormat::MachineConfig || config.is_openshift();
        let directories = if openshift { Directories::ByUnit } else { Directories::Made };
        let layout = match model.stores.is_empty() && is_all_ours(request, config, &ours.model) {
            true => NodeLayout::default(),
            false => NodeLayout::of(&model, directories)?,
        };
        let edit = Edit { read, config, ours: &ours };
        let value = edit.value(&layout, &mut told)?;
        let gone = edit.gone(request, &layout, &mut told);
        Ok(Self { model, layout, value, gone, told })
    }
}

/// What the nodes shall have all in all.
fn model(
    request: &GenerateRequest,
    config: &Config,
    followed: &FollowedDocument,
    ours: &NodeModel,
    told: &mut Vec<String>,
) -> Result<NodeModel, Problem> {
    let is_gone = |path: &str| request.removed.stores.iter().any(|gone| *gone == conf::clean(path));
    let mut model = NodeModel { drop_ins: ours.drop_ins.clone(), ..request.model.clone() };
    for (path, text) in followed.config().unwrap_or(config).texts() {
        let path = PathBuf::from(path);
        let below = |dir: &str| path.starts_with(dir);
        let is_other = path != Path::new(MAIN_FILE) && !model.drop_ins.contains(&path);
        if is_other && (below("/etc/containers") || below("/etc/crio")) {
            for platform in &mut model.platform_versions {
                platform.push((path.clone(), text.clone()));
            }
        }
    }
    if !request.has_base {
        model.base.clone_from(&ours.base);
    }
    let base = Document::parse(model.base.as_str());
    if let Ok(Some(without)) = base.and_then(|base| conf::remove(&base, is_gone)) {
        model.base = without.text().to_owned();
    }
    let pulled_into = ours.loaded().ok().flatten().map(|store| store.path.clone());
    model.stores = ours.stores.iter().filter(|store| !is_gone(&store.path)).cloned().collect();
    for (asked, store) in request.model.stores.iter().enumerate() {
        match model.stores.iter_mut().find(|it| it.path == store.path) {
            // It goes where it is asked for.
            Some(old) => (old.found, old.asked, old.selinux) = (false, asked, old.selinux || store.selinux),
            None => model.stores.push(NodeStore { asked, ..store.clone() }),
        }
    }
    match pulled_into.filter(|store| is_gone(store)) {
        Some(store) => told.push(format!(
            "the nodes no longer pull {}, which came with `{store}`",
            crate::problem::series(&ours.images.iter().map(|image| format!("`{image}`")).collect::<Vec<_>>())
        )),
        None => {
            model.images.clone_from(&ours.images);
            model.images.retain(|image| !request.removed.images.contains(image));
        }
    }
    let new = request.model.images.iter().filter(|image| !ours.images.contains(image));
    model.images.extend(new.cloned());
    if !ours.images.is_empty() && !request.has_authfile {
        model.authfile.clone_from(&ours.authfile);
    }
    if !ours.images.is_empty() && model.authfile != ours.authfile {
        let file = model.authfile.as_deref().unwrap_or_default();
        told.push(format!("the images that were there are pulled with `{file}`, too"));
    }
    // What is only removed brings no file for engines that had none.
    if request.model.stores.is_empty() && request.model.images.is_empty() {
        let has_main = config.files.iter().any(|file| file.name == MAIN_FILE);
        model.generations = match (has_main, model.drop_ins.is_empty()) {
            (false, _) => Generations::Modern,
            (true, true) => Generations::Legacy,
            (true, false) => model.generations,
        };
    }
    Ok(model)
}

/// Refuses to remove what is not there.
fn check_removed(request: &GenerateRequest, config: &Config, ours: &NodeModel) -> Result<(), Problem> {
    let listed = listed(config);
    for store in &request.removed.stores {
        if request.model.kept.contains(store) {
            return Err(Problem::new(
                "store-of-platform",
                format!("`{store}` is the platform's own store, without which the node lacks images"),
                "give `--preset none` if it is not on these nodes",
            ));
        }
        if !listed.contains(store) {
            return Err(not_listed(store));
        }
    }
    match request.removed.images.iter().find(|image| !ours.images.contains(image)) {
        Some(image) => Err(Problem::new("image-missing", format!("the nodes do not pull `{image}`"), LIST)),
        None => Ok(()),
    }
}

pub(super) const LIST: &str = "`storagectl generate --list FILE` shows what the nodes get";

pub(super) fn not_listed(store: &str) -> Problem {
    Problem::new("not-listed", format!("the document does not list `{store}`"), LIST)
}

/// Whether the document's storage.conf is what a run has made for these stores, or there is none.
fn is_all_ours(request: &GenerateRequest, config: &Config, ours: &NodeModel) -> bool {
    if config.files.iter().all(|file| file.name != MAIN_FILE) {
        return true;
    }
    let listed = listed(config);
    let mut stores = ours.stores.clone();
    stores.sort_by_key(|store| listed.iter().position(|path| *path == store.path));
    stores.iter_mut().for_each(|store| store.found = false);
    let made =
        NodeModel { stores, platform_versions: request.model.platform_versions.clone(), ..ours.clone() };
    let made = Configuration::of(&NodeModel { base: request.model.base.clone(), ..made });
    made.is_ok_and(|made| made.main() == Some(ours.base.as_str()))
}

/// A configuration that is edited, and what is ours in it.
struct Edit<'a> {
    read: &'a ParsedDocument,
    config: &'a Config,
    ours: &'a OwnParts,
}

impl Edit<'_> {
    /// What is put in.
    fn value(&self, layout: &NodeLayout, told: &mut Vec<String>) -> Result<Value, Problem> {
        let list = |items: Vec<Value>| (!items.is_empty()).then_some(Value::List(items));
        let directory = |it: &super::layout::NodeDirectory| match self
            .config
            .directories
            .iter()
            .any(|old| old.name == it.path)
        {
            true => map([("path", text(&it.path))]),
            false => ignition::directory(it),
        };
        let directories = list(layout.directories.iter().map(directory).collect());
        let files: Result<Vec<Value>, Problem> =
            layout.files.iter().map(|file| self.file(file, told)).collect();
        let files = list(files?);
        let units: Result<Vec<Value>, Problem> =
            layout.units.iter().map(|unit| self.unit(unit, told)).collect();
        let units = list(units?);
        let mut storage = map([]);
        for (key, value) in [("directories", directories), ("files", files)] {
            if let Some(value) = value {
                storage = storage.with(key, value);
            }
        }
        let mut whole = map([]);
        if !storage.is_empty() {
            whole = whole.with("storage", storage);
        }
        if let Some(units) = units {
            whole = whole.with("systemd", map([("units", units)]));
        }
        Ok(whole)
    }

    /// A unit: all of it if the document does not have it, else what changes in its text.
    fn unit(&self, unit: &NodeUnit, told: &mut Vec<String>) -> Result<Value, Problem> {
        let Some(entry) = self.config.units.iter().find(|it| it.name == unit.name) else {
            return Ok(ignition::unit(unit));
        };
        let old = self.ours.units.iter().find(|it| it.name == unit.name).map(|it| it.text.as_str());
        let after = brought(&unit.name, old, &unit.text, unit_text(entry).unwrap_or_default(), told)?;
        Ok(map([("name", text(&unit.name)), ("contents", text(after))]))
    }

    /// What is said of a file: all of it if the document does not have it, else what differs.
    fn file(&self, file: &NodeFile, told: &mut Vec<String>) -> Result<Value, Problem> {
        let Some(entry) = self.config.files.iter().find(|old| old.name == file.path) else {
            return Ok(self.new_file(file));
        };
        let theirs = entry.decoded().ok().flatten().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let file = match theirs.as_deref().filter(|_| file.path != MAIN_FILE) {
            Some(theirs) => {
                let old = self.ours.files.iter().find(|it| it.path == file.path).map(|it| it.text.as_str());
                &NodeFile { text: brought(&file.path, old, &file.text, theirs, told)?, ..file.clone() }
            }
            None => file,
        };
        let value = map([("path", text(&file.path)), ("overwrite", Value::Bool(true))]);
        if theirs.as_ref() == Some(&file.text) {
            return Ok(value);
        }
        Ok(value.with("contents", self.contents(entry, file)))
    }

    fn spec(&self) -> SpecVersion {
        self.config.spec.unwrap_or(SpecVersion::DEFAULT)
    }

    /// Older operators do not read what is compressed.
    fn may_compress(&self) -> bool {
        self.read.format != DocumentFormat::MachineConfig && !self.config.is_openshift()
    }

    fn new_file(&self, file: &NodeFile) -> Value {
        match self.config.is_butane {
            true => butane::file(file),
            false => ignition::file(file, self.spec(), self.may_compress()),
        }
    }

    /// Other contents of a file, in the form in which the old ones stand there.
    fn contents(&self, old: &ConfigEntry, file: &NodeFile) -> Value {
        let (is_butane, spec) = (self.config.is_butane, self.spec());
        let bytes = file.text.as_bytes();
        let hash = match old.node.at(&["contents", "verification", "hash"]).and_then(Node::raw) {
            Some(hash) if hash.starts_with("sha512-") || !spec.has_sha256() => Some(data_url::sha512(bytes)),
            Some(_) => Some(data_url::sha256(bytes)),
            None if !is_butane && spec.has_sha256() => Some(data_url::sha256(bytes)),
            None => None,
        };
        let mut contents = if is_butane && old.node.at(&["contents", "source"]).is_none() {
            map([("inline", text(&file.text))])
        } else {
            let url = data_url::encode(bytes, self.may_compress());
            map([("source", text(url.source)), ("compression", text(url.compression))])
        };
        if let Some(hash) = hash {
            contents = contents.with("verification", map([("hash", text(hash))]));
        }
        contents
    }

    /// What goes.
    fn gone(
        &self,
        request: &GenerateRequest,
        layout: &NodeLayout,
        told: &mut Vec<String>,
    ) -> Vec<([&'static str; 2], &'static str, String)> {
        let mut gone = Vec::new();
        let mut stays =
            |name: &str, why: &str| told.push(format!("`{name}` {why}, and stays in the document"));
        for unit in &self.ours.units {
            let entry = self.config.units.iter().find(|entry| entry.name == unit.name);
            let theirs = entry.and_then(unit_text).unwrap_or_default();
            if layout.units.iter().any(|it| it.name == unit.name) {
                continue;
            }
            // Without a command of its own there is no use in it.
            match three_way::added(&unit.text, theirs).iter().any(|line| line.starts_with("Exec")) {
                true => stays(&unit.name, "was edited by hand and runs something else, too"),
                false => gone.push((UNITS, "name", unit.name.clone())),
            }
        }
        for file in &self.ours.files {
            if layout.files.iter().all(|it| it.path != file.path) {
                let entry = self.config.files.iter().find(|entry| entry.name == file.path);
                match entry.is_some_and(|it| it.decoded() == Ok(Some(file.text.as_bytes().to_vec()))) {
                    true => gone.push((FILES, "path", file.path.clone())),
                    false => stays(&file.path, "was edited by hand"),
                }
            }
        }
        let has_main = self.config.files.iter().any(|file| file.name == MAIN_FILE);
        if has_main && *layout == NodeLayout::default() {
            gone.push((FILES, "path", MAIN_FILE.to_owned()));
        }
        for store in &request.removed.stores {
            match self.config.directories.iter().find(|entry| conf::clean(&entry.name) == *store) {
                Some(entry) if plain_directory(entry).is_some() => {
                    gone.push((DIRECTORIES, "path", entry.name.clone()));
                }
                Some(entry) => stays(&entry.name, "is a directory of which more is said than its mode"),
                None => {}
            }
        }
        gone
    }
}

/// What becomes of a text of ours that the document has.
fn brought(
    name: &str,
    old: Option<&str>,
    new: &str,
    theirs: &str,
    told: &mut Vec<String>,
) -> Result<String, Problem> {
    let old = old.unwrap_or_default();
    let after = three_way::apply(old, new, theirs).ok_or_else(|| {
        Problem::new(
            "document-conflict",
            format!("`{name}` was edited by hand, where it would have to be changed"),
            "remove it from the document, so that it is written anew, and put your changes back",
        )
    })?;
    if theirs != old && after != theirs {
        told.push(format!("`{name}` was edited by hand: what was changed in it stays"));
    }
    Ok(after)
}
