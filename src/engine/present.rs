//! Which engines a host has or may have.

use std::io;

use super::engines::Engines;
use super::installed::installed;
use super::profile::Profile;
use crate::host::Root;

/// The engines that are there or may be: all where none is installed, since a host without
/// any gets them later.
///
/// # Errors
/// If a program cannot be read.
pub fn present(root: &Root) -> io::Result<Engines> {
    let programs = installed(root)?;
    let of = |program: &super::Program| match (program.profile(), program.library, &program.version) {
        // It does not say: Debian builds without the names of modules.
        (Profile::Podman4 | Profile::Podman5, None, None) => {
            Engines::one(Profile::Podman4).or(Engines::one(Profile::Podman5))
        }
        (profile, ..) => Engines::one(profile),
    };
    Ok(match programs.iter().map(of).fold(Engines::NONE, Engines::or) {
        Engines::NONE => Engines::ALL,
        engines => engines,
    })
}
