//! storagectl
pub mod cli;
pub mod conf;
pub mod declare;
pub mod dependents;
pub mod doctor;
pub mod embedded;
pub mod engine;
pub mod host;
pub mod images;
pub mod lint;
pub mod plan;
pub mod problem;
pub mod provision;
pub mod registry;
pub mod rpm;
pub mod sealed;
pub mod store;
mod tar;
