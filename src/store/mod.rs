//! An image store on disk, read without ever opening it through an engine:
//! engines write lock files into writable stores, and fail as a whole on the
//! first bad one.
//!
//! What is read here decides whether engines start at all with the store
//! listed. Everything deeper (layers, digests) is not looked at.

mod gone;
mod harm;
mod init;
mod path;
mod provided;
mod records;
mod writable;

pub use gone::is_gone;
pub use harm::{Harm, Scope, content_harms};
pub use init::{MARKER, init};
pub use path::store_path;
pub use provided::{provided_at_boot, unit_name};
pub use records::{IdMap, Image, Layer, count_images, image_names};
pub use writable::{Writer, writer_besides_owner};
