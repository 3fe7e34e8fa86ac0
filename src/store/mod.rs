//! An image store on disk, read without ever opening it through an engine:
//! engines write lock files into writable stores, and fail as a whole on the
//! first bad one.
//!
//! [`content_harms`] is what decides whether engines start at all with the store
//! listed; [`check`] looks at everything.

pub mod artifacts;
pub mod builder;
pub mod check;
mod decode;
mod driver;
mod gone;
mod harm;
mod id;
mod image_file;
mod init;
mod label;
mod layer_streams;
mod metadata;
mod mount_unit;
mod open_up;
mod path;
mod provided;
mod records;
pub mod seal;
mod stamps;
mod time;
mod unmounted;
mod updates;
mod writable;

pub(crate) use decode::{Decode, DecodeError, decode_one};
pub use driver::driver_of;
pub use gone::is_gone;
pub use harm::{DriverStore, Harm, HarmEffect, content_harms};
pub(crate) use id::{is_id, short_id};
pub use init::{MARKER, init};
pub use label::{IMAGE_LABEL, engine_type};
pub(crate) use layer_streams::{StoreStreams, layer_paths};
pub(crate) use metadata::{is_of_signatures, signatures_in};
pub use mount_unit::{awaits_mount, escape_unit_path, mount_unit};
pub use open_up::{OpenedUp, open_up};
pub use path::store_path;
pub use provided::{provided_at_boot, unit_name};
pub(crate) use records::parse as parse_records;
pub use records::{
    IdMap, StoredImage, StoredLayer, count_images, image_names, images, layers, recorded_images,
};
pub use stamps::StoreStamps;
pub(crate) use time::{Timestamp, date};
pub use unmounted::{AWAITING, awaited, prepare, withdraw};
pub use updates::{in_var_message, left_by_updates};
pub(crate) use writable::writers;
pub use writable::{OtherWriter, writer_besides_owner};
