//! JSON and YAML as text, as values, and as places in a text.
//!
//! New text is written from a [`Value`] by [`to_json`] or [`to_yaml`]: no YAML
//! library at hand writes block scalars and octal modes as a person would.
//! A document that somebody else wrote is read as a [`Node`], in which everything
//! has its place, and changed by splices, as storage.conf is: comments, order,
//! quotes and indentation of everything else stay.

mod edit;
mod node;
mod read_json;
mod read_toml;
mod read_yaml;
mod remove;
mod several;
mod value;
mod write_json;
mod write_yaml;

pub use edit::{EditFault, merge};
pub use node::{MappingKey, Node, NodeKind};
pub use remove::remove;
pub use several::{OneOfSeveral, several};
pub use value::{Value, map, text};
pub use write_json::to_json;
pub use write_yaml::to_yaml;

use crate::limits;

/// Why a text is not a document, and where, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong, as a sentence without a full stop.
    pub message: String,
    /// Where it is wrong.
    pub at: usize,
}

/// There are more than [`limits::VALUES`], and this is the first of them.
fn too_many(at: usize) -> Unreadable {
    Unreadable { message: format!("more than {} values precede this", limits::VALUES), at }
}

/// Reads a text as JSON if it starts as such, else as YAML, in which several documents may stand.
///
/// # Errors
/// [`Unreadable`] with the place of the first fault.
pub fn documents(text: &str) -> Result<Vec<Node>, Unreadable> {
    if is_json(text) || text.trim_start_matches('\u{feff}').trim_start().starts_with('[') {
        return Ok(vec![read_json::parse(text)?]);
    }
    Ok(read_yaml::parse_all(text)?.into_iter().map(|(_, node)| node).collect())
}

fn is_json(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim_start().starts_with('{')
}

/// A document of either language.
#[derive(Debug, Clone)]
pub struct ProvisionDocument {
    /// Its text.
    pub text: String,
    /// What it holds.
    pub root: Node,
    /// Whether it is JSON.
    pub is_json: bool,
}

impl ProvisionDocument {
    /// Reads a text as JSON if it starts with a brace, else as YAML.
    ///
    /// # Errors
    /// [`Unreadable`] with the place of the first fault.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let is_json = is_json(text);
        let root = if is_json { read_json::parse(text)? } else { read_yaml::parse(text)? };
        Ok(Self { text: text.to_owned(), root, is_json })
    }

    /// Reads a text that starts as TOML; `None` if it does not. Nothing is merged into such a one.
    ///
    /// # Errors
    /// [`Unreadable`] with the place of the first fault.
    pub fn parse_toml(text: &str) -> Option<Result<Self, Unreadable>> {
        let read = || {
            let root = read_toml::parse(text)?;
            Ok(Self { text: text.to_owned(), root, is_json: false })
        };
        read_toml::is_toml(text).then(read)
    }
}
