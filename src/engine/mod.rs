//! How engines read a host.
//!
//! Two generations share hosts. *Legacy* engines (podman 4 and 5, CRI-O; storage
//! library to 1.62) read one file, the first that exists. *Modern* ones (podman 6;
//! library 1.63 and later) read one main file and then drop-ins, in which an array
//! replaces the earlier one unless it says `{append=true}`. [`read`] does either,
//! for a root or a tree, and tells where every value comes from, or why the
//! engine stops. It opens no store and writes nothing.
//!
//! The rules are those of the library's types/options.go and
//! pkg/configfile/parse.go; tests/real/hosts.rs compares them with real engines.

use std::rc::Rc;

mod access;
mod build_info;
mod crio;
mod decode;
mod environment;
mod installed;
mod legacy;
mod modern;
mod options;
mod read_cache;
mod reading;
mod reason;
mod remapped;
mod settings;
mod view;

pub use crate::problem::{Engines, Profile};
pub use access::FileAt;
pub use environment::Environment;
pub use installed::{InstalledProgram, installed, present};
pub use read_cache::ReadCache;
pub use reading::{DriverOption, FileRole, ReadFile, Reading, Sourced, ValueOrigin};
pub use reason::{Effect, Reason, Site};
pub use settings::{VENDOR_FILE, is_vendor_path, main_file};
pub use view::View;

/// Reads a host as the engine of `profile` does. What is wrong with it is told in the
/// reading, all of it and not only what an engine meets first.
pub fn read(view: &View<'_>, environment: &Environment, profile: Profile) -> Rc<Reading> {
    view.read_once(environment, profile, || {
        let view = &view.seen_by(environment);
        let mut reading = Reading::new(profile);
        match profile {
            Profile::Podman6 => modern::read(view, environment, &mut reading),
            Profile::Podman4 | Profile::Podman5 => legacy::read(view, environment, &mut reading),
            Profile::Crio => {
                legacy::read(view, environment, &mut reading);
                crio::read(view, &mut reading);
            }
        }
        reading
    })
}
