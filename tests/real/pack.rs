//! `pack`: real rpmbuild and rpm, images from a real registry, real engines.

mod builder;
mod embedded;
mod example;
mod failures;
pub(crate) mod images;
mod machine;
mod sealed;
mod store;
mod transactions;
