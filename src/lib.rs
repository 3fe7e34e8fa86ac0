//! Gives a host read-only container image stores, and never breaks an engine.
//!
//! podman, buildah, skopeo and CRI-O read *additional image stores* beside their own storage. Which
//! ones is an array in storage.conf, a file that each generation of engines reads in its own way, and
//! that stops every engine if one line of it is wrong. The crate is the library of one program; its
//! modules are rooms, each of which uses only those below it (ARCHITECTURE.md has the table, and a
//! test holds it true). From the ground up:
//!
//! - **Pure**: [`conf`] is storage.conf as text, changed by splices that leave all other bytes alone;
//!   [`tar`] is tar streams and tar-split; [`problem`] is what is wrong, where, and what helps.
//! - **The disk**: [`sys`] alone touches it. A [`sys::Root`] is the running system or a tree, in which
//!   no symlink leads out; files are replaced whole, under a lock, and synced. [`limits`] says how
//!   much of each input is taken.
//! - **Engines**: [`engine`] reads a host as podman 4, 5, 6 and CRI-O do; [`judgement`] says what each
//!   of them then does, for root and for users. Every other room asks it, and decides nothing of that.
//! - **Stores**: [`store`] makes, checks and builds them; [`images`] reads images that are files;
//!   [`dependents`] finds what was built on a store that has changed.
//! - **Changes of a host**: [`declare`] reads what packages declare; [`plan`] makes a plan of file
//!   changes, refuses it if an engine would stop, and carries it out; [`rpm`] is what scriptlets need,
//!   [`sealed`] mounts stores that are files.
//! - **Looking**: [`lint`] has the rules for configurations, [`doctor`] what a power cut would do;
//!   [`explain`] leads from an engine's words to what they find.
//! - **Images in an operating system**: [`registry`] fetches them if they fit (`space`), [`embedded`] keeps them, [`copying`]
//!   gives them to engines at boot, [`pack`] makes packages of them.
//! - **Fleets**: [`provision`] writes, merges and checks Ignition, Butane, MachineConfig and others.
//! - **People**: [`cli`] is the command line, and the only module that prints.
//!
//! A change begins in [`plan::add_stores`], and what an engine makes of a host in
//! [`judgement::judge`]: these two are a good start.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests set up their own scratch directories"))]

pub mod cli;
pub mod conf;
pub mod copying;
pub mod declare;
pub mod dependents;
pub mod doctor;
pub mod embedded;
pub mod engine;
pub mod explain;
mod hex;
pub mod images;
pub mod inventory;
pub mod judgement;
pub mod limits;
pub mod lint;
pub mod pack;
pub mod plan;
pub mod problem;
pub mod provision;
pub mod references;
pub mod registry;
pub mod rpm;
pub mod sealed;
mod space;
pub mod store;
pub mod sys;
pub mod tar;
