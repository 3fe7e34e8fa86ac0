//! Container images as RPM packages.
//!
//! A `recipe` says what is to be packed. Its images are fetched once into a cache, which
//! is a directory of embedded images for each architecture (`cache`). From there a
//! payload makes `contents::Contents`: a tree on the disk, and beside it what each file
//! shall be, since a tree that anybody may make cannot have other owners, capabilities or
//! devices. The `spec` lists all that; rpmbuild compiles nothing, so that it builds for
//! every architecture.
//!
//! What is built follows from the images and the text alone: the time is that of the
//! newest image, order is by bytes, and no name of a host or a directory gets in.
//!
//! # What RPM carries
//!
//! RPM knows owners by name, has no extended attributes but capabilities, and a list of
//! files in which `*` and `?` mean something. `sealed` and `embedded` need none of it. For
//! `store`, an owner gets a name that says what it is, `storagectl-u1234` and
//! `storagectl-g5678`, which the package makes sure of before it is unpacked
//! (`owners`); what cannot be carried is refused (`store`), with the name of the image
//! and of the file.

mod build;
mod cache;
mod capabilities;
mod checked;
mod contents;
mod copr;
mod embedded;
mod file_line;
mod manifests;
mod mock;
mod owners;
mod plan;
mod program;
mod recipe;
mod refused;
mod result;
mod rpmbuild;
mod sealed;
mod source;
mod spec;
mod store;
mod target;

pub use build::{OnPackEvent, PackEvent, PackOptions, build, require_architecture, source_packages, specs};
pub use copr::submit;
pub use mock::rebuild;
pub use plan::{PackPlan, PlannedPackage, plan};
pub use recipe::{Architecture, Package, Payload, Recipe, add_named, read};
pub use result::BuiltPackage;
pub use target::PackTarget;
