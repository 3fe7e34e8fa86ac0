//! Acceptance against the real thing: podman, rpm, rpmbuild, strace.
//!
//! These tests need root and the programs that tests/requirements.sh installs.
//! They change nothing on the host: engines get private storage and a private
//! mount namespace, rpm a private database and root.

mod interrupt;
mod podman;
mod rpm;
mod strace;
mod support;
mod tree;
