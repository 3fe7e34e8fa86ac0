//! Documents that decide the stores of nodes which do not exist yet.
//!
//! Most hosts of a fleet never see a shell: Ignition, the Machine Config Operator, OCNE,
//! image builders or Ansible write their files. A [`NodeModel`] says what a node shall
//! have; [`Configuration`] makes its storage.conf of it, and a drop-in where one of the
//! platform's would hide that; a [`NodeLayout`] adds directories and units; and one file a
//! kind writes that down. Pure: texts in, texts out.
//!
//! Nothing is printed that was not read back: the document is read again as whatever
//! applies it would read it, and the engines' models read the files that come out. The
//! same reading finds what is wrong in documents that somebody else wrote.

pub mod ansible;
mod applying;
pub mod blueprint;
pub mod butane;
mod change;
pub mod check;
pub mod cloud_config;
pub mod container_runtime_config;
pub mod containerfile;
pub mod crio;
pub mod data_url;
mod difference;
pub mod document;
pub mod drop_in;
mod existing;
mod given;
pub mod ignition;
mod image_name;
pub mod kickstart;
mod layout;
pub mod machine_config;
mod merge;
mod model;
mod objects;
pub mod ocne;
pub mod osbuild;
mod own_parts;
pub mod pinned_image_set;
mod platform;
mod preset;
mod prove;
pub mod quadlet;
pub mod read;
mod request;
mod script;
mod simple;
pub mod sources;
mod storage_conf;
mod three_way;
pub mod tmpfiles;
mod unit_words;
mod units;

pub use difference::{DifferenceKind, DocumentDifference, differences, text_diff};
pub use existing::ExistingDocument;
pub use given::{EntryOrigin, GivenEngine, GivenEntry, GivenImage, GivenStore, GivenToNode, GivenUnit};
pub use image_name::{check_image, repository};
pub use layout::{Directories, NodeDirectory, NodeFile, NodeLayout, NodeUnit};
pub use merge::merge;
pub use model::{Generations, MAIN_FILE, NodeModel, NodeStore, PlatformFile};
pub use platform::DocumentPlatform;
pub use preset::{PRESETS, Preset};
pub use request::{DocumentKind, GenerateRequest, GeneratedDocument, READ, Removals};
pub use simple::SimpleKind;
pub use storage_conf::Configuration;
pub use units::OWN_UNITS;
