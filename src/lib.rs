//! storagectl
pub mod conf;
