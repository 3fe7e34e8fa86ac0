//! What check-store says of damaged stores, held against what real engines do with
//! them; and that it reports nothing of healthy ones.

mod budget;
pub(crate) mod cases;
pub(crate) mod engine;
pub(crate) mod healthy;
mod init;
mod pulled;
mod squash;
pub(crate) mod store;
mod table;
