//! What a document gives a node: stores, images, and what each engine sees.

use serde::Serialize;

use super::check::{Maker, listed, maker};
use super::container_runtime_config::LISTS;
use super::document::Node;
use super::model::{MAIN_FILE, NodeModel, NodeStore, PlatformFile};
use super::own_parts::{OwnParts, unit_text};
use super::read::{Config, ConfigEntry, DocumentFormat, ParsedDocument};
use super::sources::FollowedDocument;
use super::storage_conf::{Configuration, judged, node_readers};
use super::{container_runtime_config, pinned_image_set, quadlet, units};
use crate::conf::clean;
use crate::problem::Profile;

/// Who put something into a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryOrigin {
    /// `generate`.
    Generate,
    /// The platform's image has it.
    Platform,
    /// Whoever wrote the document.
    Document,
    /// The document lists it, and the nodes' image has to have it.
    Image,
}

/// A store of such a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GivenStore {
    /// Its path.
    pub path: String,
    /// Who put it there.
    pub origin: EntryOrigin,
    /// The part of the document that lists it, if it is not the document itself.
    pub from: Option<String>,
    /// What of the document makes its directory; nothing if the node has to have it.
    pub created_by: Option<String>,
    /// The mode of the directory, octal, where `generate` makes it.
    pub mode: Option<String>,
    /// Whether it is labelled as the engines' own storage is.
    pub labelled: bool,
}

/// An image that nodes pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GivenImage {
    /// Its name.
    pub image: String,
    /// The store.
    pub store: String,
    /// The part of the document that has the unit, if it is not the document itself.
    pub from: Option<String>,
}

/// A unit that a document gives nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GivenUnit {
    /// Its name.
    pub name: String,
    /// Whether it is enabled; nothing if that is left to the image.
    pub enabled: Option<bool>,
    /// The part of the document that has it, if it is not the document itself.
    pub from: Option<String>,
}

/// What an engine does on such a node, run by root or by a normal user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GivenEngine {
    /// The engine.
    pub engine: Profile,
    /// Whether a normal user runs it.
    pub users: bool,
    /// The stores that it sees, in order.
    pub stores: Vec<String>,
    /// Why it stops, if it does.
    pub stops: Option<String>,
    /// It and who runs it, for people.
    #[serde(skip)]
    pub name: String,
}

/// A file, a unit or a directory of a document, with what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenEntry {
    /// What it is and where it is.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// All that a document gives a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GivenToNode {
    /// The stores that an engine of root's sees, in order.
    pub stores: Vec<GivenStore>,
    /// The images.
    pub images: Vec<GivenImage>,
    /// The units.
    pub units: Vec<GivenUnit>,
    /// The engines.
    pub engines: Vec<GivenEngine>,
    /// Units and drop-ins of ours that were edited by hand.
    pub edited: Vec<String>,
    /// What the document names and could not be followed.
    pub not_followed: Vec<String>,
    /// What stands in it, decoded.
    #[serde(skip)]
    pub entries: Vec<GivenEntry>,
}

impl GivenToNode {
    /// What a document gives nodes as `model` describes them, whose stores do not matter.
    pub fn of(followed: &FollowedDocument, model: &NodeModel) -> Self {
        let read = &followed.read;
        let model = NodeModel { stores: Vec::new(), images: Vec::new(), ..model.clone() };
        let Some(config) = &read.config else {
            return match read.format {
                DocumentFormat::PinnedImageSet => Self::of_images(read, &model),
                _ => Self::of_object(read, &model),
            };
        };
        let ours = OwnParts::of(config, &model);
        let mut files: Vec<PlatformFile> =
            config.texts().into_iter().map(|(path, text)| (path.into(), text)).collect();
        if !model.base.is_empty() && config.files.iter().all(|file| file.name != MAIN_FILE) {
            files.push((MAIN_FILE.into(), model.base.clone()));
        }
        let engines = engines(&files, &model);
        let paths = listed(config);
        let store = |path: &String| {
            let created_by = maker(config, path).map(shown);
            GivenStore {
                origin: match ours.model.stores.iter().any(|store| store.path == *path) {
                    true => EntryOrigin::Generate,
                    false if model.kept.contains(path) || !paths.contains(path) => EntryOrigin::Platform,
                    false if created_by.is_none() => EntryOrigin::Image,
                    false => EntryOrigin::Document,
                },
                from: followed.lister(path).map(|part| part.name.clone()),
                created_by,
                ..given(path, ours.model.stores.iter().find(|store| store.path == *path))
            }
        };
        let from = |unit: &ConfigEntry| followed.name_at(unit.node.span.start).map(str::to_owned);
        let load = config.units.iter().find(|unit| unit.name == units::LOAD).and_then(from);
        let into = ours.model.loaded().ok().flatten().map(|store| store.path.clone()).unwrap_or_default();
        let image =
            |image: &String| GivenImage { image: image.clone(), store: into.clone(), from: load.clone() };
        let unit = |unit: &ConfigEntry| GivenUnit {
            name: unit.name.clone(),
            enabled: unit.node.get("enabled").and_then(Node::boolean),
            from: from(unit),
        };
        let mut images: Vec<GivenImage> = ours.model.images.iter().map(image).collect();
        // What pulls into the engines' own storage fills no store.
        let quadlets =
            quadlet::all(config).into_iter().filter_map(|it| it.store.map(|store| (it.image, store)));
        images.extend(quadlets.map(|(image, store)| GivenImage { image, store, from: None }));
        if let Some(containers) = &config.containers {
            let into = containers.store.clone().unwrap_or_else(|| ours.model.graphroot());
            let image =
                |it: &ConfigEntry| GivenImage { image: it.name.clone(), store: into.clone(), from: from(it) };
            images.extend(containers.images.iter().map(image));
        }
        Self {
            stores: seen(&engines, &paths).iter().map(store).collect(),
            images,
            units: config.units.iter().map(unit).collect(),
            engines,
            edited: edited(config, &ours),
            not_followed: followed.unfollowed.iter().map(|it| it.message.clone()).collect(),
            entries: entries(config),
        }
    }

    /// The same of a PinnedImageSet, whose images go to the engines' own storage.
    fn of_images(read: &ParsedDocument, model: &NodeModel) -> Self {
        let mut names = pinned_image_set::images(&read.doc.root);
        names.sort();
        let image =
            |image: &String| GivenImage { image: image.clone(), store: model.graphroot(), from: None };
        Self {
            stores: Vec::new(),
            images: names.iter().map(image).collect(),
            units: Vec::new(),
            engines: Vec::new(),
            edited: Vec::new(),
            not_followed: Vec::new(),
            entries: vec![GivenEntry { name: "pinned images".to_owned(), text: names.join("\n") + "\n" }],
        }
    }

    /// The same of a ContainerRuntimeConfig, of which the operator makes storage.conf.
    fn of_object(read: &ParsedDocument, model: &NodeModel) -> Self {
        let list = read.doc.root.at(&container_runtime_config::IMAGE_STORES);
        let items = list.map(Node::items).unwrap_or_default();
        let paths: Vec<String> =
            items.iter().filter_map(|item| Some(clean(item.get("path")?.raw()?))).collect();
        let stores =
            paths.iter().map(|path| NodeStore { create: false, ..NodeStore::new(path, 0o755) }).collect();
        let made = Configuration::of(&NodeModel { stores, ..model.clone() });
        let engines = engines(&made.map(|made| made.files).unwrap_or_default(), model);
        let store = |path: &String| GivenStore { origin: EntryOrigin::Image, ..given(path, None) };
        let entry = |(name, _): &(&str, usize)| {
            let list = read.doc.root.at(&["spec", "containerRuntimeConfig", name])?.items();
            let paths: Vec<&str> = list.iter().filter_map(|item| item.get("path")?.raw()).collect();
            Some(GivenEntry { name: (*name).to_owned(), text: paths.join("\n") + "\n" })
        };
        Self {
            stores: seen(&engines, &paths).iter().map(store).collect(),
            images: Vec::new(),
            units: Vec::new(),
            engines,
            edited: Vec::new(),
            not_followed: Vec::new(),
            entries: LISTS.iter().filter_map(entry).collect(),
        }
    }
}

fn given(path: &str, store: Option<&NodeStore>) -> GivenStore {
    GivenStore {
        path: path.to_owned(),
        origin: EntryOrigin::Document,
        from: None,
        created_by: None,
        mode: store.map(|store| format!("{:04o}", store.mode)),
        labelled: store.is_some_and(|store| store.selinux),
    }
}

fn shown(maker: Maker) -> String {
    match maker {
        Maker::Entry(list) => list.to_owned(),
        Maker::Mount => "a mount".to_owned(),
        Maker::Containers => "containers-storage".to_owned(),
        Maker::Unit(name) | Maker::Tmpfiles(name) => name,
    }
}

/// What each engine does in each version of the platform.
fn engines(files: &[PlatformFile], model: &NodeModel) -> Vec<GivenEngine> {
    let engine = |reader: &crate::judgement::Reader| {
        let judgements: Vec<_> =
            model.platform_versions.iter().map(|platform| judged(platform, files, reader)).collect();
        let paths = |it: &crate::judgement::Judgement| -> Vec<String> {
            it.reading.paths().into_iter().map(clean).collect()
        };
        let mut stores = judgements.last().map(|it| paths(it)).unwrap_or_default();
        stores.retain(|path| judgements.iter().all(|it| paths(it).contains(path)));
        let stop = judgements.iter().find_map(|it| it.reading.failure().or(it.stop()).cloned());
        let stops = stop.map(|reason| reason.message);
        if stops.is_some() {
            stores.clear();
        }
        GivenEngine {
            engine: reader.profile,
            users: reader.is_of_users(),
            stores,
            stops,
            name: reader.to_string(),
        }
    };
    node_readers(model.generations, model.podman6).iter().map(engine).collect()
}

/// All stores that engines of root's see, and those that are listed and that none sees.
fn seen(engines: &[GivenEngine], listed: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let of_root = engines.iter().filter(|engine| !engine.users).flat_map(|engine| &engine.stores);
    for path in of_root.chain(listed) {
        if !all.contains(path) {
            all.push(path.clone());
        }
    }
    all
}

/// The units and drop-ins of ours that are not as we would write them.
fn edited(config: &Config, ours: &OwnParts) -> Vec<String> {
    let texts = config.texts();
    let unit = |name: &str| config.units.iter().find(|unit| unit.name == name).and_then(unit_text);
    let units = ours.units.iter().filter(|it| unit(&it.name) != Some(&it.text)).map(|it| it.name.clone());
    let file = |path: &str| texts.iter().find(|(other, _)| other == path).map(|(_, text)| text);
    let files = ours.files.iter().filter(|it| file(&it.path) != Some(&it.text)).map(|it| it.path.clone());
    // One of which nothing can be read.
    let unread = units::OWN_UNITS
        .into_iter()
        .filter(|name| unit(name).is_some() && ours.units.iter().all(|it| it.name != *name));
    units.chain(files).chain(unread.map(str::to_owned)).collect()
}

/// What stands in a document, sorted by name, files as they will be on the node.
fn entries(config: &Config) -> Vec<GivenEntry> {
    let entry = |name: String, text: String| GivenEntry { name, text };
    let directory = |it: &ConfigEntry| {
        let mode = it.node.get("mode").and_then(Node::number);
        entry(
            it.name.clone(),
            mode.map_or_else(String::new, |mode| format!("a directory of mode {mode:04o}\n")),
        )
    };
    let link = |it: &ConfigEntry| {
        let target = it.node.get("target").and_then(Node::raw).unwrap_or_default();
        entry(it.name.clone(), format!("a link to {target}\n"))
    };
    let unit = |it: &ConfigEntry| {
        let path = format!("/etc/systemd/system/{}", it.name);
        let drop_ins = it.node.get("dropins").map(Node::items).unwrap_or_default();
        let drop_in = |it: &Node| {
            let part = |key: &str| it.get(key).and_then(Node::raw).unwrap_or_default();
            entry(format!("{path}.d/{}", part("name")), part("contents").to_owned())
        };
        let mut all: Vec<GivenEntry> = drop_ins.iter().map(drop_in).collect();
        all.push(entry(path.clone(), unit_text(it).unwrap_or_default().to_owned()));
        all
    };
    let mut all: Vec<GivenEntry> = config.directories.iter().map(directory).collect();
    all.extend(config.texts().into_iter().map(|(path, text)| entry(path, text)));
    all.extend(config.links.iter().map(link));
    all.extend(config.units.iter().flat_map(unit));
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}
