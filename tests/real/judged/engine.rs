//! The engines of a host, and who runs them.

use std::path::PathBuf;

use crate::hosts::engines::{DEBIANS, has_debians_podman_4};
use crate::hosts::program;

/// An engine, as /run/engine/NAME, and where it is installed if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Podman4,
    Podman5,
    Podman6,
    Crio,
}

impl Engine {
    pub(crate) const ALL: [Self; 4] = [Self::Podman4, Self::Podman5, Self::Podman6, Self::Crio];
    pub(crate) const PODMANS: [Self; 3] = [Self::Podman4, Self::Podman5, Self::Podman6];

    /// Its name for `--engine`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Podman4 => "podman4",
            Self::Podman5 => "podman5",
            Self::Podman6 => "podman6",
            Self::Crio => "crio",
        }
    }

    /// Where it is on this machine.
    pub(crate) fn program(self) -> PathBuf {
        program(match self {
            // Which knows btrfs, too.
            Self::Podman4 if has_debians_podman_4() => DEBIANS,
            Self::Podman4 => "podman-4",
            Self::Podman5 => "podman-5",
            Self::Podman6 => "podman-6",
            Self::Crio => "crio",
        })
    }
}

/// Who runs something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Root,
    User,
}
