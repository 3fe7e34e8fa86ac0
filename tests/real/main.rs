//! Acceptance against the real thing: podman, rpm, rpmbuild, strace, ostree, systemd.
//!
//! These tests need root and the programs that tests/requirements.sh installs.
//! They change nothing on the host: engines get private storage and a private
//! mount namespace, rpm a private database and root.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests set up their own scratch directories")]

mod ansible;
mod build;
mod bystander;
mod check;
mod compare;
mod copy;
mod cri;
mod declare;
mod dependents;
mod dice;
mod doctor;
mod embed;
mod engine;
mod escape;
mod explain;
mod generations;
mod health;
mod hosts;
mod interrupt;
mod inventory;
mod judged;
mod lint;
mod marks;
mod ostree;
mod pack;
mod podman;
mod processors;
mod provision;
mod provision_simple;
mod random_damage;
mod registry;
mod rootless;
mod rpm;
mod sealed;
mod strace;
mod strangers;
mod support;
mod torture;
mod tree;
mod unit;
