//! What must hold for any input at all: one file a property, and the table of them.
//!
//! libFuzzer looks for an input that breaks one (`make fuzz`); `tests/fuzz.rs` tries the
//! inputs of `fuzz/corpus` and some made of them in every run of the tests. A property
//! breaks by panicking.

pub mod artifacts;
pub mod declaration;
pub mod document;
pub mod edit;
pub mod harmless;
pub mod host;
pub mod image;
pub mod layer;
pub mod names;
pub mod provision;
pub mod recipe;
pub mod said;
pub mod shown;
pub mod store;
pub mod tar;
pub mod tar_split;
pub mod toml;
pub mod tree;

/// A property.
pub struct Property {
    /// Its name, and that of its directory in `fuzz/corpus`.
    pub name: &'static str,
    /// Panics if it does not hold for these bytes.
    pub holds: fn(&[u8]),
}

/// All of them.
pub const ALL: &[Property] = &[
    Property { name: "artifacts", holds: artifacts::holds },
    Property { name: "declaration", holds: declaration::holds },
    Property { name: "document", holds: document::holds },
    Property { name: "edit", holds: edit::holds },
    Property { name: "host", holds: host::holds },
    Property { name: "image", holds: image::holds },
    Property { name: "layer", holds: layer::holds },
    Property { name: "names", holds: names::holds },
    Property { name: "provision", holds: provision::holds },
    Property { name: "recipe", holds: recipe::holds },
    Property { name: "said", holds: said::holds },
    Property { name: "shown", holds: shown::holds },
    Property { name: "store", holds: store::holds },
    Property { name: "tar", holds: tar::holds },
    Property { name: "tar-split", holds: tar_split::holds },
    Property { name: "toml", holds: toml::holds },
];
