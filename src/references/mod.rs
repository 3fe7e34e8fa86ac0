//! The images that lists, manifests and units name, each with its place.
//!
//! What a file is, its content tells: a list (`text.rs`), sections of a unit (`quadlet.rs`), TOML
//! (`toml.rs`), or YAML and JSON (`structured.rs`), in which Kubernetes, compose, skopeo and
//! MicroShift have their own ways (`kubernetes.rs`, `compose.rs`, `skopeo_sync.rs`). A directory is
//! searched (`search.rs`). A reference that is not known before something runs, a variable or a
//! template, is a remark with its place and never guessed.

mod compose;
mod file;
mod grammar;
mod kubernetes;
mod quadlet;
mod search;
mod skopeo_sync;
mod structured;
mod text;
mod toml;
mod unit_file;

pub use file::{ImageReference, References};
pub use grammar::check_reference;
pub(crate) use grammar::list_fault;
pub use search::{references_at, references_in};
