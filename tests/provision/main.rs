//! The documents that `storagectl generate` writes, as values: snapshots of each kind,
//! what a document that somebody else wrote becomes, and what is found wrong in one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests set up their own scratch directories")]

mod again;
mod kinds;
mod merging;
mod places;
mod properties;
mod sequences;
mod simple;
mod simple_forms;
mod wrong;
