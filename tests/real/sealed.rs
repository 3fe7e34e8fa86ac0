//! Packages of sealed stores, built by rpmbuild from what [`storagectl::sealed`] says that
//! they hold, on hosts of their own: with real mounts, rpm, engines, systemd and ostree.

mod content;
mod host;
mod life;
mod ostree;
mod packages;
mod systemd;
