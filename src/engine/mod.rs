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

mod build_info;
mod crio;
mod decode;
mod engines;
mod entry;
mod environment;
mod installed;
mod legacy;
mod modern;
mod options;
mod profile;
mod reading;
mod settings;
mod view;

pub use engines::Engines;
pub use entry::{EntryHarm, entry_harm};
pub use environment::Environment;
pub use installed::{Program, installed, only_modern, present};
pub use profile::Profile;
pub use reading::{Failure, FileKind, Origin, ReadFile, Reading, Value};
pub use settings::{Settings, VENDOR_FILE, driver_in_use, main_file};
pub use view::{Cache, View};

/// Reads a host as the engine of `profile` does.
pub fn read(view: &View<'_>, environment: &Environment, profile: Profile) -> Reading {
    let mut reading = Reading::new(profile);
    let outcome = match profile {
        Profile::Podman6 => modern::read(view, environment, &mut reading),
        Profile::Podman4 | Profile::Podman5 => legacy::read(view, environment, &mut reading),
        Profile::Crio => legacy::read(view, environment, &mut reading)
            .and_then(|()| crio::read(view, environment, &mut reading)),
    };
    if let Err(failure) = outcome {
        reading.failure = Some(failure);
    }
    reading
}
