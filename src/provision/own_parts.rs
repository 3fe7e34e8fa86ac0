//! What an earlier run has put into a document, read back as what that run was asked for.
//!
//! Names are the marks: those of our units and drop-ins come through everything that reads and
//! writes such documents, while comments and the order of keys do not. A directory is ours if it
//! is listed as a store and nothing is said of it that we would not say. What is read is
//! the [`NodeModel`] that is written from, so that adding to a document is making it anew from what it
//! was made from and what is added.

use std::path::{Path, PathBuf};

use super::check::listed;
use super::document::NodeKind;
use super::layout::{NodeFile, NodeUnit};
use super::model::{MAIN_FILE, NodeModel, NodeStore};
use super::read::{Config, ConfigEntry};
use super::storage_conf::{OWN_LISTS, ROOTFUL, drop_in, own_roots};
use super::unit_words::{of_script, of_unit};
use super::units;
use crate::conf::{Document, clean};

/// What is ours in a document.
#[derive(Debug, Clone)]
pub(super) struct OwnParts {
    /// What was asked for, all in all.
    pub(super) model: NodeModel,
    /// Our drop-ins in it, as we would write them.
    pub(super) files: Vec<NodeFile>,
    /// Our units in it, as we would write them.
    pub(super) units: Vec<NodeUnit>,
}

impl OwnParts {
    /// What is ours in `config`, on nodes as `request` describes them.
    pub(super) fn of(config: &Config, request: &NodeModel) -> Self {
        let mut model = NodeModel { stores: Vec::new(), images: Vec::new(), ..request.clone() };
        let texts = config.texts();
        let main = texts.iter().find(|(path, _)| path == MAIN_FILE).map(|(_, text)| text);
        if let Some(text) = main {
            model.base.clone_from(text);
        }
        let unit = |name: &str| unit_text(config.units.iter().find(|unit| unit.name == name)?);
        let lines = |name| unit(name).map(commands).unwrap_or_default();
        let listed = listed(config);
        let mut found = |path: String, mode: u32| {
            let is_new = model.stores.iter().all(|store| store.path != path);
            if is_new && listed.contains(&path) {
                model.stores.push(NodeStore { create: true, found: true, ..NodeStore::new(&path, mode) });
            }
        };
        config.directories.iter().filter_map(plain_directory).for_each(|(path, mode)| found(path, mode));
        lines(units::MAKE).iter().filter_map(|line| made(line)).for_each(|(path, mode)| found(path, mode));
        let labelled: Vec<String> = lines(units::LABEL).iter().filter_map(|line| labelled(line)).collect();
        for store in &mut model.stores {
            store.selinux = labelled.contains(&store.path);
        }
        for pull in lines(units::LOAD).iter().filter_map(|line| pulled(line)) {
            // The first is the one that images are pulled into.
            if let Some(at) = model.stores.iter().position(|store| store.path == pull.store) {
                model.stores[..=at].rotate_right(1);
                model.images.push(pull.image);
                model.authfile = pull.authfile;
            }
        }
        let own = |path: &&PathBuf| config.files.iter().any(|file| Path::new(&file.name) == path.as_path());
        let roots = own_roots();
        let own_lists = OWN_LISTS.map(|name| Path::new(ROOTFUL).join(name));
        model.drop_ins = own_lists.iter().chain([&roots.0]).filter(own).cloned().collect();
        let files = drop_ins(&model, &texts, main);
        let all = [units::make_directories(&model), units::label(&model), units::load(&model).ok().flatten()];
        let units = all.into_iter().flatten().filter(|it| unit(&it.name).is_some()).collect();
        Self { model, files, units }
    }
}

/// The drop-ins that a document has, as we would write them beside its storage.conf.
fn drop_ins(model: &NodeModel, texts: &[(String, String)], main: Option<&String>) -> Vec<NodeFile> {
    let file = |path: &PathBuf| {
        let roots = own_roots();
        let text = match *path == roots.0 {
            true => roots.1,
            false => {
                let own = texts.iter().find(|(other, _)| Path::new(other) == path).map(|(_, text)| text);
                let doc = Document::parse(main.or(own)?.as_str()).ok()?;
                let items = doc.attributed_list().ok()??.items;
                let stores: Vec<String> = items.iter().map(|(path, _)| clean(path)).collect();
                drop_in(model, &stores, false).1
            }
        };
        Some(NodeFile { path: path.display().to_string(), mode: 0o644, text })
    };
    model.drop_ins.iter().filter_map(file).collect()
}

/// The text of a unit.
pub(super) fn unit_text(unit: &ConfigEntry) -> Option<&str> {
    unit.node.get("contents")?.raw()
}

/// The commands of a unit, as words.
fn commands(text: &str) -> Vec<Vec<String>> {
    text.lines().filter_map(|line| line.strip_prefix("ExecStart=")).map(of_unit).collect()
}

/// A directory of which nothing is said but its path and its mode.
pub(super) fn plain_directory(entry: &ConfigEntry) -> Option<(String, u32)> {
    let NodeKind::Map { pairs, .. } = &entry.node.kind else {
        return None;
    };
    let mode = entry.node.get("mode")?.number().and_then(|mode| u32::try_from(mode).ok())?;
    (pairs.len() == 2).then(|| (clean(&entry.name), mode))
}

/// A directory that a command makes.
fn made(command: &[String]) -> Option<(String, u32)> {
    match command {
        [install, d, m, mode, path] if install.ends_with("/install") && d == "-d" && m == "-m" => {
            Some((clean(path), u32::from_str_radix(mode, 8).ok()?))
        }
        _ => None,
    }
}

/// A store that a command labels.
fn labelled(command: &[String]) -> Option<String> {
    let words = of_script(command.get(2)?);
    let at = words.iter().position(|word| word == "restorecon")?;
    Some(clean(words.get(at + 2)?.strip_suffix(';')?))
}

/// An image that a command pulls.
struct Pull {
    store: String,
    authfile: Option<String>,
    image: String,
}

fn pulled(command: &[String]) -> Option<Pull> {
    let words = of_script(command.get(2)?);
    let start = words.iter().position(|word| word == "podman")?;
    let words: Vec<&str> =
        words[start..].iter().map(String::as_str).take_while(|word| *word != "&&").collect();
    let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
    Some(Pull {
        store: clean(option("--root=")?),
        authfile: option("--authfile=").map(str::to_owned),
        image: (*words.last()?).to_owned(),
    })
}
