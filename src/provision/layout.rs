//! What a document puts on a node, whatever it is written in.

use super::model::{MAIN_FILE, NodeModel};
use super::storage_conf::Configuration;
use super::units;
use crate::problem::Problem;

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeDirectory {
    /// Its path.
    pub path: String,
    /// Its mode.
    pub mode: u32,
}

/// A file, which replaces the one that may be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFile {
    /// Its path.
    pub path: String,
    /// Its mode.
    pub mode: u32,
    /// Its text.
    pub text: String,
}

/// A systemd unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeUnit {
    /// Its name, with the suffix.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Whether it is enabled.
    pub enabled: bool,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeLayout {
    /// The directories.
    pub directories: Vec<NodeDirectory>,
    /// The files.
    pub files: Vec<NodeFile>,
    /// The units.
    pub units: Vec<NodeUnit>,
    /// The stores that every engine sees then, in order.
    pub stores: Vec<String>,
}

/// How a kind of document can make a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directories {
    /// As such.
    Made,
    /// By a unit that runs before any engine.
    ByUnit,
}

impl NodeLayout {
    /// What a model asks for.
    ///
    /// # Errors
    /// As [`Configuration::of`], and if images have no store to go to.
    pub fn of(model: &NodeModel, directories: Directories) -> Result<Self, Problem> {
        let configuration = Configuration::of(model)?;
        let made = directories == Directories::Made;
        let directory =
            |store: &super::model::NodeStore| NodeDirectory { path: store.path.clone(), mode: store.mode };
        let file = |(path, text): &(std::path::PathBuf, String)| NodeFile {
            path: path.display().to_string(),
            mode: 0o644,
            text: text.clone(),
        };
        let units = [
            (!made).then(|| units::make_directories(model)).flatten(),
            units::label(model),
            units::load(model)?,
        ];
        Ok(Self {
            directories: if made { model.created().map(directory).collect() } else { Vec::new() },
            files: configuration.files.iter().map(file).collect(),
            units: units.into_iter().flatten().collect(),
            stores: configuration.stores,
        })
    }

    /// The text of storage.conf.
    pub fn main(&self) -> Option<&str> {
        self.files.iter().find(|file| file.path == MAIN_FILE).map(|file| file.text.as_str())
    }
}
