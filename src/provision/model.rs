//! What a node shall have, whatever will set it up.

use std::path::PathBuf;

use super::preset::Preset;
use crate::conf::{Document, Position, clean};
use crate::problem::Problem;

/// The administrator's main file, which every document writes as a whole.
pub const MAIN_FILE: &str = "/etc/containers/storage.conf";

/// A directory with images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStore {
    /// Its absolute path, cleaned.
    pub path: String,
    /// Its mode if it is made.
    pub mode: u32,
    /// Whether the document makes it; else the system's image brings it.
    pub create: bool,
    /// Whether it is labelled as the engines' own storage is.
    pub selinux: bool,
    /// Whether the document that it is put into had it before, so that it stays where it is listed.
    pub found: bool,
    /// Where it stands among those that are asked for, if the document had some of them before.
    pub asked: usize,
}

/// A file that a node has before any document is applied, by its path, with its text.
pub type PlatformFile = (PathBuf, String);

/// The generations of engines that shall see the stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Generations {
    /// All: the main file, and a drop-in where one of the platform's would hide it.
    #[default]
    All,
    /// Those that read one file.
    Legacy,
    /// Those that read drop-ins; there is only a drop-in then.
    Modern,
}

/// What a node shall have.
#[derive(Debug, Clone)]
pub struct NodeModel {
    /// The stores, in order.
    pub stores: Vec<NodeStore>,
    /// Where they stand among those of the platform.
    pub position: Position,
    /// Images to be pulled into the first store that is made.
    pub images: Vec<String>,
    /// The credentials for that, a file on the node.
    pub authfile: Option<String>,
    /// The main file that is edited; nothing stands for the least that engines need.
    pub base: String,
    /// Stores of the platform, which stay listed.
    pub kept: Vec<String>,
    /// Whether a node may have a main file before the document is applied.
    pub has_main: bool,
    /// What the platform's files may be, one set for each of its versions. All of them
    /// get the same list of stores.
    pub platform_versions: Vec<Vec<PlatformFile>>,
    /// The engines.
    pub generations: Generations,
    /// Whether a node may have podman 6, which applies the system's files to normal users.
    pub podman6: bool,
    /// Drop-ins of ours that the document has already, and that follow its list.
    pub drop_ins: Vec<PathBuf>,
}

impl NodeModel {
    /// A node of a platform that has no other files than the preset's.
    pub fn new(preset: &Preset, mut stores: Vec<NodeStore>) -> Self {
        stores.iter_mut().for_each(|store| store.selinux = preset.selinux);
        Self {
            stores,
            position: Position::Any,
            images: Vec::new(),
            authfile: preset.authfile.map(str::to_owned),
            base: preset.base.to_owned(),
            kept: preset.stores.iter().map(|store| (*store).to_owned()).collect(),
            has_main: preset.has_main,
            platform_versions: preset.platform_versions(),
            generations: Generations::All,
            podman6: preset.podman6,
            drop_ins: Vec::new(),
        }
    }

    /// The stores that the document makes.
    pub fn created(&self) -> impl Iterator<Item = &NodeStore> {
        self.stores.iter().filter(|store| store.create)
    }

    /// Those of them that are labelled for SELinux.
    pub fn labelled(&self) -> impl Iterator<Item = &NodeStore> {
        self.created().filter(|store| store.selinux)
    }

    /// The store that images are loaded into.
    ///
    /// # Errors
    /// A [`Problem`] if there are images and none of the stores can be written to.
    pub fn loaded(&self) -> Result<Option<&NodeStore>, Problem> {
        if self.images.is_empty() {
            return Ok(None);
        }
        self.created().next().map(Some).ok_or_else(|| {
            Problem::new(
                "store-not-writable",
                "there is no store to load images into",
                "give a store outside /usr, such as `--store /var/images`",
            )
        })
    }

    /// The engines' own storage, as the main file says.
    pub fn graphroot(&self) -> String {
        let set = Document::parse(self.base.as_str()).ok();
        let set = set.and_then(|doc| doc.string(&["storage", "graphroot"]).ok().flatten());
        clean(&set.unwrap_or_else(|| "/var/lib/containers/storage".to_owned()))
    }
}

impl NodeStore {
    /// A store that nothing has yet. Below /usr, which is read-only where such documents are
    /// applied, it is not made.
    pub fn new(path: &str, mode: u32) -> Self {
        let create = !path.starts_with("/usr/");
        Self { path: clean(path), mode, create, selinux: false, found: false, asked: 0 }
    }
}
