//! copy-images: what is copied, what is left alone, and what engines make of it.
//!
//! The images come from a real registry, embedded by the shell loop that image builds have
//! used until now.

pub(crate) mod artifact;
mod artifacts;
mod bad;
mod damage;
mod import;
mod interrupted;
pub(crate) mod machine;
mod power_cut;
mod pruned;
mod signed;
mod unit;
mod unverified;
mod ways;
