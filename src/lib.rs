//! storagectl
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests set up their own scratch directories"))]

pub mod cli;
pub mod conf;
pub mod copying;
pub mod declare;
pub mod dependents;
pub mod doctor;
pub mod embedded;
pub mod engine;
mod hex;
pub mod images;
pub mod judgement;
pub mod limits;
pub mod lint;
pub mod pack;
pub mod plan;
pub mod problem;
pub mod provision;
pub mod registry;
pub mod rpm;
pub mod sealed;
pub mod store;
pub mod sys;
pub mod tar;
